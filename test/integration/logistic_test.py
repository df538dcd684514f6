#!/usr/bin/python3
"""The kind logistic through SQL: what it learns of labels and features, what it answers, and what it refuses."""

import glob
import json
import os
import sys

sys.dont_write_bytecode = True

from http_support import expect
from testing import after, main, refused, script, sql

ROWS = 30000
# The truth that labels are drawn from: women like romances, the young like what is cheap.
TRUTH = "-0.5 + CASE WHEN gender = 'f' AND 'romance' = ANY (genres) THEN 1.5 ELSE 0 END + CASE WHEN age < 30 AND price < 10 THEN 1 ELSE 0 END - (item_id % 7) / 7.0"
OPTIONS = {"label": "liked", "threads": 1}


def train(name, options, items="things", users="people", ratings="tastes"):
    arguments = "".join(f", {side} => '{table}'" for side, table in (("items", items), ("users", users)) if table)
    job = sql(f"SELECT seqrec_train('{ratings}', model => '{name}', kind => 'logistic'{arguments}, options => '{json.dumps(options)}')")
    sql(f"CALL seqrec_wait({job})")
    return [json.loads(sql(f"SELECT {column} FROM seqrec_jobs WHERE job_id = {job}")) for column in ("metrics", "to_jsonb(warnings)")]


def prepare():
    sql("CREATE EXTENSION seqrec")
    sql("CREATE TABLE people AS SELECT n AS user_id, (ARRAY['m', 'f'])[1 + n % 2] AS gender, 15 + (n * 7) % 50 AS age, n % 3 = 0 AS member FROM generate_series(1, 400) n")
    sql("""CREATE TABLE things AS SELECT n AS item_id, CASE n % 3 WHEN 0 THEN '{romance}' WHEN 1 THEN '{action}' ELSE '{action,romance}' END::text[] AS genres,
           (1 + (n * 13) % 20)::numeric AS price, date '2020-01-01' + n AS since FROM generate_series(1, 120) n""")
    script(f"""SELECT setseed(0.25); CREATE TABLE tastes AS SELECT user_id, item_id, timestamptz '2024-01-01' + n * interval '1 minute' AS timestamp,
           (ARRAY['phone', 'desk'])[1 + n % 2] AS device, random() < 1 / (1 + exp(-({TRUTH}))) AS liked, 1 / (1 + exp(-({TRUTH}))) AS truth
           FROM (SELECT n, 1 + floor(random() * 380)::int AS user_id, 1 + floor(random() * 110)::int AS item_id FROM generate_series(1, {ROWS}) n) d
           JOIN people USING (user_id) JOIN things USING (item_id);""")


def probabilities_are_those_of_the_truth():
    metrics, _ = train("tastes", OPTIONS)
    for key in ("auc", "log_loss", "accuracy", "precision", "recall", "f1", "brier", "ece", "threshold", "pairs_evaluated", "hr@10", "ndcg@10"):
        assert isinstance(metrics[key], (int, float)), key
    best = float(sql("""WITH late AS (SELECT * FROM tastes ORDER BY timestamp DESC LIMIT 3000)
                        SELECT avg((p.truth > n.truth)::int + (p.truth = n.truth)::int / 2.0) FROM late p, late n WHERE p.liked AND NOT n.liked"""))
    assert best - 0.02 < metrics["auc"] < best + 0.01, (metrics["auc"], best)
    assert metrics["ece"] < 0.035, metrics["ece"]
    expect(sum(row["pairs"] for row in metrics["reliability"]), metrics["pairs_evaluated"])
    # A known user's probabilities, against what they were drawn from.
    error = float(sql(f"""SELECT avg(abs(probability - 1 / (1 + exp(-({TRUTH}))))) FROM people p,
        LATERAL (SELECT s.item_id::int AS item_id, s.probability FROM seqrec_score(p.user_id, NULL, ARRAY(SELECT item_id FROM things WHERE item_id <= 110), 'tastes') s) s
        JOIN things USING (item_id) WHERE user_id <= 100"""))
    assert error < 0.06, error


@after(probabilities_are_those_of_the_truth)
def coefficients_say_what_was_learned():
    # A pair of values counts in as many rows as have both; without ids nothing else tells it.
    train("features", {**OPTIONS, "ids": False, "holdout": "keep", "crosses": [["gender", "genres"]]})
    rows = {tuple(line.split("|")[:2]): [float(x) for x in line.split("|")[2:]] for line in sql(
        "SELECT feature, value, coefficient, standard_error, rows FROM seqrec_coefficients('features') WHERE value IS NOT NULL").splitlines()}
    like = rows[("gender * genres", "f * romance")]
    assert like[0] - rows[("gender * genres", "m * romance")][0] > 0.8, rows
    assert 0 < like[1] < 0.2, like
    counted = sql("""SELECT count(*) FROM (SELECT * FROM tastes ORDER BY timestamp LIMIT 100000) r JOIN people USING (user_id) JOIN things USING (item_id)
                     WHERE gender = 'f' AND 'romance' = ANY (genres)""")
    expect(int(like[2]), int(counted))
    expect(sql("SELECT count(*) FROM seqrec_coefficients('features') WHERE feature LIKE '%user_id%' OR feature LIKE '%item_id%'"), "0")
    expect(sql("SELECT count(*) > 400 FROM seqrec_coefficients('tastes') WHERE feature = 'user_id * genres'"), "t")


@after(probabilities_are_those_of_the_truth)
def probability_is_the_sigmoid_of_the_score():
    off = float(sql("SELECT max(abs(probability - 1 / (1 + exp(-score)))) FROM seqrec_score(7, ARRAY[1, 2], ARRAY(SELECT item_id FROM things), 'tastes')"))
    assert off < 1e-5, off
    expect(sql("SELECT count(*) FROM seqrec_score(7, ARRAY[1, 2], ARRAY(SELECT item_id FROM things), 'tastes') WHERE probability >= 0.4"),
           sql("SELECT count(*) FROM seqrec_recommend(7, ARRAY[1, 2], 200, 'tastes', exclude_seen => false, min_probability => 0.4)"))


@after(coefficients_say_what_was_learned)
def context_is_a_user_who_was_not_there():
    ask = "SELECT string_agg(item_id || ':' || round(score::numeric, 4), ' ' ORDER BY rank) FROM seqrec_recommend({}, '{{}}', 20, 'features', exclude_seen => false{})"
    known = sql(ask.format("7", ""))  # 7: f, 64, no member
    expect(sql(ask.format("'nobody'", """, context => '{"gender": "f", "age": 64, "member": false}'""")), known)
    assert sql(ask.format("'nobody'", """, context => '{"gender": "m", "age": 64, "member": false}'""")) != known
    expect(sql(ask.format("7", """, context => '{"gender": "m"}'""")), sql(ask.format("'nobody'", """, context => '{"gender": "m", "age": 64, "member": false}'""")))
    told = json.loads(sql("""SELECT seqrec_recommend_info('nobody', '{}', 3, 'features', context => '{"gender": "x", "age": "old", "shoe": 43, "member": true}')"""))
    expect(sorted(told["unknown_context"]), ["age", "gender", "shoe"])
    expect(told["fallback"], False)


def the_moment_is_context_too():
    metrics, _ = train("moments", {**OPTIONS, "context": ["device"]})
    expect(metrics["pairs_evaluated"] > 2000, True)
    told = json.loads(sql("""SELECT seqrec_recommend_info(7, '{}', 3, 'moments', context => '{"device": "phone"}')"""))
    expect(told.get("unknown_context", []), [])


@after(probabilities_are_those_of_the_truth)
def items_that_nobody_had_are_answered():
    expect(sql("SELECT count(*) FROM seqrec_score(7, '{}', ARRAY(SELECT item_id FROM things WHERE item_id > 110), 'tastes') WHERE probability BETWEEN 0.001 AND 0.999"), "10")
    expect(sql("SELECT count(*) FROM seqrec_score('400', '{}', ARRAY[1, 2], 'tastes') WHERE probability > 0"), "2")  # nor did this user


def evaluation_agrees_with_the_job():
    metrics, _ = train("kept", {**OPTIONS, "holdout": "keep"})
    rows = dict(line.split("|") for line in sql(
        "SELECT metric, value FROM seqrec_evaluate('kept', split => 'time', baselines => false) WHERE k IS NULL OR metric IN ('hr', 'ndcg')").splitlines())
    for key, other, off in (("auc", "auc", 0.005), ("ece", "ece", 0.02), ("log_loss", "log_loss", 0.01), ("hr", "hr@10", 1e-9), ("ndcg", "ndcg@10", 1e-4)):
        assert abs(float(rows[key]) - metrics[other]) <= off, (key, rows[key], metrics[other])


def without_a_label_interactions_are_the_positives():
    metrics, _ = train("plain", {"negatives": 2, "split": "leave_one_out", "threads": 1, "repeats": "first"})
    learned = int(sql("SELECT sum(n - 2) FROM (SELECT count(DISTINCT item_id) AS n FROM tastes GROUP BY user_id) c"))
    expect(metrics["pairs"], 3 * learned)  # each with two drawn
    assert metrics["auc"] > 0.5, metrics["auc"]
    metrics, warnings = train("nothing", {"threads": 1}, items=None, users=None)
    assert metrics["hr@10"] is not None


@after(probabilities_are_those_of_the_truth)
def a_rebuilt_snapshot_answers_the_same():
    ask = "SELECT string_agg(item_id || ':' || score, ' ') FROM seqrec_recommend(9, ARRAY[3, 4], 20, 'tastes', exclude_seen => false)"
    before = sql(ask)
    expect(sql("SET seqrec.exact = on; " + ask), before)
    version = sql("SELECT version FROM seqrec_models WHERE model = 'tastes' AND active")
    for file in glob.glob(os.path.join(os.environ["PGDATA"], "seqrec", "*", version + ".safetensors*")):
        os.remove(file)
    expect(sql(ask), before)


def what_is_kept_out_stays_out():
    # The labels of the latest tenth turned round: nothing that a model says may change where they were kept out.
    ask = "SELECT string_agg(item_id || ':' || round(score::numeric, 5), ' ' ORDER BY item_id) FROM seqrec_score(7, '{}', ARRAY(SELECT item_id FROM things), 'turned')"
    sql("CREATE TABLE turned AS SELECT * FROM tastes")
    train("turned", {**OPTIONS, "holdout": "keep"}, ratings="turned")
    before = sql(ask)
    sql(f"UPDATE turned SET liked = NOT liked WHERE timestamp > timestamptz '2024-01-01' + {ROWS * 91 // 100} * interval '1 minute'")
    train("turned", {**OPTIONS, "holdout": "keep"}, ratings="turned")
    expect(sql(ask), before)


@after(probabilities_are_those_of_the_truth)
def weights_are_relative_and_strangers_have_probabilities():
    same, _ = train("weighed", {**OPTIONS, "event_column": "device", "event_weights": {"phone": 1, "desk": 1}})
    heavy, _ = train("weighed", {**OPTIONS, "event_column": "device", "event_weights": {"phone": 1000, "desk": 1000}})
    assert abs(same["log_loss"] - heavy["log_loss"]) < 1e-3, (same["log_loss"], heavy["log_loss"])
    odd, _ = train("weighed", {**OPTIONS, "event_column": "device", "event_weights": {"phone": 1, "desk": 50}})
    assert odd["log_loss"] < 0.7, odd["log_loss"]  # of what is as likely as not: .693
    rate = float(sql("SELECT avg(liked::int) FROM tastes"))
    told = sql("SELECT avg(probability), count(*) FROM seqrec_score('nobody', '{}', ARRAY(SELECT item_id FROM things WHERE item_id <= 110), 'tastes')").split("|")
    assert abs(float(told[0]) - rate) < 0.1, (told, rate)


def users_may_have_one_row_each():
    sql("CREATE TABLE once AS SELECT DISTINCT ON (user_id) * FROM tastes")
    metrics, _ = train("once", {**OPTIONS, "ids": False}, ratings="once")
    assert metrics["pairs"] > 100, metrics["pairs"]


def what_cannot_be_learned_is_said():
    sql("CREATE TABLE stars AS SELECT user_id, item_id, timestamp, CASE WHEN liked THEN 5 ELSE 2 END AS stars, true AS yes FROM tastes")

    def fails(options, *parts):
        job = sql(f"SELECT seqrec_train('stars', model => 'bad', kind => 'logistic', items => 'things', users => 'people', options => '{json.dumps(options)}')")
        refused(f"CALL seqrec_wait({job})", *parts)

    refused("""SELECT seqrec_train('stars', kind => 'logistic', options => '{"positive_from": 4}')""", "22023", "label")
    refused("""SELECT seqrec_train('stars', options => '{"label": "stars"}')""", "22023", 'kind "logistic"')
    fails({"label": "stars"}, "22023", "positive_from")
    fails({"label": "yes"}, "22000", "negative")
    fails({"label": "stars", "positive_from": 4, "crosses": [["shoe", "genres"]]}, "22023", "shoe", "gender")
    refused("""SELECT seqrec_train('stars', kind => 'logistic', options => '{"crosses": "some"}')""", "22023", "crosses")
    refused("""SELECT seqrec_train('stars', kind => 'logistic', options => '{"label": "nothing"}')""", "42703", "stars")
    sql("CREATE TABLE at_once AS SELECT user_id, item_id, 0 AS timestamp, liked FROM tastes")
    _, warnings = train("at_once", OPTIONS, ratings="at_once")
    assert any("one time" in warning for warning in warnings), warnings


@after(evaluation_agrees_with_the_job)
def kinds_are_compared_on_the_same_rows():
    job = sql("""SELECT seqrec_train('tastes', model => 'kept', kind => 'transformer', options => '{"activate": "better", "max_seconds": 3, "members": 1, "epochs": 1}')""")
    sql(f"CALL seqrec_wait({job})")
    expect(sql(f"SELECT metrics ? 'ndcg@10_difference', metrics ? 'activated' FROM seqrec_jobs WHERE job_id = {job}"), "t|t")


prepare()
main(probabilities_are_those_of_the_truth, coefficients_say_what_was_learned, probability_is_the_sigmoid_of_the_score, context_is_a_user_who_was_not_there,
     the_moment_is_context_too, items_that_nobody_had_are_answered, evaluation_agrees_with_the_job, without_a_label_interactions_are_the_positives,
     a_rebuilt_snapshot_answers_the_same, what_is_kept_out_stays_out, weights_are_relative_and_strangers_have_probabilities, users_may_have_one_row_each, what_cannot_be_learned_is_said, kinds_are_compared_on_the_same_rows)
