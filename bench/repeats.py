"""What keeping repeats is worth, with the options as shipped. Standard library only.

usage: repeats.py [--data FOLDER] [--only NAME,...] [--options JSON] [--trainer PATH] [--before TRAINER]
       FOLDER holds the data sets of the project. NAME: online-retail (the last event of each customer), diginetica (the
       last week's sessions, every click after the first), ml-1m and amazon-beauty (no repeats: two epochs, once with
       repeats at auto, once with first, and once with TRAINER, an earlier one; all must make the same model).
Prints one JSON object: for each data set what was chosen, the model beside the three baselines, and the goal. Every item is
ranked, what the user has had as well. Exit status 1 when a goal is missed.
"""
import argparse
import json
import sys
import tempfile
from pathlib import Path

import same_model
import training
from datasets import convert

BASELINES = ("popularity", "markov", "personal")
TOLD = ("ndcg@10", "hr@10", "hr@20", "mrr@20", "valid_ndcg@10", "repeat_share", "rows_evaluated", "users_evaluated",
        "best_epoch", "epochs", "train_seconds", "user_scale", "labels_per_s",
        *(f"{name}_{metric}" for name in BASELINES for metric in ("hr@10", "ndcg@10")))
CHOSEN = ("repeats", "merge_seconds", "split", "max_len", "layers", "members", "dropout", "learning_rate", "sampled_items",
          "batch_tokens", "max_seconds")


def run(name, data, options):
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        convert(name, data / name, folder / "dataset")
        metrics = training.train(folder, folder / "dataset", options)
    return {**{key: metrics.get(key) for key in TOLD}, "config": {key: metrics["config"].get(key) for key in CHOSEN}}


def online_retail(name, data, args):
    """Next event among all items, against the best of the baselines."""
    result = run(name, data, args.options)
    best = max(BASELINES, key=lambda baseline: result[f"{baseline}_ndcg@10"])
    ratio = result["ndcg@10"] / result[f"{best}_ndcg@10"]
    return {**result, "best_baseline": best, "ratio": ratio, "goal": 1.15, "reached": ratio >= 1.15}


def diginetica(name, data, args):
    """Every next click of the last week's sessions, among all items."""
    result = run(name, data, {"split": "time", **args.options})
    return {**result, "recall@20": result["hr@20"], "goal": 0.5, "reached": result["hr@20"] >= 0.5}


def unchanged(name, data, args):
    """Without repeats the model is the one that it was, bit for bit."""
    short = {"epochs": 2, "members": 1, "threads": 2, "seed": 1}
    with tempfile.TemporaryDirectory() as folder:
        convert(name, data / name, Path(folder) / "dataset")
        tensors, metrics = same_model.train(training.TRAINER, folder, short)
        others = {"first": (training.TRAINER, {**short, "repeats": "first"})}
        if args.before:
            others["before"] = (args.before, short)
        result = {"repeat_share": metrics["repeat_share"], "ndcg@10": metrics["ndcg@10"]}
        for other, (trainer, options) in others.items():
            their_tensors, their_metrics = same_model.train(trainer, folder, options)
            result[other] = {"tensors": same_model.differences(their_tensors, tensors),
                             "metrics": same_model.differences(their_metrics, metrics)}
    result["reached"] = not any(part["differ"] + part["only_before"] for other in others for part in result[other].values())
    return result


MEASUREMENTS = {"online-retail": online_retail, "diginetica": diginetica, "ml-1m": unchanged, "amazon-beauty": unchanged}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=training.ROOT.parent / "shared" / "data")
    parser.add_argument("--only", default=",".join(MEASUREMENTS))
    parser.add_argument("--options", type=json.loads, default={})
    parser.add_argument("--trainer", type=Path, default=training.TRAINER)
    parser.add_argument("--before", type=Path)
    args = parser.parse_args()
    training.TRAINER = args.trainer
    report = {"benchmark": "repeats", "options": args.options}
    for name in args.only.split(","):
        if not (args.data / name).is_dir():
            report[name] = {"left_out": "no data"}
            continue
        report[name] = MEASUREMENTS[name](name, args.data, args)
        print(name, json.dumps(report[name]), file=sys.stderr, flush=True)
    print(json.dumps(report, indent=1))
    sys.exit(any(isinstance(part, dict) and part.get("reached") is False for part in report.values()))


if __name__ == "__main__":
    main()
