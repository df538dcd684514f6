#!/usr/bin/python3
"""Two builds of seqrec, measured in turns: did a change make anything slower?

usage: bench/before_after.py --before TREE [--after TREE] --data ratings.csv.gz [--part NAME,...] [--rounds N] [--items N] [--seconds S]

TREE is a checkout in which `make everything` was run; --after is this one unless said otherwise. Nothing is installed: in a private
server each build has a database of its own, whose functions name its library by path, and trains and publishes by its own trainer
and with one seed. Both must give the same answers, or the script fails. Prints one JSON object; NAME, in this order:
  labels      labels/s of a training of one epoch, one member of two layers, two threads, on both cores
  calls       seqrec_recommend and seqrec.answers with 20 clicks and with a user's own rows; two members of four layers
  scan        seqrec_recommend with 20 clicks on N (--items, 1,000,000) items without an index; one member of two layers
  first_call  from nothing to the first answer of a new connection, connecting included, and the first call alone; on both models
  requests    requests/s of seqrec-http at 16 connections, 20 clicks (with wrk, S (4) seconds a turn)
All but labels on one core, client and load included: to wake another one costs as much as a call. For each: the medians before and after, as the
client waits (wall_us) and of CPU time (cpu_us: the backend's; of the whole trainer a label; of sidecar and backends a request), and the median of the paired ratios with its 95 % interval; above 1 the
later build is the faster one. --rounds (60) are those of calls; the others have fewer in proportion. Calls are made a hundred a turn, on new
connections and new copies of the models' files every fourth round: both lie elsewhere in memory each time, which matters as much.
SEQREC_ISA chooses slower instructions.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import datasets
import training
from http_service import Sidecar
from main_job import WRK_SCRIPT, wrk
from stand_in import make_table
from two_builds import ROOT, Build, calls_us, cpu_ns, in_groups, in_turns, order, summary

CALLS = 100  # a turn
SHARE = {"labels": 8, "calls": 1, "scan": 2, "first_call": 1, "requests": 5}  # a round for so many of calls
SEED = {"seed": 1, "epochs": 1, "holdout": "keep", "threads": 2, "max_seconds": 100000, "index": "none"}
MODELS = {"default": SEED | {"members": 2, "layers": 4}, "large": SEED | {"members": 1, "layers": 2, "dim": 64, "max_len": 200}}


def note(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


# --- the two databases ---


def publish(build, model, table, trainer):
    build.work_with(trainer)
    job = build.sql(f"SELECT seqrec_train('{table}', '{model}', options => $${json.dumps(MODELS[model])}$$)")
    build.sql(f"CALL seqrec_wait({job})")


def load_ratings(build, path):
    build.sql("CREATE TABLE small (user_id text, item_id text, timestamp double precision)")
    rows = "".join(f"{user}\t{item}\t{at}\n" for user, item, at in datasets.read_csv(path))
    subprocess.run(["psql", "-Xqd", build.name, "-c", "COPY small FROM STDIN"], input=rows, text=True, check=True)
    build.sql("CREATE INDEX ON small (user_id, timestamp)")
    build.sql("VACUUM ANALYZE small")


def prepare(builds, parts, arguments):
    for build in builds:
        note(f"{build.name}: {build.tree}")
        build.install()
        if parts & {"calls", "first_call", "requests"}:
            load_ratings(build, arguments.data)
            publish(build, "default", "small", "seqrec-trainer")
        if parts & {"scan", "first_call"}:
            make_table(build.sql, 2 * arguments.items, max(arguments.items // 10, 1), arguments.items)
            publish(build, "large", "ratings", "seqrec-large-model")
        build.sql("CHECKPOINT")
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    builds[1].work_with("seqrec-trainer")  # starts the server on that core


# --- questions ---


def ids(build, model, kind, count):
    return build.sql(f"SELECT {kind}_id FROM seqrec.{kind}s JOIN seqrec.models USING (model_id) WHERE name = '{model}' ORDER BY 1 LIMIT {count}").split("\n")


class Questions:
    """A hundred users and as many lists of twenty clicks, the same for both builds."""

    def __init__(self, build, model):
        users, items = ids(build, model, "user", 5000), ids(build, model, "item", 1_000_000)
        self.model = model
        self.users = [users[number * 31 % len(users)] for number in range(CALLS)]
        self.clicks = [[items[(number * 7919 + i * 104729) % len(items)] for i in range(20)] for number in range(CALLS)]

    def with_clicks(self):
        return [f"SELECT * FROM seqrec_recommend('{u}', ARRAY{c}, 10, '{self.model}')" for u, c in zip(self.users, self.clicks)]

    def own_rows(self):
        return [f"SELECT * FROM seqrec_recommend('{u}', NULL, 10, '{self.model}')" for u in self.users]

    def for_http(self):
        return {
            "answers, 20 clicks": [f"SELECT item_ids FROM seqrec.answers(ARRAY['{u}'], ARRAY[20], ARRAY{c}, 10)" for u, c in zip(self.users, self.clicks)],
            "answers, own rows": [f"SELECT item_ids FROM seqrec.answers(ARRAY['{u}'], ARRAY[NULL::int], NULL, 10)" for u in self.users],
        }

    def bodies(self):
        return [json.dumps({"user_id": u, "recent_clicks": c, "top_k": 10}) for u, c in zip(self.users, self.clicks)]


def agree(builds, statements):
    for statement in statements:
        before, after = (build.sql(statement) for build in builds)
        assert before and before == after, f"another answer: {statement}\n{before}\n{after}"


# --- what is measured ---


def measure_labels(builds, rounds, arguments):
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        datasets.write_dataset(folder / "dataset", datasets.read_csv(arguments.data))
        options = training.ONE_EPOCH | {"max_len": 200, "dim": 64, "layers": 2, "sampled_items": 0, "threads": 2}

        def turn(which):
            found = training.train(folder, folder / "dataset", options, builds[which].folder / "seqrec-trainer")
            return {"labels_per_s": found["labels_per_s"], "cpu_us": 1e6 * found["cpu_seconds"] / found["labels"]}

        return {"training": summary(in_turns(rounds, turn))}


def warm(build, asked):
    """A connection that has asked everything once. Where its process lies matters as much as what it runs, so there are many."""
    connection = build.connect()
    connection.run("SET client_min_messages = error")
    for statements in asked.values():
        calls_us(connection, statements)
    return connection


def compare_calls(builds, model, asked, rounds):
    """All the questions in turn, on new connections and new files every fourth round."""
    pairs = {name: [] for name in asked}
    for group, numbers in enumerate(in_groups(rounds, 4)):
        for which in order(group):
            builds[which].place_anew(model)
        connections = [warm(build, asked) for build in builds]
        for number in numbers:
            for name, statements in asked.items():
                took = {which: calls_us(connections[which], statements) for which in order(number)}
                pairs[name].append((took[0], took[1]))
        for connection in connections:
            connection.close()
    return {name: summary(found) for name, found in pairs.items()}


def measure_calls(builds, rounds, arguments):
    questions = Questions(builds[0], "default")
    asked = {"20 clicks": questions.with_clicks(), "own rows": questions.own_rows(), **questions.for_http(), "SELECT 1": ["SELECT 1"] * CALLS}
    for statements in asked.values():
        agree(builds, statements[:10])
    return compare_calls(builds, "default", asked, rounds)


def measure_scan(builds, rounds, arguments):
    asked = Questions(builds[0], "large").with_clicks()
    agree(builds, asked[:10])
    return compare_calls(builds, "large", {f"20 clicks, {arguments.items:,} items": asked}, rounds)


def first_call(build, statement):
    start = time.perf_counter()
    with build.connect() as connection:
        connected = time.perf_counter()
        connection.run(statement)
        end = time.perf_counter()
        return {"connection_wall_us": 1e6 * (end - start), "wall_us": 1e6 * (end - connected), "cpu_us": cpu_ns(connection.pid) / 1000}


def measure_first_call(builds, rounds, arguments):
    result = {}
    for model in MODELS:
        statements = Questions(builds[0], model).with_clicks()
        agree(builds, statements[:2])

        def turn(which):
            calls = [first_call(builds[which], statement) for statement in statements[:20]]
            return {name: statistics.median(call[name] for call in calls) for name in calls[0]}

        pairs = []
        for group, numbers in enumerate(in_groups(rounds, 4)):
            for which in order(group):
                builds[which].place_anew(model)
            holders = [warm(build, {"": statements}) for build in builds]  # as in a server at work: others use the files too
            pairs += in_turns(len(numbers), turn)
            for connection in holders:
                connection.close()
        result[model] = summary(pairs)
    return result


def served_ns(build, sidecar):
    """CPU time of the sidecar and of its connections' backends."""
    backends = build.sql("SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()").split()
    return sum(cpu_ns(pid) for pid in [sidecar.process.pid, *backends])


def measure_requests(builds, rounds, arguments):
    questions = Questions(builds[0], "default")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "bodies.txt").write_text("\n".join(questions.bodies()) + "\n", encoding="utf-8")
        script = Path(folder, "recommend.lua")
        script.write_text(f'local BODIES = "{folder}/bodies.txt"\n{WRK_SCRIPT}', encoding="utf-8")
        sidecars = [Sidecar("default", build.folder / "seqrec-http", PGDATABASE=build.name) for build in builds]

        def turn(which):
            start = served_ns(builds[which], sidecars[which])
            found = wrk(sidecars[which].port, 16, arguments.seconds, script)
            assert found["errors"] == 0, found
            spent = served_ns(builds[which], sidecars[which]) - start
            rate = found["requests_per_s"]
            return {"requests_per_s": rate, "p50_us": 1000 * found["p50_ms"], "cpu_us": spent / 1000 / (rate * arguments.seconds)}

        with sidecars[0], sidecars[1]:
            for body in questions.bodies()[:10]:
                before, after = (json.loads(sidecar.text(body)) for sidecar in sidecars)
                assert before["recommended_item_ids"] == after["recommended_item_ids"], (before, after)
            in_turns(1, turn)
            return {"16 connections": summary(in_turns(rounds, turn))}


PARTS = {"labels": measure_labels, "calls": measure_calls, "scan": measure_scan, "first_call": measure_first_call, "requests": measure_requests}


def run(arguments):
    builds = [Build("before", arguments.before), Build("after", arguments.after)]
    parts = [name for name in PARTS if name in arguments.part.split(",")]
    bench = subprocess.run([builds[1].tree / "build" / "seqrec-trainer", "bench", "1"], capture_output=True, text=True, check=True)
    report = {"benchmark": "before_after", "instructions": json.loads(bench.stdout)["kernels"], "load_before": os.getloadavg()[0]}
    cores = os.sched_getaffinity(0)
    prepare(builds, set(parts), arguments)
    for name in parts:
        rounds = max(2, arguments.rounds // SHARE[name])
        note(f"{name}, {rounds} rounds")
        os.sched_setaffinity(0, cores if name == "labels" else {max(cores)})
        report[name] = PARTS[name](builds, rounds, arguments)
        note(json.dumps(report[name]))
    return report | {"load_after": os.getloadavg()[0]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", required=True)
    parser.add_argument("--after", default=ROOT)
    parser.add_argument("--data", required=True)
    parser.add_argument("--part", default=",".join(PARTS))
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=int, default=4)
    arguments = parser.parse_args()
    if "PGHOST" not in os.environ or not os.path.exists(os.path.join(os.environ["PGHOST"], "server.log")):
        os.execv(str(ROOT / "demo" / "cluster.sh"), ["cluster.sh", sys.executable, os.path.abspath(__file__), *sys.argv[1:]])
    print(json.dumps(run(arguments), indent=1))


if __name__ == "__main__":
    main()
