#!/usr/bin/python3
"""A grocer's table, where people buy again what they had: trained, measured and answered with repeats, and without."""

import json

from testing import main, refused, sql

TRAIN = """SELECT seqrec_train('groceries', '{model}', options => '{options}')"""
SMALL = {"epochs": 6, "dim": 16, "max_len": 12, "members": 1, "layers": 2, "threads": 1}
FAVOURITES = {"i7", "i8", "i9", "i10"}  # of u2
CLICKS = "ARRAY['i7', 'i8', 'i9', 'i10', 'i7', 'i8']"


def groceries():
    """Each customer goes round four products of their own."""
    sql("""CREATE EXTENSION seqrec;
           CREATE TABLE groceries (user_id text, item_id text, timestamp timestamptz);
           INSERT INTO groceries
           SELECT 'u' || u, 'i' || (u * 3 + g % 4) % 30 + 1, timestamptz '2026-01-01' + make_interval(hours => g, mins => u % 50)
           FROM generate_series(1, 150) u, generate_series(0, 15) g""")


def trained(model, **options):
    job = sql(TRAIN.format(model=model, options=json.dumps({**SMALL, **options})))
    sql(f"CALL seqrec_wait({job})")
    metrics, config = sql(f"SELECT metrics, config FROM seqrec_models WHERE model = '{model}' AND active").split("|")
    return json.loads(metrics), json.loads(config)


def answered(model, exclude_seen="", clicks=CLICKS, k=10):
    more = f", exclude_seen => {exclude_seen}" if exclude_seen else ""
    return sql(f"SELECT item_id FROM seqrec_recommend('u2', {clicks}, {k}, '{model}'{more})").split()


def repeats_are_found_and_kept():
    groceries()
    metrics, config = trained("keep")
    assert config["repeats"] == "keep" and config["merge_seconds"] is None and config["split"] == "leave_one_out", config
    assert metrics["repeat_share"] == 1 and metrics["interactions"] == metrics["rows"] == 150 * 16, metrics
    assert metrics["personal_hr@10"] == 1, metrics  # one of four
    assert "all items ranked;" in metrics["protocol"], metrics


def seen_items_are_answered_unless_excluded():
    by_default = answered("keep")
    assert FAVOURITES & set(by_default), by_default
    assert answered("keep", "NULL") == answered("keep", "false") == by_default
    left = answered("keep", "true", k=30)
    assert len(left) == 26 and not FAVOURITES & set(left), left


def repeats_are_reduced_when_told_to():
    metrics, config = trained("first", repeats="first")
    assert config["repeats"] == "first" and metrics["repeat_share"] == 1, (metrics, config)
    assert metrics["interactions"] == 150 * 4 and metrics["rows"] == 150 * 16, metrics
    assert "reduced to the first" in metrics["protocol"], metrics
    left = answered("first", k=30)
    assert len(left) == 26 and not FAVOURITES & set(left), left
    assert answered("first", "true", k=30) == answered("first", "NULL", k=30) == left
    assert FAVOURITES <= set(answered("first", "false", k=30))


def all_users_are_answered_as_one():
    """With what each had in training for clicks, in the order in which it happened."""
    for model in ("keep", "first"):
        differ = sql(f"""
            WITH clicks AS (SELECT user_id, array_agg(item_id ORDER BY timestamp) AS of_user FROM groceries GROUP BY 1),
                 single AS (SELECT c.user_id, r.* FROM clicks c, seqrec_recommend(c.user_id, c.of_user, 5, '{model}') r)
            SELECT count(*) FROM single s FULL JOIN seqrec_recommend_all(5, '{model}') a USING (user_id, rank)
            WHERE s.item_id IS DISTINCT FROM a.item_id OR abs(s.score - a.score) > 1e-5""")
        assert differ == "0", (model, differ)


def double_clicks_are_merged():
    sql("""CREATE TABLE twice AS SELECT user_id, item_id, timestamp + make_interval(secs => n) AS timestamp
           FROM groceries, generate_series(0, 1) n""")
    job = sql("SELECT seqrec_train('twice', 'merged', options => '" + json.dumps({**SMALL, "epochs": 1, "merge_seconds": 2}) + "')")
    sql(f"CALL seqrec_wait({job})")
    metrics, config = sql("SELECT metrics, config FROM seqrec_models WHERE model = 'merged' AND active").split("|")
    assert json.loads(config)["merge_seconds"] == 2, config
    assert json.loads(metrics)["rows"] == 2 * 150 * 16 and json.loads(metrics)["interactions"] == 150 * 16, metrics
    assert answered("merged", clicks="ARRAY['i7', 'i7', 'i8', 'i8']") == answered("merged", clicks="ARRAY['i7', 'i8']")


def the_last_of_the_clock_is_held_out():
    metrics, config = trained("clock", split="time", epochs=2)
    assert config["split"] == "time" and metrics["protocol"].startswith("by time"), (metrics, config)
    # Hours 0 to 15, customers at 50 minutes: the last tenth of 2,400 events are 240 or hardly fewer.
    assert 200 <= metrics["rows_evaluated"] <= 240 and metrics["users_evaluated"] <= 150, metrics
    assert metrics["personal_hr@10"] == 1, metrics


def bad_options_are_refused():
    for option, value in (("repeats", '"some"'), ("merge_seconds", "-1"), ("split", '"random"')):
        refused(f"""SELECT seqrec_train('groceries', options => '{{"{option}": {value}}}')""", "22023", option)


main(repeats_are_found_and_kept, seen_items_are_answered_unless_excluded, repeats_are_reduced_when_told_to,
     all_users_are_answered_as_one, double_clicks_are_merged, the_last_of_the_clock_is_held_out, bad_options_are_refused)
