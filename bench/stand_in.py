"""A program in the trainer's place that writes a large model in seconds, and the table it is trained on."""

import os
import stat
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "test" / "integration"))
DIM = 64

# Writes a model of random numbers for whatever dataset it is given: publishing does not care what they mean.
STAND_IN = f"""#!/usr/bin/python3
import array, json, os, random, struct, sys
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
metadata = weights.pop("__metadata__") | {{"job": header["__metadata__"]["job"]}}
entries, parts, at = {{"__metadata__": metadata}}, [], 0
def add(name, dtype, shape, data):
    global at
    entries[name] = {{"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(data)]}}
    parts.append(data)
    at += len(data)
random.seed(1)  # a block of odd length, so that no two of the first 260,000 rows are alike
block = array.array("f", (random.random() - 0.5 for _ in range(262147))).tobytes()
for name, shape in shapes.items():
    count = 1
    for length in shape: count *= length
    add(name, "F32", shape, (block * (count // 262147 + 1))[: 4 * count] if name != "item.popularity" else struct.pack("<f", 1) * count)
users = shapes["user.embedding"][0]
add("user.seen_until", "F64", [users], struct.pack("<d", 1) * users)
items = shapes["item.popularity"][0]
add("click.length", "F32", [items, 1], struct.pack("<f", 1) * items)
seen = header["event.item"]["shape"][0] // users
add("user.seen.offsets", "I64", [users + 1], array.array("q", range(0, (users + 1) * seen, seen)).tobytes() if seen else bytes(8 * users + 8))
indexes = array.array("i", [i * 7919 % items for i in range(1 << 16)]).tobytes()
add("user.seen.items", "I32", [users * seen], (indexes * (users * seen // (1 << 16) + 1))[: 4 * users * seen])
for name, tensor in weights.items():
    if not name.startswith(("item.", "user.", "pad.", "click.", "checksum")):
        begin, end = tensor["data_offsets"]
        add(name, tensor["dtype"], tensor["shape"], blob[begin:end])
text = json.dumps(entries).encode()
text += b" " * (-len(text) % 8)
with open(job["model"], "wb") as file:
    file.write(struct.pack("<Q", len(text)) + text)
    for part in parts: file.write(part)
print('{{"event": "done"}}', flush=True)
"""


def make_table(sql, rows, users, items):
    """Every user and item appears; items are skewed as in a shop; rows come in no useful order."""
    sql(f"""CREATE UNLOGGED TABLE ratings AS
            SELECT (g::bigint * 7919 % {users})::int AS user_id,
                   CASE WHEN g <= {items} THEN g - 1
                        ELSE floor({items} * power(((g::bigint * 104729) % 1000003) / 1000003.0, 3))::int END AS item_id,
                   g AS timestamp
            FROM generate_series(1, {rows}) g""")
    sql("VACUUM ANALYZE ratings")


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


def use_stand_in(folder):
    program = os.path.join(folder, "stand-in")
    write_program(program, STAND_IN)
    set_trainer(program)
