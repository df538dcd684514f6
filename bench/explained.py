#!/usr/bin/python3
"""What reasons in words cost, inside the server.

usage: bench/explained.py [--items N] [--calls N]

Trains a small transformer (dim 64, two layers, max_len 50) on N (5,000) items with titles in a private PostgreSQL (the extension must be
installed) and prints one JSON object: the median time in ms, within one session and without the client's part (clock_timestamp() around the
call in PL/pgSQL), of seqrec_recommend, of seqrec_explain of its ten items without titles, of the same with titles, and of
seqrec_recommend_explained, each for k = 10 and 20 clicks over --calls (200) users, and their ratios to seqrec_recommend.
"""

import argparse
import json
import os
import sys

FOLDER = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(FOLDER, "..", "test", "integration"))

TIMER = """
CREATE FUNCTION median_ms(statement text, calls int) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE
    times float8[] := '{}';
    begun timestamptz;
    answered int;
    clicks text[];
BEGIN
    FOR n IN 1..calls + 5 LOOP  -- the first five are no measurement
        clicks := (SELECT array_agg('i' || (n * 7919 + g * 104729) % (SELECT count(*) FROM titles)) FROM generate_series(1, 20) g);
        begun := clock_timestamp();
        EXECUTE statement INTO answered USING clicks;
        IF answered <> 10 THEN RAISE 'answered %', answered; END IF;
        IF n > 5 THEN times := times || 1000 * extract(epoch FROM clock_timestamp() - begun)::float8; END IF;
    END LOOP;
    RETURN (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY t) FROM unnest(times) t);
END $$;
"""
STATEMENTS = {
    "recommend": "SELECT count(item_id) FROM seqrec_recommend('stranger', $1, 10)",
    "explain_ids": "SELECT count(reason) FROM seqrec_explain('stranger', $1, ARRAY['i1','i2','i3','i4','i5','i6','i7','i8','i9','i10'])",
    "explain_titles": "SELECT count(reason) FROM seqrec_explain('stranger', $1, ARRAY['i1','i2','i3','i4','i5','i6','i7','i8','i9','i10'], titles => 'titles')",
    "recommend_explained": "SELECT count(reason) FROM seqrec_recommend_explained('stranger', $1, 10, titles => 'titles')",
}


def prepare(items):
    from testing import script, sql

    sql("CREATE EXTENSION seqrec")
    script(f"""CREATE TABLE ratings AS SELECT 'u' || u AS user_id, 'i' || (u * 7919 + g * g * 13) % {items} AS item_id, g AS timestamp
               FROM generate_series(1, {items}) u, generate_series(1, 30) g;
               CREATE TABLE titles AS SELECT 'i' || g AS item_id, 'Northfold thing number ' || g AS title FROM generate_series(0, {items - 1}) g;
               ALTER TABLE titles ADD PRIMARY KEY (item_id); ANALYZE titles;""")
    options = json.dumps({"epochs": 1, "dim": 64, "max_len": 50, "layers": 2, "members": 1, "max_seconds": 60})
    sql(f"CALL seqrec_wait({sql(f'SELECT seqrec_train($$ratings$$, options => $${options}$$)')})")
    script(TIMER)


def measure(calls):
    from testing import sql

    times = {name: float(sql(f"SELECT median_ms($q${statement}$q$, {calls})")) for name, statement in STATEMENTS.items()}
    config = json.loads(sql("SELECT config FROM seqrec_models WHERE active"))
    return {"model": {name: config.get(name) for name in ("dim", "layers", "members", "max_len")}, "p50_ms": {name: round(time, 3) for name, time in times.items()},
            "of_recommend": {name: round(time / times["recommend"], 2) for name, time in times.items()}}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--items", type=int, default=5000)
    parser.add_argument("--calls", type=int, default=200)
    options = parser.parse_args()
    if "PGHOST" not in os.environ or not os.path.exists(os.path.join(os.environ["PGHOST"], "server.log")):
        os.execv(os.path.join(FOLDER, "..", "demo", "cluster.sh"), ["cluster.sh", sys.executable, os.path.abspath(__file__), *sys.argv[1:]])
    prepare(options.items)
    print(json.dumps({"items": options.items, "clicks": 20, "k": 10, **measure(options.calls)}))


if __name__ == "__main__":
    main()
