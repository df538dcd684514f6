#!/usr/bin/env python3
"""Whether two trainers make the same model: the same metrics and, bit for bit, the same tensors, for one seed.

usage: same_model.py --before TRAINER --after TRAINER [--epochs N] [--seed N] DATA…

DATA: `shop`, the demo's (needs PostgreSQL), or NAME=FOLDER with a name that datasets.py knows (ml-100k=…). Says which
tensors and metrics differ, and which only one of them has; exit status 1 when a tensor or a metric differs.
"""
import argparse
import csv
import datetime
import json
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import datasets  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
TIMED = {"train_seconds", "labels_per_s", "gflops"}  # what the clock decides


def shop_rows():
    script = f"psql -qAt -v ON_ERROR_STOP=1 -f {ROOT}/demo/shop.sql -c 'COPY ratings TO STDOUT CSV'"
    out = subprocess.run([ROOT / "demo/cluster.sh", "bash", "-c", script], check=True, capture_output=True, text=True).stdout
    for row in csv.reader(line for line in out.splitlines() if line.count(",") == 2):
        yield row[0], row[1], datetime.datetime.fromisoformat(row[2] + ":00").timestamp()


def write_data(what, path):
    if what == "shop":
        return datasets.write_dataset(path, shop_rows())
    name, folder = what.split("=", 1)
    return datasets.convert(name, folder, path)


def train(trainer, folder, options):
    job = {"dataset": f"{folder}/dataset", "model": f"{folder}/model", "kind": "transformer", "options": options}
    Path(folder, "job.json").write_text(json.dumps(job))
    lines = subprocess.run([trainer, "train", f"{folder}/job.json"], check=True, capture_output=True, text=True).stdout.splitlines()
    done = [json.loads(line) for line in lines if '"done"' in line][-1]
    model = Path(folder, "model").read_bytes()
    size = int.from_bytes(model[:8], "little")
    header = json.loads(model[8:8 + size])
    header.pop("__metadata__")
    tensors = {name: (t["dtype"], t["shape"], model[8 + size + t["data_offsets"][0]:8 + size + t["data_offsets"][1]])
               for name, t in header.items() if name != "checksum"}  # of the metadata, too
    return tensors, {k: v for k, v in done["metrics"].items() if k not in TIMED}


def differences(before, after):
    return {"differ": sorted(k for k in before.keys() & after.keys() if before[k] != after[k]),
            "only_before": sorted(before.keys() - after.keys()), "only_after": sorted(after.keys() - before.keys())}


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--before", required=True)
    parser.add_argument("--after", required=True)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("data", nargs="+")
    asked = parser.parse_args()
    options = {"seed": asked.seed, "epochs": asked.epochs, "threads": 2, "max_seconds": 100000}
    same = True
    for what in asked.data:
        with tempfile.TemporaryDirectory() as folder:
            counts = write_data(what, f"{folder}/dataset")
            (tensors, metrics), (tensors2, metrics2) = (train(t, folder, options) for t in (asked.before, asked.after))
        report = {"data": what, **counts, "tensors": len(tensors), "bytes": sum(len(t[2]) for t in tensors.values()),
                  "tensors_compared": differences(tensors, tensors2), "metrics_compared": differences(metrics, metrics2),
                  "ndcg@10": metrics2["ndcg@10"]}
        tensors, metrics = report["tensors_compared"], report["metrics_compared"]  # metrics may be added
        same = same and not any(tensors.values()) and not metrics["differ"] and not metrics["only_before"]
        print(json.dumps(report))
    sys.exit(0 if same else 1)


if __name__ == "__main__":
    main()
