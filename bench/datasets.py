"""Converts interactions to the dataset file that seqrec-trainer reads. Standard library only.

usage: datasets.py NAME DATA_FOLDER OUT      NAME: ml-1m, ml-100k, amazon-beauty, online-retail, diginetica
       datasets.py csv RATINGS.csv[.gz] OUT  user_id,item_id,timestamp, with a header
"""
import array
import csv
import datetime
import gzip
import io
import json
import struct
import sys
from pathlib import Path


def write_safetensors(path, tensors, metadata):
    """tensors: (name, dtype name, shape, bytes) in order; 8-byte types first keeps every tensor aligned."""
    header, offset = {"__metadata__": metadata}, 0
    for name, dtype, shape, raw in tensors:
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + len(raw)]}
        offset += len(raw)
    text = json.dumps(header).encode()
    text += b" " * (-(len(text) + 8) % 64)
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(text)))
        out.write(text)
        for *_, raw in tensors:
            out.write(raw)


def write_dataset(path, rows):
    """rows: (user, item, time) in any order; sorted by user (of first appearance) and time, stable."""
    users, items, history = {}, {}, []
    for user, item, time in rows:
        u = users.setdefault(user, len(users))
        if u == len(history):
            history.append([])
        history[u].append((time, items.setdefault(item, len(items))))
    offsets, events, times = array.array("q", [0]), array.array("i"), array.array("d")
    for sequence in history:
        sequence.sort(key=lambda event: event[0])
        times.extend(time for time, _ in sequence)
        events.extend(item for _, item in sequence)
        offsets.append(len(events))
    return write_arrays(path, offsets, events, times, users, items)


def write_arrays(path, offsets, events, times, users, items):
    """The file itself; users and items: their ids in index order, of known length."""

    def ids(names):
        ends, raw = array.array("q", [0]), bytearray()
        for name in names:
            raw += str(name).encode()
            ends.append(len(raw))
        return ends, bytes(raw)

    user_ends, user_bytes = ids(users)
    item_ends, item_bytes = ids(items)
    write_safetensors(path, [
        ("user.offsets", "I64", [len(offsets)], offsets.tobytes()),
        ("event.time", "F64", [len(times)], times.tobytes()),
        ("user.id.offsets", "I64", [len(user_ends)], user_ends.tobytes()),
        ("item.id.offsets", "I64", [len(item_ends)], item_ends.tobytes()),
        ("event.item", "I32", [len(events)], events.tobytes()),
        ("user.id.bytes", "U8", [len(user_bytes)], user_bytes),
        ("item.id.bytes", "U8", [len(item_bytes)], item_bytes),
    ], {"format": "seqrec-dataset/1"})
    return {"users": len(users), "items": len(items), "interactions": len(events)}


def write_walks(path, users, items, length, draw):
    """A generated data set of any size: each user walks through the items, one step in three a jump to one of the
    more popular. `draw`: a random.Random."""
    offsets, events = array.array("q", range(0, users * length + 1, length)), array.array("i")
    for _ in range(users):
        item = int(items * draw.random() ** 3)
        for _ in range(length):
            events.append(item)
            item = (item + 1) % items if draw.random() < 0.67 else int(items * draw.random() ** 3)
    times = array.array("d", range(len(events)))
    return write_arrays(path, offsets, events, times, range(users), range(items))


def read_csv(path):
    opened = gzip.open(path, "rt") if str(path).endswith(".gz") else open(path)
    with opened as text:
        for row in csv.DictReader(text):
            yield row["user_id"], row["item_id"], float(row["timestamp"])


def read_ml_100k(folder):
    for line in (folder / "u.data").read_text().splitlines():
        user, item, _, time = line.split()
        yield user, item, float(time)


def read_amazon_beauty(folder):
    for line in (folder / "sequences.txt").read_text().splitlines():
        user, *items = line.split()
        yield from ((user, item, place) for place, item in enumerate(items))


def read_online_retail(folder):
    """Rows with a customer, not cancelled, of a positive quantity."""
    raw = gzip.decompress((folder / "online_retail.csv.gz").read_bytes()).decode("utf-8", "replace")
    for row in csv.DictReader(io.StringIO(raw)):
        if row["CustomerID"] and not row["InvoiceNo"].startswith("C") and int(row["Quantity"]) > 0:
            time = datetime.datetime.fromisoformat(row["InvoiceDate"]).replace(tzinfo=datetime.timezone.utc)
            yield row["CustomerID"], row["StockCode"], time.timestamp()


def read_diginetica(folder):
    """Clicks of sessions, a week a period; order is all that is known within one."""
    for period in range(17):
        for line in gzip.open(folder / f"period_{period}.txt.gz", "rt"):
            session, item = line.split()
            yield session, item, period


READERS = {
    "ml-1m": lambda folder: read_csv(folder / "ratings.csv.gz"),
    "ml-100k": read_ml_100k,
    "amazon-beauty": read_amazon_beauty,
    "online-retail": read_online_retail,
    "diginetica": read_diginetica,
    "csv": read_csv,
}


def convert(name, source, out):
    """Writes data set `name` (its folder, or the file for `csv`) to `out`; returns its counts."""
    return write_dataset(out, READERS[name](Path(source)))


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[1] not in READERS:
        sys.exit(__doc__)
    print(json.dumps(convert(*sys.argv[1:])))
