#!/usr/bin/python3
"""What the moment is worth to the transformer: time and further columns of the ratings, through SQL alone.

usage: bench/context.py [--ml-100k FOLDER] [--online-retail FOLDER] [--parts without,with,auto] [--seeds N] [--max-seconds S] [--options JSON]

MovieLens-100K: u.data, times as timestamps; leave-one-out, every item ranked but those seen. Online Retail: a user is a customer
(rows with a CustomerID and a positive quantity), an item a stock code, the clock that of the invoice; `country` is a column of context.
Parts: `without` (context_use none), `with` (all that the data offer), `auto` (the default: what the validation says).
`plain` is NDCG@10 of the test where clicks are plain ids and nothing is said of the moment, as any call may ask; `said` where the
question's time and columns are said (context => ...), `clicks` where those of the clicks are said as well. The data decide what `auto`
keeps by validation alone; its columns then say what was kept.
Starts a private PostgreSQL (the extension must be installed). Prints a line a run, and means with standard errors over seeds.
"""
import argparse
import datetime
import json
import os
import statistics
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "test" / "integration"))
sys.path.insert(0, str(ROOT / "bench"))

PARTS = {"without": "none", "with": "all", "auto": "auto"}
SHOWN = ("hr@10", "ndcg@10", "valid_ndcg@10", "popularity_ndcg@10", "train_seconds", "epochs")


def utc(seconds):
    return datetime.datetime.fromtimestamp(int(seconds), datetime.timezone.utc).isoformat()


def load_ml_100k(folder):
    from item_text import load_rows

    rows = [line.split("\t") for line in (folder / "u.data").read_text().splitlines()]
    load_rows("ml_100k", "user_id text, item_id text, timestamp timestamptz", [(user, item, utc(time)) for user, item, _, time in rows])
    print(f"MovieLens-100K: {len({row[0] for row in rows})} users, {len({row[1] for row in rows})} items, {len(rows)} rows", flush=True)
    return {}


def load_online_retail(folder):
    from datasets import retail_rows
    from item_text import load_rows

    rows = [row for row in retail_rows(folder) if row["CustomerID"] and row["Quantity"] > 0]
    load_rows("online_retail", "user_id text, item_id text, timestamp timestamp, country text",
              [(row["CustomerID"], row["StockCode"], row["InvoiceDate"], row["Country"]) for row in rows])
    print(f"Online Retail: {len({row['CustomerID'] for row in rows})} customers, {len({row['StockCode'] for row in rows})} items, {len(rows)} rows", flush=True)
    return {"context": ["country"]}


def train(table, options):
    from item_text import wait_for
    from testing import sql

    metrics = wait_for(sql(f"SELECT seqrec_train('{table}', model => '{table}', options => '{json.dumps(options)}')"))
    config = json.loads(sql(f"SELECT config FROM seqrec.models WHERE name = '{table}' AND active"))
    return metrics, config.get("context_use", "none")


def spread(values):
    """Mean and its standard error over seeds."""
    error = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else float("nan")
    return f"{statistics.mean(values):.4f} ± {error:.4f}"


def measure(table, options, arguments):
    found = {}
    for part in arguments.parts.split(","):
        runs = []
        for seed in range(1, arguments.seeds + 1):
            given = {"holdout": "keep", "seed": seed, **options, "context_use": PARTS[part], **arguments.options}
            if part == "with" and "context" not in options:
                given["context_use"] = "time"  # which is all that the data offer
            if arguments.max_seconds:
                given["max_seconds"] = arguments.max_seconds
            metrics, use = train(table, given)
            test = metrics.get("context_test_ndcg@10", {})
            runs.append({"plain": metrics["ndcg@10"], "said": test.get("with", metrics["ndcg@10"]), "clicks": test.get("with_clicks", metrics["ndcg@10"])})
            told = {name: metrics[name] for name in SHOWN + ("context_ndcg@10",) if metrics.get(name) is not None}
            print(f"{table} {part} seed {seed}: kept {use}; {json.dumps(runs[-1])} {json.dumps(told)}", flush=True)
        found[part] = runs
        print(f"{table} {part}, {len(runs)} seeds: " + ", ".join(f"{name} {spread([run[name] for run in runs])}" for name in runs[0]), flush=True)
    for part in found:
        if part != "without" and "without" in found:
            gains = {name: [a[name] - b["plain"] for a, b in zip(found[part], found["without"])] for name in ("plain", "said", "clicks")}
            print(f"{table} {part} less without: " + ", ".join(f"{name} {spread(values)}" for name, values in gains.items()), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ml-100k", type=Path)
    parser.add_argument("--online-retail", type=Path)
    parser.add_argument("--parts", default="without,with,auto")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--max-seconds", type=float)
    parser.add_argument("--options", type=json.loads, default={})
    arguments = parser.parse_args()
    if "PGHOST" not in os.environ or not os.path.exists(os.path.join(os.environ["PGHOST"], "server.log")):
        os.execv(str(ROOT / "demo" / "cluster.sh"), ["cluster.sh", sys.executable, os.path.abspath(__file__), *sys.argv[1:]])
    from testing import sql

    sql("CREATE EXTENSION seqrec")
    for name, folder, load in (("ml_100k", arguments.ml_100k, load_ml_100k), ("online_retail", arguments.online_retail, load_online_retail)):
        if folder:
            measure(name, load(folder), arguments)


if __name__ == "__main__":
    main()
