"""A page of Markdown as its parts: headings, tables, blocks of code, lists, links."""

import re
from dataclasses import dataclass, field


@dataclass
class Part:
    kind: str  # heading, table, code, item
    line: int
    text: str = ""
    level: int = 0
    language: str = ""
    rows: list = field(default_factory=list)

    def shape(self):
        """What the page in the other language must have at this place."""
        if self.kind == "heading":
            return f"heading of level {self.level}"
        if self.kind == "table":
            return f"table of {len(self.rows)} rows × {len(self.rows[0])} columns"
        if self.kind == "code":
            return f"block of code ({self.language or 'plain'})"
        return "list item"


def cells(line):
    """The cells of a row; a bar inside code or behind a backslash is text."""
    found, cell, in_code = [], "", False
    for at, char in enumerate(line.strip()[1:]):
        if char == "`":
            in_code = not in_code
        if char == "|" and not in_code and line.strip()[at] != "\\":
            found.append(cell.strip())
            cell = ""
        else:
            cell += char
    return found


class Page:
    def __init__(self, path, name):
        self.name = name
        with open(path, encoding="utf-8") as file:
            self.text = file.read()
        self.parts = []
        self.prose = []  # (line, text) of what is no code
        self._read(self.text.split("\n"))

    def _read(self, lines):
        at = 0
        while at < len(lines):
            line = lines[at]
            if fence := re.match(r"\s*```(\w*)$", line):
                at = self._fenced(lines, at, fence[1])
            elif line.startswith("    ") and not lines[at - 1].strip():
                at = self._indented(lines, at)
            elif line.startswith("|"):
                at = self._table(lines, at)
            else:
                self._line(at, line)
                at += 1

    def _fenced(self, lines, at, language):
        end = next(i for i in range(at + 1, len(lines)) if lines[i].strip() == "```")
        self.parts.append(Part("code", at + 1, "\n".join(lines[at + 1 : end]), language=language))
        return end + 1

    def _indented(self, lines, at):
        end = at
        while end < len(lines) and (lines[end].startswith("    ") or not lines[end].strip()):
            end += 1
        self.parts.append(Part("code", at + 1, "\n".join(lines[at:end]).rstrip(), language="indented"))
        return end

    def _table(self, lines, at):
        end = at
        while end < len(lines) and lines[end].startswith("|"):
            end += 1
        rows = [cells(line) for line in lines[at:end]]
        self.parts.append(Part("table", at + 1, rows=[rows[0], *rows[2:]]))
        self.prose += [(i + 1, lines[i]) for i in range(at, end)]
        return end

    def _line(self, at, line):
        self.prose.append((at + 1, line))
        if heading := re.match(r"(#+) (.*)", line):
            self.parts.append(Part("heading", at + 1, heading[2], level=len(heading[1])))
        elif item := re.match(r"- (.*)", line):
            self.parts.append(Part("item", at + 1, item[1]))

    def tables(self, *, header=None, under=None):
        """Tables by the first cell of their header, or by the heading they stand under."""
        heading, found = "", []
        for part in self.parts:
            if part.kind == "heading":
                heading = part.text
            elif part.kind == "table" and (header is None or part.rows[0][0] == header) and (under is None or heading == under):
                found.append(part)
        return found

    def anchors(self):
        """The names by which GitHub lets links reach the headings."""
        names = set()
        for part in self.parts:
            if part.kind == "heading":
                base = re.sub(r"[^\w\- ]", "", re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", part.text).lower()).replace(" ", "-")
                name, again = base, 1
                while name in names:
                    name, again = f"{base}-{again}", again + 1
                names.add(name)
        return names

    def links(self):
        for line, text in self.prose:
            for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]*`", "", text)):
                yield line, target

    def code_words(self):
        """Everything that stands between backticks."""
        return {word for _, text in self.prose for word in re.findall(r"`([^`]+)`", text)}


def words(cell):
    """The words in backticks of a cell, those that begin with … or _ as an ending of the one before completed."""
    found = []
    for word in re.findall(r"`([^`]+)`", cell):
        if word.startswith("…"):
            stem = found[-1].removesuffix("_COLUMN")
            word = stem + word[1:] if word == "…_FILE" else re.sub(r"_[A-Z]+$", "", stem) + word[1:]
        found.append(word)
    return found
