#!/usr/bin/env python3
"""How fast texts become vectors, as a share of what this machine multiplies. Standard library only.

usage: text_encoder.py [--threads N] [--model FOLDER] [--isa NAME,...]
       N threads (2). FOLDER: a language model; without it one of random weights in the shape of all-MiniLM-L6 (6 layers x
       384, 12 heads, 1536 wide). NAME: bfloat16 (what the CPU has), avx512, avx2, portable.
Prints one JSON object: for each kernel sentences/s (10 to 18 words), GFLOP/s, those of a large product of the same precision
in the same run (the better of ours and libtorch's), the ratio, the goal (0.5; none for portable kernels), and titles/s of the
fallback with its goal (50,000). Exit status 1 when a goal is missed.
"""
import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

TRAINER = Path(__file__).resolve().parent.parent / "build" / "seqrec-trainer"
GOAL, TITLES = 0.5, 50_000


def run(isa, args):
    command = [TRAINER, "bench-text", str(args.threads), *([args.model] if args.model else [])]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env={**os.environ, "SEQREC_ISA": isa})
    result = json.loads(done.stdout)
    goal = None if result["kernels"] == "portable" else GOAL
    reached = result["fallback_titles_per_s"] >= TITLES and (goal is None or result["ratio"] >= goal)
    return {**result, "goal": goal, "fallback_goal": TITLES, "reached": reached}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--model", default="")
    parser.add_argument("--isa", default="bfloat16,avx512,avx2,portable")
    args = parser.parse_args()
    report = {"benchmark": "text_encoder", "load_average": os.getloadavg()[0]}
    for isa in args.isa.split(","):
        result = run(isa, args)
        report.setdefault(result["kernels"], result)  # a CPU without bfloat16 runs the next ones for it
        print(isa, json.dumps(result), file=sys.stderr, flush=True)
    print(json.dumps(report, indent=1))
    sys.exit(any(isinstance(part, dict) and not part["reached"] for part in report.values()))


if __name__ == "__main__":
    main()
