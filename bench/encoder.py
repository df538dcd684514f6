#!/usr/bin/env python3
"""What one encoding costs, as a share of what this CPU multiplies. Standard library only.

usage: encoder.py [--seconds S]
       S seconds for each measurement (0.5). Runs build/seqrec-encoder-bench (bench/time_encoder.cpp), one thread.
Prints one JSON object: for `fast` (bfloat16 where the CPU has it) and `exact` (float32) the microseconds of an encoding by
members, layers and clicks, dim 64 each, the least of all calls; the GFLOP/s of its products; those of a large product by the
same kernels in the same run; the ratio of the two; and the microseconds of a 2 x 4 encoder's construction.
"""
import argparse
import subprocess
from pathlib import Path

PROGRAM = Path(__file__).resolve().parent.parent / "build" / "seqrec-encoder-bench"


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1])
    parser.add_argument("--seconds", type=float, default=0.5)
    subprocess.run([PROGRAM, str(parser.parse_args().seconds)], check=True)


if __name__ == "__main__":
    main()
