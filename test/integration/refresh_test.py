#!/usr/bin/python3
"""seqrec_refresh_items: the catalogue of this morning without a training; rights, races, what is kept and what is refused."""

import contextlib
import json
import os
import sys

sys.dont_write_bytecode = True

from clusters import restart_with, shell
from http_support import expect
from testing import Session, main, refused, script, sql, wait_for, with_trainer

os.environ["PGCLIENTENCODING"] = "UTF8"
HOST = os.environ["PGHOST"]
TRAINER = os.path.join(HOST, "slow-trainer")
SLOW = os.path.join(HOST, "slow")  # while it is there no trainer does anything but live
BROKEN = os.path.join(HOST, "broken")  # while it is there a trainer ends at once
OPTIONS = json.dumps({"epochs": 100, "dim": 16, "layers": 1, "max_len": 10, "members": 1, "max_seconds": 20})
ACTIVE = "(SELECT model_id FROM seqrec.models WHERE name = '{}' AND active)"
KINDS = ("tent", "lamp", "bag", "book")


def slow_trainer():
    real = os.environ.get("SEQREC_TRAINER", sql("SELECT setting FROM pg_config WHERE name = 'BINDIR'") + "/seqrec-trainer")
    with open(TRAINER, "w", encoding="utf-8") as file:
        file.write(f"""#!/bin/sh
while [ -e {SLOW} ]; do echo '{{"event": "progress", "phase": "encoding", "percent": 10}}'; sleep 0.1; done
if [ -e {BROKEN} ]; then echo '{{"event": "error", "sqlstate": "53200", "message": "no memory left", "hint": "Buy some."}}'; exit 1; fi
exec {real} "$@"
""")
    os.chmod(TRAINER, 0o755)
    os.chmod(HOST, 0o777)
    restart_with(f"seqrec.trainer = '{TRAINER}'")


def job(number, column="state"):
    return sql(f"SELECT {column} FROM seqrec_jobs WHERE job_id = {number}")


def wait(number):
    sql(f"CALL seqrec_wait({number})")
    return number


def train(model="default", user=None, options=OPTIONS, items="items"):
    return wait(sql(f"SELECT seqrec_train('ratings', model => '{model}', items => '{items}', options => $${options}$$)", user=user))


def refresh(model="default", user=None):
    return sql(f"SELECT seqrec_refresh_items('{model}')", user=user)


def active(model="default", column="model_id"):
    return sql(f"SELECT {column} FROM seqrec_models WHERE model = '{model}' AND active")


def item_ids(model="default"):
    return set(sql(f"SELECT item_id FROM seqrec.items WHERE model_id = {ACTIVE.format(model)}").split())


def metric(number, name):
    return sql(f"SELECT metrics->>'{name}' FROM seqrec_jobs WHERE job_id = {number}")


def similar(item, k=5):
    return sql(f"SELECT item_id FROM seqrec_similar_items('{item}', {k})").split()


def kind_of(item):
    return "".join(letter for letter in item if letter.isalpha())


@contextlib.contextmanager
def there(path):
    """A file that is there meanwhile."""
    with open(path, "w", encoding="utf-8"):
        pass
    try:
        yield
    finally:
        os.unlink(path)


def new_changed_and_dropped_items():
    first = train()
    before, users = active(), sql(f"SELECT md5(string_agg(user_id || embedding::text, ',' ORDER BY idx)) FROM seqrec.users WHERE model_id = {ACTIVE.format('default')}")
    kept = sql(f"SELECT embedding FROM seqrec.items WHERE item_id = 'lamp3' AND model_id = {ACTIVE.format('default')}")
    expect(similar("tent99"), [])
    sql("INSERT INTO items VALUES ('tent99', 'tent of the morning'); UPDATE items SET title = 'lamp, once a bag' WHERE item_id = 'bag9'; DELETE FROM items WHERE item_id = 'book9'")
    number = wait(refresh())
    expect((job(number), job(number, "kind"), job(number, "refreshes"), job(first, "refreshes")), ("done", "transformer", sql(f"SELECT version FROM seqrec.models WHERE model_id = {before}"), ""))
    expect((job(number, "model_id"), job(number, "percent")), (active(), "100"))
    assert int(active()) > int(before)
    expect(item_ids(), {kind + str(i) for kind in KINDS for i in range(10)} - {"book9"} | {"tent99"})
    expect(sql(f"SELECT n_items, n_users FROM seqrec.models WHERE model_id = {ACTIVE.format('default')}"), "40|120")
    expect(tuple(metric(number, name) for name in ("items_new", "items_changed", "items_dropped")), ("1", "1", "1"))
    assert float(metric(number, "refresh_seconds")) >= 0 and int(metric(number, "texts_encoded")) >= 2
    # What was measured of the weights goes with them; what a training counts of interactions is not counted again.
    expect(metric(number, "ndcg@10"), metric(first, "ndcg@10"))
    expect((metric(number, "rows"), metric(number, "item_rows"), metric(number, "activated")), (metric(first, "rows"), "40", "true"))
    expect(sql(f"SELECT embedding FROM seqrec.items WHERE item_id = 'lamp3' AND model_id = {ACTIVE.format('default')}"), kept)
    expect(sql(f"SELECT md5(string_agg(user_id || embedding::text, ',' ORDER BY idx)) FROM seqrec.users WHERE model_id = {ACTIVE.format('default')}"), users)
    expect([kind_of(item) for item in similar("tent99", 3)], ["tent"] * 3)
    expect(sql("SELECT count(*) FROM seqrec_recommend('u1', '{tent1,tent2,book9}'::text[], 5)"), "5")
    expect(sql("SELECT item_id FROM seqrec_recommend('u1', candidates => '{book9,tent99}')"), "tent99")


def the_new_item_is_recommended_to_who_clicks_its_kind():
    places = {}
    for kind in KINDS:
        rows = sql(f"SELECT item_id FROM seqrec_recommend('stranger', '{{{kind}1,{kind}2,{kind}3}}'::text[], 40, exclude_seen => false)").split()
        places[kind] = rows.index("tent99")
    assert places["tent"] <= 10 and places["tent"] == min(places.values()), places


def what_has_not_changed_is_the_same():
    rows = f"SELECT md5(string_agg(item_id || embedding::text, ',' ORDER BY item_id)) FROM seqrec.items WHERE model_id = {ACTIVE.format('default')}"
    before = sql(rows)
    number = wait(refresh())
    expect((sql(rows), metric(number, "items_new"), metric(number, "items_changed"), metric(number, "items_dropped"), metric(number, "texts_encoded")), (before, "0", "0", "0", "40"))
    # The fallback reads every text again: hashing costs less than keeping what it gives.


def columns_that_came_later_are_not_read():
    sql("ALTER TABLE items ADD COLUMN remark text DEFAULT 'all different now'")
    number = wait(refresh())
    expect(metric(number, "items_changed"), "0")
    sql("ALTER TABLE items DROP COLUMN remark")


def survives_a_restart_and_a_lost_snapshot():
    before = sql("SELECT item_id, score FROM seqrec_recommend('u1', '{tent1}'::text[], 10)")
    shell("cluster_pg_ctl restart", CLUSTER=HOST)
    shell(f"rm -f {os.environ['PGDATA']}/seqrec/*/*.safetensors*")
    expect(sql("SELECT item_id, score FROM seqrec_recommend('u1', '{tent1}'::text[], 10)"), before)


def an_interrupted_one_goes_on():
    with there(SLOW):
        number = refresh()
        wait_for(lambda: job(number) == "training", "the trainer")
        shell("cluster_pg_ctl -m immediate restart", CLUSTER=HOST)
    expect(job(number), "interrupted")
    assert "seqrec_refresh_items" in script(f"CALL seqrec_wait({number})")
    sql(f"SELECT seqrec_resume({number})")
    wait(number)
    expect((job(number), job(number, "model_id")), ("done", active()))


def is_cancelled():
    before = active()
    with there(SLOW):
        number = refresh()
        wait_for(lambda: job(number, "phase") == "encoding", "the trainer")
        refused("SELECT seqrec_refresh_items()", "55006", f"job {number}")
        refused("SELECT seqrec_train('ratings')", "55006", f"job {number}")
        expect(sql("SELECT seqrec_train('ratings', if_running => 'skip') IS NULL"), "t")
        listening = Session()
        listening.run("LISTEN seqrec;")
        expect(sql(f"SELECT seqrec_cancel({number})"), "t")
        wait_for(lambda: job(number) == "cancelled", "the end")
        assert f'"job_id": {number}, "state": "cancelled"' in wait_for(lambda: listening.run("SELECT 1;"), "the notification")
        listening.close()
        refused(f"CALL seqrec_wait({number})", "57014", "seqrec_refresh_items")
    expect(active(), before)


def a_running_training_excludes_it():
    with there(SLOW):
        number = sql(f"SELECT seqrec_train('ratings', items => 'items', options => $${OPTIONS}$$)")
        refused("SELECT seqrec_refresh_items()", "55006", f"job {number}")
    wait(number)


def fails_with_its_trainer():
    before = active()
    with there(BROKEN):
        refused(f"CALL seqrec_wait({refresh()})", "53200", "no memory left", "Buy some")
    expect(active(), before)


def does_not_replace_newer_weights():
    older = active()
    with there(SLOW):
        number = refresh()
        wait_for(lambda: job(number) == "training", "the trainer")
        newer = sql(f"SELECT max(model_id) FROM seqrec.models WHERE name = 'default' AND model_id <> {older}")
        sql(f"SELECT seqrec_activate({newer})")
    wait(number)
    expect((active(), metric(number, "activated")), (newer, "false"))
    told = job(number, "warnings::text")
    assert f"version {newer} has been activated since the refresh began" in told and f"seqrec_activate({job(number, 'model_id')})" in told, told
    sql(f"SELECT seqrec_activate({job(number, 'model_id')})")


def leaves_a_pinned_version_alone():
    sql("SELECT seqrec_pin()")
    before = active()
    number = wait(refresh())
    assert active() == before and "is pinned" in job(number, "warnings::text"), job(number, "warnings")
    sql(f"SELECT seqrec_activate({job(number, 'model_id')})")


def is_the_owners_to_ask_for():
    sql("""CREATE ROLE alice LOGIN; CREATE ROLE mallory LOGIN; CREATE ROLE robot LOGIN; GRANT alice TO robot;
           GRANT SELECT ON ratings, items TO alice, mallory; GRANT EXECUTE ON FUNCTION seqrec_train TO alice""")
    train("hers", user="alice")
    refused("SELECT seqrec_refresh_items('hers')", "42501", "seqrec_refresh_items", user="alice")
    sql("GRANT EXECUTE ON FUNCTION seqrec_refresh_items TO alice, mallory, robot")
    refused("SELECT seqrec_refresh_items('hers')", "42501", 'model "hers"', user="mallory")
    refused("SELECT seqrec_refresh_items('default')", "42501", 'model "default"', user="alice")
    number = wait(refresh("hers", user="alice"))
    expect(job(number, "owner"), "alice")
    # A member of the role may ask; the table is read as who asks.
    wait(refresh("hers", user="robot"))
    expect(active("hers", "owner"), "alice")
    sql("REVOKE SELECT ON items FROM alice")
    refused("SELECT seqrec_refresh_items('hers')", "42501", '"item_id"', user="alice")
    sql("GRANT SELECT (item_id, title) ON items TO alice")
    wait(refresh("hers", user="alice"))
    sql("ALTER TABLE items ENABLE ROW LEVEL SECURITY")
    refused("SELECT seqrec_refresh_items('hers')", "42501", "row-level security", user="alice")
    sql("ALTER TABLE items DISABLE ROW LEVEL SECURITY")
    # What is rolled back was never asked for.
    session = Session()
    number = session.run("BEGIN; SELECT seqrec_refresh_items('hers');")
    session.run("ROLLBACK;")
    session.close()
    expect(sql(f"SELECT count(*) FROM seqrec.jobs WHERE job_id = {number}"), "0")


def what_can_not_be_refreshed_is_refused():
    refused("SELECT seqrec_refresh_items('nowhere')", "42704", '"nowhere"', "seqrec_train")
    wait(sql(f"SELECT seqrec_train('ratings', model => 'bare', options => $${OPTIONS}$$)"))
    refused("SELECT seqrec_refresh_items('bare')", "55000", "without text or vectors", "items => 'table'", "item_text")
    wait(sql("SELECT seqrec_train('ratings', model => 'pairs', kind => 'logistic', items => 'items')"))
    refused("SELECT seqrec_refresh_items('pairs')", "0A000", '"logistic"', "transformer")
    sql("CREATE TABLE passing AS TABLE items")
    train("lost", items="passing")
    sql("ALTER TABLE passing RENAME TO renamed")
    wait(refresh("lost"))
    sql("ALTER TABLE renamed RENAME title TO name")
    refused("SELECT seqrec_refresh_items('lost')", "42703", '"title"')
    sql("ALTER TABLE renamed RENAME name TO title; INSERT INTO renamed (item_id, title) SELECT 'more' || n, 'Northfold tent ' || n FROM generate_series(1, 200) n")
    wait(refresh("lost"))
    sql("UPDATE renamed SET title = NULL WHERE item_id LIKE 'more%'")
    refused(f"CALL seqrec_wait({refresh('lost')})", "55000", "items of the table have a text", "when the table is whole")
    sql("UPDATE renamed SET title = NULL")
    refused(f"CALL seqrec_wait({refresh('lost')})", "55000", "0 items of the table have a text", "when the table is whole")
    sql("TRUNCATE renamed")
    refused(f"CALL seqrec_wait({refresh('lost')})", "02000", "no row")
    sql("DROP TABLE renamed")
    refused("SELECT seqrec_refresh_items('lost')", "42P01", "the table of items")
    refused("BEGIN READ ONLY; SELECT seqrec_refresh_items()", "25006")


def the_ratings_need_not_be_there():
    sql("ALTER TABLE ratings RENAME TO elsewhere")
    wait(refresh())
    sql("ALTER TABLE elsewhere RENAME TO ratings")
    sql("CREATE TABLE short_lived AS TABLE ratings")
    wait(sql(f"SELECT seqrec_train('short_lived', model => 'orphan', items => 'items', options => $${OPTIONS}$$)"))
    sql("DROP TABLE short_lived")
    wait(refresh("orphan"))


def what_a_training_decided_is_refreshed():
    """Of several options it may say what nobody may ask for together: that one network is served, and that it learned from others."""
    decided = json.loads(OPTIONS) | {"serving": "fast", "epochs": 2}
    del decided["members"]
    train("decided", options=json.dumps(decided))
    config = "SELECT config->>'members', config->>'students', config->>'serving' FROM seqrec.models WHERE name = 'decided' AND active"
    expect(sql(config), "1|1|fast")
    wait(refresh("decided"))
    expect(sql(config), "1|1|fast")
    sql("UPDATE seqrec.models SET config = jsonb_set(config, '{serving}', '\"best\"') WHERE name = 'decided'")
    wait(refresh("decided"))


def has_no_more_threads_than_the_server_allows():
    with_trainer("", {"seqrec.trainer_threads": "1"}, lambda: expect(job(wait(refresh()), "options->'threads'"), "1"))


sql(f"""CREATE EXTENSION seqrec;
        CREATE TABLE items (item_id text PRIMARY KEY, title text);
        INSERT INTO items SELECT kind || i, kind || ' number ' || i FROM unnest('{{{",".join(KINDS)}}}'::text[]) kind, generate_series(0, 9) i;
        CREATE TABLE ratings (user_id text, item_id text, timestamp timestamptz);
        INSERT INTO ratings SELECT 'u' || u, (ARRAY['{"', '".join(KINDS)}'])[1 + u % 4] || (u * 7 + g * 3) % 10, timestamptz '2026-01-01' + make_interval(hours => u + g)
        FROM generate_series(1, 120) u, generate_series(1, 7) g""")
slow_trainer()
main(new_changed_and_dropped_items, the_new_item_is_recommended_to_who_clicks_its_kind, what_has_not_changed_is_the_same, columns_that_came_later_are_not_read,
     survives_a_restart_and_a_lost_snapshot, an_interrupted_one_goes_on, is_cancelled, a_running_training_excludes_it, fails_with_its_trainer,
     does_not_replace_newer_weights, leaves_a_pinned_version_alone, is_the_owners_to_ask_for, what_can_not_be_refreshed_is_refused, the_ratings_need_not_be_there,
     what_a_training_decided_is_refreshed, has_no_more_threads_than_the_server_allows)
