"""What the defaults make of the time there is: a fraction of it, all of it, twice as much. Standard library only.

usage: time_given.py [--data FOLDER] [--only NAME,...] [--times F,...] [--seconds S] [--options JSON] [--seed N]
                     [--trainer PATH]
       NAME: amazon-beauty, online-retail, ml-100k, ml-1m (folders of FOLDER), beauty-bestsellers and diginetica-long (two of
       them cut to the shape of a shop, see datasets.py), or USERSxITEMS, a made-up shop with histories of eight:
       36000x12000. --seconds: the time that F are multiples of; without it the limit that the
       defaults have for that set. SEQREC_ISA=avx2 forces the slower kernels.
Prints one JSON object: for each set and time HR@10 and NDCG@10 on validation and test, what was chosen to fit it (pace),
how many epochs each network had, its best, and the share of the training that came after the best epoch of the network
it belongs to: a cool-down that pays has none.
"""
import argparse
import json
import os
import random
import sys
import tempfile
from pathlib import Path

import training
from datasets import convert, write_shop

FOLDERS = {"beauty-bestsellers": "amazon-beauty", "diginetica-long": "diginetica"}
LIMITS = {"beauty-bestsellers": 600, "diginetica-long": 600, "ml-1m": 1200, "amazon-beauty": 600, "ml-100k": 120, "online-retail": 600}
TOLD = ("hr@10", "ndcg@10", "valid_hr@10", "valid_ndcg@10", "markov_ndcg@10", "train_seconds", "labels_per_s", "pace",
        "teaching")


def write(name, data, path):
    if name in LIMITS:
        return convert(name, data / FOLDERS.get(name, name), path)
    users, items = name.split("x")
    return write_shop(path, int(users), int(items), random.Random(1))


def courses(events):
    """The epochs of each network that were ranked: a network begins where `member` or `stage` changes."""
    networks = {}
    for event in events:
        networks.setdefault((event.get("stage"), event.get("member", 1)), []).append(event)
    return list(networks.values())


def told_of(events, end):
    """Of each network its epochs, the best, and the share of all seconds that it went on after that."""
    networks, after, begin = [], 0, 0
    for course in courses(events):
        best = max(course, key=lambda event: event["metrics"]["ndcg@10"])
        after += course[-1]["seconds"] - best["seconds"]
        networks.append({"epochs": course[-1]["epoch"] - begin, "best": best["epoch"] - begin,
                         "valid_ndcg@10": [round(event["metrics"]["ndcg@10"], 4) for event in course]})
        begin = course[-1]["epoch"]
    return {"networks": networks, "share_after_best": after / end}


def measure(name, args):
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        counts = write(name, args.data, folder / "dataset")
        limit, runs = args.seconds or LIMITS.get(name, 600), []
        for times in args.times:
            options = {**args.options, "seed": args.seed, "max_seconds": limit * times}
            events = []
            metrics = training.train(folder, folder / "dataset", options, trainer=args.trainer, watch=events.append)
            epochs = [event for event in events if event["event"] == "epoch"]
            runs.append({"times": times, **{key: metrics.get(key) for key in TOLD},
                         **told_of(epochs, metrics["train_seconds"])})
            print(name, json.dumps(runs[-1]), file=sys.stderr, flush=True)
        return {**counts, "seconds": limit, "runs": runs}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=training.ROOT.parent / "shared" / "data")
    parser.add_argument("--only", default="36000x12000")
    parser.add_argument("--times", default="0.25,0.5,1,2", type=lambda text: [float(part) for part in text.split(",")])
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--options", type=json.loads, default={})
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--trainer", type=Path, default=training.TRAINER)
    args = parser.parse_args()
    report = {"benchmark": "time_given", "isa": os.environ.get("SEQREC_ISA", "this machine's"),
              "load_before": os.getloadavg()[0]}
    for name in args.only.split(","):
        report[name] = measure(name, args)
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
