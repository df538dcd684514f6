#!/usr/bin/python3
"""Every function that takes ids, asked by the drivers that people use, with and without types for the parameters."""

import contextlib
import ctypes
import filecmp
import glob
import os
import shutil
import socket
import subprocess
import sys
import threading
import uuid

sys.dont_write_bytecode = True

from clusters import ROOT
from testing import main, sql

sys.path.append(os.path.join(ROOT, "bench"))
from libpq import LIBPQ, OK, Connection

SOURCES = os.path.join(ROOT, "test", "drivers")
FOLDER = os.path.join(ROOT, "build", "drivers")  # the sources once more, beside what npm installs
JARS = ("/usr/share/java/bsh.jar", "/usr/share/java/postgresql.jar")
CASES = os.path.join(os.environ["PGHOST"], "cases")
OPTIONS = """'{"epochs": 1, "dim": 8, "max_len": 5}'"""

# What is asked of a model: {u} and {i} are the kinds of its ids (t text, n number, u uuid; capitals are arrays; 0 is NULL), the rest
# of a parameter is which user or items.
QUESTIONS = {
    "recommend": ("string_agg(item_id || ' ' || score, ',' ORDER BY rank) FROM seqrec_recommend($1, $2, 5, '{m}')", "{u}:7", "{I}:1,2,3"),
    "own rows": ("string_agg(item_id || ' ' || score, ',' ORDER BY rank) FROM seqrec_recommend($1, $2, 5, '{m}')", "{u}:7", "0:"),
    "nothing but a user": ("string_agg(item_id || ' ' || score, ',' ORDER BY rank) FROM seqrec_recommend($1, model => '{m}')", "{u}:7"),
    "filters": (
        "string_agg(item_id || ' ' || score, ',' ORDER BY rank) FROM seqrec_recommend($1, $2, 5, '{m}', candidates => $3, exclude => $4)",
        "{u}:7", "{I}:1", "{I}:3,4,5,6", "{I}:4"),
    "info": ("(i->>'source') || (i->>'items') FROM seqrec_recommend_info($1, $2, 3, '{m}') i", "{u}:7", "{I}:1,2"),
    "batch": ("string_agg(user_id || item_id || ' ' || score, ',' ORDER BY request, rank) FROM seqrec_recommend_batch($1, NULL, 3, '{m}')", "{U}:7,8"),
    "history": ("string_agg(item_id, ',' ORDER BY rank) FROM seqrec_history($1, 5, '{m}')", "{u}:7"),
    "score": ("string_agg(concat_ws(' ', item_id, score, probability), ',') FROM seqrec_score($1, $2, $3, '{m}')", "{u}:7", "{I}:1,2", "{I}:3,4"),
    "score of own rows": ("string_agg(concat_ws(' ', item_id, score), ',') FROM seqrec_score($1, $2, $3, '{m}')", "{u}:7", "0:", "{I}:3,4"),
    "score of an item": ("seqrec_score_item($1, $2, $3, '{m}')::text", "{u}:7", "{I}:1,2", "{i}:3"),
    "explain": ("string_agg(concat_ws(' ', item_id, because_of, contribution, source), ',') FROM seqrec_explain($1, $2, $3, '{m}')",
                "{u}:7", "{I}:1,2", "{I}:3,4"),
    "similar": ("string_agg(item_id || ' ' || score, ',' ORDER BY rank) FROM seqrec_similar_items($1, 4, '{m}', exclude => $2)", "{i}:3", "{I}:4,5"),
    "user embedding": ("seqrec_user_embedding($1, $2, '{m}')::text", "{u}:7", "{I}:1,2"),
    "item embedding": ("seqrec_item_embedding($1, '{m}')::text", "{i}:3"),
    "unknown": ("seqrec_unknown_items($1, '{m}')::text", "{I}:3,99,4"),
}
# The models: the kinds of their users' and items' ids, and how an id is made of a number.
MODELS = {"words": ("t", "t"), "numbers": ("n", "n"), "keys": ("u", "n"), "digits": ("t", "t")}
MAKE = {"t": "w{}", "n": "{}", "u": "00000000-0000-0000-0000-{:012}", "digits": "{}"}


def make_models():
    for name, columns in (("words", "'w' || u, 'w' || i"), ("numbers", "u::bigint, i::bigint"), ("keys", "lpad(u::text, 32, '0')::uuid, i::int")):
        sql(f"""CREATE TABLE {name}(user_id, item_id, timestamp) AS
                SELECT {columns}, g FROM (SELECT u, (u + g * g) % 12 AS i, g FROM generate_series(1, 60) u, generate_series(1, 5) g) v""")
        number = sql(f"SELECT seqrec_train('{name}', '{name}', options => {OPTIONS})")
        sql(f"CALL seqrec_wait({number})")


def ids(kind, numbers, model):
    if kind == "0":
        return ""
    how = MAKE["digits" if model == "digits" else kind.lower()]
    return ",".join(how.format(int(number)) for number in numbers.split(","))


def make_cases():
    """Each as name, statement, parameters (kind and value)."""
    for model, (user, item) in MODELS.items():
        kinds = {"u": user, "U": user.upper(), "i": item, "I": item.upper(), "m": "numbers" if model == "digits" else model}
        for name, (question, *parameters) in QUESTIONS.items():
            given = (parameter.format(**kinds).split(":") for parameter in parameters)
            yield f"{model}: {name}", "SELECT " + question.format(**kinds), [(kind, ids(kind, numbers, model)) for kind, numbers in given]


def literal(kind, text):
    if kind == "0":
        return "NULL"
    return f"'{{{text}}}'" if kind.isupper() else f"'{text}'"


def with_literals(statement, parameters):
    for number, (kind, text) in enumerate(parameters, 1):
        statement = statement.replace(f"${number}", literal(kind, text))
    return statement


def expect_answers(answers):
    wrong = [f"{name}: {answers.get(name)!r}, not {answer!r}" for name, answer in EXPECTED.items() if answers.get(name) != answer]
    assert not wrong, f"{len(wrong)} of {len(EXPECTED)}: " + "; ".join(wrong[:3])


def lines(output):
    return dict(line.split("\t") for line in output.splitlines())


# --- libpq ---

LIBPQ.PQexecParams.restype = ctypes.c_void_p
LIBPQ.PQexecParams.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, *[ctypes.c_void_p] * 4, ctypes.c_int]
LIBPQ.PQgetvalue.restype, LIBPQ.PQgetvalue.argtypes = ctypes.c_char_p, [ctypes.c_void_p, ctypes.c_int, ctypes.c_int]


def exec_params(connection, statement, types, values, binary=False):
    count = len(values)
    formats = [int(binary and value is not None) for value in values]
    result = LIBPQ.PQexecParams(
        connection.handle, statement.encode(), count, (ctypes.c_uint * count)(*types), (ctypes.c_char_p * count)(*values),
        (ctypes.c_int * count)(*(len(value or b"") for value in values)), (ctypes.c_int * count)(*formats), 0)
    try:
        if LIBPQ.PQresultStatus(result) not in OK:
            return "error: " + LIBPQ.PQerrorMessage(connection.handle).decode()
        return LIBPQ.PQgetvalue(result, 0, 0).decode()
    finally:
        LIBPQ.PQclear(result)


def libpq_value(kind, text):
    if kind == "0":
        return None
    return (f"{{{text}}}" if kind.isupper() else text).encode()


def ask_libpq(types, binary=False):
    """types: of each kind the name of its type; without one the server finds it."""
    oids = {name: int(sql(f"SELECT '{name}'::regtype::oid")) for name in set(types.values())}
    with Connection() as connection:
        return {
            name: exec_params(connection, statement, [oids.get(types.get(kind), 0) for kind, _ in parameters],
                              [libpq_value(*parameter) for parameter in parameters], binary and not any(kind.isupper() for kind, _ in parameters))
            for name, statement, parameters in ALL
        }


def libpq_without_types():
    expect_answers(ask_libpq({}))


def libpq_without_types_in_binary():
    expect_answers(ask_libpq({}, binary=True))


def libpq_with_types():
    expect_answers(ask_libpq({"t": "text", "n": "bigint", "u": "uuid", "T": "text[]", "N": "bigint[]", "U": "uuid[]", "0": "text[]"}))


def libpq_with_other_types():
    for types in (
        {"t": "varchar", "n": "int", "T": "varchar[]", "N": "int[]", "0": "varchar[]"},
        {"t": "name", "n": "smallint", "T": "name[]", "N": "smallint[]", "U": "text[]", "0": "bigint[]"},
        {"t": "bpchar", "n": "numeric", "T": "bpchar[]", "N": "numeric[]", "u": "text"},
        {"n": "text", "T": "seqrec.id[]", "t": "seqrec.id", "N": "text[]", "0": "seqrec.id[]"},
    ):
        expect_answers(ask_libpq(types))


# --- psycopg ---


def python_value(kind, text):
    read = {"t": str, "n": int, "u": uuid.UUID}.get(kind.lower())
    if kind == "0":
        return None
    return [read(part) for part in text.split(",")] if kind.isupper() else read(text)


def ask_psycopg(execute, placeholder="%s"):
    answers = {}
    for name, statement, parameters in ALL:
        for number in range(1, len(parameters) + 1):
            statement = statement.replace(f"${number}", placeholder)
        try:
            answers[name] = execute(statement, [python_value(*parameter) for parameter in parameters])
        except Exception as error:  # of whichever driver
            answers[name] = f"error: {error}"
    return answers


def psycopg_2():
    import psycopg2
    import psycopg2.extras

    psycopg2.extras.register_uuid()
    with contextlib.closing(psycopg2.connect("")) as connection, connection.cursor() as cursor:
        connection.autocommit = True

        def execute(statement, values):
            cursor.execute(statement, values)
            return cursor.fetchone()[0]

        expect_answers(ask_psycopg(execute))


def psycopg_3():
    import psycopg

    with psycopg.connect("", autocommit=True) as connection:
        for prepare, placeholder in ((False, "%s"), (True, "%s"), (False, "%t"), (True, "%b")):
            expect_answers(ask_psycopg(lambda statement, values: connection.execute(statement, values, prepare=prepare).fetchone()[0], placeholder))


# --- node-postgres ---


def install_node_postgres():
    """Puts what the lock file names into build/drivers; npm runs only when the lock file is another one."""
    os.makedirs(FOLDER, exist_ok=True)
    lock, installed = os.path.join(SOURCES, "package-lock.json"), os.path.join(FOLDER, "installed.json")
    for file in glob.glob(os.path.join(SOURCES, "*")):
        shutil.copy(file, FOLDER)
    if os.path.exists(installed) and filecmp.cmp(lock, installed, shallow=False):
        return
    done = subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=FOLDER, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, f"npm ci failed in {FOLDER}: {done.stdout}{done.stderr}"
    shutil.copy(lock, installed)


def node_postgres():
    install_node_postgres()
    for how in ([], ["prepared"]):
        done = subprocess.run(["node", os.path.join(FOLDER, "ask.mjs"), CASES, *how], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        expect_answers(lines(done.stdout))


# --- JDBC ---


def copy_bytes(source, target):
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def server_on_tcp():
    """A port of this machine that leads to the server's socket: JDBC knows no other way."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    server = socket.socket(socket.AF_UNIX)
                    server.connect(os.path.join(os.environ["PGHOST"], f".s.PGSQL.{os.environ.get('PGPORT', 5432)}"))
                    for pair in ((client, server), (server, client)):
                        threading.Thread(target=copy_bytes, args=pair, daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def jdbc():
    user = sql("SELECT current_user")
    with server_on_tcp() as port:
        for how in ("", "&stringtype=unspecified", "&prepareThreshold=1&binaryTransfer=true"):
            url = f"jdbc:postgresql://127.0.0.1:{port}/{os.environ['PGDATABASE']}?user={user}&sslmode=disable{how}"
            done = subprocess.run(["java", "-cp", ":".join(JARS), "bsh.Interpreter", os.path.join(SOURCES, "ask.bsh"), url, CASES],
                                  capture_output=True, text=True, timeout=120)
            assert done.returncode == 0 and done.stdout, done.stderr
            expect_answers(lines(done.stdout))


# --- which of them there are ---


def has_module(name):
    return subprocess.run([sys.executable, "-c", f"import {name}"], capture_output=True).returncode == 0


def drivers():
    for test, is_there, package in (
        (psycopg_2, has_module("psycopg2"), "python3-psycopg2"),
        (psycopg_3, has_module("psycopg"), "python3-psycopg"),
        (node_postgres, shutil.which("node") and shutil.which("npm"), "nodejs and npm"),
        (jdbc, shutil.which("java") and all(map(os.path.exists, JARS)), "default-jre-headless, libbsh-java and libpostgresql-jdbc-java"),
    ):
        if is_there:
            yield test
        else:
            print(f"skipped {test.__name__}: it needs {package}", flush=True)


if __name__ == "__main__":
    sql("CREATE EXTENSION seqrec")
    make_models()
    ALL = list(make_cases())
    EXPECTED = {name: sql(with_literals(statement, parameters)) for name, statement, parameters in ALL}
    nothing = [name for name, answer in EXPECTED.items() if not answer]
    assert not nothing, nothing
    with open(CASES, "w", encoding="utf-8") as file:
        for name, statement, parameters in ALL:
            print(name, statement, *(f"{kind}:{text}" for kind, text in parameters), sep="\t", file=file)
    main(libpq_without_types, libpq_without_types_in_binary, libpq_with_types, libpq_with_other_types, *drivers())
