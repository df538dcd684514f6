#!/usr/bin/env python3
"""What one encoding costs, as a share of what this CPU multiplies. Standard library only.

usage: encoder.py [--seconds S] [--snapshot FILE]
       S seconds for each measurement (0.5). Runs build/seqrec-encoder-bench (bench/time_encoder.cpp), one thread.
       With --snapshot, a file of the server's folder `seqrec`, only what becomes of its users at the two precisions, by
       build/seqrec-precision-bench (bench/compare_precisions.cpp): the mean and the least cosine of their vectors, the share of
       equal items among their top tens and of lists that are equal to the last place.
Prints one JSON object: for `fast` (bfloat16 where the CPU has it, pairs of sixteen bits with AVX2 alone) and `exact` (float32) the microseconds of an encoding by
members, layers and clicks, dim 64 each, the least of all calls; the GFLOP/s of its products; those of a large product by the
same kernels in the same run; the ratio of the two; and the microseconds of a 2 x 4 encoder's construction.
"""
import argparse
import subprocess
from pathlib import Path

BUILD = Path(__file__).resolve().parent.parent / "build"


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1])
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--snapshot", type=Path)
    arguments = parser.parse_args()
    if arguments.snapshot:
        command = [BUILD / "seqrec-precision-bench", arguments.snapshot]
    else:
        command = [BUILD / "seqrec-encoder-bench", str(arguments.seconds)]
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
