#!/usr/bin/python3
"""The kind logistic on public data, through SQL alone and with default options, beside figures of a plain regression.

usage: bench/logistic.py [--coat FOLDER] [--ml-100k FOLDER] [--ml-1m FOLDER] [--rows N] [--seeds N] [--options JSON]

Coat: trained on train.ascii (chosen by its users), measured on test.ascii (random items) by seqrec_evaluate; 3 and more are
positive. MovieLens-100K: 4 and more are positive, 3 is dropped; measured by the job itself on its held-out tenth, drawn by
chance or the latest; and all of it without labels. MovieLens-1M: without labels, and how long seqrec_evaluate takes. --rows: generated ones, how many of them a pass takes in a second. Starts a private PostgreSQL (the extension must be installed). Prints a line a run, and means.
"""
import argparse
import gzip
import json
import os
import statistics
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "test" / "integration"))

PAIRS = ("auc", "log_loss", "brier", "ece", "f1")
PLAIN = {"coat": "plain: auc .766 ece .046; target: auc >= .775, ece <= .04",
         "ml-100k random": "plain: .855 .383 .017; target: auc >= .862, log loss <= .375, ece <= .015",
         "ml-100k time": "plain: auc .773; target: auc >= .782"}


def load_rows(name, columns, rows):
    """Creates a table and fills it; every value as COPY reads it, None for NULL."""
    from testing import psql

    lines = "\n".join("\t".join("\\N" if value is None else str(value) for value in row) for row in rows)
    done = psql("-f", "-", input=f"CREATE TABLE {name} ({columns});\nCOPY {name} FROM stdin;\n{lines}\n\\.\nANALYZE {name};\n")
    if done.returncode != 0:
        sys.exit(done.stderr)


def matrix(path):
    return [[int(float(number)) for number in line.split()] for line in path.read_text().splitlines() if line.strip()]


def coat_features(folder, side):
    """Names of columns, and their values in each row, of one-hot blocks that are named column:value."""
    names = [line.strip().split(":", 1) for line in (folder / f"{side}_features_map.txt").read_text().splitlines() if line.strip()]
    columns = list(dict.fromkeys(column for column, _ in names))
    rows = [[value for (_, value), on in zip(names, row) if on] for row in matrix(folder / f"{side}_features.ascii")]
    return columns, rows


def load_coat(folder):
    for name in ("train", "test"):
        load_rows(f"coat_{name}", "user_id int, item_id int, rating int, timestamp int",
                  [(u, i, rating, 0) for u, row in enumerate(matrix(folder / f"{name}.ascii")) for i, rating in enumerate(row) if rating])
    for side in ("user", "item"):
        columns, rows = coat_features(folder, side)
        load_rows(f"coat_{side}s", ", ".join([f"{side}_id int", *(f"{column} text" for column in columns)]), [(n, *row) for n, row in enumerate(rows)])


def load_ml_100k(folder):
    ratings = [line.split() for line in (folder / "u.data").read_text().splitlines()]
    load_rows("ml", "user_id int, item_id int, rating int, timestamp bigint", [row for row in ratings if row[2] != "3"])
    users = [line.split("\t")[:4] for line in (folder / "users.tsv").read_text().splitlines()[1:]]
    load_rows("ml_users", "user_id int, age int, gender text, occupation text", users)
    items = [line.split("|") for line in (folder / "u.item").read_text(encoding="latin-1").splitlines()]
    load_rows("ml_items", "item_id int, year int, genres text[]",
              [(i[0], i[2][-4:] or None, "{" + ",".join(f"genre{n}" for n, on in enumerate(i[5:]) if on == "1") + "}") for i in items])


def train(ratings, items, users, options):
    from testing import sql

    job = sql(f"SELECT seqrec_train('{ratings}', model => '{ratings}', kind => 'logistic', items => '{items}', users => '{users}', options => '{json.dumps(options)}')")
    while sql(f"SELECT finished_at IS NULL FROM seqrec_jobs WHERE job_id = {job}") == "t":
        time.sleep(0.2)
    sql(f"CALL seqrec_wait({job})")  # which raises what it failed with
    return json.loads(sql(f"SELECT metrics FROM seqrec_jobs WHERE job_id = {job}"))


def evaluate(model, ratings):
    from testing import sql

    rows = sql(f"SELECT metric, value FROM seqrec_evaluate('{model}', '{ratings}', split => 'held_out', baselines => false) WHERE k IS NULL")
    return {name: float(value) for name, value in (line.split("|") for line in rows.splitlines()) if value}


def report(name, runs):
    means = {metric: round(statistics.mean(run[metric] for run in runs), 4) for metric in runs[0]}
    print(f"{name:15} mean of {len(runs)}: {json.dumps(means)}  ({PLAIN[name]})", flush=True)


def measure_coat(folder, seeds, options):
    from testing import sql

    load_coat(folder)
    sql("CREATE VIEW coat_new AS SELECT * FROM coat_test WHERE (user_id, item_id) NOT IN (SELECT user_id, item_id FROM coat_train)")
    runs = []
    for seed in range(1, seeds + 1):
        metrics = train("coat_train", "coat_items", "coat_users", {"label": "rating", "positive_from": 3, "split": "random", "seed": seed, **options})
        told = evaluate("coat_train", "coat_test")
        new = evaluate("coat_train", "coat_new")
        runs.append({name: told[name] for name in (*PAIRS, "pairs_evaluated")}
                    | {"new_pairs_auc": new["auc"], "new_pairs_ece": new["ece"], "train_seconds": metrics["train_seconds"]})
        print(f"coat seed {seed}: {json.dumps(runs[-1])}", flush=True)
    report("coat", runs)


def measure_ml_100k(folder, seeds, options):
    load_ml_100k(folder)
    for split in ("random", "time"):
        runs = []
        for seed in range(1, seeds + 1 if split == "random" else 2):
            metrics = train("ml", "ml_items", "ml_users", {"label": "rating", "positive_from": 4, "split": split, "seed": seed, **options})
            runs.append({name: metrics[name] for name in (*PAIRS, "pairs_evaluated", "train_seconds", "labels_per_s", "hr@10", "ndcg@10", "popularity_ndcg@10")})
            print(f"ml-100k {split} seed {seed}: {json.dumps(runs[-1])}", flush=True)
        report(f"ml-100k {split}", runs)
    time_calls()
    load_rows("ml_all", "user_id int, item_id int, rating int, timestamp bigint",
              [line.split() for line in (folder / "u.data").read_text().splitlines()])
    measure_without_labels("ml_all", "ml_items", "ml_users")


def measure_without_labels(ratings, items, users):
    metrics = train(ratings, items, users, {"split": "leave_one_out"})
    shown = ("hr@10", "ndcg@10", "popularity_hr@10", "popularity_ndcg@10", "markov_hr@10", "markov_ndcg@10", "train_seconds", "pairs")
    print(f"{ratings} without labels, leave-one-out: {json.dumps({name: metrics[name] for name in shown})}", flush=True)


def measure_ml_1m(folder):
    from testing import sql

    with gzip.open(folder / "ratings.csv.gz", "rt") as text:
        load_rows("ml_1m", "user_id int, item_id int, timestamp int", [line.rstrip().split(",") for line in list(text)[1:]])
    fields = [[line.split("::") for line in (folder / name).read_text(encoding="latin-1").splitlines()] for name in ("users.dat", "movies.dat")]
    load_rows("ml_1m_users", "user_id int, gender text, age int, occupation text", [row[:4] for row in fields[0]])
    load_rows("ml_1m_items", "item_id int, year int, genres text[]",
              [(row[0], row[1][-5:-1], '{"' + '","'.join(row[2].split("|")) + '"}') for row in fields[1]])
    measure_without_labels("ml_1m", "ml_1m_items", "ml_1m_users")
    for baselines in ("false", "true"):
        begun = time.monotonic()
        sql(f"SELECT count(*) FROM seqrec_evaluate('ml_1m', baselines => {baselines})")
        print(f"seqrec_evaluate of MovieLens-1M, leave-one-out, baselines {baselines}: {time.monotonic() - begun:.1f} s", flush=True)


def measure_rows(rows, options):
    """A table of MovieLens-20M's shape, noise for labels: what counts is what a pass costs."""
    from testing import sql

    users, items = 138_000, 27_000
    sql(f"""CREATE TABLE big_users AS SELECT n AS user_id, n % 2 = 0 AS gender, (ARRAY['18','25','35','45','50','56','1'])[1 + n % 7] AS age, 'occupation' || n % 21 AS occupation
            FROM generate_series(0, {users - 1}) n""")
    sql(f"""CREATE TABLE big_items AS SELECT n AS item_id, 1930 + n % 80 AS year, ARRAY['g' || n % 19, 'g' || (n * 7 + 1) % 19] AS genres FROM generate_series(0, {items - 1}) n""")
    sql(f"""CREATE UNLOGGED TABLE big AS SELECT (n / {max(1, rows // users)}) % {users} AS user_id, floor({items} * random() ^ 3)::int AS item_id, n AS timestamp, random() < 0.5 AS liked
            FROM generate_series(0, {rows - 1}) n""")
    metrics = train("big", "big_items", "big_users", {"label": "liked", "max_seconds": 60, "index": "none", **options})
    print(json.dumps({name: metrics[name] for name in ("rows", "pairs", "passes", "coefficients", "labels_per_s", "train_seconds", "export_seconds", "export_rows_per_s")}), flush=True)


def time_calls(calls=2000):
    """Microseconds of a recommendation inside the server, its 20 clicks given, after as many to warm up."""
    from testing import script

    body = f"""
DO $$ DECLARE clicks text[] := ARRAY(SELECT item_id::text FROM ml WHERE user_id = 405 ORDER BY timestamp LIMIT 20); begun timestamptz; took double precision[] := '{{}}';
BEGIN
    FOR i IN 1..{2 * calls} LOOP
        begun := clock_timestamp();
        PERFORM * FROM seqrec_recommend((i % 900 + 1)::text, clicks, 10, 'ml');
        IF i > {calls} THEN took := took || extract(epoch FROM clock_timestamp() - begun) * 1e6; END IF;
    END LOOP;
    RAISE NOTICE 'seqrec_recommend on ml-100k, 20 clicks: p50 % us, p99 % us', (SELECT round(percentile_cont(0.5) WITHIN GROUP (ORDER BY t)::numeric, 1) FROM unnest(took) t),
        (SELECT round(percentile_cont(0.99) WITHIN GROUP (ORDER BY t)::numeric, 1) FROM unnest(took) t);
END $$;"""
    print(script(body).strip(), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--coat", type=Path)
    parser.add_argument("--ml-100k", type=Path)
    parser.add_argument("--ml-1m", type=Path)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--options", type=json.loads, default={})
    arguments = parser.parse_args()
    if "PGHOST" not in os.environ or not os.path.exists(os.path.join(os.environ["PGHOST"], "server.log")):
        os.execv(str(ROOT / "demo" / "cluster.sh"), ["cluster.sh", sys.executable, os.path.abspath(__file__), *sys.argv[1:]])
    from testing import sql

    sql("CREATE EXTENSION seqrec")
    begun = time.monotonic()
    if arguments.coat:
        measure_coat(arguments.coat, arguments.seeds, arguments.options)
    if arguments.ml_100k:
        measure_ml_100k(arguments.ml_100k, arguments.seeds, arguments.options)
    if arguments.ml_1m:
        measure_ml_1m(arguments.ml_1m)
    if arguments.rows:
        measure_rows(arguments.rows, arguments.options)
    print(f"{time.monotonic() - begun:.0f} s in all")


if __name__ == "__main__":
    main()
