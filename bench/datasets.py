"""Converts interactions to the dataset file that seqrec-trainer reads. Standard library only.

usage: datasets.py NAME DATA_FOLDER OUT      NAME: ml-1m, ml-100k, amazon-beauty, online-retail, diginetica; cut to the
                                             shape of a shop with two or three times as many users as items:
                                             beauty-bestsellers (of amazon-beauty), diginetica-long (of diginetica)
       datasets.py csv RATINGS.csv[.gz] OUT  user_id,item_id,timestamp, with a header
"""
import array
import bisect
import collections
import csv
import datetime
import gzip
import itertools
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


class Shop:
    """A made-up shop in which people have a few kinds of things that they like, and things go together: what Amazon's
    sets of ratings look like, histories of eight. Within a kind, and of kinds, few sell much (Zipf)."""

    def __init__(self, items, draw):
        self.draw = draw
        self.kinds = [[] for _ in range(max(items // 40, 1))]
        sizes = list(itertools.accumulate(1 / (kind + 5) for kind in range(len(self.kinds))))
        self.kind_of = [self.place(sizes) for _ in range(items)]
        for item, kind in enumerate(self.kind_of):
            self.kinds[kind].append(item)
        self.sales = [list(itertools.accumulate((place + 2) ** -0.9 for place in range(len(kind)))) for kind in self.kinds]
        self.liked = list(itertools.accumulate(len(kind) ** 0.8 for kind in self.kinds))
        beside = [self.any_kind() for _ in self.kinds]
        self.after = [[self.of(kind if draw.random() < 0.6 else beside[kind]) for _ in range(4)] for kind in self.kind_of]

    def place(self, cumulated):
        return min(bisect.bisect(cumulated, self.draw.random() * cumulated[-1]), len(cumulated) - 1)

    def any_kind(self):
        return self.place(self.liked)  # one without items is never drawn: its share is 0

    def of(self, kind):
        return self.kinds[kind][self.place(self.sales[kind])]

    def next(self, last, own):
        chance = self.draw.random()
        if chance < 0.18:
            return self.draw.choice(self.after[last])
        return self.of(self.kind_of[last] if chance < 0.5 else self.draw.choice(own) if chance < 0.82 else self.any_kind())

    def history(self):
        own = [self.any_kind() for _ in range(self.draw.randint(1, 3))]
        length = 5
        while length < 60 and self.draw.random() < 0.77:
            length += 1
        items = {}  # in order
        last = self.of(self.draw.choice(own))
        for _ in range(100 * length):
            items[last] = None
            if len(items) == length:
                break
            last = self.next(last, own)
        return list(items)


def write_shop(path, users, items, draw):
    """A Shop's customers. `draw`: a random.Random."""
    shop = Shop(items, draw)
    return write_dataset(path, ((user, item, place) for user in range(users) for place, item in enumerate(shop.history())))


def read_csv(path, columns=("user_id", "item_id", "timestamp"), take=lambda user, item, time: (user, item, float(time))):
    """What `take` makes of some columns of each row. Ends with the line's number where the file is not as it says: nothing is guessed, and
    nothing replaced."""
    opened = gzip.open(path, "rt", encoding="utf-8-sig", newline="") if str(path).endswith(".gz") else open(path, encoding="utf-8-sig", newline="")
    with opened as text:
        rows = csv.DictReader(text, strict=True)
        try:
            for row in rows:
                yield take(*(row[column] for column in columns))
        except (csv.Error, KeyError, TypeError, ValueError) as error:  # UnicodeDecodeError is a ValueError
            sys.exit(f"{path}, after line {rows.line_num}: {error!r}; it must be UTF-8 with the columns {', '.join(columns)}")


def read_ml_100k(folder):
    for line in (folder / "u.data").read_text().splitlines():
        user, item, _, time = line.split()
        yield user, item, float(time)


def read_amazon_beauty(folder):
    for line in (folder / "sequences.txt").read_text().splitlines():
        user, *items = line.split()
        yield from ((user, item, place) for place, item in enumerate(items))


def retail_rows(folder):
    """Online Retail as it is, with quantities as numbers."""
    columns = ("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "CustomerID", "Country")
    return read_csv(folder / "online_retail.csv.gz", columns, lambda *values: dict(zip(columns, values), Quantity=float(values[3])))


def read_online_retail(folder):
    """Rows with a customer, not cancelled, of a positive quantity."""
    for row in retail_rows(folder):
        if row["CustomerID"] and not row["InvoiceNo"].startswith("C") and row["Quantity"] > 0:
            time = datetime.datetime.fromisoformat(row["InvoiceDate"]).replace(tzinfo=datetime.timezone.utc)
            yield row["CustomerID"], row["StockCode"], time.timestamp()


def read_diginetica(folder):
    """Clicks of sessions, a week a period; order is all that is known within one."""
    for period in range(17):
        for line in gzip.open(folder / f"period_{period}.txt.gz", "rt"):
            session, item = line.split()
            yield session, item, period


def histories(rows):
    """(user, item, place) as lists of different items, in order."""
    kept = {}
    for user, item, *_ in rows:
        kept.setdefault(user, {})[item] = None
    return {user: list(items) for user, items in kept.items()}


def keep_long(lists, items=None, least=5):
    """What is left of the lists where only `items` (all where None) count, where there are `least` of them."""
    cut = {user: [item for item in listed if items is None or item in items] for user, listed in lists.items()}
    return {user: listed for user, listed in cut.items() if len(listed) >= least}


def rows_of(lists):
    return ((user, item, place) for user, listed in lists.items() for place, item in enumerate(listed))


def count_items(lists):
    return collections.Counter(item for listed in lists.values() for item in listed)


def read_beauty_bestsellers(folder, most=6500):
    lists = histories(read_amazon_beauty(folder))
    return rows_of(keep_long(lists, {item for item, _ in count_items(lists).most_common(most)}))


def read_diginetica_long(folder, rounds=3):
    """Sessions of five clicks and more, on items with five and more (nearly: after so many rounds of leaving out)."""
    lists = keep_long(histories(read_diginetica(folder)))
    for _ in range(rounds):
        lists = keep_long(lists, {item for item, count in count_items(lists).items() if count >= 5})
    return rows_of(lists)


READERS = {
    "ml-1m": lambda folder: read_csv(folder / "ratings.csv.gz"),
    "ml-100k": read_ml_100k,
    "amazon-beauty": read_amazon_beauty,
    "online-retail": read_online_retail,
    "diginetica": read_diginetica,
    "beauty-bestsellers": read_beauty_bestsellers,
    "diginetica-long": read_diginetica_long,
    "csv": read_csv,
}


def convert(name, source, out):
    """Writes data set `name` (its folder, or the file for `csv`) to `out`; returns its counts."""
    return write_dataset(out, READERS[name](Path(source)))


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[1] not in READERS:
        sys.exit(__doc__)
    print(json.dumps(convert(*sys.argv[1:])))
