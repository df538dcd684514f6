#!/usr/bin/env python3
"""Prints the interactions in FILE as CSV rows user,item,time, ready for COPY.

Reads CSV (comma, semicolon or tab; with a header or without one) and MovieLens' ratings.dat ("::") and u.data,
each plain or as .gz. Columns are found by their names in the header. Without a header they are user, item, time,
or user, item, rating, time. Rows without a user, an item or a time are skipped and counted on standard error.
"""

import csv
import gzip
import io
import itertools
import re
import sys

NAMES = {
    "user": ("userid", "user", "customerid", "customer", "visitorid", "reviewerid", "memberid", "sessionid", "uid"),
    "item": ("itemid", "item", "movieid", "productid", "product", "stockcode", "sku", "asin", "trackid", "bookid"),
    "time": ("timestamp", "time", "datetime", "date", "createdat", "eventtime", "invoicedate", "unixtime", "ts"),
}


def open_text(path):
    raw = gzip.open(path) if path.endswith(".gz") else open(path, "rb")
    return io.TextIOWrapper(raw, encoding="utf-8-sig", errors="replace", newline="")


def rows_of(lines):
    """The rows of the file, split at the separator that its first line shows."""
    first = next(lines, "")
    lines = itertools.chain([first], lines)
    if "::" in first:
        return (line.rstrip("\r\n").split("::") for line in lines)
    separator = max("\t,;", key=first.count)
    return csv.reader(lines, delimiter=separator)


def find_columns(first):
    """(positions of user, item, time; whether `first` is a header)."""
    header = [re.sub(r"[^a-z]", "", name.lower()) for name in first]
    found = [next((header.index(name) for name in names if name in header), None) for names in NAMES.values()]
    if None not in found:
        return found, True
    if any(position is not None for position in found):
        missing = ", ".join(part for part, position in zip(NAMES, found) if position is None)
        sys.exit(f"no column for: {missing}; the header is {first}")
    if len(first) in (3, 4):
        return [0, 1, len(first) - 1], False
    sys.exit(f"can't tell which columns are user, item and time; the first line is {first}")


def main(path):
    rows = rows_of(open_text(path))
    first = next(rows, None)
    if not first:
        sys.exit(f"{path} is empty")
    columns, is_header = find_columns(first)
    if not is_header:
        rows = itertools.chain([first], rows)
    write = csv.writer(sys.stdout, lineterminator="\n").writerow
    skipped = 0
    for row in rows:
        interaction = [row[column].strip() for column in columns] if len(row) > max(columns) else []
        if interaction and all(interaction):
            write(interaction)
        else:
            skipped += 1
    if skipped:
        print(f"skipped {skipped} rows without a user, an item or a time", file=sys.stderr)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} FILE")
    try:
        main(sys.argv[1])
    except OSError as error:
        sys.exit(str(error))
