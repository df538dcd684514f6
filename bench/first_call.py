#!/usr/bin/python3
"""What a new connection pays for its first recommendation, in time and in memory of its own.

usage: bench/first_call.py [--items N] [--connections N]

Publishes a model of N (1,000,000) items and dim 64, written by a stand-in for the trainer, in a private PostgreSQL (the
extension must be installed), and prints one JSON object: the time of the first and of the second seqrec_recommend of a
connection, least, median and 90 % of --connections (50) new ones, connecting excluded, and the same with seqrec in
shared_preload_libraries; the time of the first statement of a connection that does not use seqrec, and of loading its
library, beside that of another (plpgsql), however little that holds; and the private memory (Private_Clean +
Private_Dirty of /proc/PID/smaps_rollup) that a connection has gained after the first and after 20 calls. Times are the
client's; `cpu` are those that the backend computed, whatever else runs. Another connection has mapped the whole snapshot all the time
(seqrec_prewarm), as in a server with more than one: a page of the file that only one process has mapped would count as private,
though it is the page cache's.
"""

import argparse
import json
import os
import statistics
import sys
import time

from libpq import Connection
from stand_in import DIM, ROOT, make_table, train_tiny, use_stand_in

sys.path.insert(0, str(ROOT / "test" / "integration"))
import clusters  # noqa: E402
from two_builds import cpu_ns  # noqa: E402


def publish(items):
    from testing import sql

    sql("CREATE EXTENSION seqrec")
    sql("ALTER SYSTEM SET max_wal_size = '8GB'")
    train_tiny(sql, os.environ["PGHOST"])
    make_table(sql, max(2 * items, 10), max(items // 10, 1), items)
    use_stand_in(os.environ["PGHOST"])
    sql(f"CALL seqrec_wait({sql('SELECT seqrec_train($$ratings$$)')})")
    sql("CHECKPOINT")


def question(items, number):
    """Twenty clicks, others for every number."""
    clicks = ",".join(str((number * 7919 + i * 104729) % items) for i in range(20))
    return f"SELECT * FROM seqrec_recommend({number}::bigint, ARRAY[{clicks}]::bigint[], 10)"


def timed_ms(connection, statement, rows):
    """As the client waits for it, and of the backend's CPU."""
    computed, start = cpu_ns(connection.pid), time.perf_counter()
    got = connection.run(statement)
    spent = time.perf_counter() - start
    assert got == rows, f"{got} rows"
    return 1000 * spent, (cpu_ns(connection.pid) - computed) / 1e6


def private_kb(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as lines:
        return sum(int(line.split()[1]) for line in lines if line.startswith(("Private_Clean:", "Private_Dirty:")))


def spread(times):
    return spread_of([spent for spent, _ in times]) | {"cpu": spread_of([cpu for _, cpu in times])}


def middle(times):
    return statistics.median(spent for spent, _ in times)


def spread_of(values):
    values = sorted(values)
    return {"least": round(values[0], 3), "p50": round(statistics.median(values), 3), "p90": round(values[int(0.9 * (len(values) - 1))], 3)}


def two_calls(items, connections):
    first, second = [], []
    with Connection() as holder:
        holder.run("SELECT seqrec_prewarm()")
        for number in range(connections):
            holder.run(question(items, number))  # the kernel takes pages from who does not use them for long
            with Connection() as connection:
                first.append(timed_ms(connection, question(items, number), 10))
                second.append(timed_ms(connection, question(items, number + 1), 10))
    return {"first_call_ms": spread(first), "second_call_ms": spread(second),
            "first_call_over_second_ms": round(middle(first) - middle(second), 3)}


def loading(connections):
    """A library's own part of the first call, beside that of another."""
    times = {"seqrec": [], "plpgsql": []}
    for _ in range(connections):
        for library, measured in times.items():
            with Connection() as connection:
                connection.run("SELECT 1")
                measured.append(timed_ms(connection, f"LOAD '{library}'", 0))
    return {library: spread(measured) for library, measured in times.items()}


def preloaded(items, connections):
    clusters.restart_with("shared_preload_libraries = 'seqrec'")
    try:
        return two_calls(items, connections)
    finally:
        clusters.restart_with("shared_preload_libraries = ''")


def measure(items, connections):
    plain, gained, gained_later, other = [], [], [], []
    with Connection() as holder:
        holder.run("SELECT seqrec_prewarm()")
        for number in range(connections):
            with Connection() as connection:
                plain.append(timed_ms(connection, "SELECT * FROM generate_series(1, 10) AS t(a)", 10))
                before = private_kb(connection.pid)
                connection.run("SELECT relname, reltuples FROM pg_class WHERE relname = ANY (ARRAY['pg_proc', 'pg_type'])")
                other.append(private_kb(connection.pid) - before)
            holder.run(question(items, number))  # the kernel takes pages from who does not use them for long
            with Connection() as connection:
                connection.run("SELECT 1")
                before = private_kb(connection.pid)
                connection.run(question(items, number))
                gained.append(private_kb(connection.pid) - before)
                for again in range(19):
                    connection.run(question(items, again))
                gained_later.append(private_kb(connection.pid) - before)
    return {
        "items": items, "dim": DIM, "connections": connections, "first_call_target_ms": 5,
        **two_calls(items, connections),
        "first_statement_without_seqrec_ms": spread(plain), "loading_ms": loading(connections),
        "preloaded": preloaded(items, connections),
        "private_gained_kb": {"first_call": statistics.median(gained), "20_calls": statistics.median(gained_later)},
        "private_gained_target_kb": 4096,
        "private_gained_by_a_catalog_query_kb": statistics.median(other),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--connections", type=int, default=50)
    arguments = parser.parse_args()
    if "PGHOST" not in os.environ or not os.path.exists(os.path.join(os.environ["PGHOST"], "server.log")):
        os.execv(str(ROOT / "demo" / "cluster.sh"),
                 ["cluster.sh", sys.executable, os.path.abspath(__file__), *sys.argv[1:]])
    publish(arguments.items)
    print(json.dumps(measure(arguments.items, arguments.connections), indent=1))


if __name__ == "__main__":
    main()
