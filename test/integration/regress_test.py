#!/usr/bin/python3
# Runs first: it takes a minute
"""pg_regress: what SQL says (sql/, expected/), in a database of UTF-8, in one with a byte for each character, and in one with several.
The expected output is the same: nothing in it depends on the encoding."""

import os
import re
import subprocess

from clusters import ROOT
from testing import sql

ENCODINGS = ("UTF8", "LATIN1", "EUC_CN")
OF_ANY_ENCODING = ("ids",)  # types of the table's own, all in ASCII: run once
RESULT = re.compile(r"^(?:test )?(\w+) +\.\.\. (ok|FAILED)\b.*$|^(ok|not ok) +\d+ +[-+] +(\w+)\b.*$", re.MULTILINE)  # the second from PostgreSQL 16 on


def tests_of(encoding):
    with open(os.path.join(ROOT, "Makefile"), encoding="utf-8") as file:
        names = re.search(r"^REGRESS = (.*)$", file.read(), re.MULTILINE)[1].split()
    return [name for name in names if encoding == "UTF8" or name not in OF_ANY_ENCODING]


def run_in(encoding):
    """(passed, failed)"""
    name = f"regress_{encoding.lower()}"
    output = os.path.join(ROOT, "build", name)
    os.makedirs(output, exist_ok=True)
    options = f"--inputdir=. --outputdir={output} --encoding={encoding} --no-locale --dbname={name}"
    command = ["make", "-s", "-C", ROOT, "installcheck", f"PG_CONFIG={os.environ['PG_CONFIG']}", f"REGRESS_OPTS={options}", f"REGRESS={' '.join(tests_of(encoding))}"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    results = [(found[1] or found[4], "ok" in (found[2], found[3])) for found in RESULT.finditer(done.stdout)]
    for test, is_ok in results:
        print(f"{'ok     ' if is_ok else 'FAILED '} {test} in {encoding}", flush=True)
    passed, failed = (sum(is_ok == wanted for _, is_ok in results) for wanted in (True, False))
    used = sql(f"SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = '{name}'")
    if done.returncode != 0 or passed != len(tests_of(encoding)) or used != encoding:
        failed = max(failed, 1)
        print(f"FAILED  in a database of {used}\n{done.stdout}")
        show(os.path.join(output, "regression.diffs"))
    return passed, failed


def show(path):
    if os.path.exists(path):
        with open(path, encoding="utf-8", errors="replace") as file:
            print(file.read(), flush=True)


counts = [run_in(encoding) for encoding in ENCODINGS]
passed, failed = (sum(column) for column in zip(*counts))
print(f"{passed} passed, {failed} failed", flush=True)
raise SystemExit(failed > 0)
