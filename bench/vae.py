#!/usr/bin/python3
"""Users who were not there at training, by the protocol of SVAE (Sachdeva et al., WSDM 2019), through SQL alone: kind vae with and without
attention, kind transformer, popularity, and EASE (Steck 2019; closed form, here in NumPy), on the same split in the same run.

usage: bench/vae.py [--ml-100k FOLDER] [--ml-1m FOLDER] [--methods NAME,...] [--max-seconds N] [--seeds N] [--options JSON]

Users with 5 to 1,000 events are permuted with NumPy's legacy generator and seed 98765 (as the authors' notebook does); 750 of 6,034 (the
same share elsewhere) are for validation, as many for the test, the others are trained on. Of a test user the first 80 % of the events,
by time, are clicked (fold-in) and the rest are the targets; items that no training user had are dropped. What was clicked is left out of
the answer. Recall divides by the number of targets, NDCG's ideal is cut at k, as the notebook has it. Validation users choose EASE's
penalty and nothing else: seqrec validates inside the training users. MovieLens-100K: ratings of 4 and above; MovieLens-1M: all
events, for the file here has no ratings, so that SVAE's printed figures (ratings of 4 and above) are not of the same task.
Starts a private PostgreSQL (the extension must be installed). Prints a line a method.
"""
import argparse
import gzip
import json
import math
import os
import sys
import time
from pathlib import Path

import numpy

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "test" / "integration"))

SEED, HELD_OUT, OF = 98765, 750, 6034
PUBLISHED = {"ml_100k": "none published", "ml_1m": "SVAE, ratings >= 4: NDCG@10 .1714, Recall@10 .1302, NDCG@100 .2979 (another task)"}
METHODS = {  # kind, options
    "vae": ("vae", {}),
    "vae_4": ("vae", {"next_items": 4}),
    "vae_mse": ("vae", {"loss": "mse"}),
    "mult_vae_like": ("vae", {"attention": False, "next_items": 4}),
    "transformer": ("transformer", {}),
}
PENALTIES = (20, 50, 100, 200, 500, 1000)


def read_ml_100k(folder):
    rows = [line.split("\t") for line in (folder / "u.data").read_text().splitlines()]
    return [(user, item, int(clock)) for user, item, rating, clock in rows if int(rating) >= 4]


def read_ml_1m(folder):
    with gzip.open(folder / "ratings.csv.gz", "rt") as text:
        rows = [line.rstrip().split(",") for line in list(text)[1:]]
    return [(user, item, int(clock)) for user, item, clock in rows]


class Split:
    """Histories by user: those that are trained on, and fold-ins with targets of those that are not."""

    def __init__(self, rows):
        histories = {}
        for user, item, clock in sorted(rows, key=lambda row: (row[0], row[2])):
            histories.setdefault(user, []).append((item, clock))
        users = sorted(user for user, events in histories.items() if 5 <= len(events) <= 1000)
        generator = numpy.random.RandomState(SEED)
        users = [users[place] for place in generator.permutation(len(users))]
        held_out = round(len(users) * HELD_OUT / OF)
        self.train = {user: histories[user] for user in users[: len(users) - 2 * held_out]}
        self.items = sorted({item for events in self.train.values() for item, _ in events})
        known = set(self.items)
        self.validation, self.test = (
            [self.folded([item for item, _ in histories[user] if item in known]) for user in part]
            for part in (users[len(users) - 2 * held_out : len(users) - held_out], users[len(users) - held_out :])
        )

    @staticmethod
    def folded(items):
        cut = int(0.8 * len(items))
        return items[:cut], items[cut:]


def figures(answers, questions):
    """Means over users with a click and a target, in per cent."""
    sums, count = {}, 0
    for answer, (clicks, targets) in zip(answers, questions):
        if not clicks or not targets:
            continue
        count += 1
        hits = [item in set(targets) for item in answer]
        for k in (10, 100):
            ideal = sum(1 / math.log2(place + 2) for place in range(min(k, len(targets))))
            gain = sum(1 / math.log2(place + 2) for place, hit in enumerate(hits[:k]) if hit)
            sums.setdefault(f"ndcg@{k}", []).append(gain / ideal)
            sums.setdefault(f"recall@{k}", []).append(sum(hits[:k]) / len(targets))
    result = {name: round(100 * numpy.mean(values), 2) for name, values in sums.items()}
    result["ndcg@10 standard error"] = round(100 * numpy.std(sums["ndcg@10"]) / math.sqrt(count), 2)
    return {**result, "users": count}


def best(scores, questions, index, items):
    """The hundred highest, what was clicked left out."""
    for row, (clicks, _) in enumerate(questions):
        scores[row, [index[item] for item in clicks]] = -numpy.inf
    order = numpy.argsort(-scores, axis=1, kind="stable")[:, :100]
    return [[items[place] for place in row] for row in order]


def matrix(histories, index):
    counts = numpy.zeros((len(histories), len(index)), dtype=numpy.float32)
    for row, items in enumerate(histories):
        counts[row, [index[item] for item in items]] = 1
    return counts


def ease(split):
    """B = I - P diag(1 / P), P = (X'X + penalty)^-1; the penalty is that of the best NDCG@10 on the validation users."""
    index = {item: place for place, item in enumerate(split.items)}
    seen = matrix([[item for item, _ in events] for events in split.train.values()], index)
    products, chosen = (seen.T @ seen).astype(numpy.float64), (-1, None, None)
    for penalty in PENALTIES:
        inverse = numpy.linalg.inv(products + penalty * numpy.eye(len(index)))
        weights = inverse / -numpy.diag(inverse)
        numpy.fill_diagonal(weights, 0)
        clicked = matrix([clicks for clicks, _ in split.validation], index)
        found = figures(best(clicked @ weights, split.validation, index, split.items), split.validation)
        chosen = max(chosen, (found["ndcg@10"], penalty, weights), key=lambda choice: choice[0])
    clicked = matrix([clicks for clicks, _ in split.test], index)
    return best(clicked @ chosen[2], split.test, index, split.items), {"penalty": chosen[1]}


def popularity(split):
    index = {item: place for place, item in enumerate(split.items)}
    seen = matrix([[item for item, _ in events] for events in split.train.values()], index)
    scores = numpy.tile(seen.sum(axis=0), (len(split.test), 1)).astype(numpy.float64)
    return best(scores, split.test, index, split.items), {}


def load(table, split):
    from testing import psql

    rows = [(user, item, clock) for user, events in split.train.items() for item, clock in events]
    lines = "\n".join("\t".join(map(str, row)) for row in rows)
    done = psql("-f", "-", input=f"CREATE TABLE {table} (user_id text, item_id text, timestamp bigint);\nCOPY {table} FROM stdin;\n{lines}\n\\.\n")
    if done.returncode != 0:
        sys.exit(done.stderr)


def trained(table, method, seed, arguments):
    """Trains on the training users' rows and asks for all test users, who are strangers, in one batch."""
    from testing import psql, sql

    kind, own = METHODS[method]
    options = {"seed": seed, **({"max_seconds": arguments.max_seconds} if arguments.max_seconds else {}), **own, **arguments.options}
    model = f"{table}_{method}"
    job = sql(f"SELECT seqrec_train('{table}', model => '{model}', kind => '{kind}', options => '{json.dumps(options)}')")
    while sql(f"SELECT finished_at IS NULL FROM seqrec_jobs WHERE job_id = {job}") == "t":
        time.sleep(0.5)
    sql(f"CALL seqrec_wait({job})")  # which raises what it failed with
    metrics = json.loads(sql(f"SELECT metrics FROM seqrec_jobs WHERE job_id = {job}"))
    told = {name: metrics[name] for name in ("train_seconds", "ndcg@10", "kl", "active_units") if name in metrics}
    told["own test ndcg@10"] = told.pop("ndcg@10")
    return asked(model, arguments.questions, psql), told


def asked(model, questions, psql):
    users = json.dumps([f"stranger {place}" for place in range(len(questions))])
    clicks = json.dumps([clicks for clicks, _ in questions])
    done = psql("-f", "-", input=f"""SELECT request, string_agg(item_id, ',' ORDER BY rank) FROM seqrec_recommend_batch(
        (SELECT array_agg(value) FROM jsonb_array_elements_text($questions${users}$questions$)), $questions${clicks}$questions$, 100, '{model}',
        exclude_seen => true) GROUP BY request ORDER BY request;""")
    if done.returncode != 0:
        sys.exit(done.stderr)
    answers = dict(line.split("|") for line in done.stdout.splitlines())
    return [answers.get(str(place + 1), "").split(",") for place in range(len(questions))]


def measure(table, rows, arguments):
    split = Split(rows)
    arguments.questions = split.test
    print(f"{table}: {len(split.train)} users to train on, {len(split.validation)} and {len(split.test)} held out, {len(split.items)} items, "
          f"{sum(map(len, split.train.values()))} rows  ({PUBLISHED[table]})", flush=True)
    load(table, split)
    for name, method in (("popularity", popularity), ("ease", ease)):
        begun = time.monotonic()
        answers, told = method(split)
        told["seconds"] = round(time.monotonic() - begun, 1)
        print(f"{table} {name}: {json.dumps({**figures(answers, split.test), **told})}", flush=True)
    for method in arguments.methods.split(","):
        for seed in range(1, arguments.seeds + 1):
            answers, told = trained(table, method, seed, arguments)
            told = {name: round(value, 4) for name, value in told.items()}
            print(f"{table} {method} seed {seed}: {json.dumps({**figures(answers, split.test), **told})}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ml-100k", type=Path)
    parser.add_argument("--ml-1m", type=Path)
    parser.add_argument("--methods", default="vae,vae_4,mult_vae_like,transformer")
    parser.add_argument("--max-seconds", type=int)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--options", type=json.loads, default={})
    arguments = parser.parse_args()
    if "PGHOST" not in os.environ or not os.path.exists(os.path.join(os.environ["PGHOST"], "server.log")):
        os.execv(str(ROOT / "demo" / "cluster.sh"), ["cluster.sh", sys.executable, os.path.abspath(__file__), *sys.argv[1:]])
    from testing import sql

    sql("CREATE EXTENSION seqrec")
    for table, folder, read in (("ml_100k", arguments.ml_100k, read_ml_100k), ("ml_1m", arguments.ml_1m, read_ml_1m)):
        if folder:
            measure(table, read(folder), arguments)


if __name__ == "__main__":
    main()
