#!/usr/bin/python3
"""The kind logistic against the published figures: trains with build/seqrec-trainer alone, on real data with features.

usage: bench/logistic.py ML_100K_FOLDER [--seeds N] [--threads N] [--options JSON]

Prints a row for each protocol of MovieLens-100K (rating >= 4 positive, 3 dropped): at random 8:1:1 (mean over seeds) and
by global time 8:1:1, beside a plain regression without regularisation that is chosen or calibration. bench/coat.py is the
same for Coat, whose test is a table of its own.
"""
import argparse
import array
import json
import math
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "bench"))
import datasets  # noqa: E402


def texts(values):
    ends, raw = array.array("q", [0]), bytearray()
    for value in values:
        raw += value.encode()
        ends.append(len(raw))
    return ends, bytes(raw)


def category(at, rows):
    """Tensors of a column of sets of texts."""
    numbers, offsets, codes = {}, array.array("q", [0]), array.array("i")
    for row in rows:
        codes.extend(numbers.setdefault(value, len(numbers)) for value in row)
        offsets.append(len(codes))
    ends, raw = texts(numbers)
    return [(f"{at}.offsets", "I64", [len(offsets)], offsets.tobytes()), (f"{at}.value.offsets", "I64", [len(ends)], ends.tobytes())], [
        (f"{at}.codes", "I32", [len(codes)], codes.tobytes())], [(f"{at}.value.bytes", "U8", [len(raw)], raw)]


def write_dataset(path, rows, users, items, user_columns, item_columns):
    """rows: (user, item, time, label); columns: name -> {id: number, or a tuple of texts}."""
    history = {user: [] for user in users}
    for user, item, time, label in rows:
        history[user].append((time, item, label))
    place = {item: i for i, item in enumerate(items)}
    offsets, events, times, labels = array.array("q", [0]), array.array("i"), array.array("d"), array.array("f")
    for user in users:
        for time, item, label in sorted(history[user], key=lambda event: event[0]):
            events.append(place[item])
            times.append(time)
            labels.append(label)
        offsets.append(len(events))
    wide = [("user.offsets", "I64", [len(offsets)], offsets.tobytes()), ("event.time", "F64", [len(times)], times.tobytes())]
    narrow = [("event.item", "I32", [len(events)], events.tobytes()), ("event.label", "F32", [len(labels)], labels.tobytes())]
    last, described = [], {"user": [], "item": [], "event": []}
    for side, ids, columns in (("user", users, user_columns), ("item", items, item_columns)):
        ends, raw = texts(map(str, ids))
        wide.append((f"{side}.id.offsets", "I64", [len(ends)], ends.tobytes()))
        last.append((f"{side}.id.bytes", "U8", [len(raw)], raw))
        for name, values in columns.items():
            at = f"{side}.feature.{len(described[side])}"
            kept = [values.get(id) for id in ids]
            if any(isinstance(value, tuple) for value in kept):
                described[side].append({"name": name, "type": "category"})
                for group, tensors in zip((wide, narrow, last), category(at, [value or () for value in kept])):
                    group.extend(tensors)
            else:
                described[side].append({"name": name, "type": "number"})
                numbers = array.array("d", (math.nan if value is None else value for value in kept))
                wide.append((f"{at}.values", "F64", [len(numbers)], numbers.tobytes()))
    datasets.write_safetensors(path, wide + narrow + last, {"format": "seqrec-dataset/1", "features": json.dumps(described)})


def read_ml_100k(folder):
    rows = [line.split() for line in (folder / "u.data").read_text().splitlines()]
    rows = [(user, item, float(time), float(int(rating) >= 4)) for user, item, rating, time in rows if rating != "3"]
    users = [line.split("\t") for line in (folder / "users.tsv").read_text().splitlines()[1:]]
    genres = [line.split("|")[0] for line in (folder / "u.genre").read_text().splitlines() if line] if (folder / "u.genre").exists() else [
        f"genre {i}" for i in range(19)]
    items = [line.split("|") for line in (folder / "u.item").read_text(encoding="latin-1").splitlines()]
    item_columns = {
        "genres": {i[0]: tuple(g for g, has in zip(genres, i[5:]) if has == "1") for i in items},
        "year": {i[0]: float(i[2][-4:]) if i[2] else None for i in items},
    }
    user_columns = {
        "age": {u[0]: float(u[1]) for u in users},
        "gender": {u[0]: (u[2],) for u in users},
        "occupation": {u[0]: (u[3],) for u in users},
    }
    seen = {row[1] for row in rows}
    return rows, [u[0] for u in users], [i[0] for i in items if i[0] in seen], user_columns, item_columns


def train(folder, options):
    """Trains on `folder`/dataset; returns the metrics."""
    job = {"dataset": f"{folder}/dataset", "model": f"{folder}/model", "kind": "logistic", "options": options}
    Path(folder, "job.json").write_text(json.dumps(job))
    run = subprocess.run([ROOT / "build" / "seqrec-trainer", "train", f"{folder}/job.json"], capture_output=True, text=True)
    events = [json.loads(line) for line in run.stdout.splitlines()]
    if run.returncode != 0:
        sys.exit(f"training failed: {events[-1:]} {run.stderr}")
    return events[-1]["metrics"]


SHOWN = ("auc", "log_loss", "ece", "train_seconds", "labels_per_s", "hr@10", "ndcg@10", "popularity_ndcg@10")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--options", type=json.loads, default={})
    arguments = parser.parse_args()
    plain = {"random": "plain .855 .383 .017; target .862 .375 .015", "time": "plain .773; target .782"}
    with tempfile.TemporaryDirectory() as folder:
        write_dataset(f"{folder}/dataset", *read_ml_100k(arguments.folder))
        for split in ("random", "time"):
            runs = [train(folder, {"split": split, "seed": seed, "threads": arguments.threads, **arguments.options})
                    for seed in range(1, 1 + (arguments.seeds if split == "random" else 1))]
            means = {name: round(statistics.mean(run[name] for run in runs), 4) for name in SHOWN}
            print(f"ml-100k {split:6} {json.dumps(means)}  ({plain[split]})", flush=True)


if __name__ == "__main__":
    main()
