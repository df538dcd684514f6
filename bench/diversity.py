#!/usr/bin/python3
"""What diversity costs and brings: quality by seqrec_evaluate, and what it adds to a call.

usage: bench/diversity.py --ml-1m FOLDER [--part NAME,...] [--options JSON] [--seconds S] [--rounds N]

FOLDER holds ratings.csv.gz of MovieLens-1M. In a private PostgreSQL (the extension must be installed), NAME in this order:
  quality  a transformer of --options (default: one member, 12 epochs; every user's last item held out), measured by seqrec_evaluate
           at each diversity; also as a table, on standard error
  calls    a model as shipped (two members, rows of 128 numbers) of one epoch: k = 10, 20 clicks, with and without diversity in
           turns; whole calls of prepared statements over the unix socket, by pgbench, and calls inside the server: the median of
           all, and of the least of each question's
Prints one JSON object.
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
RATINGS = "movielens_ratings"
DIVERSITIES = (0, 0.2, 0.4, 0.6)
METRICS = ("ndcg", "hr", "coverage", "diversity", "novelty")


def load(folder):
    with tempfile.TemporaryDirectory() as temporary:
        os.chmod(temporary, 0o755)
        csv = unpack(folder / "ratings.csv.gz", temporary)
        sql(f"CREATE TABLE {RATINGS} (user_id int, item_id int, timestamp bigint)")
        sql(f"\\copy {RATINGS} FROM '{csv}' (FORMAT csv, HEADER)")


def quality(diversity):
    rows = serving.rows_of(f"SELECT metric, value FROM seqrec_evaluate('quality', baselines => false, diversity => {diversity}) WHERE k = 10")
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
    return serving.Calls(f"SELECT * FROM seqrec_recommend({{asker}}::bigint, {{clicks}}::bigint[], 10, 'calls'{wish})", parameters)


def inside_us(turns=12):
    """By the server's own clock. All questions with one diversity, then with the next: whose rows a question's answer has just read, the next call
    of that question would find in the caches."""
    text = sql(f"""CREATE TEMP TABLE took (diversity real, question int, us float8);
        DO $$
        DECLARE question record; diverse real; start timestamptz; us float8;
        BEGIN
          FOR turn IN 1..{turns} LOOP
            FOREACH diverse IN ARRAY ARRAY{list(DIVERSITIES)}::real[] LOOP
              FOR question IN SELECT * FROM questions LOOP
                start := clock_timestamp();
                PERFORM * FROM seqrec_recommend(question.user_id, question.clicks, 10, 'calls', diversity => diverse);
                us := extract(epoch FROM clock_timestamp() - start) * 1e6;
                INSERT INTO took VALUES (diverse, question.number, us);
              END LOOP;
            END LOOP;
          END LOOP;
        END $$;
        SELECT diversity, percentile_cont(0.5) WITHIN GROUP (ORDER BY us), (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY least) FROM
          (SELECT min(us) AS least FROM took t WHERE t.diversity = took.diversity GROUP BY question) l) FROM took GROUP BY 1 ORDER BY 1""")
    rows = [[float(value) for value in line.split("|")] for line in text.splitlines()]
    return {"p50_us": {row[0]: round(row[1], 1) for row in rows}, "median_of_least_us": {row[0]: round(row[2], 1) for row in rows}}


def ratios(figures):
    plain = next(iter(figures.values()))
    return {diversity: round(figure / plain, 3) for diversity, figure in figures.items()}


def measure_quality(arguments):
    serving.train(RATINGS, "quality", {"holdout": "keep", **arguments.options})
    result = {"options": arguments.options, "config": serving.config_of("quality"), "at_10": {}}
    for diversity in DIVERSITIES:
        result["at_10"][diversity] = quality(diversity)
    print_table(result["at_10"])
    return result


def measure_calls(arguments):
    serving.train(RATINGS, "calls", {"epochs": 1})
    serving.make_questions("questions", "calls", 20)
    calls = {diversity: calls_with(diversity) for diversity in DIVERSITIES}
    rounds = {diversity: [] for diversity in DIVERSITIES}
    for _ in range(arguments.rounds):
        for diversity in DIVERSITIES:
            rounds[diversity].append(calls[diversity].run(seconds=arguments.seconds)[0]["p50_us"])
    middle = {diversity: statistics.median(measured) for diversity, measured in rounds.items()}
    inside = inside_us()
    return {"config": serving.config_of("calls"), "rounds_p50_us": rounds, "p50_us": middle, "ratio": ratios(middle), "target": 1.3, "inside": inside,
            "inside_ratio": {name: ratios(figures) for name, figures in inside.items()}, "select_1_us": serving.floor_us()}


def print_table(measured):
    print("| diversity | NDCG@10 | HR@10 | coverage@10 | diversity@10 | novelty@10 |\n" + "| --- " * 6 + "|", file=sys.stderr)
    for diversity, figures in measured.items():
        cells = [f"{figures[metric]:.4f}".lstrip("0") for metric in METRICS[:4]] + [f"{figures['novelty']:.2f}"]
        print(f"| {diversity} | " + " | ".join(cells) + " |", file=sys.stderr)


PARTS = {"quality": measure_quality, "calls": measure_calls}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ml-1m", type=Path, required=True)
    parser.add_argument("--part", default=",".join(PARTS))
    parser.add_argument("--options", type=json.loads, default={"members": 1, "epochs": 12})
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    if "PGHOST" not in os.environ or not os.path.exists(os.path.join(os.environ["PGHOST"], "server.log")):
        os.execv(str(ROOT / "demo" / "cluster.sh"), ["cluster.sh", sys.executable, os.path.abspath(__file__), *sys.argv[1:]])
    sql("CREATE EXTENSION seqrec")
    load(arguments.ml_1m)
    report = {"benchmark": "diversity", "instructions": instructions(), "load_before": os.getloadavg()[0]}
    for name in arguments.part.split(","):
        serving.note(name)
        report[name] = PARTS[name](arguments)
    report["load_after"] = os.getloadavg()[0]
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
