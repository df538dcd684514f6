#!/usr/bin/python3
"""seqrec_evaluate against the trainer's own figures, and against the same figures computed in SQL from seqrec_recommend_batch.

With SEQREC_DATA set to a folder that holds ml-100k/u.data, on MovieLens-100K too."""

import json
import os

from testing import SqlError, Session, after, main, refused, script, sql

# Two layers are enough: how good the model is doesn't matter here, only that all agree about it.
SMALL = {"epochs": 2, "dim": 16, "max_len": 20, "members": 1, "layers": 2, "threads": 2, "index": "none"}


def generate():
    """As many users, items and rows as MovieLens-100K has: some popular items, each likely to be followed by the next."""
    sql("CREATE EXTENSION seqrec")
    sql("""CREATE TABLE films (user_id integer, item_id integer, timestamp bigint);
           SELECT setseed(0.42);
           INSERT INTO films
           SELECT u, 1 + CASE WHEN random() < 0.3 THEN (u * 7 + g) % 1682 ELSE floor(1682 * random() ^ 2.5)::integer END, 1000000 + u * 10 + g * 1000
           FROM generate_series(1, 943) u, LATERAL generate_series(1, 20 + (u * 37) % 173) g
           LIMIT 100000""")


def train(table, model, **options):
    job = sql(f"SELECT seqrec_train('{table}', '{model}', options => '{json.dumps({**SMALL, **options})}')")
    sql(f"CALL seqrec_wait({job})")
    return json.loads(sql(f"SELECT metrics FROM seqrec_models WHERE model = '{model}' AND active"))


def evaluate(arguments):
    """{(metric, k): value}, and what was said meanwhile."""
    said = script(f"SELECT format('FIGURE %s %s %s', metric, coalesce(k, 0), coalesce(value::text, 'NaN')) FROM seqrec_evaluate({arguments});")
    lines = [line.split()[1:] for line in said.splitlines() if line.startswith("FIGURE ")]
    assert lines, said
    return {(metric, int(k)): float(value) for metric, k, value in lines}, said


def by_sql(table, model, keeps):
    """hr, ndcg, mrr, precision and recall at 5 and 10 of leave-one-out, from a batch of recommendations alone."""
    return json.loads(sql(f"""
WITH numbered AS (
    SELECT user_id, item_id, timestamp, ctid, row_number() OVER (PARTITION BY user_id, item_id ORDER BY timestamp, ctid) AS nth FROM {table}),
sequences AS (
    SELECT user_id, array_agg(item_id ORDER BY timestamp, ctid) AS items, row_number() OVER (ORDER BY user_id) AS request
    FROM numbered WHERE {keeps} OR nth = 1 GROUP BY user_id HAVING count(*) >= 3),
asked AS (
    SELECT request, user_id, items[cardinality(items)]::text AS target, items[:cardinality(items) - 1] AS clicks FROM sequences),
answers AS (
    SELECT b.request, b.item_id, b.score
    FROM (SELECT array_agg(user_id ORDER BY request) AS users, jsonb_agg(to_jsonb(clicks) ORDER BY request) AS clicks, max(cardinality(clicks)) AS most FROM asked) a,
         LATERAL seqrec_recommend_batch(a.users::text[]::seqrec.id[], a.clicks, 50 + a.most, '{model}', exclude_seen => false) b),
ranked AS (
    SELECT a.request, bool_or(o.item_id = a.target) AS found,
           count(*) FILTER (WHERE o.score >= t.score AND o.item_id <> a.target AND ({keeps} OR NOT o.item_id::integer = ANY (a.clicks))) AS rank
    FROM asked a JOIN answers o USING (request) LEFT JOIN answers t ON t.request = a.request AND t.item_id = a.target GROUP BY a.request)
SELECT jsonb_object_agg(k, jsonb_build_object('rows', rows, 'hr', hr, 'recall', hr, 'precision', hr / k, 'ndcg', ndcg, 'mrr', mrr))
FROM (SELECT k, count(*) AS rows, avg((found AND rank < k)::integer::float8) AS hr,
             avg(CASE WHEN found AND rank < k THEN ln(2) / ln(rank + 2.0::float8) ELSE 0 END) AS ndcg,
             avg(CASE WHEN found AND rank < k THEN 1 / (rank + 1.0::float8) ELSE 0 END) AS mrr
      FROM ranked, unnest('{{5,10}}'::integer[]) k GROUP BY k) f"""))


def agrees(table, model, keeps=False):
    figures, _ = evaluate(f"'{model}', k => '{{10,5}}', baselines => false")
    for k, expected in by_sql(table, model, str(keeps).lower()).items():
        assert figures["rows", 0] == expected.pop("rows"), (figures, expected)
        for metric, value in expected.items():
            assert abs(figures[metric, int(k)] - value) < 1e-9, (metric, k, figures[metric, int(k)], value)
            assert value > 0, metric


def as_the_trainer_says():
    """Of unchanged rows, and a model that was kept from what it is asked for; float noise may swap two scores."""
    metrics = train("films", "kept", holdout="keep", repeats="first")
    figures, said = evaluate("'kept', k => '{1,5,10,20,50}'")
    users = metrics["users_evaluated"]
    for name in ("hr", "ndcg", "mrr"):
        for k in (1, 5, 10, 20, 50):
            assert abs(figures[name, k] - metrics[f"{name}@{k}"]) <= 3 / users, (name, k, figures[name, k], metrics[f"{name}@{k}"])
    for name in ("hr", "ndcg"):
        for other in ("popularity", "markov"):  # counted, so the same to the last bit or two
            assert abs(figures[f"{other}_{name}", 10] - metrics[f"{other}_{name}@10"]) < 1e-9, (name, other)
    assert abs(figures["coverage", 10] - metrics["coverage@10"]) < 0.01, (figures["coverage", 10], metrics["coverage@10"])
    assert figures["users", 0] == figures["rows", 0] == users and figures["seen_by_model", 0] == 0, figures
    assert "WARNING" not in said and "NOTICE" not in said, said
    assert figures["recall", 10] == figures["hr", 10] and figures["map", 10] == figures["mrr", 10]
    assert abs(figures["precision", 10] - figures["hr", 10] / 10) < 1e-12
    for other in ("item_knn", "ease"):
        assert 0 < figures[f"{other}_hr", 50] < 1, other
    assert 0 < figures["diversity", 10] < 2 and 5 < figures["novelty", 10] < 20, figures


@after(as_the_trainer_says)
def as_sql_says():
    agrees("films", "kept")


def as_sql_says_with_repeats():
    metrics = train("films", "repeated", holdout="keep", repeats="keep")
    agrees("films", "repeated", keeps=True)
    figures, _ = evaluate("'repeated'")
    assert abs(figures["ndcg", 10] - metrics["ndcg@10"]) <= 3 / metrics["users_evaluated"], (figures["ndcg", 10], metrics["ndcg@10"])
    assert abs(figures["markov_ndcg", 10] - metrics["markov_ndcg@10"]) < 1e-9


def by_time_as_the_trainer_says():
    metrics = train("films", "timed", holdout="keep", repeats="first", split="time")
    figures, said = evaluate("'timed', split => 'time'")
    for name in ("hr", "ndcg"):
        assert abs(figures[name, 10] - metrics[f"{name}@10"]) <= 5 / metrics["rows_evaluated"], (name, figures[name, 10], metrics[f"{name}@10"])
        for other in ("popularity", "markov"):
            assert abs(figures[f"{other}_{name}", 10] - metrics[f"{other}_{name}@10"]) < 1e-9, (name, other)
    assert figures["rows", 0] == metrics["rows_evaluated"] and figures["users", 0] == metrics["users_evaluated"], figures
    assert figures["seen_by_model", 0] == 0 and "WARNING" not in said, said


@after(as_the_trainer_says)
def says_what_the_model_has_seen():
    train("films", "told", repeats="first")
    figures, said = evaluate("'told', baselines => false")
    assert figures["seen_by_model", 0] == 1 and "has been told" in said and "holdout" in said, said
    figures, said = evaluate("'kept', split => 'held_out', max_users => 50, baselines => false")
    assert figures["users", 0] == 50 and 0.9 < figures["seen_by_model", 0] < 1, figures
    # Of whom nothing was held out, all is told.
    metrics = train("films", "share", holdout="keep", holdout_share=0.3, repeats="first", epochs=1)
    figures, said = evaluate("'share', baselines => false")
    assert abs(figures["seen_by_model", 0] - (1 - metrics["users_evaluated"] / figures["users", 0])) < 1e-9, (figures, metrics)
    assert 0.6 < figures["seen_by_model", 0] < 0.8 and "has been told" in said, (figures, said)
    # What comes after the training is news to it.
    sql("INSERT INTO films SELECT u, 1500 + u % 180, 2000000 FROM generate_series(1, 943) u")
    figures, said = evaluate("'told', baselines => false")
    assert figures["seen_by_model", 0] < 0.4, figures


@after(as_the_trainer_says)
def sessions_of_new_users():
    """Every row but a session's first is asked for, after those before it; the baselines know only the training."""
    sql("CREATE TABLE visits AS SELECT 'new' || user_id AS visitor, item_id::text AS film, to_timestamp(timestamp) AS at FROM films WHERE user_id <= 40")
    sql("INSERT INTO visits SELECT 'new1', 'never heard of', now()")
    figures, said = evaluate("'kept', 'visits', k => '{5}', split => 'held_out', user_column => 'visitor', item_column => 'film', time_column => 'at'")
    rows = int(sql("SELECT count(*) - 40 FROM (SELECT DISTINCT visitor, film FROM visits) v"))
    assert figures["rows", 0] == rows and figures["users", 0] == 40 and figures["seen_by_model", 0] == 0, (figures, rows)
    assert figures["unknown_items", 0] == 1 and "WARNING" not in said, said
    assert figures["popularity_hr", 5] > 0 and ("ease_ndcg", 5) in figures


@after(as_the_trainer_says)
def a_temporary_table_and_a_version():
    version = sql("SELECT version FROM seqrec_models WHERE model = 'kept'")
    said = script(f"""CREATE TEMPORARY TABLE mine AS SELECT * FROM films WHERE user_id <= 30;
                      SELECT count(*), count(value) FROM seqrec_evaluate('{version}', 'mine', baselines => false);""")
    assert said.strip() == "14|14", said


@after(sessions_of_new_users)
def what_is_refused():
    sql("CREATE TABLE liked AS SELECT *, item_id % 2 = 0 AS liked FROM films")
    refused("SELECT * FROM seqrec_evaluate('nobody')", "42704", '"nobody"', "seqrec_models")
    refused("SELECT * FROM seqrec_evaluate(NULL)", "22004", "model")
    refused("SELECT * FROM seqrec_evaluate('kept', split => 'random')", "22023", '"random"', "held_out")
    for k in ("{}", "{0}", "{10001}", "{NULL}", "{{1},{2}}"):
        refused(f"SELECT * FROM seqrec_evaluate('kept', k => '{k}')", "22023", "1 to 10000")
    refused("SELECT * FROM seqrec_evaluate('kept', max_users => 0)", "22023", "max_users")
    refused("SELECT * FROM seqrec_evaluate('kept', time_column => 'at')", "42703", "time_column")
    refused("SELECT * FROM seqrec_evaluate('kept', label => 'stars')", "42703", "label")
    refused("SELECT * FROM seqrec_evaluate('kept', label => 'timestamp')", "22023", "positive_from")
    refused("SELECT * FROM seqrec_evaluate('kept', 'visits', user_column => 'visitor', item_column => 'film', time_column => 'at', label => 'film')", "42804", "a number")
    for label in ("label => 'timestamp', positive_from => 1e6", "label => 'liked'"):
        _, said = evaluate(f"'kept', 'liked', {label}, baselines => false")
        assert "NOTICE" in said and "no probabilities" in said, said
    sql("CREATE TABLE nothing (LIKE films); CREATE TABLE single AS SELECT DISTINCT ON (user_id) * FROM films")
    refused("SELECT * FROM seqrec_evaluate('kept', 'nothing')", "02000", "no rows")
    refused("SELECT * FROM seqrec_evaluate('kept', 'single')", "22000", "held_out")
    refused("SELECT * FROM seqrec_evaluate('kept', 'single', split => 'held_out')", "22000", "nothing to ask")


@after(as_the_trainer_says)
def a_column_may_have_another_name_by_now():
    before, _ = evaluate("'kept'")
    sql("ALTER TABLE films RENAME timestamp TO at")
    try:
        refused("SELECT * FROM seqrec_evaluate('kept')", "42703", "time_column => '...'")
        now, _ = evaluate("'kept', time_column => 'at'")
    finally:
        sql("ALTER TABLE films RENAME at TO timestamp")
    assert now == before


@after(as_the_trainer_says)
def with_the_callers_rights():
    sql("CREATE ROLE analyst LOGIN; GRANT USAGE ON SCHEMA public TO analyst")
    refused("SELECT * FROM seqrec_evaluate('kept')", "42501", "seqrec_evaluate", user="analyst")
    sql("GRANT EXECUTE ON FUNCTION seqrec_evaluate TO analyst")
    # It tells what a model knows of users: until when it was told of them, and what they had.
    sql("CREATE TABLE probes AS SELECT * FROM films LIMIT 3; GRANT SELECT ON probes TO analyst")
    refused("SELECT * FROM seqrec_evaluate('kept', 'probes', split => 'held_out')", "42501", "seqrec_history", user="analyst")
    sql("GRANT EXECUTE ON FUNCTION seqrec_history TO analyst")
    try:  # whose table the model was trained on is its owner's to tell
        sql("SELECT * FROM seqrec_evaluate('kept')", user="analyst")
        raise AssertionError("evaluated without SELECT")
    except SqlError as error:
        assert "42501" in str(error) and "films" not in str(error), error
    sql("GRANT SELECT (user_id, item_id, timestamp) ON films TO analyst")
    assert sql("SELECT value FROM seqrec_evaluate('kept', baselines => false) WHERE metric = 'users'", user="analyst") == sql("SELECT count(DISTINCT user_id) FROM films")
    # Rows that a policy hides from the caller are not there.
    sql("ALTER TABLE films ENABLE ROW LEVEL SECURITY; CREATE POLICY few ON films TO analyst USING (user_id <= 12)")
    assert sql("SELECT value FROM seqrec_evaluate('kept', baselines => false) WHERE metric = 'users'", user="analyst") == "12"
    sql("ALTER TABLE films DISABLE ROW LEVEL SECURITY")


@after(as_the_trainer_says)
def can_be_cancelled_and_watched():
    sql("CREATE TABLE long AS SELECT user_id + 1000 * n AS user_id, item_id, timestamp FROM films, generate_series(0, 4) n")
    session = Session()
    session.run("SET statement_timeout = '200ms';")
    said = session.run("SELECT count(*) FROM seqrec_evaluate('kept', 'long', split => 'held_out');")
    assert "statement timeout" in said, said
    session.process.stdin.write("SET statement_timeout = 0; SELECT count(*) FROM seqrec_evaluate('kept', 'long', split => 'held_out');\n")
    session.process.stdin.flush()
    seen = set()
    for _ in range(60):
        seen.add(sql("SELECT string_agg(substr(query, 1, 40), ';') FROM pg_stat_activity WHERE query LIKE '/* seqrec_evaluate: %' AND state = 'active'; SELECT pg_sleep(0.05)"))
        if any(text.startswith("/* seqrec_evaluate: ranking") for text in seen):
            break
    assert any(text.startswith("/* seqrec_evaluate: ranking") for text in seen), seen
    assert sql("SELECT bool_or(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE query LIKE '/* seqrec_evaluate%'") == "t"
    session.close()


def movielens():
    folder = os.environ.get("SEQREC_DATA")
    if not folder:
        print("skipped: SEQREC_DATA is not set", flush=True)
        return
    sql("CREATE TABLE movielens (user_id integer, item_id integer, rating integer, timestamp bigint)")
    script(f"\\copy movielens FROM '{folder}/ml-100k/u.data'")
    metrics = train("movielens", "movielens", holdout="keep", repeats="first")
    agrees("movielens", "movielens")
    figures, _ = evaluate("'movielens'")
    print({name: (figures[name, 10], metrics[f"{name}@10"]) for name in ("hr", "ndcg")}, flush=True)
    print({name: round(figures[f"{name}_ndcg", 10], 4) for name in ("popularity", "markov", "item_knn", "ease")}, flush=True)
    assert figures["ease_ndcg", 10] > figures["popularity_ndcg", 10] and figures["item_knn_ndcg", 10] > figures["popularity_ndcg", 10]


if __name__ == "__main__":
    generate()
    main(as_the_trainer_says, as_sql_says, as_sql_says_with_repeats, by_time_as_the_trainer_says, sessions_of_new_users, a_temporary_table_and_a_version,
         what_is_refused, a_column_may_have_another_name_by_now, with_the_callers_rights, says_what_the_model_has_seen, can_be_cancelled_and_watched, movielens)
