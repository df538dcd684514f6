"""The pages among themselves: Chinese as English, links that lead somewhere, words that readers know."""

import os
import re
import subprocess

import sources
from markdown import Page, words
from sources import ROOT

# In English alone: for people who work on seqrec.
ENGLISH_ONLY = {"CHANGELOG.md", "docs/ablations.md", "docs/architecture.md", "docs/benchmarks.md"}
# What readers don't say, and what they do.
STRANGE = {
    r"(?<!获)取推荐": "获取推荐",
    r"标识(?!符)": "ID",
    r"回答(?=\s*[1-5]\d\d)|(?<=[1-5]\d\d\s)回答": "响应",
    r"一亿": "1 亿",
    r"今晚的邮件": "今晚发送的推荐邮件",
    r"模型好不好": "模型效果评估",
    r"应答头": "响应头",
    r"旁表": "辅助表",
}


def pages():
    named = subprocess.run(["git", "ls-files", "-z", "*.md"], cwd=ROOT, capture_output=True, text=True)
    names = named.stdout.split("\0") if named.returncode == 0 else sources.files("*.md", "docs/*.md")
    return {name: Page(f"{ROOT}/{name}", name) for name in names if name and os.path.exists(f"{ROOT}/{name}")}


PAGES = pages()


def pairs():
    for name, english in PAGES.items():
        chinese = PAGES.get(name.removesuffix(".md") + ".zh-CN.md")
        if chinese:
            yield english, chinese


def every_page_has_its_twin():
    return [
        f"{name} has no Chinese page"
        for name in PAGES
        if not name.endswith(".zh-CN.md") and name not in ENGLISH_ONLY and name.removesuffix(".md") + ".zh-CN.md" not in PAGES
    ] + [f"{name} has no English page" for name in PAGES if name.endswith(".zh-CN.md") and name.replace(".zh-CN", "") not in PAGES]


def same_parts():
    """Headings, tables, blocks of code and lists in the same order."""
    faults = []
    for english, chinese in pairs():
        for kind in ("heading", "table", "code", "item"):
            one, other = ([part for part in page.parts if part.kind == kind] for page in (english, chinese))
            for here, there in zip(one, other):
                if here.shape() != there.shape():
                    faults.append(f"{english.name}:{here.line} {here.shape()}, {chinese.name}:{there.line} {there.shape()}")
                    break
            if len(one) != len(other):
                faults.append(f"{english.name} has {len(one)} of {kind}, {chinese.name} {len(other)}")
        if [part.kind for part in english.parts] != [part.kind for part in chinese.parts]:
            at = next((i for i, (here, there) in enumerate(zip(english.parts, chinese.parts)) if here.kind != there.kind), -1)
            faults.append(f"{english.name}:{english.parts[at].line} and {chinese.name}:{chinese.parts[at].line} have their parts in another order")
    return faults


def without_remarks(part):
    """Code without its comments, and without what only pads lines before them."""
    comment = {"sql": r"--.*", "python": r"#.*", "sh": r"(^|\s)#.*", "yaml": r"(^|\s)#.*", "ini": r"(^|\s)[#;].*"}.get(part.language)
    lines = part.text.split("\n")
    lines = [re.sub(comment, "", line).rstrip() if comment else line for line in lines]
    return [line for line in lines if line]


def is_picture(part):
    return part.language in ("", "indented") and re.search("[\u2500-\u257f\u25ba\u25c4]|^    \\[", part.text)


def same_code():
    faults = []
    for english, chinese in pairs():
        for here, there in zip(*([part for part in page.parts if part.kind == "code"] for page in (english, chinese))):
            if is_picture(here):
                if here.text.count("\n") != there.text.count("\n"):
                    faults.append(f"{english.name}:{here.line} and {chinese.name}:{there.line}: pictures of other sizes")
                continue
            for line, other in zip(without_remarks(here), without_remarks(there)):
                if line != other:
                    faults.append(f"{english.name}:{here.line} has {line.strip()!r}, {chinese.name}:{there.line} {other.strip()!r}")
                    break
            else:
                if len(without_remarks(here)) != len(without_remarks(there)):
                    faults.append(f"{english.name}:{here.line} and {chinese.name}:{there.line}: blocks of other lengths")
    return faults


def same_words_in_tables():
    """What stands between backticks in the first column is the same in both languages."""
    faults = []
    for english, chinese in pairs():
        for here, there in zip(*([part for part in page.parts if part.kind == "table"] for page in (english, chinese))):
            for row, other in zip(here.rows[1:], there.rows[1:]):
                if words(row[0]) != words(other[0]):
                    faults.append(f"{english.name}:{here.line} has {row[0]!r}, {chinese.name}:{there.line} {other[0]!r}")
    return faults


def text_by_section(page):
    """[(line of a heading, what stands below it)], code aside."""
    starts = [part.line for part in page.parts if part.kind == "heading"]
    texts = ["" for _ in starts]
    for line, text in page.prose:
        if line >= starts[0]:
            texts[sum(start <= line for start in starts) - 1] += text + "\n"
    return list(zip(starts, texts))


def code_by_section(page):
    """What stands between backticks below each heading, spaces aside."""
    return [(start, {re.sub(r"\s|\.zh-CN", "", word) for word in re.findall(r"`([^`]+)`", text)}) for start, text in text_by_section(page)]


def same_names_in_sections():
    """A section names the same settings, columns, functions and values in both languages: what one says the other does not leave out."""
    faults = []
    for english, chinese in pairs():
        for (line, here), (other, there) in zip(code_by_section(english), code_by_section(chinese)):
            faults += [f"{chinese.name}:{other} does not name {word} ({english.name}:{line})" for word in sorted(here - there)]
            faults += [f"{english.name}:{line} does not name {word} ({chinese.name}:{other})" for word in sorted(there - here)]
    return faults


def numbers(cell):
    return sorted(re.findall(r"\d[\d.]*\d|\d", cell.replace(",", "")))


UNITS = {" million": 1_000_000, "万": 10_000, "亿": 100_000_000}


def figures_of(text):
    """Numbers of two digits or more, written in any unit."""
    found = set()
    for number, unit in re.findall(r"(?<![\w.])(\d*\.?\d+)( million| ?[万亿])?", text.replace(",", "")):
        value = float(number) * UNITS.get(unit if unit == " million" else unit.strip(), 1)
        if len(number) > 1 or unit:
            found.add(f"{value:g}")
    return found


def same_figures_in_sections():
    """A section tells the same numbers in both languages."""
    faults = []
    for english, chinese in pairs():
        for (line, here), (other, there) in zip(text_by_section(english), text_by_section(chinese)):
            one, two = (figures_of(re.sub(r"`[^`]*`|\]\([^)]*\)", "", text)) for text in (here, there))
            faults += [f"{chinese.name}:{other} does not tell {figure} ({english.name}:{line})" for figure in sorted(one - two)]
            faults += [f"{english.name}:{line} does not tell {figure} ({chinese.name}:{other})" for figure in sorted(two - one)]
    return faults


def same_figures():
    """Tables of measurements have the same numbers in both languages; words may differ."""
    faults = []
    for english, chinese in pairs():
        for here, there in zip(*([part for part in page.parts if part.kind == "table"] for page in (english, chinese))):
            for row, other in zip(here.rows[1:], there.rows[1:]):
                for cell, twin in zip(row, other):
                    if re.fullmatch(r"[\d\s.,*±/–−+-]+", cell) and numbers(cell) != numbers(twin):
                        faults.append(f"{english.name}:{here.line} has {cell!r}, {chinese.name}:{there.line} {twin!r}")
    return faults


def links_lead_somewhere():
    faults = []
    for name, page in PAGES.items():
        for line, target in page.links():
            if re.match(r"[a-z]+:", target):
                continue
            path, _, anchor = target.partition("#")
            place = os.path.normpath(os.path.join(os.path.dirname(name), path)) if path else name
            if not os.path.exists(os.path.join(ROOT, place)):
                faults.append(f"{name}:{line}: there is no {target}")
            elif anchor and place in PAGES and anchor not in PAGES[place].anchors():
                faults.append(f"{name}:{line}: {place} has no heading #{anchor}")
    return faults


def links_stay_in_their_language():
    """A Chinese page leads to Chinese pages where there are any."""
    faults = []
    for name, page in PAGES.items():
        for line, target in page.links():
            path = os.path.normpath(os.path.join(os.path.dirname(name), target.split("#")[0])) if not re.match(r"[a-z]+:|#", target) else ""
            twin = path.replace(".zh-CN", "") if name.replace(".zh-CN", "") == path.replace(".zh-CN", "") else None
            if twin is None and name.endswith(".zh-CN.md") and path.removesuffix(".md") + ".zh-CN.md" in PAGES and not path.endswith(".zh-CN.md"):
                faults.append(f"{name}:{line}: {target} has a Chinese page")
            if twin is None and not name.endswith(".zh-CN.md") and path.endswith(".zh-CN.md"):
                faults.append(f"{name}:{line}: {target} is a Chinese page")
    return faults


def words_that_readers_know():
    return [
        f"{name}:{line}: {found[0]}, which readers know as {known}"
        for name, page in PAGES.items()
        if name.endswith(".zh-CN.md")
        for line, text in page.prose + [(part.line, part.text) for part in page.parts if part.kind == "code"]
        for strange, known in STRANGE.items()
        for found in [re.search(strange, text)]
        if found
    ]


CHECKS = (
    every_page_has_its_twin,
    same_parts,
    same_code,
    same_words_in_tables,
    same_names_in_sections,
    same_figures,
    same_figures_in_sections,
    links_lead_somewhere,
    links_stay_in_their_language,
    words_that_readers_know,
)
