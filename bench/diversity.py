#!/usr/bin/python3
"""What diversity costs and brings: quality by seqrec_evaluate, and what it adds to a call.

usage: bench/diversity.py --ml-1m FOLDER [--options JSON] [--seconds S] [--rounds N]

FOLDER holds ratings.csv.gz of MovieLens-1M. In a private PostgreSQL (the extension must be installed) trains one transformer
(--options, default one member and 12 epochs, the last item of every user held out), measures it with seqrec_evaluate at each
diversity, then times whole calls (k = 10, 20 clicks, prepared statements over the unix socket, by pgbench) and calls inside the
server, with and without, in turns. Prints one JSON object, and the table of docs/benchmarks.md on standard error.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

import serving
from main_job import unpack
from serving import sql

ROOT = Path(__file__).resolve().parent.parent
MODEL = "movielens"
DIVERSITIES = (0, 0.2, 0.4, 0.6)
METRICS = ("ndcg", "hr", "coverage", "diversity", "novelty")


def load(folder):
    with tempfile.TemporaryDirectory() as temporary:
        os.chmod(temporary, 0o755)
        csv = unpack(folder / "ratings.csv.gz", temporary)
        sql(f"CREATE TABLE {MODEL}_ratings (user_id int, item_id int, timestamp bigint)")
        sql(f"\\copy {MODEL}_ratings FROM '{csv}' (FORMAT csv, HEADER)")


def quality(diversity):
    rows = serving.rows_of(f"SELECT metric, value FROM seqrec_evaluate('{MODEL}', baselines => false, diversity => {diversity}) WHERE k = 10")
    figures = dict(rows)
    return {metric: round(float(figures[metric]), 4) for metric in METRICS}


def instructions():
    """The widest instructions that kernels are chosen by."""
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        flags = next(line for line in info if line.startswith("flags")).split()
    return next((name for name in ("avx512_bf16", "avx512f", "avx2") if name in flags), "portable")


def calls_with(diversity):
    parameters = [{"asker": user, "clicks": clicks} for user, clicks in serving.rows_of("SELECT user_id, clicks FROM questions")]
    wish = f", diversity => {diversity}" if diversity else ""
    return serving.Calls(f"SELECT * FROM seqrec_recommend({{asker}}::bigint, {{clicks}}::bigint[], 10, '{MODEL}'{wish})", parameters)


def inside_us(diversities, turns):
    """p50 by the server's own clock, each question asked with each diversity before the next one."""
    text = sql(f"""CREATE TEMP TABLE took (diversity real, us float8);
        DO $$
        DECLARE question record; diverse real; start timestamptz;
        BEGIN
          FOR turn IN 1..{turns} LOOP
            FOR question IN SELECT * FROM questions LOOP
              FOREACH diverse IN ARRAY ARRAY{list(diversities)}::real[] LOOP
                start := clock_timestamp();
                PERFORM * FROM seqrec_recommend(question.user_id, question.clicks, 10, '{MODEL}', diversity => diverse);
                INSERT INTO took VALUES (diverse, extract(epoch FROM clock_timestamp() - start) * 1e6);
              END LOOP;
            END LOOP;
          END LOOP;
        END $$; SELECT diversity, round(percentile_cont(0.5) WITHIN GROUP (ORDER BY us)::numeric, 1) FROM took GROUP BY 1 ORDER BY 1""")
    return {float(line.split("|")[0]): float(line.split("|")[1]) for line in text.splitlines()}


def timings(seconds, rounds):
    serving.make_questions("questions", MODEL, 20)
    calls = {diversity: calls_with(diversity) for diversity in DIVERSITIES}
    p50 = {diversity: [] for diversity in DIVERSITIES}
    for _ in range(rounds):
        for diversity in DIVERSITIES:
            p50[diversity].append(calls[diversity].run(seconds=seconds)[0]["p50_us"])
    middle = {diversity: statistics.median(measured) for diversity, measured in p50.items()}
    inside = inside_us(DIVERSITIES, 10)
    return {"call_p50_us": middle, "every_round": p50, "inside_p50_us": inside,
            "ratio": {d: round(middle[d] / middle[0], 3) for d in DIVERSITIES}, "target": 1.3,
            "inside_ratio": {d: round(us / inside[0], 3) for d, us in inside.items()}, "select_1_us": serving.floor_us()}


def print_table(measured, calls):
    print("| diversity | NDCG@10 | HR@10 | coverage@10 | diversity@10 | novelty@10 | call, p50 | ratio |\n" + "| --- " * 8 + "|", file=sys.stderr)
    for diversity, figures in measured.items():
        cells = [f"{figures[metric]:.4f}".lstrip("0") for metric in METRICS[:4]] + [f"{figures['novelty']:.2f}"]
        print(f"| {diversity} | " + " | ".join(cells) + f" | {calls['call_p50_us'][diversity]} µs | {calls['ratio'][diversity]:.2f} |", file=sys.stderr)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ml-1m", type=Path, required=True)
    parser.add_argument("--options", type=json.loads, default={"members": 1, "epochs": 12})
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    if "PGHOST" not in os.environ or not os.path.exists(os.path.join(os.environ["PGHOST"], "server.log")):
        os.execv(str(ROOT / "demo" / "cluster.sh"), ["cluster.sh", sys.executable, os.path.abspath(__file__), *sys.argv[1:]])
    report = {"benchmark": "diversity", "instructions": instructions(), "load_before": os.getloadavg()[0]}
    sql("CREATE EXTENSION seqrec")
    load(arguments.ml_1m)
    serving.note("training")
    serving.train(f"{MODEL}_ratings", MODEL, {"holdout": "keep", **arguments.options})
    report |= {"options": arguments.options, "config": serving.config_of(MODEL)}
    report["training_load"] = os.getloadavg()[0]
    report["quality@10"] = {}
    for diversity in DIVERSITIES:
        serving.note(f"diversity {diversity}")
        report["quality@10"][diversity] = quality(diversity)
    report |= timings(arguments.seconds, arguments.rounds) | {"load_after": os.getloadavg()[0]}
    print(json.dumps(report, indent=1))
    print_table(report["quality@10"], report)


if __name__ == "__main__":
    main()
