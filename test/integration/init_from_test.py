#!/usr/bin/python3
"""A training that starts from a model whose rows are gone: what it knew stays, and nobody's rows are needed for it."""

import json

from testing import main, psql, refused, sql

OLD, NEW = 30, 20  # items
BASE = {"precision": "float32", "epochs": 60, "dim": 16, "members": 1, "max_len": 10, "repeats": "keep", "learning_rate": 0.01, "batch_tokens": 64, "patience": 100, "holdout": "keep"}
UPDATE = {"precision": "float32", "init_from": "shop", "epochs": 40, "learning_rate": 0.01, "batch_tokens": 64, "patience": 100, "holdout": "keep"}


def circles(users, first, items, day):
    """Users who walk around `items` items, from `first` on."""
    sql(
        f"""INSERT INTO clicks SELECT '{day}-' || u, 'i' || {first} + (u + g) % {items}, timestamptz '{day}' + make_interval(hours => u, mins => g)
            FROM generate_series(1, {users}) u, generate_series(1, 8) g"""
    )


def train(options, model="shop"):
    job = sql(f"SELECT seqrec_train('clicks', model => '{model}', options => $${json.dumps(options)}$$)")
    done = psql("-c", f"CALL seqrec_wait({job})")
    assert done.returncode == 0, done.stderr
    return json.loads(sql(f"SELECT to_jsonb(j) FROM seqrec_jobs j WHERE job_id = {job}"))


def wait(call):
    sql(f"CALL seqrec_wait({sql(call)})")


def still_follow(first, items, model="shop"):
    """Of how many items the next one on the circle is the best answer."""
    return int(
        sql(
            f"""SELECT count(*) FROM generate_series(0, {items - 1}) g,
                seqrec_recommend('stranger', ARRAY['i' || {first} + (g + {items - 1}) % {items}, 'i' || {first} + g], 1, model => '{model}') r
                WHERE r.item_id = 'i' || {first} + (g + 1) % {items}"""
        )
    )


def rows_that_are_gone():
    sql("CREATE EXTENSION seqrec")
    sql("CREATE TABLE clicks (user_id text, item_id text, timestamp timestamptz)")
    circles(90, 0, OLD, "2026-01-01")
    train(BASE)
    before = still_follow(0, OLD)
    assert before >= OLD * 0.9, before
    sql("DELETE FROM clicks")
    circles(60, OLD, NEW, "2026-02-01")
    told = train(UPDATE)
    assert any(f"{OLD} items of the model to start from have no row any more" in warning for warning in told["warnings"]), told["warnings"]
    assert told["metrics"]["items"] == OLD + NEW and told["metrics"]["distill_clicks"] > 0, told["metrics"]
    kept, learned = still_follow(0, OLD), still_follow(OLD, NEW)
    assert kept >= before * 0.6, (before, kept)  # a handful more or less is chance
    assert learned >= NEW * 0.9, learned
    assert sql("SELECT count(*) FROM seqrec.users u JOIN seqrec_models m USING (model_id) WHERE m.active AND user_id LIKE '2026-01%'") == "0"


def nothing_is_kept_where_it_is_not_wanted():
    told = train({**UPDATE, "distill": 0, "epochs": 1, "activate": "never"})
    assert "distill_clicks" not in told["metrics"], told["metrics"]
    told = train({**UPDATE, "keep_items": False, "epochs": 1, "activate": "never"})
    assert told["metrics"]["items"] == NEW, told["metrics"]
    told = train({**UPDATE, "keep_items": True, "distill": 0, "epochs": 1, "activate": "never"})
    assert told["metrics"]["items"] == OLD + NEW, told["metrics"]


def what_has_text_and_no_rows_is_no_label():
    sql("CREATE TABLE things AS SELECT 'i' || n AS item_id, 'thing ' || n || ' of ' || n / 7 AS title FROM generate_series(0, 49) n")
    with_items = lambda options: f"SELECT seqrec_train('clicks', model => 'titled', items => 'things', options => $${json.dumps(options)}$$)"
    for use in ("trained", "fitted"):
        sql("DELETE FROM clicks")
        circles(90, 0, OLD, "2026-01-01")
        wait(with_items({**BASE, "epochs": 3, "content_use": use}))
        sql("DELETE FROM clicks")
        circles(60, OLD, NEW, "2026-02-01")
        wait(with_items({**UPDATE, "init_from": "titled", "epochs": 3, "distill": 2}))
        told = json.loads(sql("SELECT metrics FROM seqrec_models WHERE model = 'titled' AND active"))
        assert told["items"] == OLD + NEW, told
        wait("SELECT seqrec_refresh_items('titled')")


def what_the_earlier_model_says_again_keeps_its_own_rows():
    sql("DELETE FROM clicks")
    circles(90, 0, OLD, "2026-01-01")
    titled = lambda options: wait(f"SELECT seqrec_train('clicks', model => 'titled', items => 'things', options => $${json.dumps(options)}$$)")
    titled({**BASE, "content_use": "trained"})
    before = still_follow(0, OLD, "titled")
    sql("DELETE FROM clicks")
    circles(60, OLD, NEW, "2026-02-01")
    titled({**UPDATE, "init_from": "titled"})
    kept = still_follow(0, OLD, "titled")
    assert before >= OLD * 0.6 and kept >= before * 0.5, (before, kept)


def what_is_refused():
    for option in ({"distill": 1}, {"keep_items": True}):
        refused(f"SELECT seqrec_train('clicks', options => '{json.dumps(option)}')", "without init_from", "22023")
    for options, message in (({"distill": -1}, "out of range"), ({"distill": "much"}, "wrong type"), ({"keep_items": 1}, "wrong type")):
        refused(f"SELECT seqrec_train('clicks', options => '{json.dumps(options)}')", message, "22023")
    refused("""SELECT seqrec_train('clicks', kind => 'vae', options => '{"distill": 1}')""", "unknown option", "22023")


main(rows_that_are_gone, nothing_is_kept_where_it_is_not_wanted, what_has_text_and_no_rows_is_no_label,
     what_the_earlier_model_says_again_keeps_its_own_rows, what_is_refused)
