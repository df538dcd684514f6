#!/usr/bin/python3
"""What training costs in the database: export of a large table, publishing of a large model.

usage: bench/database.py [--rows N] [--users N] [--items N]

Generates a table of interactions in a private PostgreSQL (the extension must be installed) and prints one JSON
object: the export's time against COPY (SELECT ... ORDER BY user, time) TO '/dev/null' in the same run, the worker's
memory, and the time to publish a model of --items items and --users users that a stand-in for the trainer writes.
"""

import argparse
import json
import os
import stat
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "test" / "integration"))
DIM = 64

# Writes a model of random numbers for whatever dataset it is given: publishing does not care what they mean.
STAND_IN = f"""#!/usr/bin/python3
import array, json, os, struct, sys
job = json.load(open(sys.argv[2]))
with open(job["dataset"], "rb") as file:
    header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
shapes = {{"item.embedding": [header["item.id.offsets"]["shape"][0] - 1, {DIM}],
          "user.embedding": [header["user.id.offsets"]["shape"][0] - 1, {DIM}],
          "item.popularity": [header["item.id.offsets"]["shape"][0] - 1]}}
tiny = os.path.join(os.path.dirname(sys.argv[0]), "tiny.safetensors")
with open(tiny, "rb") as file:  # the encoder of a model that was really trained
    weights = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
    blob = file.read()
metadata = weights.pop("__metadata__")
entries, parts, at = {{"__metadata__": metadata}}, [], 0
def add(name, dtype, shape, data):
    global at
    entries[name] = {{"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(data)]}}
    parts.append(data)
    at += len(data)
block = struct.pack("<1024f", *[(i * 37 % 101 - 50) / 64 + 0.001 for i in range(1024)])
for name, shape in shapes.items():
    count = 1
    for length in shape: count *= length
    add(name, "F32", shape, (block * (count // 1024 + 1))[: 4 * count] if name != "item.popularity" else struct.pack("<f", 1) * count)
users = shapes["user.embedding"][0]
add("user.seen_until", "F64", [users], struct.pack("<d", 1) * users)
items = shapes["item.popularity"][0]
add("click.length", "F32", [items, 1], struct.pack("<f", 1) * items)
seen = header["event.item"]["shape"][0] // users
add("user.seen.offsets", "I64", [users + 1], array.array("q", range(0, (users + 1) * seen, seen)).tobytes() if seen else bytes(8 * users + 8))
indexes = array.array("i", [i * 7919 % items for i in range(1 << 16)]).tobytes()
add("user.seen.items", "I32", [users * seen], (indexes * (users * seen // (1 << 16) + 1))[: 4 * users * seen])
for name, tensor in weights.items():
    if not name.startswith(("item.", "user.", "pad.", "click.")):
        begin, end = tensor["data_offsets"]
        add(name, tensor["dtype"], tensor["shape"], blob[begin:end])
text = json.dumps(entries).encode()
text += b" " * (-len(text) % 8)
with open(job["model"], "wb") as file:
    file.write(struct.pack("<Q", len(text)) + text)
    for part in parts: file.write(part)
print('{{"event": "done"}}', flush=True)
"""


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


def make_table(sql, rows, users, items):
    """Every user and item appears; items are skewed as in a shop; rows come in no useful order."""
    sql(f"""CREATE UNLOGGED TABLE ratings AS
            SELECT (g::bigint * 7919 % {users})::int AS user_id,
                   CASE WHEN g <= {items} THEN g - 1
                        ELSE floor({items} * power(((g::bigint * 104729) % 1000003) / 1000003.0, 3))::int END AS item_id,
                   g AS timestamp
            FROM generate_series(1, {rows}) g""")
    sql("VACUUM ANALYZE ratings")


def time_copy(sql):
    start = time.monotonic()
    sql("SET work_mem = '64MB'; COPY (SELECT user_id, item_id, timestamp FROM ratings ORDER BY user_id, timestamp) TO '/dev/null'")
    return time.monotonic() - start


def train_tiny(sql, folder):
    """A small real model, whose encoder the stand-in borrows."""
    from testing import make_ratings

    make_ratings("tiny")
    text = '{"epochs": 1, "members": 1, "dim": %d}' % DIM
    keep = os.path.join(folder, "keep-trainer")
    bindir = os.popen(os.environ.get("PG_CONFIG", "pg_config") + " --bindir").read().strip()
    write_program(keep, f"#!/bin/sh\n{bindir}/seqrec-trainer \"$@\" || exit 1\ncp \"$(dirname \"$2\")/model.safetensors\" {folder}/tiny.safetensors\n")
    set_trainer(keep)
    sql(f"CALL seqrec_wait({sql(f'''SELECT seqrec_train('tiny', model => 'tiny', options => '{text}')''')})")


def write_program(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, stat.S_IRWXU | stat.S_IRGRP | stat.S_IXGRP | stat.S_IROTH | stat.S_IXOTH)


def set_trainer(path):
    from testing import script

    script(f"LOAD 'seqrec';\nALTER SYSTEM SET seqrec.trainer = '{path}';\nSELECT pg_reload_conf();\n")
    time.sleep(0.5)


def run(rows, users, items):
    from testing import sql

    folder = os.environ["PGHOST"]
    sql("CREATE EXTENSION seqrec")
    sql("ALTER SYSTEM SET max_wal_size = '8GB'")
    sql("ALTER SYSTEM SET shared_buffers = '1GB'")
    train_tiny(sql, folder)
    make_table(sql, rows, users, items)
    program = os.path.join(folder, "stand-in")
    write_program(program, STAND_IN)
    set_trainer(program)
    copies, jobs = [], []
    for _ in range(2):
        copies.append(time_copy(sql))
        peak = PeakMemory()
        peak.start()
        job = sql("SELECT seqrec_train('ratings')")
        sql(f"CALL seqrec_wait({job})")
        peak.running = False
        jobs.append(json.loads(sql(f"SELECT metrics FROM seqrec_jobs WHERE job_id = {job}")) | {"peak_kb": peak.peak_kb})
    export, copy = min(j["export_seconds"] for j in jobs), min(copies)
    publish = min(j["publish_seconds"] for j in jobs)
    return {
        "rows": rows, "users": users, "items": items, "dim": DIM,
        "copy_seconds": round(copy, 2), "export_seconds": round(export, 2),
        "export_rows_per_s": round(rows / export), "export_to_copy": round(export / copy, 2),
        "publish_seconds": round(publish, 2), "publish_rows_per_s": round((users + items) / publish),
        "worker_peak_private_mb": round(max(j["peak_kb"] for j in jobs) / 1024),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--items", type=int, default=1_000_000)
    arguments = parser.parse_args()
    if "PGHOST" not in os.environ or not os.path.exists(os.path.join(os.environ["PGHOST"], "server.log")):
        os.execv(str(ROOT / "test" / "integration" / "cluster.sh"), ["cluster.sh", sys.executable, os.path.abspath(__file__), *sys.argv[1:]])
    print(json.dumps(run(arguments.rows, arguments.users, arguments.items), indent=1))


if __name__ == "__main__":
    main()
