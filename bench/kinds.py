#!/usr/bin/python3
"""Every kind on the same data by the same protocol, through SQL alone, beside the baselines and the published figures.

usage: bench/kinds.py [--ml-1m FOLDER] [--beauty FOLDER] [--online-retail FOLDER] [--kinds NAME,...] [--options JSON] [--seed N]
       --options: of every training that knows them, such as {"max_seconds": 120}.

Leave-one-out, every item ranked but those the user has seen (Online Retail: repeats kept, a user is an invoice), holdout keep,
nothing held out whole. Each kind gets what it can use: the table of items (titles, genres), that of users (MovieLens: gender, age,
occupation). HR, NDCG, coverage and diversity are those of seqrec_evaluate, so are the baselines; a call is a prepared
seqrec_recommend of 20 clicks for a stranger, k 10, over the unix socket, the median of 2,000. Starts a private PostgreSQL (the
extension must be installed). Prints a line a training as JSON, then a table a data set in Markdown.
"""
import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path

import item_text
from item_text import load_rows, wait_for

ROOT = Path(__file__).resolve().parent.parent
PUBLISHED = {"ml_1m": "best published .3334 / .1904 (one run)", "beauty": "best published .1041 / .0614 (one run)",
             "online_retail": "TedRec .223 / .132"}
LOADERS = {"ml_1m": item_text.load_ml_1m, "beauty": item_text.load_beauty, "online_retail": item_text.load_online_retail}
BASELINES = {"popularity": "popularity", "markov": "Markov", "item_knn": "item-kNN", "ease": "EASE"}
CALLS, CLICKS = 2000, 20


def load_users(folder):
    people = [line.split("::") for line in (folder / "users.dat").read_text(encoding="latin-1").splitlines()]
    load_rows("ml_1m_users", "user_id text, gender text, age text, occupation text", [row[:4] for row in people])


def start(kind, table, given):
    """A training of a kind with all that it can use, and the options that it knows."""
    from testing import sql

    known, learns_from = sql(f"SELECT options, learns_from FROM seqrec_kinds() WHERE kind = '{kind}'").rsplit("|", 1)
    tables = [name for name in ("items", "users") if name in learns_from and sql(f"SELECT to_regclass('{table}_{name}') IS NOT NULL") == "t"]
    options = json.dumps({name: value for name, value in given.items() if name in json.loads(known)})
    arguments = "".join(f", {name} => '{table}_{name}'" for name in tables)
    return int(sql(f"SELECT seqrec_train('{table}', model => '{table}_{kind}', kind => '{kind}'{arguments}, options => '{options}')"))


def evaluate(model, baselines):
    from testing import sql

    rows = sql(f"SELECT metric, value FROM seqrec_evaluate('{model}', baselines => {baselines}) WHERE k = 10 OR k IS NULL").splitlines()
    return {metric: float(value) for metric, value in (row.split("|") for row in rows) if value}


def call_us(table, model):
    """The median of prepared calls inside one session, in microseconds."""
    from testing import psql

    clicks = f"(SELECT array_agg(item_id) FROM (SELECT item_id FROM {table} LIMIT {CLICKS}) latest)"
    done = psql("-f", "-", input=f"""
SELECT {clicks} AS clicks \\gset
PREPARE ask AS SELECT count(*) FROM seqrec_recommend('nobody of this name', :'clicks'::text[], 10, '{model}');
EXECUTE ask;
\\timing on
""" + "EXECUTE ask;\n" * CALLS)
    if done.returncode != 0:
        sys.exit(done.stderr)
    times = [float(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("Time:")]
    return round(1000 * statistics.median(times))


def measure(table, given, arguments):
    from testing import sql

    kinds = arguments.kinds.split(",") if arguments.kinds else sql("SELECT kind FROM seqrec_kinds()").splitlines()
    lines, baselines = [], {}
    for kind in kinds:
        options = {"holdout": "keep", "cold_share": 0, "seed": arguments.seed, **given, **arguments.options}
        begun = time.monotonic()
        metrics = wait_for(start(kind, table, options))
        seconds = time.monotonic() - begun
        measured = evaluate(f"{table}_{kind}", str(not baselines).lower())
        baselines = baselines or measured
        row = {"kind": kind, "hr@10": measured["hr"], "ndcg@10": measured["ndcg"], "coverage@10": measured["coverage"],
               "diversity@10": measured["diversity"], "seconds": round(seconds), "train_seconds": round(metrics.get("train_seconds", 0)),
               "call_us": call_us(table, f"{table}_{kind}"), "load_average": os.getloadavg()[0]}
        print(table, json.dumps(row), flush=True)
        lines.append(f"| `{kind}` | {row['hr@10']:.4f} / {row['ndcg@10']:.4f} | {row['coverage@10']:.2f} | {row['diversity@10']:.2f} | {row['seconds']} | {row['call_us']} |")
    for name, words in BASELINES.items():
        if f"{name}_hr" in baselines:
            lines.append(f"| {words} | {baselines[f'{name}_hr']:.4f} / {baselines[f'{name}_ndcg']:.4f} | | | | |")
    print(f"\n{table} ({PUBLISHED[table]})\n\n| | HR@10 / NDCG@10 | coverage@10 | diversity@10 | seconds | call, µs |\n| --- | --- | --- | --- | --- | --- |")
    print("\n".join(lines) + "\n", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in LOADERS:
        parser.add_argument("--" + name.replace("_", "-"), type=Path)
    parser.add_argument("--kinds")
    parser.add_argument("--options", type=json.loads, default={})
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    if "PGHOST" not in os.environ or not os.path.exists(os.path.join(os.environ["PGHOST"], "server.log")):
        os.execv(str(ROOT / "demo" / "cluster.sh"), ["cluster.sh", sys.executable, os.path.abspath(__file__), *sys.argv[1:]])
    sys.path.insert(0, str(ROOT / "test" / "integration"))
    from testing import sql

    sql("CREATE EXTENSION seqrec")
    for name, load in LOADERS.items():
        folder = getattr(arguments, name)
        if folder is None:
            continue
        given = load(folder)
        if name == "ml_1m":
            load_users(folder)
        measure(name, given, arguments)


if __name__ == "__main__":
    main()
