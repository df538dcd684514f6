#!/usr/bin/python3
"""Two builds of the extension, asked in turn in one server: did a change make calls slower?

usage: bench/before_after.py --before seqrec.so --before-sql sql/seqrec--VERSION.sql [--data ratings.csv.gz] [--rounds N]

--before is the library of an earlier build, --before-sql its install script; the later ones are installed. The script is run with
the earlier library's path in place of '$libdir/seqrec', in a database of its own; the model is trained once, by the installed
extension, and its rows are copied. Prints one JSON object: for each question, in microseconds and as the median over rounds (--rounds,
default 60): the median of a hundred calls as the client waits for them (wall), and the backend's CPU time a call (cpu), before and
after, and the median over rounds of the paired ratios. The two builds take turns of a hundred calls, each the first by turns, with new
connections every fifth round, all on one core: to wake another one costs as much as a call. Both answer the same, or the script fails.

Without --data, a made-up table of 6,000 users and 3,500 items.
"""

import argparse
import csv
import gzip
import json
import os
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "test" / "integration"))
CALLS = 100


def questions(users, items):
    """What is measured: 20 clicks, own rows, a candidate's score."""
    clicks = [",".join(f"'{items[(number * 7919 + i * 104729) % len(items)]}'" for i in range(20)) for number in range(CALLS)]
    names = [users[number * 31 % len(users)] for number in range(CALLS)]
    return {
        "20 clicks": [f"SELECT * FROM seqrec_recommend('{u}', ARRAY[{c}], 10)" for u, c in zip(names, clicks)],
        "own rows": [f"SELECT * FROM seqrec_recommend('{u}', NULL, 10)" for u in names],
        "answers, 20 clicks": [f"SELECT item_ids FROM seqrec.answers(ARRAY['{u}'], ARRAY[20], ARRAY[{c}], 10)" for u, c in zip(names, clicks)],
        "answers, own rows": [f"SELECT item_ids FROM seqrec.answers(ARRAY['{u}'], ARRAY[NULL::int], NULL, 10)" for u in names],
        "SELECT 1": ["SELECT 1"] * CALLS,
    }


def load_ratings(sql, path):
    if not path:
        sql(
            """CREATE TABLE ratings AS SELECT 'u' || u AS user_id, 'i' || (u * 7 + g * g) % 3500 AS item_id, g AS timestamp
               FROM generate_series(1, 6000) u, generate_series(1, 60) g"""
        )
    else:
        sql("CREATE TABLE ratings (user_id text, item_id text, timestamp bigint)")
        with (gzip.open if path.endswith(".gz") else open)(path, "rt", encoding="utf-8", newline="") as file:
            rows = "".join("\t".join(row[:3]) + "\n" for row in list(csv.reader(file))[1:])
        subprocess.run(["psql", "-Xqc", "COPY ratings FROM STDIN"], input=rows, text=True, check=True)
    sql("CREATE INDEX ON ratings (user_id, timestamp)")
    sql("VACUUM ANALYZE ratings")


def make_before(sql, library, install_script):
    """The earlier extension's objects as plain ones, and the rows of the model."""
    text = Path(install_script).read_text(encoding="utf-8")
    text = re.sub(r"^\\echo.*$", "", text, flags=re.M).replace("MODULE_PATHNAME", os.path.abspath(library)).replace("@extschema@", "public")
    text = re.sub(r"^SELECT pg_catalog\.pg_extension_config_dump.*$", "", text, flags=re.M)
    sql("CREATE DATABASE before")
    subprocess.run(["psql", "-Xq", "-v", "ON_ERROR_STOP=1", "-d", "before", "-f", "-"], input=text, text=True, check=True, stdout=subprocess.DEVNULL)
    dump = subprocess.run(["pg_dump", "-t", "ratings"], check=True, capture_output=True, text=True).stdout
    subprocess.run(["psql", "-Xq", "-v", "ON_ERROR_STOP=1", "-d", "before", "-f", "-"], input=dump, text=True, check=True, stdout=subprocess.DEVNULL)
    for table in ("models", "weights", "items", "users"):
        columns = sql(f"SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'seqrec.{table}'::regclass AND attnum > 0", database="before")
        copy = subprocess.run(["psql", "-Xqc", f"COPY (SELECT {columns} FROM seqrec.{table}) TO STDOUT"], check=True, capture_output=True).stdout
        subprocess.run(["psql", "-Xq", "-d", "before", "-c", f"COPY seqrec.{table} ({columns}) FROM STDIN"], input=copy, check=True)
    sql("VACUUM ANALYZE", database="before")


def connect(database):
    from libpq import Connection

    os.environ["PGDATABASE"], kept = database, os.environ["PGDATABASE"]
    connection = Connection()
    os.environ["PGDATABASE"] = kept
    return connection


def cpu_ns(pid):
    """What the kernel has counted for a process, so that a core's sleep or another's work is not in it."""
    with open(f"/proc/{pid}/schedstat", encoding="ascii") as counts:
        return int(counts.read().split()[0])


def turn_us(connection, statements):
    """The median of one call each as the client waits for it, and the backend's mean CPU time."""
    spent, before = [], cpu_ns(connection.pid)
    for statement in statements:
        begin = time.perf_counter()
        connection.run(statement)
        spent.append(time.perf_counter() - begin)
    return 1e6 * statistics.median(spent), (cpu_ns(connection.pid) - before) / 1000 / len(statements)


def warm(database, asked):
    """A connection that has asked everything once. Where its process lies matters as much as what it runs, so there are many."""
    connection = connect(database)
    connection.run("SET client_min_messages = error")
    for statements in asked.values():
        turn_us(connection, statements)
    return connection


def compare(asked, databases, rounds):
    """For each question the pairs of (before, after), the two taking turns, with new connections every fifth round."""
    pairs, connections = {name: [] for name in asked}, []
    for number in range(rounds):
        if number % 5 == 0:
            for connection in connections:
                connection.close()
            connections = [warm(database, asked) for database in databases]
        for name, statements in asked.items():
            order = (0, 1) if number % 2 == 0 else (1, 0)
            took = {which: turn_us(connections[which], statements) for which in order}
            pairs[name].append((took[0], took[1]))
    return pairs


def summary(pairs):
    result = {}
    for kind, unit in enumerate(("wall", "cpu")):
        before, after = [pair[0][kind] for pair in pairs], [pair[1][kind] for pair in pairs]
        result |= {
            f"{unit}_before_us": round(statistics.median(before), 1),
            f"{unit}_after_us": round(statistics.median(after), 1),
            f"{unit}_ratio": round(statistics.median(b / a for a, b in zip(before, after)), 3),
        }
    return result


def run(arguments):
    from testing import sql

    sql("CREATE EXTENSION seqrec")
    load_ratings(sql, arguments.data)
    job = sql("""SELECT seqrec_train('ratings', options => '{"max_seconds": 30, "members": 2, "layers": 4}')""")
    sql(f"CALL seqrec_wait({job})")
    make_before(sql, arguments.before, arguments.before_sql)
    users = sql("SELECT DISTINCT user_id FROM ratings ORDER BY 1 LIMIT 5000").split("\n")
    items = sql("SELECT DISTINCT item_id FROM ratings ORDER BY 1").split("\n")
    asked = questions(users, items)
    for statement in (asked["20 clicks"][0], asked["own rows"][0]):
        assert sql(statement) == sql(statement, database="before"), "another answer"
    pairs = compare(asked, ("before", os.environ["PGDATABASE"]), arguments.rounds)
    return {name: summary(found) for name, found in pairs.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", required=True)
    parser.add_argument("--before-sql", required=True)
    parser.add_argument("--data")
    parser.add_argument("--rounds", type=int, default=60)
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # this, and the server that it starts
    if "PGHOST" not in os.environ or not os.path.exists(os.path.join(os.environ["PGHOST"], "server.log")):
        os.execv(str(ROOT / "demo" / "cluster.sh"), ["cluster.sh", sys.executable, os.path.abspath(__file__), *sys.argv[1:]])
    print(json.dumps(run(arguments), indent=1))


if __name__ == "__main__":
    main()
