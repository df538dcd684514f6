"""The documents against the sources: what the one declares the other describes, and nothing else."""

import json
import re

import sources
from markdown import Page, words
from sources import ROOT, read

README = ("README.md", "README.zh-CN.md")
OPERATIONS = ("docs/operations.md", "docs/operations.zh-CN.md")


def page(name):
    return Page(f"{ROOT}/{name}", name)


def same(what, declared, described):
    """Faults in both directions."""
    faults = [f"{name} is missing in {what}" for name in sorted(map(str, set(declared) - set(described)))]
    return faults + [f"{what} has {name}, which the sources don't" for name in sorted(map(str, set(described) - set(declared)))]


def plain(cell):
    return cell.replace("`", "").strip()


def rows_of(name, **where):
    """The rows of all fitting tables of a page, without their headers."""
    found = page(name).tables(**where)
    assert found, f"{name} has no table {where}"
    return [row for table in found for row in table.rows[1:]]


# --- settings ---


def settings_of_the_extension():
    faults = []
    for name, header in zip(README, ("setting", "设置")):
        described = {plain(row[0]): plain(row[1]) for row in rows_of(name, header=header)}
        declared = {key: {"false": "off", "true": "on"}.get(value, value) for key, value in sources.server_settings().items()}
        faults += same(name, declared, described)
        for key in declared.keys() & described.keys():
            if declared[key] != described[key].removesuffix(" s"):
                faults.append(f"{name}: default of {key} is {declared[key]!r}, not {described[key]!r}")
    return faults


def settings_that_are_named():
    known = set(sources.server_settings())
    return [
        f"{name}: there is no setting {setting}"
        for name in sources.files("*.md", "docs/*.md", "packaging/*", "docker/*")
        for setting in re.findall(r"(?:ALTER SYSTEM )?SET (seqrec\.\w+) (?:=|TO)", read(name))
        if setting not in known
    ]


def settings_of_the_sidecar():
    faults, declared = [], sources.sidecar_settings()
    for name, header in zip(README, ("variable", "变量")):
        described = {}
        for row in rows_of(name, header=header):
            names = words(row[0])
            defaults = [plain(value) for value in re.split("[,、]", row[1])]
            described.update(zip(names, defaults if len(defaults) == len(names) else defaults[:1] + [""] * (len(names) - 1)))
        faults += same(name, declared, described)
        faults += [
            f"{name}: default of {key} is {declared[key]!r}, not {described[key]!r}"
            for key in declared.keys() & described.keys()
            if declared[key] and declared[key] != described[key]
        ]
    return faults


def variables_that_are_named():
    """Variables of the documents and of packaging's files are somewhere in the tree's programs and scripts."""
    code = "\n".join(
        read(path)
        for path in sources.files("dev", "Makefile", "CMakeLists.txt", *(f"{room}/**/*.[chmp]*" for room in ("sidecar", "src", "core", "trainer", "test", "bench")))
        if not path.startswith("test/documents/")
    )
    code += "\n".join(read(path) for path in sources.files("demo/run", "demo/cluster.sh", "test/integration/*.sh", "docker/*", "packaging/build-packages"))
    return [
        f"{name}: nothing reads {variable}"
        for name in sources.files("*.md", "docs/*.md", "packaging/*.env", "packaging/*.service", "packaging/*.conf")
        for variable in sorted(set(re.findall(r"SEQREC_[A-Z0-9_]*[A-Z0-9]", read(name))))
        if variable not in code
    ]


# --- options ---


def range_of(option):
    """What the page's column of ranges must say, as numbers or words."""
    _, form, least, most, _, choices = option
    if form == "Boolean":
        return ["true", "false"]
    if choices:
        return choices.split("|")
    if form in ("Integer", "Real"):
        return [least, most]
    return None


def numbers_of(cell):
    text = cell.replace("−", "-").replace(",", "").replace("2^53 - 1", "9007199254740991")
    return [float(number) for number in re.findall(r"-?\d[\d.]*(?:e-?\d+)?", text)]


def check_option(name, option, row):
    default, said = option[4].strip('"'), plain(row[1])
    faults = []
    if default not in ("null", said, re.split("[;；]", said)[0]):
        faults.append(f"{name}: default of {option[0]} is {default}, not {said!r}")
    wanted = range_of(option)
    told = words(row[2]) if wanted and isinstance(wanted[0], str) else numbers_of(row[2])
    if wanted is not None and wanted != told:
        faults.append(f"{name}: {option[0]} is one of {wanted}, not of {told}")
    return faults


def options_of_the_transformer():
    faults = []
    declared = {option[0]: option for option in (*sources.own_options("transformer"), *sources.common_options())}
    for name, heading in zip(README, ("Options", "选项")):
        table = {words(row[0])[0]: row for row in rows_of(name, under=heading) if len(row) == 4}
        faults += same(f"{name}, {heading}", declared, table)
        faults += [fault for key in declared.keys() & table.keys() for fault in check_option(name, declared[key], table[key])]
    return faults


def options_of_side_tables():
    faults = []
    declared = [option[0] for option in sources.side_options()]
    for name, headings in zip(README, (("Side tables", "New items without retraining"), ("辅助表", "新物品无需重新训练"))):
        described = [word for heading in headings for row in rows_of(name, under=heading) if len(row) == 3 for word in words(row[0])]
        faults += same(f"{name}, {headings[0]}", declared, described)
    return faults


def options_of_other_kinds():
    """A kind's own page has its own options, and names those of every kind that it takes."""
    faults = []
    common = {option[0] for option in sources.common_options()}
    side = {option[0] for option in sources.side_options()}
    for kind in sorted(set(sources.KINDS) - {"transformer"}):
        own = {option[0] for option in sources.own_options(kind)}
        for name, header in ((f"docs/{kind}.md", "option"), (f"docs/{kind}.zh-CN.md", "选项")):
            described = {word for row in rows_of(name, header=header) for word in words(row[0])}
            faults += same(name, own, described - side - (common - own))
            faults += [f"{name} does not name {option}, which every kind takes" for option in sorted(common - page(name).code_words())]
    return faults


def kinds():
    faults = same("test/documents", sources.registered_kinds(), sources.KINDS)
    for name, heading in zip(README, ("Options", "选项")):
        described = [words(row[0])[0] for row in rows_of(name, under=heading) if len(row) == 2]
        faults += same(name, sources.registered_kinds(), described)
    return faults


# --- HTTP ---


def routes_in_openapi():
    document = json.loads(read("sidecar/api/openapi.json"))
    described = {f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods if method != "parameters"}
    return same("openapi.json", sources.routes() - {"GET /"}, described)


def statuses_of_every_route():
    """What is answered before a route is asked: a malformed request, one that does not come, a header that is too large, too many clients."""
    document = json.loads(read("sidecar/api/openapi.json"))
    return [
        f"openapi.json: {method.upper()} {path} does not say {status}"
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        for status in ("400", "408", "431", "503")
        if status not in operation["responses"]
    ]


def routes_in_the_readme():
    faults = []
    for name, header in zip(README, ("request", "请求")):
        described = {re.sub(r"\?.*", "", word) for row in rows_of(name, header=header) for word in re.findall(r"`((?:GET|POST) [^`]+)`", row[0])}
        faults += same(name, sources.routes(), described)
    return faults


def fields_of_requests():
    """The fields of /recommend are those of the API's description."""
    document = json.loads(read("sidecar/api/openapi.json"))
    request = document["paths"]["/recommend"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    while "$ref" in request:
        request = document["components"]["schemas"][request["$ref"].split("/")[-1]]
    faults = []
    for name, header in zip(README, ("field", "字段")):
        faults += same(name, request["properties"], [word for row in rows_of(name, header=header) for word in words(row[0])])
    return faults


def problems():
    faults = []
    for name, header in zip(README, ("status", "状态码")):
        described = set()
        for row in rows_of(name, header=header):
            statuses = [int(number) for number in row[0].replace("、", ",").split(",")]
            kinds = [word for word in words(row[1]) if re.fullmatch(r"[a-z]+(-[a-z]+)*", word)]
            described |= set(zip(statuses, kinds)) if len(statuses) > 1 else {(statuses[0], kind) for kind in kinds}
        faults += same(name, sources.problems(), described)
    return faults


def metrics_of_the_sidecar():
    faults, declared = [], sources.sidecar_metrics()
    for name, header in zip(OPERATIONS, ("metric", "指标")):
        described = set()
        for row in rows_of(name, header=header):
            first = None
            for word in words(row[0]):
                word = re.sub(r"{.*", "", word)
                if word.startswith("_"):
                    word = ending_of(first, word, declared)
                else:
                    first = word
                described |= {metric for metric in declared if metric.startswith("process_")} if word == "process_*" else {word}
        faults += same(name, declared, described)
    return faults


def ending_of(first, ending, declared):
    """The metric of the same beginning as the first of a row that ends so."""
    parts = first.split("_")
    names = ["_".join(parts[:length]) + ending for length in range(len(parts), 1, -1)]
    return next((name for name in names if name in declared), first + ending)


def alerts_speak_of_metrics():
    declared = sources.sidecar_metrics()
    found = set(re.findall(r"seqrec_\w+", read("packaging/prometheus-alerts.yml"))) - set(sources.view_columns())
    return [f"prometheus-alerts.yml: there is no metric {name}" for name in sorted(found) if re.sub("_(bucket|sum|count)$", "", name) not in declared]


# --- jobs' metrics ---


def metrics_of_jobs_are_described():
    described = set()
    for name in ("README.md", *(f"docs/{kind}.md" for kind in ("logistic", "two_tower", "vae", "p5", "text", "context"))):
        described |= page(name).code_words()
    described = {word.removeprefix("metrics.").removeprefix("metrics->").removeprefix(">").strip("'") for word in described}
    names = {re.sub(r"^(hr|ndcg|mrr)@10$", r"\1@K", name) for name in sources.job_metrics()}
    return [f"no page tells what the metric {name} is" for name in sorted(names - described)]


def metrics_of_jobs_exist():
    """What the README lists is written by the trainer or the worker: by its name, or by the parts that it is put together of."""
    code = "\n".join(read(path) for path in sources.files("trainer/**/*.cpp", "src/jobs/*.cpp", "core/measure/*.cpp"))
    options = {name for name, *_ in sources.side_options()}  # by which some are there
    faults = []
    for name, start in zip(README, ("`metrics` of a model:", "模型的 `metrics`：")):
        text = page(name).text
        paragraph = text[text.index(start) + len(start) :].split("\n\n")[0]
        for metric in set(re.findall(r"`([a-z_]+(?:@\w+)?[a-z_]*)`", paragraph)) - set(sources.KINDS) - options:
            parts = [metric, *(metric.replace(prefix, "", 1) for prefix in ("valid_", "popularity_", "markov_", "personal_") if metric.startswith(prefix))]
            if not any(f'"{part}"' in code or f'"{re.sub("@.*", "", part)}"' in code for part in parts):
                faults.append(f"{name}: nothing writes the metric {metric}")
    return faults


# --- SQL ---


def written(name, declared):
    """An argument as the reference writes it: name, type, = default."""
    key, form, default = declared
    return f"{key} {form}" + (f" = {default}" if default is not None else "")


def check_function(page_name, name, given, result, signature):
    head, _, told = signature.partition(" → ")
    inside = head[head.index("(") + 1 : head.rindex(")")]
    described = [piece.strip() for piece in inside.split(", ")] if inside else []
    faults = []
    if "…" in inside:
        # the rest is said in words: those that are written are there, in their order
        described = described[1:]
        given = given[len(given) - len(described) :]
    for want, said in zip(given, described):
        # an argument without a type is one that an earlier row has in full
        if said not in (written(name, want), want[0]):
            faults.append(f"{page_name}: {name} takes {written(name, want)!r}, not {said!r}")
    if len(given) != len(described):
        faults.append(f"{page_name}: {name} takes {len(given)} arguments, not {len(described)}")
    wanted = "" if result in (None, "void") else result
    shortened = re.sub(r"(\w+) [^,()]+(?=[,)])", r"\1", wanted).replace("TABLE", "")
    if told not in (wanted, shortened):
        faults.append(f"{page_name}: {name} returns {wanted!r}, not {told!r}")
    return faults


def sql_reference():
    faults, declared = [], sources.sql_functions()
    for name, header in zip(README, ("function", "函数")):
        described = {}
        for row in rows_of(name, header=header):
            signature = re.match(r"`(?:CALL )?((\w+)\(.*?)`", row[0])
            described[signature[2]] = signature[1]
        faults += same(name, declared, described)
        for key in declared.keys() & described.keys():
            faults += check_function(name, key, *declared[key], described[key])
    return faults


def rights_of_everybody():
    """What PUBLIC keeps is what the README says, and the roles' script grants what there is to grant."""
    text = read("sql/seqrec--0.2.0.sql")
    revoked = set(re.findall(r"@extschema@\.(\w+)", text[text.rindex("REVOKE ALL ON FUNCTION") :].split("FROM PUBLIC")[0]))
    faults = []
    for name, start in zip(README, ("Without a grant,", "未经授权，")):
        text = page(name).text
        paragraph = text[text.index(start) :].split("\n\n")[0]
        told = set(re.findall(r"(?<![\w.])seqrec_\w+", paragraph)) - revoked
        faults += same(f"{name}, Privileges", set(sources.sql_functions()) - revoked, told)
    granted = set(re.findall(r"seqrec_\w+", " ".join(re.findall(r"GRANT EXECUTE ON FUNCTION (.*?) TO", read("packaging/roles.sql"), re.S))))
    return faults + [f"roles.sql grants {name}, which everybody has or nobody can have" for name in sorted(granted - revoked)]


def packages_of_setup():
    """Who installs by hand finds in the README what ./dev setup installs."""
    body = re.search(r"needed_packages\(\) {(.*?)^}", read("dev"), re.S | re.M)[1]
    needed = {name for names in re.findall(r"packages\+?=\(([^)]*)\)", body) for name in re.findall(r"[a-z][\w.+-]+", re.sub(r'"[^"]*"', "", names))}
    return [f"{name} does not name the package {package}" for name in README for package in sorted(needed - page(name).code_words())]


def views():
    faults, declared = [], sources.view_columns()
    for name, header in zip(README, ("view", "视图")):
        described = {plain(row[0]): words(row[1])[0].split(", ") for row in rows_of(name, header=header)}
        faults += same(name, declared, described)
        faults += [f"{name}: {view} has {declared[view]}, not {described[view]}" for view in declared.keys() & described.keys() if declared[view] != described[view]]
    return faults


def functions_that_are_named():
    """Functions that documents call are there."""
    declared = set(sources.sql_functions()) | set(sources.view_columns()) | sources.sidecar_metrics()
    inner = set(re.findall(r"CREATE (?:FUNCTION|TABLE|VIEW|TYPE) seqrec\.(\w+)", read("sql/seqrec--0.2.0.sql")))
    inner |= {name.removeprefix("seqrec.") for name in sources.server_settings()} | set(re.findall(r"seqrec\.(\w+_seq)\b", read("sql/seqrec--0.2.0.sql") + read("README.md")))
    inner |= {"so", "control", "sql"}
    faults = []
    for name in sources.files("README*.md", "docs/*.md", "packaging/roles.sql"):
        text = read(name)
        faults += [f"{name}: there is no {word}" for word in sorted(set(re.findall(r"(?<![\w.])(seqrec_\w+)(?=\()", text))) if word not in declared]
        for word, more in sorted(set(re.findall(r"(?<![\w./-])seqrec\.(\w+)(…?)", text))):
            if not any(known.startswith(word) if more else known == word for known in inner):
                faults.append(f"{name}: there is no seqrec.{word}{more}")
    return faults


# --- programs ---


def exit_statuses():
    faults = []
    wanted = {"seqrec-http": sources.http_exit_statuses(), "seqrec-trainer": sources.trainer_exit_statuses()}
    for name, header in zip(OPERATIONS, ("exit status", "退出状态")):
        described = {}
        for table in page(name).tables(header=header):
            for column, program in enumerate(table.rows[0][1:], 1):
                described[plain(program)] = {int(row[0]) for row in table.rows[1:] if row[column]}
        faults += [f"{name}: exit statuses of {program} are {sorted(statuses)}, not {sorted(described.get(program, []))}" for program, statuses in wanted.items() if statuses != described.get(program)]
    said = re.search(r"Exit status: 0 after.*?, 1 .*?, 2 ", read("sidecar/config.cpp"))
    return faults if said else [*faults, "seqrec-http --help does not tell the exit statuses 0, 1 and 2"]


def files_that_are_named():
    """Sources that docs/architecture.md speaks of are in the tree, and all of the sidecar's own files and the dashboard's are spoken of."""
    named = set(re.findall(r"(?<![\w./*-])[a-z][\w./-]*\.(?:cpp|hpp|js|mjs|inc|py|sh|sql|cmake)\b", read("docs/architecture.md")))
    named -= {"json.hpp"}  # a library's
    known = sources.files("src/**/*", "core/**/*", "trainer/**/*", "sidecar/**/*", "sql/*", "test/**/*", "demo/*", "bench/*")
    faults = [f"docs/architecture.md: there is no {name}" for name in sorted(named) if not any(f"/{path}".endswith(f"/{name}") for path in known)]
    told = {name.split("/")[-1] for name in named}
    wanted = [path for path in sources.files("sidecar/*.cpp", "sidecar/web/*.js")]
    return faults + [f"docs/architecture.md does not name {path}" for path in wanted if not {path.split("/")[-1], path.split("/")[-1].replace(".cpp", ".hpp")} & told]


def included(room):
    """Headers of other rooms that a room's files include, the program's folder left out of their paths."""
    program, name = room.split("/")
    text = "\n".join(read(path) for path in sources.files(f"{room}/*.[ch]pp"))
    found = {path.removeprefix("core/") for path in re.findall(r'#include "([^"]+)"', text)}
    return {path for path in found if "/" in path and not path.startswith(f"{name}/") and sources.is_file(f"{program}/{path}")}


def rooms_include_what_is_said():
    """docs/architecture.md says which rooms of its program a room may include."""
    faults = []
    for row in rows_of("docs/architecture.md", header="folder") + rows_of("docs/architecture.md", header="room"):
        room = words(row[0])[0].rstrip("/")
        if room.count("/") != 1 or room.split("/")[0] not in ("src", "core", "sidecar") or room == "sidecar/web" or "all of" in row[2]:
            continue
        allowed = [word.removeprefix("core/") for word in words(row[2])]
        wrong = {path for path in included(room) if not any(path == place or (place.endswith("/") and path.startswith(place)) for place in allowed)}
        faults += [f"docs/architecture.md: {room} includes {path}" for path in sorted(wrong)]
        used = {place for place in allowed if place.count("/") == 1 and any(path == place or path.startswith(place) for path in included(room))}
        faults += [f"docs/architecture.md: {room} includes nothing of {place}" for place in allowed if place.count("/") == 1 and place not in used | {"sidecar/"}]
    return faults


def commands_of_dev():
    """The README calls ./dev as it can be called."""
    dev = read("dev")
    usage = set(re.findall(r"(?m)^\./dev (\w+)", dev))
    offered = set(re.findall(r"\b(\w+)\b", " ".join(re.findall(r"(?m)^    ((?:\w+ ?\|? ?)+)\)", dev[dev.rindex("case ${1:-help}") :]))))
    faults = same("./dev help", offered - {"help"}, usage)
    offered.add("help")
    for name in sources.files("*.md", "docs/*.md"):
        faults += [f"{name}: ./dev has no command {word}" for word in set(re.findall(r"\./dev (\w+)", read(name))) - offered]
    return faults


def knows_option(code, option):
    """Whether a script adds an option, or puts it together of a list of names."""
    name = option.split("=")[0]
    return f'"{name}"' in code or ('"--' + '"' in code or 'f"--{' in code) and (f'"{name[2:]}"' in code or f'"{name[2:].replace("-", "_")}"' in code)


def benchmarks_that_are_named():
    """A script of bench/ that a page names is there, and has the options that it is called with."""
    faults = []
    for name in sources.files("*.md", "docs/*.md"):
        text = re.sub(r"'[^']*'", "", read(name).replace("\\\n", " "))
        for path in sorted(set(re.findall(r"\bbench/\w+\.(?:py|cpp)", text))):
            if path not in sources.files("bench/*"):
                faults.append(f"{name}: there is no {path}")
        for call in re.findall(r"bench/\w+\.py(?: [^\n`;()]*)?", text):
            path, *options = call.split()
            if path in sources.files("bench/*"):
                faults += [f"{name}: {path} has no option {option}" for option in options if re.match(r"--[a-z]", option) and not knows_option(read(path), option)]
    return faults


def figures_have_a_script_and_a_commit():
    """A section with a table of measurements says which script printed it, and of which commit it is."""
    faults = []
    for path in ("docs/benchmarks.md", *(f"docs/{name}.md" for name in ("kinds", "logistic", "two_tower", "vae", "p5", "text", "context"))):
        for section in re.split(r"(?m)^## ", page(path).text)[1:]:
            name = section.split("\n")[0]
            # two decimal numbers in a row of a table; those of options are none that were measured
            if name == "Options" or not re.search(r"(?m)^\|.*(?<![\w.])\d*\.\d\d.*(?<![\w.])\d*\.\d\d", section) and not (path.endswith("benchmarks.md") and "\n| " in section):
                continue
            if "bench/" not in section:
                faults.append(f"{path}, {name}: no script")
            if not re.search(r"\b(?=[0-9a-f]*\d)[0-9a-f]{7}\b", section):
                faults.append(f"{path}, {name}: no commit")
    return faults


def rights_of_the_sidecar():
    """What seqrec-http calls is granted by packaging/roles.sql, or is for everybody."""
    text = read("sql/seqrec--0.2.0.sql")
    revoked = set(re.findall(r"(?:@extschema@|seqrec)\.(\w+)", text[text.rindex("REVOKE ALL ON FUNCTION") :].split("FROM PUBLIC")[0]))
    granted = set(re.findall(r"(?:seqrec\.)?(\w+)", " ".join(re.findall(r"GRANT EXECUTE ON FUNCTION (.*?) TO", read("packaging/roles.sql"), re.S))))
    called = "\n".join(read(path) for path in sources.files("sidecar/api/*.cpp"))
    names = set(re.findall(r"\b(?:seqrec\.(\w+)|(seqrec_\w+))\(", called))
    return [f"roles.sql does not grant {name}" for name in sorted(one or other for one, other in names) if name in revoked - granted]


CHECKS = (
    settings_of_the_extension,
    settings_that_are_named,
    settings_of_the_sidecar,
    variables_that_are_named,
    options_of_the_transformer,
    options_of_side_tables,
    options_of_other_kinds,
    kinds,
    routes_in_openapi,
    statuses_of_every_route,
    routes_in_the_readme,
    fields_of_requests,
    problems,
    metrics_of_the_sidecar,
    alerts_speak_of_metrics,
    metrics_of_jobs_are_described,
    metrics_of_jobs_exist,
    sql_reference,
    rights_of_everybody,
    rights_of_the_sidecar,
    packages_of_setup,
    views,
    functions_that_are_named,
    exit_statuses,
    files_that_are_named,
    rooms_include_what_is_said,
    commands_of_dev,
    benchmarks_that_are_named,
    figures_have_a_script_and_a_commit,
)
