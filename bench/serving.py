#!/usr/bin/python3
"""Serving held against what limits it, or against a peer, each measured in the same run.

usage: bench/serving.py [--part NAME,...] [--items N] [--data FOLDER] [--seconds S] [--no-hnsw] [--index-items N]

In a private PostgreSQL (the extension must be installed). Prints one JSON object: what was measured, against what, the
ratio and the target. NAME, in this order:
  movielens    a call on a model of MovieLens-1M's shape (FOLDER/ml-1m), beside SELECT 1: 1, 20 and 200 clicks; seqrec_score a row
  connections  calls/s on that model at 16 and 64 connections against 2
  scan         a call on N (1,000,000) items against reading their eight-bit rows once
  candidates   a call on those with lists of 10 to N allowed ids, the same again and new ones
  joined       one call for 1 to 32 users on those, as seqrec-http asks it
  first_call   the first call of a new connection on those, and the memory it gains
  switch       100 calls/s while the active version of that model changes every second
  pgvector     a call on those against pgvector, exact and by HNSW (with its extension; --no-hnsw leaves the index out)
  batch        100,000 users on 100,000 items (a tenth of N): one call for all, by one process and by two, against a call each
               and against encoder and dot products alone on the same instruction set (named in `limit`; by CPU time of one process)
  index        N (--index-items, 10,000,000) items with an index: a call, and its ten items against the exact ones
Calls are prepared statements in warm backends, timed by pgbench as a whole, over the unix socket; `inside` is the same
call in a loop of PL/pgSQL, `ratio_cpu` that of the backend's CPU time to the read's. Clicks lie as a shopper's do: mostly like one another.
"""

import argparse
import glob
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from libpq import Connection
from main_job import percentile, unpack
from stand_in import DIM, ROOT, make_table, set_trainer
from two_builds import calls_us, cpu_ns

sys.path.insert(0, str(ROOT / "test" / "integration"))
QUESTIONS = 100  # pgbench takes up to 128 scripts
ROUNDS = 3
LARGE = {"members": 1, "layers": 2, "dim": DIM, "max_len": 200, "index": "none"}


def sql(statement, **environment):
    """As testing.sql, without its limit of five minutes: an index may take longer."""
    command = ["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-c", statement]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | environment)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return done.stdout.strip()


def note(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


# --- a private server and its models ---


def restart_with(**settings):
    for name, value in settings.items():
        sql(f"ALTER SYSTEM SET {name} = '{value}'")
    command = ["pg_ctl", "restart", "-D", os.environ["PGDATA"], "-w", "-m", "fast", "-l", os.environ["PGHOST"] + "/server.log"]
    as_owner = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    subprocess.run([*as_owner, *command], check=True, cwd="/", stdout=subprocess.DEVNULL)


def train(table, model, options):
    job = sql(f"SELECT seqrec_train('{table}', '{model}', options => $${json.dumps(options)}$$)")
    sql(f"CALL seqrec_wait({job})")


def use_large_model():
    """A trainer that writes items in groups of groups and trains nothing."""
    set_trainer(shutil.copy(ROOT / "build" / "seqrec-large-model", os.environ["PGHOST"]))


def publish_large(model, rows, users, items, options=None):
    """A model that seqrec-large-model writes, and its table."""
    if sql(f"SELECT count(*) FROM seqrec_models WHERE model = '{model}'") != "0":
        return
    note(f"a table and a model of {items:,} items and {users:,} users")
    make_table(sql, rows, users, items)
    sql(f"ALTER TABLE ratings RENAME TO {model}_ratings")
    use_large_model()
    train(f"{model}_ratings", model, LARGE | (options or {}))
    sql("CHECKPOINT")


def publish_scan(arguments):
    publish_large("default", 2 * arguments.items, max(arguments.items // 10, 1), arguments.items)


def publish_movielens(arguments):
    if sql("SELECT count(*) FROM seqrec_models WHERE model = 'movielens'") != "0":
        return
    note("one epoch on MovieLens-1M, of one network: what the defaults come to in the time that is theirs")
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        csv = unpack(arguments.data / "ml-1m" / "ratings.csv.gz", folder)
        sql("CREATE TABLE movielens_ratings (user_id int, item_id int, timestamp bigint)")
        sql(f"\\copy movielens_ratings FROM '{csv}' (FORMAT csv, HEADER)")
    set_trainer("")
    train("movielens_ratings", "movielens", {"epochs": 1, "members": 1, "holdout": "keep"})


def snapshot_of(model):
    version = sql(f"SELECT version FROM seqrec_models WHERE model = '{model}' AND active")
    return glob.glob(os.path.join(os.environ["PGDATA"], "seqrec", "*", version + ".safetensors"))[0]


# --- questions: a user and clicks, kept in a table ---


def make_questions(table, model, clicks, count=QUESTIONS):
    """The last two thirds of the clicks of a question are near one item, the others are anything."""
    sql(f"""CREATE TABLE IF NOT EXISTS {table} AS
            WITH items AS MATERIALIZED (SELECT array_agg(item_id) AS ids FROM seqrec.items WHERE model_id = {active(model)}),
                 users AS MATERIALIZED (SELECT array_agg(user_id) AS ids FROM (SELECT user_id FROM seqrec.users
                                        WHERE model_id = {active(model)} ORDER BY idx LIMIT 10000) u)
            SELECT q AS number, u.ids[1 + q * 7919 % cardinality(u.ids)]::bigint AS user_id,
                   (SELECT array_agg(i.ids[1 + (q * 15485863::bigint + r * 32452843::bigint) % cardinality(i.ids)])
                    FROM generate_series(1, {clicks // 3}) r)::bigint[] ||
                   (SELECT array_agg(id) FROM
                     (SELECT item_id AS id
                      FROM seqrec_similar_items(i.ids[1 + q * 104729::bigint % cardinality(i.ids)], 400, '{model}')
                      ORDER BY hashtext(item_id || q) LIMIT {clicks - clicks // 3}) near_one)::bigint[] AS clicks
            FROM items i, users u, generate_series(1, {count}) q""")


def active(model):
    return sql(f"SELECT model_id FROM seqrec_models WHERE model = '{model}' AND active")


def rows_of(query):
    return [line.split("|") for line in sql(query).splitlines()]


# --- timing ---


class Calls:
    """A statement for each of some questions, whose parameters are theirs: scripts and variables of pgbench."""

    def __init__(self, statement, parameters):
        self.folder = tempfile.TemporaryDirectory()
        self.arguments = []
        for number, values in enumerate(parameters):
            for name, value in values.items():
                self.arguments += ["-D", f"{name}_{number}={value}"]
            path = os.path.join(self.folder.name, f"{number}.sql")
            Path(path).write_text(statement.format(**{name: f":{name}_{number}" for name in values}) + ";\n")
            self.arguments += ["-f", path]

    def run(self, clients=1, seconds=5, rate=None, options=""):
        """Times in microseconds: {"p50_us", "p99_us", "calls_per_s"}, and every call as (end, time) in `log`."""
        command = ["pgbench", "-n", "-M", "prepared", "-c", str(clients), "-j", "1", "-T", str(seconds), "-l",
                   "--log-prefix", os.path.join(self.folder.name, "log")]
        if rate:
            command += ["-R", str(rate)]
        done = subprocess.run(command + self.arguments, capture_output=True, text=True, cwd=self.folder.name,
                              env=os.environ | {"PGOPTIONS": options})
        if done.returncode != 0 or "aborted" in done.stderr:
            raise RuntimeError(done.stderr)
        log = []
        for path in glob.glob(os.path.join(self.folder.name, "log.*")):
            with open(path, encoding="utf-8") as lines:
                for line in lines:
                    fields = [int(field) for field in line.split()]
                    log.append((fields[4] + fields[5] / 1e6, fields[2] - (fields[6] if rate else 0)))
            os.unlink(path)
        times = [spent for _, spent in log]
        rate = float(next(line for line in done.stdout.splitlines() if line.startswith("tps")).split()[2])
        return {"p50_us": percentile(times, 0.5), "p99_us": percentile(times, 0.99), "calls_per_s": round(rate, 1)}, log


def recommend_calls(questions, model):
    parameters = [{"asker": user, "clicks": clicks} for user, clicks in rows_of(f"SELECT user_id, clicks FROM {questions}")]
    return Calls(f"SELECT * FROM seqrec_recommend({{asker}}::bigint, {{clicks}}::bigint[], 10, '{model}')", parameters)


def random_calls(questions, model):
    """One statement that draws its question from the table: with many connections, a statement for each question in each
    of them would spend the time on plans."""
    sql(f"CREATE UNIQUE INDEX IF NOT EXISTS {questions}_number ON {questions} (number); ANALYZE {questions}")
    return Calls(f"\\set number random(1, {QUESTIONS})\nSELECT r.* FROM {questions} q, "
                 f"seqrec_recommend(q.user_id, q.clicks, 10, '{model}') r WHERE q.number = :number", [{}])


def floor_us(seconds=2):
    """A round trip that does nothing."""
    return Calls("SELECT 1", [{}]).run(seconds=seconds)[0]["p50_us"]


def inside_us(questions, model, repeats=10):
    """p50 of the call by the server's own clock, in a loop."""
    text = sql(f"""DO $$
        DECLARE question record; start timestamptz; times float8[];
        BEGIN
          FOR turn IN 1..{repeats} LOOP
            FOR question IN SELECT * FROM {questions} LOOP
              start := clock_timestamp();
              PERFORM * FROM seqrec_recommend(question.user_id, question.clicks, 10, '{model}');
              times := times || extract(epoch FROM clock_timestamp() - start)::float8;
            END LOOP;
          END LOOP;
          PERFORM set_config('bench.p50', (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY t) FROM unnest(times) t)::text, false);
        END $$; SELECT current_setting('bench.p50')""")
    return round(1e6 * float(text))


def score_us(model, repeats=300):
    """What the scalar seqrec_score adds to a row of a query."""
    rows = f"(SELECT item_id FROM seqrec.items, generate_series(1, {repeats}) WHERE model_id = {active(model)}) i"
    count = int(sql(f"SELECT count(*) FROM {rows}"))

    def seconds(expression):
        plan = sql(f"SET max_parallel_workers_per_gather = 0; EXPLAIN (ANALYZE, TIMING off, FORMAT json) SELECT max({expression}) FROM {rows}")
        return json.loads(plan)[0]["Execution Time"] / 1000

    plain, scored = (min(seconds(e) for _ in range(ROUNDS))
                     for e in ("length(item_id)", f"seqrec_score_item('1', ARRAY['1', '2', '3'], item_id, '{model}')"))
    return {"rows": count, "us_a_row": round(1e6 * (scored - plain) / count, 3), "target_us": 1}


def read_once(path):
    """The time in which one thread reads the eight-bit rows of a snapshot."""
    program = ROOT / "build" / "seqrec-read-bench"
    return json.loads(subprocess.run([program, path, "code.values", "100"], capture_output=True, text=True, check=True).stdout)


# --- the parts ---


def measure_movielens(arguments):
    publish_movielens(arguments)
    result = {"target_us": 120, "config": config_of("movielens"), "select_1_us": floor_us()}
    for clicks in (1, 20, 200):
        questions = f"movielens_{clicks}"
        make_questions(questions, "movielens", clicks)
        calls = recommend_calls(questions, "movielens")
        result[f"clicks_{clicks}"] = calls.run(seconds=arguments.seconds)[0] | {"inside_us": inside_us(questions, "movielens")}
    result["p50_us"] = result["clicks_20"]["p50_us"]
    result["score"] = score_us("movielens")
    return result


def config_of(model):
    config = json.loads(sql(f"SELECT config FROM seqrec.models WHERE model_id = {active(model)}"))
    return {key: config.get(key) for key in ("members", "layers", "dim", "max_len")}


def measure_connections(arguments):
    publish_movielens(arguments)
    make_questions("movielens_20", "movielens", 20)
    calls = random_calls("movielens_20", "movielens")
    rates = {clients: [] for clients in (2, 16, 64)}
    for _ in range(ROUNDS):
        for clients, measured in rates.items():
            measured.append(calls.run(clients, arguments.seconds)[0]["calls_per_s"])
    middle = {clients: statistics.median(measured) for clients, measured in rates.items()}
    return {"calls_per_s": middle, "ratio_16": round(middle[16] / middle[2], 3), "ratio_64": round(middle[64] / middle[2], 3),
            "target": 0.9}


def need_scan_questions(arguments):
    publish_scan(arguments)
    make_questions("scan_questions", "default", 20)


def measure_scan(arguments):
    need_scan_questions(arguments)
    calls = recommend_calls("scan_questions", "default")
    path = snapshot_of("default")
    statements = [f"SELECT * FROM seqrec_recommend({user}::bigint, '{clicks}'::bigint[], 10)"
                  for user, clicks in rows_of("SELECT user_id, clicks FROM scan_questions")]
    reads, asked, cpu = [], [], []
    with Connection() as connection:
        calls_us(connection, statements)
        for _ in range(ROUNDS):  # in turns, so that both meet the same neighbours
            reads.append(read_once(path))
            asked.append(calls.run(seconds=arguments.seconds)[0])
            cpu.append(round(calls_us(connection, statements)["cpu_us"]))
    read = statistics.median(r["median_us"] for r in reads)
    call = statistics.median(a["p50_us"] for a in asked)
    cpu_ratio = statistics.median(cpu) / statistics.median(r["median_cpu_us"] for r in reads)
    return {"items": arguments.items, "config": config_of("default"), "call": asked, "inside_us": inside_us("scan_questions", "default"),
            "select_1_us": floor_us(), "read": reads, "call_us": call, "read_us": read, "ratio": round(call / read, 2),
            "target": 1.3, "backend_cpu_us": cpu, "ratio_cpu": round(cpu_ratio, 2)}


def measure_candidates(arguments):
    """Lists of allowed ids, from a few to all, by the server's own clock: one that the session has asked with before, and a new
    one for each call; as the bigint that they are, and as text. In turns with a call without, whose caches are as full of lists."""
    need_scan_questions(arguments)
    result = {}
    for count in (10, 1_000, 100_000, arguments.items):
        result[count] = {}
        for kind in ("bigint", "text"):
            text = sql(f"""DO $$
                DECLARE question record; allowed {kind}[]; fresh {kind}[]; start timestamptz; again float8[]; first float8[]; free float8[];
                BEGIN
                  SELECT array_agg(item_id::{kind}) INTO allowed FROM
                    (SELECT item_id FROM seqrec.items WHERE model_id = {active("default")} ORDER BY hashtext(item_id) LIMIT {count}) i;
                  FOR question IN SELECT * FROM scan_questions LIMIT {20 if count > 100_000 else 100} LOOP
                    start := clock_timestamp();
                    PERFORM * FROM seqrec_recommend(question.user_id, question.clicks, 10, 'default', candidates => allowed);
                    again := again || extract(epoch FROM clock_timestamp() - start)::float8;
                    fresh := allowed || question.clicks[1 + question.number % 20]::{kind};
                    start := clock_timestamp();
                    PERFORM * FROM seqrec_recommend(question.user_id, question.clicks, 10, 'default', candidates => fresh);
                    first := first || extract(epoch FROM clock_timestamp() - start)::float8;
                    start := clock_timestamp();
                    PERFORM * FROM seqrec_recommend(question.user_id, question.clicks, 10, 'default');
                    free := free || extract(epoch FROM clock_timestamp() - start)::float8;
                  END LOOP;
                  PERFORM set_config('bench.median', (SELECT string_agg(round(m * 1e6)::text, ' ' ORDER BY n) FROM unnest(
                    ARRAY[(SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY t) FROM unnest(again) t),
                          (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY t) FROM unnest(first) t),
                          (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY t) FROM unnest(free) t)]) WITH ORDINALITY t(m, n)), false);
                END $$; SELECT current_setting('bench.median')""")
            result[count][kind] = dict(zip(("inside_us", "new_list_us", "without_us"), map(int, text.split())))
    return {"items": arguments.items, "without_us": inside_us("scan_questions", "default"), "candidates": result}


def measure_joined(arguments):
    """What seqrec-http asks for several users at once, by the server's own clock."""
    need_scan_questions(arguments)
    result = {}
    for count in (1, 2, 4, 8, 16, 32):
        text = sql(f"""DO $$
            DECLARE users text[]; counts int[]; ids text[]; start timestamptz; times float8[];
            BEGIN
              SELECT array_agg(user_id::text ORDER BY number), array_agg(cardinality(clicks) ORDER BY number) INTO users, counts
              FROM scan_questions WHERE number <= {count};
              SELECT array_agg(id::text ORDER BY number, place) INTO ids
              FROM scan_questions, unnest(clicks) WITH ORDINALITY AS c(id, place) WHERE number <= {count};
              FOR turn IN 1..40 LOOP
                start := clock_timestamp();
                PERFORM * FROM seqrec.answers(users, counts, ids);
                times := times || extract(epoch FROM clock_timestamp() - start)::float8;
              END LOOP;
              PERFORM set_config('bench.median', (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY t) FROM unnest(times) t)::text, false);
            END $$; SELECT current_setting('bench.median')""")
        result[count] = round(float(text) * 1000, 2)
    return {"items": arguments.items, "inside_ms": result}


def measure_first_call(arguments):
    try:
        import first_call
    except ImportError:
        return {"left_out": "bench/first_call.py is not there"}
    publish_scan(arguments)
    return first_call.measure(arguments.items, 50)


def measure_switch(arguments):
    """Slowest calls in the 200 ms after a switch and at other times."""
    need_scan_questions(arguments)
    if sql("SELECT count(*) FROM seqrec.models WHERE name = 'default'") == "1":
        use_large_model()
        train("default_ratings", "default", LARGE)
    versions = sql("SELECT model_id FROM seqrec.models WHERE name = 'default' ORDER BY model_id DESC LIMIT 2").split()
    calls, switches = recommend_calls("scan_questions", "default"), []
    calls.run(seconds=2)
    seconds = max(12, 2 * arguments.seconds)
    stop = threading.Event()

    def switch():
        while not stop.wait(1):
            start = time.time()
            sql(f"SELECT seqrec_activate({versions[len(switches) % 2]})")
            switches.append((start, time.time()))

    thread = threading.Thread(target=switch)
    thread.start()
    try:
        summary, log = calls.run(seconds=seconds, rate=100)  # raises when a call fails
    finally:
        stop.set()
        thread.join()
    near = [spent for end, spent in log if any(start <= end and end - spent / 1e6 <= done + 0.2 for start, done in switches)]
    quiet, alone = calls.run(seconds=seconds, rate=100)
    return {"calls": len(log), "switches": len(switches), "errors": 0, "near_a_switch_ms": milliseconds(near),
            "all_ms": milliseconds([spent for _, spent in log]), "without_switches_ms": milliseconds([spent for _, spent in alone]),
            "target_ms": 10}


def milliseconds(times):
    return {name: round(percentile(times, share) / 1000, 2) for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1))} | {
        "calls": len(times), "over_10_ms": sum(spent > 10_000 for spent in times)}


def measure_pgvector(arguments):
    try:
        sql("CREATE EXTENSION IF NOT EXISTS vector")
    except RuntimeError as error:
        return {"left_out": "CREATE EXTENSION vector failed: install pgvector (Debian 13: postgresql-17-pgvector)",
                "error": str(error).strip()}
    need_scan_questions(arguments)
    note("pgvector: the same vectors in its type")
    sql(f"""CREATE TABLE IF NOT EXISTS vectors AS
            SELECT item_id::bigint AS id, l2_normalize(embedding::vector({DIM}))::vector({DIM}) AS embedding
            FROM seqrec.items WHERE model_id = {active("default")}""")
    sql("VACUUM ANALYZE vectors")
    theirs = Peer(rows_of("""SELECT user_id, clicks, seqrec_user_embedding(user_id::text, clicks::text[], 'default')::vector
                             FROM scan_questions"""))
    result = {"version": sql("SELECT extversion FROM pg_extension WHERE extname = 'vector'"), "items": arguments.items,
              "agree": theirs.recall_of("default"), "exact": against_exact(theirs, arguments)}
    if arguments.no_hnsw:
        return result
    note(json.dumps(result))
    return result | {"hnsw": against_hnsw(theirs, arguments)}


class Peer:
    """pgvector, asked what seqrec is asked: the vectors of the same users after the same clicks."""

    EXACT = "-c enable_indexscan=off"

    def __init__(self, questions):
        self.questions = questions
        self.calls = Calls("SELECT id FROM vectors ORDER BY embedding <#> {v}::vector LIMIT 10", [{"v": v} for _, _, v in questions])
        self.truth = self.answers(self.EXACT)

    def answers(self, options):
        return [sql(f"SELECT id FROM vectors ORDER BY embedding <#> '{v}' LIMIT 10", PGOPTIONS=options).split()
                for _, _, v in self.questions]

    def recall(self, found):
        return round(statistics.mean(len(set(t) & set(f)) / 10 for t, f in zip(self.truth, found)), 4)

    def recall_of(self, model):
        return self.recall([sql(f"SELECT item_id FROM seqrec_recommend({user}::bigint, '{clicks}'::bigint[], 10, '{model}', "
                                "exclude_seen => false)").split() for user, clicks, _ in self.questions])


def against_exact(theirs, arguments):
    result = {"target": 50, "seqrec": recommend_calls("scan_questions", "default").run(seconds=arguments.seconds)[0]}
    for name, options in (("as_planned", ""), ("one_process", " -c max_parallel_workers_per_gather=0")):
        peer = theirs.calls.run(seconds=2 * arguments.seconds, options=Peer.EXACT + options)[0]
        result[name] = peer | {"ratio": round(peer["p50_us"] / result["seqrec"]["p50_us"], 1)}
    return result


def against_hnsw(theirs, arguments):
    """At two connections, each of seqrec's ways against the quickest setting of HNSW that finds as much."""
    note("pgvector: the HNSW index")
    start = time.monotonic()
    sql("SET maintenance_work_mem = '3GB'; SET max_parallel_maintenance_workers = 2; "
        "CREATE INDEX IF NOT EXISTS vectors_hnsw ON vectors USING hnsw (embedding vector_ip_ops)")
    result = {"build_seconds": round(time.monotonic() - start), "ef_search": {}}
    for ef in (40, 80, 120, 200, 300, 400, 600, 800, 1000):
        options = f"-c hnsw.ef_search={ef}"
        rate = theirs.calls.run(2, arguments.seconds, options=options)[0]["calls_per_s"]
        result["ef_search"][ef] = {"recall": theirs.recall(theirs.answers(options)), "calls_per_s": rate}
        note(f"ef_search {ef}: {result['ef_search'][ef]}")
        if result["ef_search"][ef]["recall"] == 1:
            break
    if sql("SELECT count(*) FROM seqrec_models WHERE model = 'indexed'") == "0":
        note("the same items with seqrec's index")
        use_large_model()
        train("default_ratings", "indexed", LARGE | {"index": "ivf"})
    for name, model in (("scan", "default"), ("index", "indexed")):
        ours = recommend_calls("scan_questions", model).run(2, arguments.seconds)[0]
        found = theirs.recall_of(model)
        as_good = [peer for peer in result["ef_search"].values() if peer["recall"] >= found]
        peer = as_good[0] if as_good else list(result["ef_search"].values())[-1]
        result[name] = ours | {"recall": found, "peer": peer, "ratio": round(ours["calls_per_s"] / peer["calls_per_s"], 2),
                               "equal_recall": bool(as_good), "target": 2}
    return result


def measure_batch(arguments):
    items = users = arguments.items // 10
    publish_large("batch", 20 * users, users, items)
    make_questions("batch_questions", "batch", 20)
    one_each = recommend_calls("batch_questions", "batch").run(seconds=arguments.seconds)[0]
    sql("""CREATE TABLE IF NOT EXISTS batch_request AS SELECT array_agg(user_id::text) AS users, jsonb_agg(clicks) AS clicks
           FROM (SELECT user_id, jsonb_agg(item_id ORDER BY timestamp) AS clicks FROM batch_ratings GROUP BY user_id) h""")
    note("batch: all users in one call, by one process and by two")
    statements = {
        "batch": ("SELECT count(*) FROM batch_request q, seqrec_recommend_batch(q.users, q.clicks, 10, 'batch')", 0),
        "all": ("SELECT count(*) FROM seqrec_recommend_all(10, 'batch')", 0),
        "all_by_two": ("SELECT count(*) FROM seqrec_recommend_all(10, 'batch')", 1),
        "kept_by_two": ("CREATE TABLE kept AS SELECT * FROM seqrec_recommend_all(10, 'batch'); SELECT count(*) FROM kept; DROP TABLE kept", 1),
    }
    rates = {name: [] for name in statements}
    limits, of_limit = [], {"batch": [], "all": []}
    for _ in range(ROUNDS):  # in turns, so that all meet the same neighbours
        limits.append(batch_limit("batch"))
        for name, (statement, workers) in statements.items():
            seconds, cpu = spent_by(f"SET max_parallel_workers_per_gather = {workers}; {statement}")
            rates[name].append(round(users / seconds))
            if name in of_limit:
                of_limit[name].append(users / cpu / limits[-1]["limit_users_per_s"])
    best = {name: max(measured) for name, measured in rates.items()}
    return {"users": users, "items": items, "config": config_of("batch"), "one_each": one_each, "users_per_s": rates, "limit": limits,
            "ratio_batch": round(best["batch"] / one_each["calls_per_s"], 2), "ratio_all": round(best["all"] / one_each["calls_per_s"], 2),
            "batch_of_limit": round(statistics.median(of_limit["batch"]), 3), "all_of_limit": round(statistics.median(of_limit["all"]), 3),
            "target_of_limit": 0.8,
            "two_processes": round(statistics.median(two / one for two, one in zip(rates["all_by_two"], rates["all"])), 2), "target_two_processes": 1.8}


def spent_by(statement):
    """Seconds in a new connection, and the CPU time of its backend in them."""
    with Connection() as connection:
        before, start = cpu_ns(connection.pid), time.monotonic()
        connection.run(statement)
        return time.monotonic() - start, (cpu_ns(connection.pid) - before) / 1e9


def batch_limit(model):
    """Encoder and products alone, on one thread, by the kernels that this CPU runs (or SEQREC_ISA says)."""
    program = ROOT / "build" / "seqrec-batch-limit"
    return json.loads(subprocess.run([program, snapshot_of(model), "5"], capture_output=True, text=True, check=True).stdout)


def measure_index(arguments):
    """Many items, few interactions of each: what counts is the search."""
    items = arguments.index_items
    publish_large("many", items, max(items // 20, 1), items, {"index": "ivf"})
    make_questions("index_questions", "many", 20, 100)
    calls, floor = recommend_calls("index_questions", "many"), floor_us()
    asked = [calls.run(seconds=arguments.seconds)[0] for _ in range(ROUNDS)]
    exact = calls.run(seconds=arguments.seconds, options="-c seqrec.exact=on")[0]
    tens = [
        sql(f"{setting}; SELECT q.number, r.item_id FROM index_questions q, "
            f"seqrec_recommend(q.user_id, q.clicks, 10, 'many') r").splitlines()
        for setting in ("SET seqrec.exact = on", "SET seqrec.exact = off")
    ]
    rows = sql(f"SELECT metrics FROM seqrec.models WHERE model_id = {active('many')}")
    return {"items": items, "config": config_of("many"), "index": json.loads(rows), "select_1_us": floor, "call": asked,
            "p50_ms": statistics.median(a["p50_us"] for a in asked) / 1000, "target_ms": 3, "exact_p50_ms": exact["p50_us"] / 1000,
            "recall@10": round(len(set(tens[0]) & set(tens[1])) / len(tens[0]), 4), "recall_target": 0.99}


NEEDS_MOVIELENS = ("movielens", "connections")
PARTS = {"movielens": measure_movielens, "connections": measure_connections, "scan": measure_scan, "candidates": measure_candidates,
         "joined": measure_joined, "first_call": measure_first_call, "switch": measure_switch, "pgvector": measure_pgvector, "batch": measure_batch, "index": measure_index}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", default=",".join(PARTS))
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--index-items", type=int, default=10_000_000)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--no-hnsw", action="store_true")
    arguments = parser.parse_args()
    if "PGHOST" not in os.environ or not os.path.exists(os.path.join(os.environ["PGHOST"], "server.log")):
        os.execv(str(ROOT / "demo" / "cluster.sh"),
                 ["cluster.sh", sys.executable, os.path.abspath(__file__), *sys.argv[1:]])
    sql("CREATE EXTENSION IF NOT EXISTS seqrec")
    restart_with(shared_buffers="3GB", max_wal_size="8GB", max_connections="120")
    report = {"benchmark": "serving", "load_before": os.getloadavg()[0]}
    for name in arguments.part.split(","):
        note(name)
        if name in NEEDS_MOVIELENS and not (arguments.data / "ml-1m").is_dir():
            report[name] = {"left_out": "no data"}
            continue
        report[name] = PARTS[name](arguments)
    report["load_after"] = os.getloadavg()[0]
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
