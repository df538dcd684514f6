#!/usr/bin/python3
"""Updating without forgetting: ADER's protocol on DIGINETICA's weeks, through SQL alone.

usage: bench/update.py --diginetica FOLDER [--periods N] [--first P] [--mode joint,finetune,update,new_rows] [--joint-every N]
                       [--max-seconds S] [--options JSON] [--joint-options JSON] [--update-options JSON]

A model is trained on the rows to period t and asked for every click but the first of each session of period t + 1, after those
before it, among all items known so far; clicks on items that nobody had until t are dropped, and sessions of one click with
them (DoubleMuL/ADER, util.py). Repeats count, as there. Figures are Recall@20 and @10 and MRR@20 of seqrec_evaluate.

Modes, each from the same model of the periods 0 .. P (--first, 0):
  joint     trained anew on all rows so far; --joint-every N does so each N periods only
  finetune  init_from on the new period's rows alone, without distillation: what is forgotten
  update    init_from on the table with all rows so far
  new_rows  init_from on the new period's rows alone: the older were deleted

Published (RecSys 2020), Recall@20, mean of 16 periods: fine-tune 47.28, EWC 47.66, ADER 50.21, joint retrain 50.03.
Starts a private PostgreSQL (the extension must be installed). Prints a line a training and a mean a mode; what an update costs
beside a joint retrain is told in labels, which do not depend on what else the machine does, and in seconds.
"""
import argparse
import gzip
import json
import os
import statistics
import sys
from pathlib import Path

from item_text import ROOT, load_rows, wait_for

sys.path.insert(0, str(ROOT / "test" / "integration"))
MODES = ("joint", "finetune", "update", "new_rows")
TOLD = ("labels", "epochs", "best_epoch", "train_seconds", "items", "valid_ndcg@10", "distill_clicks")


def read_periods(folder, count):
    periods = []
    for number in range(count):
        with gzip.open(folder / f"period_{number}.txt.gz", "rt") as text:
            periods.append([tuple(line.split()) for line in text])
    return periods


def asked_of(rows, known):
    """What is asked of a period: the sessions without the items that nobody had before, and those of one click not at all."""
    rows = [row for row in rows if row[1] in known]
    clicks = {}
    for session, _ in rows:
        clicks[session] = clicks.get(session, 0) + 1
    return [row for row in rows if clicks[row[0]] > 1]


def fill(table, rows):
    from testing import sql

    sql(f"DROP TABLE IF EXISTS {table}")
    load_rows(table, "user_id text, item_id text, timestamp int", rows)


def in_order(rows, begin):
    return [(session, item, begin + place) for place, (session, item) in enumerate(rows)]


def train(table, model, options):
    from testing import sql

    metrics = wait_for(sql(f"SELECT seqrec_train('{table}', model => '{model}', options => $${json.dumps(options)}$$)"))
    return {name: metrics[name] for name in TOLD if metrics.get(name) is not None}


def measure(model):
    from testing import sql

    rows = sql(f"SELECT metric || '@' || coalesce(k, 0) || ' ' || value FROM seqrec_evaluate('{model}', 'asked', k => '{{10,20}}', split => 'held_out', "
               "baselines => false)").splitlines()
    values = {name: float(value) for name, value in (row.split() for row in rows)}
    return {"recall@20": values["recall@20"], "recall@10": values["recall@10"], "mrr@20": values["mrr@20"],
            "questions": values["rows@0"], "unknown": values["unknown_items@0"]}


def options_of(mode, model, arguments):
    if mode == "joint":
        return {**arguments.options, **arguments.joint_options}
    distill = {"distill": 0} if mode == "finetune" and arguments.distills else {}
    return {**arguments.options, "init_from": model, **arguments.update_options, **distill}


def run_mode(mode, period, model, arguments):
    """Trains on what is there after a period and asks for the next."""
    told = train("new_rows" if mode in ("finetune", "new_rows") else "all_rows", mode, options_of(mode, model, arguments))
    return told | measure(mode)


def report(mode, runs):
    def mean(name):
        return statistics.mean(run[name] for run in runs if name in run)

    return {"mode": mode, "periods": len(runs), **{name: round(100 * mean(name), 2) for name in ("recall@20", "recall@10", "mrr@20")},
            "labels": round(mean("labels")), "train_seconds": round(mean("train_seconds"), 1)}


def beside_joint(results):
    """Gaps and costs over the periods that were trained anew."""
    joint = results["joint"]
    for mode in (mode for mode in results if mode != "joint" and results[mode]):
        pairs = [(run, joint[period]) for period, run in results[mode].items() if period in joint and run is not joint[period]]
        if not pairs:
            continue
        gap = statistics.mean(run["recall@20"] - anew["recall@20"] for run, anew in pairs)
        cost = {name: round(sum(run[name] for run, _ in pairs) / sum(anew[name] for _, anew in pairs), 3) for name in ("labels", "train_seconds")}
        print(f"{mode} beside joint, {len(pairs)} periods: {100 * gap:+.2f} Recall@20 at {json.dumps(cost)} of its cost", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--diginetica", type=Path, required=True)
    parser.add_argument("--periods", type=int, default=17, help="how many files are read")
    parser.add_argument("--first", type=int, default=0, help="the last period of the model that all modes start from")
    parser.add_argument("--mode", default=",".join(MODES))
    parser.add_argument("--joint-every", type=int, default=1)
    parser.add_argument("--max-seconds", type=float)
    parser.add_argument("--no-distill", dest="distills", action="store_false", help="for builds that know no such option")
    for name in ("options", "joint-options", "update-options"):
        parser.add_argument(f"--{name}", type=json.loads, default={})
    arguments = parser.parse_args()
    if arguments.max_seconds:
        arguments.options["max_seconds"] = arguments.max_seconds
    if "PGHOST" not in os.environ or not os.path.exists(os.path.join(os.environ["PGHOST"], "server.log")):
        os.execv(str(ROOT / "demo" / "cluster.sh"), ["cluster.sh", sys.executable, os.path.abspath(__file__), *sys.argv[1:]])
    from testing import sql

    sql("CREATE EXTENSION IF NOT EXISTS seqrec")
    periods = read_periods(arguments.diginetica, arguments.periods)
    first, modes = arguments.first, arguments.mode.split(",")
    rows = [row for period in periods[:first + 1] for row in period]
    known = {item for _, item in rows}
    fill("all_rows", in_order(rows, 0))
    fill("asked", in_order(asked_of(periods[first + 1], known), 0))
    is_there = sql("SELECT count(*) FROM seqrec.models WHERE name = 'start' AND active") == "1"  # of an earlier call in this database
    start = ({} if is_there else train("all_rows", "start", {"repeats": "keep", **arguments.options, **arguments.joint_options})) | measure("start")
    print(f"start, periods 0 to {first}: {json.dumps(start)}", flush=True)
    results = {mode: {first: start} if mode == "joint" or first == 0 else {} for mode in modes}
    model = dict.fromkeys(modes, "start")
    for period in range(first + 1, arguments.periods - 1):
        new = in_order(periods[period], len(rows))
        rows += periods[period]
        known |= {item for _, item in periods[period]}
        fill("new_rows", new)
        fill("all_rows", in_order(rows, 0))
        fill("asked", in_order(asked_of(periods[period + 1], known), 0))
        for mode in modes:
            if mode == "joint" and (period - first) % arguments.joint_every:
                continue
            results[mode][period] = run_mode(mode, period, model[mode], arguments)
            model[mode] = mode
            print(f"{mode} {period}: {json.dumps(results[mode][period])}", flush=True)
    for mode in modes:
        if results[mode]:
            print(json.dumps(report(mode, list(results[mode].values()))), flush=True)
    if "joint" in modes:
        beside_joint(results)


if __name__ == "__main__":
    main()
