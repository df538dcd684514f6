#!/usr/bin/python3
"""Kind p5 through SQL: probabilities of people who are known, of strangers, and where too little is held out to calibrate them."""

import json

from testing import main, sql

OPTIONS = {"epochs": 3, "dim": 16, "layers": 1, "max_len": 12, "threads": 1, "index": "none"}


def train(model, table="ratings", **options):
    job = sql(f"SELECT seqrec_train('{table}', model => '{model}', kind => 'p5', users => 'people', options => '{json.dumps(OPTIONS | options)}')")
    sql(f"CALL seqrec_wait({job})")
    return sql(f"SELECT warnings FROM seqrec_jobs WHERE job_id = {job}")


def total(model):
    """What one user is told of all items."""
    return float(sql(f"SELECT sum(probability) FROM seqrec_score('u1', ARRAY['7', '9'], (SELECT array_agg(DISTINCT item_id) FROM ratings), '{model}')"))


def probabilities_add_up_to_about_one():
    assert "calibrate" not in train("shop")
    assert 0.3 < total("shop") < 3, total("shop")


def with_nothing_new_held_out_they_are_said_to_be_uncalibrated():
    warnings = train("shop", init_from="shop", stages=["tune"])
    assert "too few items are held out to calibrate" in warnings, warnings
    assert total("shop") < 4, total("shop")


def a_stranger_has_no_probability_of_a_single_item():
    assert sql("SELECT count(probability) FROM seqrec_score(NULL, NULL, ARRAY['7', '9'], 'bare')") == "0"


def prepare():
    sql("""CREATE EXTENSION seqrec;
           CREATE TABLE ratings (user_id text, item_id text, timestamp int);
           INSERT INTO ratings SELECT 'u' || u, 1 + (u * 37 + g) % 190, g FROM generate_series(1, 200) u, generate_series(1, 15) g;
           CREATE TABLE people AS SELECT 'u' || u AS user_id, CASE u % 2 WHEN 0 THEN 'even' ELSE 'odd' END AS side FROM generate_series(1, 200) u""")
    job = sql(f"SELECT seqrec_train('ratings', model => 'bare', kind => 'p5', options => '{json.dumps(OPTIONS)}')")
    sql(f"CALL seqrec_wait({job})")


prepare()
main(probabilities_add_up_to_about_one, with_nothing_new_held_out_they_are_said_to_be_uncalibrated, a_stranger_has_no_probability_of_a_single_item)
