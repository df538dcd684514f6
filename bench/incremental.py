#!/usr/bin/python3
"""A nightly retraining against training anew: the first part of every history, then the rest.

usage: bench/incremental.py RATINGS.csv[.gz] [--share S] [--options JSON]

RATINGS.csv has the header user_id,item_id,timestamp with integer ids. In a private PostgreSQL (the extension must be
installed) a model is trained on the first S (0.9) of each user's interactions; then the rest is inserted and the grown
table is trained twice: from that model (init_from) and anew. Prints one JSON object: metrics and seconds of the three, and
the ratios of NDCG@10 and of time. Users without two new interactions are left out of the metrics when a model starts from one
that knows them, so the anew model is compared on validation and test of (nearly) the same users: both counts are printed.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile

from main_job import ROOT, unpack

sys.path.insert(0, str(ROOT / "test" / "integration"))
TOLD = ("hr@10", "ndcg@10", "markov_ndcg@10", "users_evaluated", "epochs", "best_epoch", "train_seconds", "labels")


def split(csv, share, folder):
    """Two CSV files: the first `share` of each user's rows by time, and the others."""
    histories = {}
    with open(csv, encoding="utf-8") as rows:
        header = next(rows)
        for row in rows:
            user, _, time = row.split(",")
            histories.setdefault(user, []).append((float(time), row))
    paths = [os.path.join(folder, name) for name in ("first.csv", "rest.csv")]
    with open(paths[0], "w", encoding="utf-8") as first, open(paths[1], "w", encoding="utf-8") as rest:
        for out in (first, rest):
            out.write(header)
        for rows in histories.values():
            rows.sort(key=lambda entry: entry[0])
            cut = int(len(rows) * share)
            first.writelines(row for _, row in rows[:cut])
            rest.writelines(row for _, row in rows[cut:])
    for path in paths:
        os.chmod(path, 0o644)
    return paths


def load(path):
    subprocess.run(["psql", "-Xq", "-c", f"\\copy ratings FROM '{path}' (FORMAT csv, HEADER)"], check=True)


def train(model, options):
    from testing import sql

    job = sql(f"SELECT seqrec_train('ratings', '{model}', options => $${json.dumps(options)}$$)")
    subprocess.run(["psql", "-Xq", "-c", f"CALL seqrec_wait({job})"], check=True)
    metrics = json.loads(sql(f"SELECT metrics FROM seqrec_jobs WHERE job_id = {job}"))
    told = {key: metrics[key] for key in TOLD}
    print(model, options, told, file=sys.stderr, flush=True)
    return told


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ratings")
    parser.add_argument("--share", type=float, default=0.9)
    parser.add_argument("--options", type=json.loads, default={})
    arguments = parser.parse_args()
    if "PGHOST" not in os.environ or not os.path.exists(os.path.join(os.environ["PGHOST"], "server.log")):
        os.execv(str(ROOT / "demo" / "cluster.sh"),
                 ["cluster.sh", sys.executable, os.path.abspath(__file__), *sys.argv[1:]])
    from testing import sql

    sql("CREATE EXTENSION seqrec; CREATE TABLE ratings (user_id int, item_id int, timestamp bigint)")
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        first, rest = split(unpack(arguments.ratings, folder), arguments.share, folder)
        load(first)
        result = {"first": train("nightly", arguments.options)}
        load(rest)
        result["from_the_first"] = train("nightly", {**arguments.options, "init_from": "nightly"})
        result["anew"] = train("anew", arguments.options)
    ours, anew = result["from_the_first"], result["anew"]
    result["ratios"] = {"ndcg@10": ours["ndcg@10"] / anew["ndcg@10"], "ndcg_target": 0.99,
                        "seconds": ours["train_seconds"] / anew["train_seconds"], "seconds_target": 0.2}
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
