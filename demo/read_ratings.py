#!/usr/bin/env python3
"""Prints the interactions in FILE as CSV rows user,item,time in UTF-8, ready for COPY.

Reads CSV (comma, semicolon or tab; with a header or without one), RecBole's .inter files and MovieLens' ratings.dat
("::") and u.data, each plain or as .gz, in UTF-8, or in UTF-16 or UTF-32 with a byte order mark. Columns are found by
their names in the header. Without a header they are user, item, time, or user, item, rating, time. Rows without a
user, an item or a time are skipped and counted on standard error; what can't be read ends it, with the line's number.
"""

import codecs
import csv
import gzip
import io
import itertools
import re
import sys
import zlib

NAMES = {
    "user": ("userid", "user", "customerid", "customer", "visitorid", "reviewerid", "memberid", "sessionid", "uid"),
    "item": ("itemid", "item", "movieid", "productid", "product", "stockcode", "sku", "asin", "trackid", "bookid"),
    "time": ("timestamp", "time", "datetime", "date", "createdat", "eventtime", "invoicedate", "unixtime", "ts"),
}
RECBOLE_TYPE = re.compile(r":(token|float)(_seq)?$")
# UTF-32 first: its mark begins with UTF-16's.
MARKS = ((codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
MARK = "\udcff"  # stands for bytes that are no text: no decoder gives it, and no encoder takes it


def open_text(path):
    """The file's text, and how it is encoded."""
    raw = io.BufferedReader(gzip.open(path)) if path.endswith(".gz") else open(path, "rb")
    beginning = raw.peek(4)
    encoding = next((name for mark, name in MARKS if beginning.startswith(mark)), "utf-8-sig")
    codecs.register_error("mark", lambda error: (MARK, error.end))
    return io.TextIOWrapper(raw, encoding=encoding, errors="mark", newline=""), encoding.removesuffix("-sig").upper()


def checked(lines, encoding):
    """The lines, each found to be text: what is not would make one item of two, or stop COPY later."""
    for number, line in enumerate(lines, 1):
        if MARK in line:
            latin = "Convert the file, for example from Latin-1: iconv -f LATIN1 -t UTF-8 FILE"
            sys.exit(f"line {number} is not in {encoding}. {latin if encoding == 'UTF-8' else 'Is the file whole?'}")
        if "\0" in line:
            sys.exit(f"line {number} has a zero byte. If the file is in UTF-16, convert it: iconv -f UTF-16LE -t UTF-8 FILE")
        yield line


def csv_rows(lines, separator):
    """The rows of a CSV file; quotes that don't close would swallow what follows."""
    reader = csv.reader(lines, delimiter=separator, strict=True)
    before = 0
    try:
        for row in reader:
            yield row
            before = reader.line_num
    except csv.Error as error:
        sys.exit(f"the row that begins in line {before + 1} can't be read: {error}. Is a quote missing?")


def rows_of(lines):
    """The rows of the file, split at the separator that its first line shows."""
    first = next(filter(str.strip, lines), "")
    lines = itertools.chain([first], lines)
    if "::" in first:
        return (line.rstrip("\r\n").split("::") for line in lines)
    return csv_rows(lines, max("\t,;", key=first.count))


def find_columns(first):
    """(positions of user, item, time; whether `first` is a header)."""
    header = [re.sub(r"[^a-z]", "", RECBOLE_TYPE.sub("", name.strip()).lower()) for name in first]
    found = [next((header.index(name) for name in names if name in header), None) for names in NAMES.values()]
    if None not in found:
        return found, True
    if any(position is not None for position in found):
        missing = ", ".join(part for part, position in zip(NAMES, found) if position is None)
        sys.exit(f"no column for: {missing}; the header is {first}")
    if len(first) in (3, 4) and re.search(r"\d", first[-1]):  # as every time has
        return [0, 1, len(first) - 1], False
    sys.exit(f"can't tell which columns are user, item and time; the first line is {first}")


def main(path):
    rows = rows_of(checked(*open_text(path)))
    first = next(rows, None)
    if not first:
        sys.exit(f"{path} is empty")
    columns, is_header = find_columns(first)
    if not is_header:
        print(f"no header: the first column is the user, the second the item, the last of {len(first)} the time", file=sys.stderr)
        rows = itertools.chain([first], rows)
    sys.stdout.reconfigure(encoding="utf-8", newline="")
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
    except (OSError, EOFError, zlib.error) as error:
        sys.exit(str(error))
