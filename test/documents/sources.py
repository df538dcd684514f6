"""What the sources declare: settings, options, routes, metrics, functions, exit statuses. Read as text, nothing is built."""

import glob
import os
import re

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
KINDS = ("transformer", "logistic", "two_tower", "vae", "p5")


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def files(*patterns):
    found = [path for pattern in patterns for path in glob.glob(pattern, root_dir=ROOT, recursive=True)]
    found = [path for path in found if os.path.isfile(os.path.join(ROOT, path))]
    assert found, f"no file {patterns}"
    return sorted(found)


def is_file(path):
    return os.path.isfile(os.path.join(ROOT, path))


def without_comments(text):
    return re.sub(r"(?m)(^|\s)//[^\n]*", r"\1", text)


def string(tokens):
    """Literals of C++ that stand beside one another, as one."""
    return "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', tokens)).replace('\\"', '"')


def arguments(text):
    """What stands between commas of one level, of the list that begins at the start of the text."""
    depth, found, piece, in_string, at = 0, [], "", False, 0
    while at < len(text):
        char = text[at]
        if in_string:
            piece += char
            if char == "\\":
                at += 1
                piece += text[at]
            in_string = char != '"'
        elif char == '"':
            in_string = True
            piece += char
        elif char in "({[":
            depth += 1
            piece += char if depth > 1 else ""
        elif char in ")}]":
            depth -= 1
            if depth == 0:
                return [*found, piece.strip()]
            piece += char
        elif char == "," and depth == 1:
            found.append(piece.strip())
            piece = ""
        else:
            piece += char
        at += 1
    raise AssertionError("a list without end: " + text[:60])


# --- the extension ---


def server_settings():
    """{name: default} of what the extension defines; the defaults as C++ writes them."""
    text = without_comments(read("src/pg/settings.cpp"))
    found = {}
    for call in re.finditer(r"DefineCustom\w+Variable", text):
        given = arguments(text[call.end() :])
        found[string(given[0])] = string(given[4]) if given[4].startswith('"') else given[4]
    return found


def sql_functions():
    """{name: (arguments, result)} of the functions that are not in schema seqrec; an argument is (name, type, default)."""
    found = {}
    text = re.sub(r"(?m)--[^\n]*", "", read("sql/seqrec--0.2.0.sql"))
    for head in re.finditer(r"CREATE (?:FUNCTION|PROCEDURE) @extschema@\.(\w+)\s*", text):
        given = [argument for argument in arguments(text[head.end() :]) if argument]
        rest = text[head.end() + text[head.end() :].index(")") :]
        result = re.search(r"\bRETURNS (TABLE \([^)]*\)|[\w.]+(?:\[\])?)", rest[: rest.index("LANGUAGE")])
        found[head[1]] = ([sql_argument(argument) for argument in given], clean(result[1]) if result else None)
    return found


def clean(text):
    return re.sub(r"\s+", " ", text.replace("seqrec.id", "id").replace("TABLE (", "TABLE(")).strip()


def sql_argument(text):
    name, form, _, default = re.match(r"(\w+) (.+?)( DEFAULT (.+))?$", text, re.S).groups()
    return name, clean(form), clean(default) if default else None


def view_columns():
    """{view: [column]}."""
    found = {}
    text = re.sub(r"(?m)--[^\n]*", "", read("sql/seqrec--0.2.0.sql"))
    for view in re.finditer(r"CREATE VIEW @extschema@\.(\w+) WITH \(security_barrier\) AS\s+SELECT (.*?)\nFROM ", text, re.S):
        columns = arguments("(" + view[2] + ")")
        found[view[1]] = [re.search(r"(\w+)$", column)[1] for column in columns]
    return found


# --- options ---


def options_of(path, array):
    """[(name, type, least, most, default, choices)] of an array of OptionSpec."""
    text = without_comments(read(path))
    body = text[re.search(r"constexpr OptionSpec " + array + r"\[\] = ", text).end() :]
    found = []
    for entry in arguments(body):
        if entry:
            name, form, least, most, default, choices = arguments(entry)[:6]
            found.append((string(name), form, number(least), number(most), string(default), string(choices)))
    return found


def number(text):
    return float(text)


def common_options():
    return options_of("core/options.cpp", "kCommon")


def side_options():
    text = read("core/side_options.cpp")
    return [option for array in re.findall(r"constexpr OptionSpec (k\w+)\[\]", text) for option in options_of("core/side_options.cpp", array)]


def own_options(kind):
    return options_of(f"core/kinds/{kind}.cpp", "kOptions")


def registered_kinds():
    text = "\n".join(read(path) for path in files("core/kinds/*.cpp"))
    return set(re.findall(r'constinit const Kind k\w+ = {\s*(?:\.name = )?"(\w+)"', text))


# --- the sidecar ---


def sidecar_settings():
    """{name: default}; the default is empty where the program decides."""
    text = without_comments(read("sidecar/config.cpp"))
    body = text[re.search(r"constexpr Variable kVariables\[\] = ", text).end() :]
    return {string(given[0]): string(given[1]) for given in (arguments(entry) for entry in arguments(body) if entry)}


def routes():
    """{"METHOD /path"}, the dashboard's own files aside."""
    text = "\n".join(read(path) for path in files("sidecar/api/*.cpp"))
    found = re.findall(r'router\.add\(\s*{"([A-Z]+)", "([^"]+)"', text)
    return {f"{method} {path}" for method, path in found if not path.startswith("/assets/")}


def problems():
    """{(status, kind)} of what clients may be told."""
    text = "\n".join(without_comments(read(path)) for path in files("sidecar/**/*.[ch]pp"))
    found = {(int(status), kind) for status, kind in re.findall(r'\b([45]\d\d),\s*"([a-z]+(?:-[a-z]+)*)"', text)}
    found |= {(503, kind) for kind in re.findall(r'retry_later\(error, "([a-z-]+)"', text)}
    # what the database says of one user's own rows
    assert "history-unavailable" in text
    return found | {(422, "history-unavailable")}


def sidecar_metrics():
    text = without_comments(read("sidecar/api/metrics_routes.cpp"))
    return set(re.findall(r'(?:out\.family|out\.single|write_each|write_column)\((?:[^"()]*)"((?:seqrec|process)_\w+)"', text))


def job_metrics():
    """Names that the trainer and the worker write into a model's metrics."""
    text = "\n".join(without_comments(read(path)) for path in files("trainer/**/*.cpp", "src/jobs/*.cpp"))
    found = set(re.findall(r'\bmetrics\["([a-z_@0-9]+)"\]', text))
    for body in re.finditer(r"(?m)^(?:nlohmann::)?json (?:\w+::)?\w*(?:metrics|told)\w*\([^;{]*\)[^;{]*{(.*?)^}", text, re.S):
        found |= set(re.findall(r'{\s*"([a-z_@0-9]+)"\s*,', body[1]))
    return found


# --- programs ---


def http_exit_statuses():
    text = read("sidecar/main.cpp")
    return {0} | {int(number) for number in re.findall(r"constexpr int k(?:CannotListen|BadSetting) = (\d+)", text)}


def trainer_exit_statuses():
    return {int(number) for path in ("trainer/run/job.cpp", "trainer/main.cpp") for number in re.findall(r"return (\d+);", read(path))}
