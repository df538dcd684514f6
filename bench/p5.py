#!/usr/bin/python3
"""Kind p5 on MovieLens-1M with users.dat, through SQL alone: people nobody knows, and what each stage is worth.

usage: bench/p5.py --ml-1m FOLDER [--seconds N] [--threads N] [--users N] [--parts p5,tune_alone,transformer] [--options JSON]
                   [--seed N]

A tenth of the users (random.Random(seed)) is held out whole: none of their ratings is in the table, and gender, age and occupation are given as `context`
alone. Each is asked for the item after 0, 1, 3, 5 and 10 events, every item ranked but those clicked: HR@10 and NDCG@10 with the prompt and without, what it gains with its standard error, beside demographic
popularity: the top items of the training users of the same gender and age, those clicked left out. Leave-one-out of the training users stands beside kind
`transformer` (one member) with the same time. `tune_alone`: without pretraining. --users takes so many users of all, for a first look.
Starts a private PostgreSQL (the extension must be installed). Prints a line a figure.
"""
import argparse
import gzip
import json
import math
import os
import random
import statistics
import sys
from collections import Counter, defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "test" / "integration"), str(ROOT / "bench")]

HISTORIES = (0, 1, 3, 5, 10)
SHOWN = ("hr@10", "ndcg@10", "valid_ndcg@10", "markov_ndcg@10", "popularity_ndcg@10", "auc", "log_loss", "ece", "top10_probability", "top10_share", "personal_tokens", "prompt_gain",
         "stage_seconds", "epochs", "labels_per_s", "train_seconds")


def read(folder, most):
    """Each user's items, oldest first, and columns."""
    events, people = defaultdict(list), {}
    with gzip.open(folder / "ratings.csv.gz", "rt") as text:
        for line in list(text)[1:]:
            user, item, time = line.rstrip().split(",")[:3]
            events[user].append((int(time), item))
    for line in (folder / "users.dat").read_text(encoding="latin-1").splitlines():
        user, gender, age, occupation, _ = line.split("::")
        people[user] = {"gender": gender, "age": int(age), "occupation": occupation}
    users = sorted(events, key=int)
    if most:
        users = random.Random(2).sample(users, most)
    return {user: [item for _, item in sorted(events[user], key=lambda event: event[0])] for user in users}, people


def load(sequences, people, held_out):
    from item_text import load_rows

    known = [user for user in sequences if user not in held_out]
    load_rows("ml", "user_id text, item_id text, timestamp int", [(u, item, at) for u in known for at, item in enumerate(sequences[u])])
    load_rows("ml_users", "user_id text, gender text, age int, occupation text", [(u, *people[u].values()) for u in known])
    items = {item for user in known for item in sequences[user]}
    asks = []
    for user in held_out:
        sequence = [item for item in sequences[user] if item in items]
        asks += [(user, h, "{" + ",".join(sequence[:h]) + "}", sequence[h], json.dumps(people[user])) for h in HISTORIES if len(sequence) > h]
    load_rows("asks", "user_id text, h int, clicks text[], target text, context jsonb", asks)
    return asks


def demographic(sequences, people, held_out):
    """NDCG@10 and HR@10 of the top items of the same gender and age, by length of history."""
    top = defaultdict(Counter)
    for user, sequence in sequences.items():
        if user not in held_out:
            top[people[user]["gender"], people[user]["age"]].update(sequence)
    ranked = {group: [item for item, _ in counts.most_common(200)] for group, counts in top.items()}

    def rank(user, clicks):
        return [item for item in ranked[people[user]["gender"], people[user]["age"]] if item not in clicks][:10]

    return rank


def worth(rank):
    """NDCG of a rank from 1, 0 for none of the ten best."""
    return 1 / math.log2(rank + 1) if rank else 0


def figures(ranks):
    """(HR@10, NDCG@10) of ranks from 1, 0 for none."""
    return round(sum(rank > 0 for rank in ranks) / len(ranks), 4), round(statistics.mean(map(worth, ranks)), 4)


def ask(model, context):
    """Ranks of all asks, by length of history."""
    from testing import sql

    said = sql(f"""SELECT a.h, coalesce((SELECT r.rank FROM seqrec_recommend(NULL, a.clicks, 10, '{model}', context => {context}) r
                                         WHERE r.item_id = a.target), 0) FROM asks a ORDER BY a.h, a.user_id""")
    ranks = defaultdict(list)
    for line in said.splitlines():
        h, rank = line.split("|")
        ranks[int(h)].append(int(rank))
    return dict(sorted(ranks.items()))


def gains(on, off):
    """NDCG@10 with the prompt less without, and its standard error over the same questions, by length of history."""
    said = {}
    for h in on:
        each = [worth(a) - worth(b) for a, b in zip(on[h], off[h])]
        said[h] = round(statistics.mean(each), 4), round(statistics.stdev(each) / math.sqrt(len(each)), 4)
    return said


def popular(asks, rank):
    ranks = defaultdict(list)
    for user, h, clicks, target, _ in asks:
        top = rank(user, set(clicks.strip("{}").split(",")))
        ranks[h].append(top.index(target) + 1 if target in top else 0)
    return {h: figures(of) for h, of in sorted(ranks.items())}


def train(kind, model, options):
    from item_text import wait_for
    from testing import sql

    users = ", users => 'ml_users'" if kind == "p5" else ""
    metrics = wait_for(sql(f"SELECT seqrec_train('ml', model => '{model}', kind => '{kind}'{users}, options => '{json.dumps(options)}')"))
    print(f"{model}: {json.dumps({name: metrics[name] for name in SHOWN if metrics.get(name) is not None})}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ml-1m", type=Path, required=True)
    parser.add_argument("--seconds", type=int, default=180)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--users", type=int)
    parser.add_argument("--seed", type=int, default=1, help="of the trainings, and of who is held out")
    parser.add_argument("--parts", default="p5,tune_alone,transformer")
    parser.add_argument("--options", type=json.loads, default={})
    arguments = parser.parse_args()
    if "PGHOST" not in os.environ or not os.path.exists(os.path.join(os.environ["PGHOST"], "server.log")):
        os.execv(str(ROOT / "demo" / "cluster.sh"), ["cluster.sh", sys.executable, os.path.abspath(__file__), *sys.argv[1:]])
    from testing import sql

    sql("CREATE EXTENSION seqrec")
    sequences, people = read(arguments.ml_1m, arguments.users)
    names = list(sequences)
    held_out = set(random.Random(arguments.seed).sample(names, len(names) // 10))
    asks = load(sequences, people, held_out)
    print(f"{len(names) - len(held_out)} users trained on, {len(held_out)} held out whole, {len(asks)} questions", flush=True)
    print(f"demographic popularity (HR@10, NDCG@10): {popular(asks, demographic(sequences, people, held_out))}", flush=True)
    common = {"max_seconds": arguments.seconds, "threads": arguments.threads, "seed": arguments.seed, "holdout": "keep", "index": "none", **arguments.options}
    for part in arguments.parts.split(","):
        if part == "transformer":
            train("transformer", part, {**common, "members": 1})
            continue
        train("p5", part, {**common, **({"stages": ["tune"]} if part == "tune_alone" else {})})
        on, off = ask(part, "a.context"), ask(part, "NULL")
        for what, ranks in (("on", on), ("off", off)):
            print(f"{part}, prompt {what}: {({h: figures(of) for h, of in ranks.items()})}", flush=True)
        print(f"{part}, gain of the prompt (NDCG@10, standard error): {gains(on, off)}", flush=True)


if __name__ == "__main__":
    main()
