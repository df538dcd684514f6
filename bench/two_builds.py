"""Two builds of seqrec in one server, a database each, and how they are compared: in turns, by ratios of pairs."""

import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from libpq import Connection

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "test" / "integration"))
sys.dont_write_bytecode = True

import clusters  # noqa: E402
import testing  # noqa: E402

PROGRAMS = ("seqrec.so", "seqrec-trainer", "seqrec-large-model", "seqrec-http")


class Build:
    """A tree and what it has built. Nothing is installed: its functions name its library by path, its workers find it in a folder."""

    def __init__(self, name, tree):
        self.name, self.tree = name, Path(tree).resolve()
        self.folder = Path(os.environ["PGHOST"], name)

    def sql(self, statement):
        return testing.sql(statement, database=self.name)

    def psql(self, text):
        command = ["psql", "-Xq1", "-v", "ON_ERROR_STOP=1", "-d", self.name, "-f", "-"]
        subprocess.run(command, input=text, text=True, check=True, stdout=subprocess.DEVNULL)

    def install(self):
        self.folder.mkdir()
        for program in PROGRAMS:
            shutil.copy(self.tree / "build" / program, self.folder)
        subprocess.run(["chmod", "-R", "a+rX", self.folder], check=True)
        version = re.search(r"default_version = '(.*)'", (self.tree / "seqrec.control").read_text(encoding="utf-8"))[1]
        text = (self.tree / "sql" / f"seqrec--{version}.sql").read_text(encoding="utf-8")
        text = re.sub(r"^(\\echo|SELECT pg_catalog\.pg_extension_config_dump).*$", "", text, flags=re.M)
        testing.sql(f"CREATE DATABASE {self.name}")
        self.psql(text.replace("MODULE_PATHNAME", str(self.folder / "seqrec.so")).replace("@extschema@", "public"))

    def work_with(self, trainer):
        """From now on the server's workers are of this build, and so is the program that they train with."""
        clusters.restart_with(f"dynamic_library_path = '{self.folder}:$libdir'\nseqrec.trainer = '{self.folder / trainer}'")

    def place_anew(self, model):
        """Another copy of the file that a model is served from: how its pages lie in memory moves a scan by some per cent."""
        version = self.sql(f"SELECT version FROM seqrec.models WHERE name = '{model}'")
        for path in Path(os.environ["PGDATA"], "seqrec").glob(f"*/{version}.safetensors"):
            copy, owner = path.with_suffix(".copy"), path.stat()
            shutil.copy(path, copy)
            os.chown(copy, owner.st_uid, owner.st_gid)
            copy.rename(path)

    def connect(self):
        os.environ["PGDATABASE"], kept = self.name, os.environ["PGDATABASE"]
        try:
            return Connection()
        finally:
            os.environ["PGDATABASE"] = kept


def cpu_ns(pid):
    """What the kernel has counted for a process, so that a core's sleep or another's work is not in it."""
    return sum(int(counts.read_text(encoding="ascii").split()[0]) for counts in Path(f"/proc/{pid}/task").glob("*/schedstat"))


def calls_us(connection, statements):
    """The median of one call each as the client waits for it, and the backend's mean CPU time."""
    spent, before = [], cpu_ns(connection.pid)
    for statement in statements:
        begin = time.perf_counter()
        connection.run(statement)
        spent.append(time.perf_counter() - begin)
    return {"wall_us": 1e6 * statistics.median(spent), "cpu_us": (cpu_ns(connection.pid) - before) / 1000 / len(statements)}


def order(number):
    """Which build is the first in a round."""
    return (0, 1) if number % 2 == 0 else (1, 0)


def in_turns(rounds, measure):
    """Pairs of what measure(0) and measure(1) gave, each the first by turns."""
    pairs = []
    for number in range(rounds):
        took = {which: measure(which) for which in order(number)}
        pairs.append((took[0], took[1]))
    return pairs


def in_groups(rounds, size):
    """The numbers of rounds, some at a time."""
    return [range(begin, min(begin + size, rounds)) for begin in range(0, rounds, size)]


def spread(values):
    """The median and what it lies between with 95 % certainty, by the order of the values alone."""
    values = sorted(values)
    reach = round(0.98 * len(values) ** 0.5)
    middle = (len(values) - 1) / 2
    low, high = max(0, int(middle - reach)), min(len(values) - 1, int(middle + reach + 0.5))
    return round(statistics.median(values), 3), [round(values[low], 3), round(values[high], 3)]


def summary(pairs):
    """Medians and how much better the later build is: above 1 it takes less time, or does more in a second."""
    result = {}
    for name in pairs[0][0]:
        ratios = [before[name] / after[name] if name.endswith("_us") else after[name] / before[name] for before, after in pairs]
        ratio, between = spread(ratios)
        result[name] = {which: round(statistics.median(pair[at][name] for pair in pairs), 1) for at, which in ((0, "before"), (1, "after"))}
        result[name] |= {"ratio": ratio, "between": between, "rounds": len(pairs)}
    return result
