#!/usr/bin/python3
"""What training costs in the database: export of a large table, publishing of a large model.

usage: bench/database.py [--rows N] [--users N] [--items N]

Generates a table of interactions in a private PostgreSQL (the extension must be installed) and prints one JSON
object: the export's time against COPY (SELECT ... ORDER BY user, time) TO '/dev/null' in the same run, the worker's
memory, and the time to publish a model of --items items and --users users that a stand-in for the trainer writes; of the last
publish the WAL, the bytes that its tables grew by, indexes included, and those of the snapshot file, beside what docs/operations.md
lets one expect ("What a version takes").
"""

import argparse
import json
import os
import sys
import threading
import time

from stand_in import DIM, ROOT, make_table, train_tiny, use_stand_in


def memory_kb(pid, field):
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8") as status:
            return next((int(line.split()[1]) for line in status if line.startswith(field)), 0)
    except OSError:
        return 0


class PeakMemory(threading.Thread):
    """The largest private resident memory of the worker, sampled until stopped."""

    def __init__(self):
        super().__init__(daemon=True)
        self.peak_kb, self.running = 0, True

    def run(self):
        while self.running:
            for entry in os.listdir("/proc"):
                if entry.isdigit() and self.is_worker(entry):
                    self.peak_kb = max(self.peak_kb, memory_kb(entry, "RssAnon:"))
            time.sleep(0.05)

    @staticmethod
    def is_worker(pid):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as line:
                return line.read().startswith(b"postgres: seqrec job")
        except OSError:
            return False


def table_bytes(sql):
    return json.loads(sql("""SELECT json_object_agg(relname, pg_total_relation_size(oid)) FROM pg_class
                             WHERE relnamespace = 'seqrec'::regnamespace AND relname IN ('items', 'users', 'weights')"""))


def snapshot_bytes(sql):
    """Of the active version, in the server's own folder."""
    version = sql("SELECT version FROM seqrec_models WHERE model = 'default' AND active")
    return int(sql(f"""SELECT size FROM pg_ls_dir('seqrec') folder, pg_ls_dir('seqrec/' || folder) file,
                       pg_stat_file('seqrec/' || folder || '/' || file) WHERE folder ~ '^[0-9]+$' AND file = '{version}.safetensors'"""))


def expected_bytes(sql, rows, users, items):
    """By the table of docs/operations.md: L is the mean length of an id, W numbers an item, U a user, S items that a user had."""
    length = {of: float(sql(f"SELECT avg(octet_length({of[:-1]}_id)) FROM seqrec.{of}")) for of in ("items", "users")}
    return {
        "items": round(items * (145 + 2.4 * length["items"] + 4 * DIM)),
        "users": round(users * (185 + 2.4 * length["users"] + 4 * (rows // users) + 4 * DIM)),
        "snapshot": round(items * 5 * DIM + users * 4 * (DIM + rows // users) + 45 * (items + users)),
    }


def time_copy(sql):
    start = time.monotonic()
    sql("SET work_mem = '64MB'; COPY (SELECT user_id, item_id, timestamp FROM ratings ORDER BY user_id, timestamp) TO '/dev/null'")
    return time.monotonic() - start


def run(rows, users, items):
    from testing import sql

    folder = os.environ["PGHOST"]
    sql("CREATE EXTENSION seqrec")
    sql("ALTER SYSTEM SET max_wal_size = '8GB'")
    sql("ALTER SYSTEM SET shared_buffers = '1GB'")
    train_tiny(sql, folder)
    make_table(sql, rows, users, items)
    use_stand_in(folder)
    copies, jobs = [], []
    for _ in range(2):
        before = table_bytes(sql), sql("SELECT pg_current_wal_lsn()")
        copies.append(time_copy(sql))
        peak = PeakMemory()
        peak.start()
        job = sql("SELECT seqrec_train('ratings')")
        sql(f"CALL seqrec_wait({job})")
        peak.running = False
        jobs.append(json.loads(sql(f"SELECT metrics FROM seqrec_jobs WHERE job_id = {job}")) | {"peak_kb": peak.peak_kb})
    wal = int(sql(f"SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '{before[1]}')"))
    grown = {name: size - before[0][name] for name, size in table_bytes(sql).items()}
    export, copy = min(j["export_seconds"] for j in jobs), min(copies)
    publish = min(j["publish_seconds"] for j in jobs)
    return {
        "rows": rows, "users": users, "items": items, "dim": DIM,
        "copy_seconds": round(copy, 2), "export_seconds": round(export, 2),
        "export_rows_per_s": round(rows / export), "export_to_copy": round(export / copy, 2),
        "publish_seconds": round(publish, 2), "publish_rows_per_s": round((users + items) / publish),
        "publish_wal_bytes": wal, "publish_wal_to_tables": round(wal / sum(grown.values()), 2),
        "version_bytes": grown | {"snapshot": snapshot_bytes(sql)}, "expected_bytes": expected_bytes(sql, rows, users, items),
        "worker_peak_private_mb": round(max(j["peak_kb"] for j in jobs) / 1024),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--items", type=int, default=1_000_000)
    arguments = parser.parse_args()
    if "PGHOST" not in os.environ or not os.path.exists(os.path.join(os.environ["PGHOST"], "server.log")):
        os.execv(str(ROOT / "demo" / "cluster.sh"), ["cluster.sh", sys.executable, os.path.abspath(__file__), *sys.argv[1:]])
    print(json.dumps(run(arguments.rows, arguments.users, arguments.items), indent=1))


if __name__ == "__main__":
    main()
