"""Recommendation quality on real data, with the options as shipped. Standard library only.

usage: quality.py [--data FOLDER] [--only NAME,...] [--options JSON] [--seeds N,...] [--kind KIND] [--trainer PATH]
       FOLDER holds the data sets of the project; NAME: ml-1m, amazon-beauty, ml-100k, online-retail.
Prints one JSON object: for each data set and seed HR@10 and NDCG@10 on the test items (leave-one-out, full catalogue,
items the user has seen not ranked) beside popularity, first-order Markov on the same users, the best published figures
and the goal, and how long it took. With several seeds also their mean and its standard error.
"""
import argparse
import json
import math
import statistics
import sys
import tempfile
from pathlib import Path

import training
from datasets import convert

# (HR@10, NDCG@10) on the same file and protocol, pairs of one model each; minutes that a training may take on two cores
PUBLISHED = {"ml-1m": {"WEARec, best run": (0.3334, 0.1904), "SASRec+, 3,000 negatives": (0.3159, 0.1857)},
             "amazon-beauty": {"WEARec, best run": (0.1041, 0.0614), "BSARec, five seeds": (0.1002, 0.0610), "eSASRec": (0.0928, 0.0523)}}
GOALS = {"ml-1m": (0.335, 0.200, 20), "amazon-beauty": (0.100, 0.060, 10), "ml-100k": (None, None, 2),
         "online-retail": (None, None, 10)}
TOLD = ("hr@10", "ndcg@10", "valid_hr@10", "valid_ndcg@10", "popularity_hr@10", "popularity_ndcg@10", "markov_hr@10",
        "markov_ndcg@10", "personal_ndcg@10", "repeat_share", "coverage@10", "best_epoch", "epochs", "train_seconds", "labels_per_s", "user_scale",
        "valid_ndcg@10_clicks_only", "users_evaluated", "pace")


def spread(values):
    error = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else None
    return {"mean": statistics.mean(values), "standard_error": error}


def measure(name, data, options, seeds, kind):
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        convert(name, data / name, folder / "dataset")
        runs = []
        for seed in seeds:
            metrics = training.train(folder, folder / "dataset", {**options, "seed": seed}, kind=kind)
            runs.append({"seed": seed, **{key: metrics.get(key) for key in TOLD}})
            print(name, json.dumps(runs[-1]), file=sys.stderr, flush=True)
        hr, ndcg, minutes = GOALS[name]
        result = {"runs": runs, "config": metrics["config"], "published": PUBLISHED.get(name), "goal": [hr, ndcg],
                  "goal_seconds": 60 * minutes,
                  "hr@10": spread([run["hr@10"] for run in runs]), "ndcg@10": spread([run["ndcg@10"] for run in runs]),
                  "ratio_to_markov_ndcg": statistics.mean(run["ndcg@10"] / run["markov_ndcg@10"] for run in runs)}
        if ndcg:
            result["ratio_to_goal_ndcg"] = result["ndcg@10"]["mean"] / ndcg
        return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=training.ROOT.parent / "shared" / "data")
    parser.add_argument("--only", default=",".join(GOALS))
    parser.add_argument("--options", type=json.loads, default={})
    parser.add_argument("--seeds", default="1")
    parser.add_argument("--kind", default="transformer")
    parser.add_argument("--trainer", type=Path, default=training.TRAINER)
    args = parser.parse_args()
    training.TRAINER = args.trainer
    report = {"benchmark": "quality", "kind": args.kind, "options": args.options}
    for name in args.only.split(","):
        if (args.data / name).is_dir():
            report[name] = measure(name, args.data, args.options, [int(seed) for seed in args.seeds.split(",")], args.kind)
        else:
            report[name] = {"left_out": "no data"}
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
