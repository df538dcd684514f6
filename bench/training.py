"""Training speed as ratios, each measured in this run. Standard library only.

usage: training.py [--data FOLDER] [--only NAME,...] [--seconds S] [--threads N] [--trainer PATH]
       FOLDER holds the data sets of the project (ml-1m, amazon-beauty); measurements whose data are missing are left
       out and named. NAME: labels, hardware, padding, scale.
Prints one JSON object: for each measurement what was measured, what it is held against, the ratio and the target.
`labels` and `hardware` are measured with the CPU's widest instructions and with AVX2 alone, where it has more; products and
loss by CPU time and in turns, so that what else runs on the machine counts little.
"""
import argparse
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from datasets import convert, read_csv, write_dataset, write_walks

ROOT = Path(__file__).resolve().parent.parent
TRAINER = ROOT / "build" / "seqrec-trainer"  # --trainer asks for another
ONE_EPOCH = {"members": 1, "epochs": 1, "holdout": "keep"}


def train(folder, dataset, options, trainer=None, kind="transformer", watch=None, environment=None):
    """Runs one job; returns the metrics of its `done` line and the trainer's largest resident memory in MiB. `watch` is
    called with each event."""
    job = folder / "job.json"
    job.write_text(json.dumps({"dataset": str(dataset), "model": str(folder / "model"), "kind": kind,
                               "options": options}))
    process = subprocess.Popen([trainer or TRAINER, "train", job], stdout=subprocess.PIPE, text=True, env=environment)
    done = None
    for line in process.stdout:
        event = json.loads(line)
        if watch:
            watch(event)
        if event["event"] == "error":
            raise RuntimeError(event["message"])
        done = event if event["event"] == "done" else done
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0 or done is None:
        raise RuntimeError(f"the trainer ended with status {status}")
    return {**done["metrics"], "resident_mib": usage.ru_maxrss / 1024,
            "cpu_seconds": usage.ru_utime + usage.ru_stime, "config": done["config"]}


def arithmetic(threads, environment):
    """GFLOP/s of the large product of libtorch's library, of the kernels' own and of the loss."""
    return json.loads(subprocess.run([TRAINER, "bench", str(threads)], capture_output=True, text=True, check=True,
                                     env=environment).stdout)


def instruction_sets():
    """Environments by the name of the kernels that run in them: the best of this machine, and AVX2 where that is more.
    The library is held to AVX2 there too."""
    plain = dict(os.environ)
    best = arithmetic(1, plain)["kernels"]
    narrow = {**plain, "SEQREC_ISA": "avx2", "OPENBLAS_CORETYPE": "Haswell", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}
    return {best: plain, **({"avx2": narrow} if best.startswith("avx512") else {})}


def against_reference(folder, data, args):
    """labels/s on MovieLens-1M against one prefix a sample (the reference service's own settings)."""
    ratings = folder / "ratings.csv"
    with open(ratings, "w") as out:
        out.write("user_id,item_id,timestamp\n")
        for user, item, time in read_csv(data / "ml-1m" / "ratings.csv.gz"):
            out.write(f"{user},{item},{time:.0f}\n")
    service = data.parent / "bench" / "reference_service"
    run = subprocess.run(["/usr/bin/python3", service / "train.py", ratings, folder / "reference", "--epochs", "1",
                          "--seconds", str(args.seconds)], capture_output=True, text=True, check=True)
    peer = json.loads(run.stdout.strip().splitlines()[-1])["labels_per_s"]
    convert("ml-1m", data / "ml-1m", folder / "dataset")
    options = {**ONE_EPOCH, "max_len": 200, "dim": 64, "layers": 2, "sampled_items": 0, "threads": args.threads}
    result = {"peer_labels_per_s": peer, "target": 40}
    for name, environment in instruction_sets().items():
        ours = train(folder, folder / "dataset", options, environment=environment)
        result[name] = {"labels_per_s": ours["labels_per_s"], "ratio": ours["labels_per_s"] / peer,
                        "step_gflops": ours["gflops"], "resident_mib": ours["resident_mib"]}
    return result


def share(rates, name):
    return rates[name] and rates[name] / rates["libtorch_product_gflops"]


def hardware_of(folder, threads, environment):
    rates = arithmetic(threads, environment)
    precisions = ("float32", "bfloat16") if rates["bfloat16_loss_gflops"] else ("float32",)
    steps = {precision: train(folder, folder / "dataset",
                              {**ONE_EPOCH, "max_len": 200, "layers": 2, "threads": threads, "precision": precision},
                              environment=environment)["gflops"] for precision in precisions}
    return {**rates, "step_gflops": steps, "product_ratio": share(rates, "product_gflops"),
            "loss_ratio": share(rates, "loss_gflops"), "bfloat16_loss_ratio": share(rates, "bfloat16_loss_gflops"),
            "step_ratio": {precision: step / rates["libtorch_product_gflops"] for precision, step in steps.items()}}


def against_hardware(folder, data, args):
    """Products, the loss and the whole step against the large matrix product of libtorch's library, on one thread and on all:
    each thread has its part of the rows, and the library one thread in each."""
    convert("ml-1m", data / "ml-1m", folder / "dataset")
    return {"product_target": 0.85, "loss_target": 0.85, "step_target": 0.75,
            **{name: {f"{threads} threads": hardware_of(folder, threads, environment)
                      for threads in sorted({1, args.threads})}
               for name, environment in instruction_sets().items()}}


def against_padding(folder, data, args):
    """labels/s on Amazon Beauty against the same trainer when every sequence fills max_len = 50 positions: the same
    number of users, each with 53 items (two are held out, one has no label), of which the true labels count."""
    counts = convert("amazon-beauty", data / "amazon-beauty", folder / "dataset")
    options = {**ONE_EPOCH, "epochs": 2, "max_len": 50, "threads": args.threads}
    ours = train(folder, folder / "dataset", options)
    draw = random.Random(1)
    write_dataset(folder / "dataset", ((u, item, t) for u in range(counts["users"])
                                       for t, item in enumerate(draw.sample(range(counts["items"]), 53))))
    padded = train(folder, folder / "dataset", {**options, "epochs": 1})
    labels = ours["labels"] / 2  # of one epoch
    padded_rate = padded["labels_per_s"] * labels / (counts["users"] * 50)
    return {"labels_per_s": ours["labels_per_s"], "padded_labels_per_s": padded_rate,
            "ratio": ours["labels_per_s"] / padded_rate, "target": 3}


def against_scale(folder, data, args):
    """labels/s with 1,000,000 items and 20M interactions against 10,000 items, both generated alike."""
    result = {"target": 0.5}
    for name, users, items, interactions in (("small", 100_000, 10_000, 2_000_000),
                                             ("large", 1_000_000, 1_000_000, 20_000_000)):
        write_walks(folder / "dataset", users, items, interactions // users, random.Random(1))
        run = train(folder, folder / "dataset", {**ONE_EPOCH, "max_seconds": args.seconds, "threads": args.threads})
        result[name] = {key: run[key] for key in ("labels_per_s", "gflops", "resident_mib", "users", "items",
                                                  "interactions")}
    result["ratio"] = result["large"]["labels_per_s"] / result["small"]["labels_per_s"]
    u, i, n = 1_000_000, 1_000_000, 20_000_000
    dim = 64
    # weights, two moments, average, the best and the latest averages; when the final fit starts, the users' table
    # is there twice (half of three more); the dataset's file and reduced copy; ids and row bookkeeping
    result["memory_formula_mib"] = ((u + i) * dim * 4 * 7.5 + n * (4 + 8 + 4) + (u + i) * 40) / 2**20
    return result


MEASUREMENTS = {"labels": against_reference, "hardware": against_hardware, "padding": against_padding,
                "scale": against_scale}


def main():
    global TRAINER
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--only", default=",".join(MEASUREMENTS))
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--trainer", type=Path, default=TRAINER)
    args = parser.parse_args()
    TRAINER = args.trainer
    if not TRAINER.exists():
        sys.exit("build/seqrec-trainer is missing: run make")
    report = {"benchmark": "training", "machine": platform.processor() or platform.machine(),
              "threads": args.threads, "load_before": os.getloadavg()[0]}
    for name in args.only.split(","):
        with tempfile.TemporaryDirectory() as folder:
            if name != "scale" and not (args.data / "ml-1m").is_dir():
                report[name] = {"left_out": "no data"}
                continue
            report[name] = MEASUREMENTS[name](Path(folder), args.data, args)
    report["load_after"] = os.getloadavg()[0]
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
