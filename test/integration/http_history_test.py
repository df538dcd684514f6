#!/usr/bin/python3
"""Own rows that can't be read are told to the one who asks for them, alone, in a batch and while requests are joined: against
the real extension, with the roles of packaging/roles.sql. One model for each thing that may happen to a table."""

import contextlib
import json
import os
import sys
import threading

sys.dont_write_bytecode = True

from http_support import ROOT, Here, Sidecar, expect, expect_problem, in_parallel, wait_until
from openapi import Document
from testing import Session, main, make_ratings, psql, script, sql

JSON = {"Content-Type": "application/json"}
ONE_CONNECTION = {"SEQREC_POOL": 1, "SEQREC_PIPELINE": 1, "SEQREC_DEADLINE_MS": 20000}
QUICK = """'{"epochs": 1, "dim": 16, "max_len": 20}'"""
MODELS = ("renamed", "dropped", "columnless", "retyped", "revoked", "view_fails", "kept")


def start(role="shop_api", **settings):
    server = Sidecar(Here, PGDATABASE=os.environ["PGDATABASE"], PGUSER=role, SEQREC_MODEL="kept", **settings)
    server.wait_ready()
    return server


def post(path, body, server):
    Sidecar.document.check_request("POST", path, body)
    return server.request("POST", path, json.dumps(body), JSON)


def counts(server):
    lines = server.request("GET", "/metrics")[2].decode().splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))}


def state(server, name):
    return counts(server)[f'seqrec_db_pool_{name}{{pool="read"}}']


@contextlib.contextmanager
def held_up(server):
    """The only connection waits for a lock meanwhile, until what is asked inside waits for the connection."""
    lock = Session()
    lock.run("BEGIN; LOCK TABLE seqrec.models;")
    blocked = threading.Thread(target=server.request, args=("GET", "/models"))
    blocked.start()
    wait_until(lambda: state(server, "in_flight") == 1, "nothing is held up")
    freed = threading.Thread(target=lambda: (wait_until(lambda: state(server, "waiting") >= 12, "nobody waits", 10), lock.run("ROLLBACK;")))
    freed.start()
    yield
    freed.join()
    blocked.join()
    lock.close()


def ask_joined(model, user, server):
    """The answers to those without clicks, which are joined with one another, among many with clicks, which are, too."""
    def ask(i):
        clicks = {} if i % 4 == 0 else {"recent_clicks": ["i1", f"i{i}"]}
        return post("/recommend", {"user_id": f"u{i}" if clicks else user, "model": model, "top_k": 5, **clicks}, server)
    before = counts(server)
    with held_up(server):
        answers = in_parallel(12, ask)
    after = counts(server)
    together, calls = (after[name] - before[name] for name in ("seqrec_batch_size_sum", "seqrec_batch_size_count"))
    assert calls < together == 12, f"{together} requests in {calls} calls"
    for i in set(range(12)) - {0, 4, 8}:
        expect((answers[i][0], len(answers[i][2]["recommended_item_ids"])), (200, 5))
    return answers[::4]


def in_sql(model, user, k=5):
    return sql(f"SELECT item_id FROM seqrec_recommend('{user}'::text, NULL::text[], {k}, '{model}') ORDER BY rank").split("\n")


def check_works(model, user="u1"):
    """In every form the answer is that of SQL, from the rows as they are now."""
    wanted = in_sql(model, user)
    expect(len(wanted), 5)
    for more in ({}, {"explain": True}):
        expect(post("/recommend", {"user_id": user, "model": model, "top_k": 5, **more}, S)[2]["recommended_item_ids"], wanted)
    results = post("/recommend/batch", {"requests": [{"user_id": user}, {"user_id": "u2", "recent_clicks": ["i1"]}], "model": model, "top_k": 5}, S)[2]["results"]
    expect((results[0]["recommended_item_ids"], [set(r) for r in results]), (wanted, [{"recommended_item_ids"}] * 2))
    for answer in ask_joined(model, user, NARROW):
        expect(answer[2]["recommended_item_ids"], wanted)


def check_fails(model, sqlstate, words, hint, server=None, narrow=None):
    """In every form the one without clicks is told why, and the others are answered."""
    server, narrow = server or S, narrow or NARROW
    before = counts(server)
    for more in ({}, {"explain": True}, {"with_scores": True}):
        problem = expect_problem(post("/recommend", {"user_id": "u1", "model": model, **more}, server), 422, "history-unavailable", sqlstate=sqlstate)
        assert words in problem["detail"] and hint in problem["hint"], problem
    askers = [{"user_id": "u1"}, {"user_id": "u2", "recent_clicks": ["i1"]}, {"user_id": "u3", "recent_clicks": None}, {"user_id": "nobody", "recent_clicks": []}]
    status, _, answer = post("/recommend/batch", {"requests": askers, "model": model, "top_k": 5}, server)
    expect((status, [len(r["recommended_item_ids"]) for r in answer["results"]]), (200, [0, 5, 0, 5]))
    told = {name: value for name, value in problem.items() if name != "request_id"}
    expect([r.get("problem") for r in answer["results"]], [told, None, told, None])
    expect([r.get("fallback") for r in answer["results"]], [None, None, None, "popular"])
    for one in ask_joined(model, "u1", narrow):
        expect_problem(one, 422, "history-unavailable", sqlstate=sqlstate)
    grown = {name: counts(server)[name] - before[name] for name in ("seqrec_history_unavailable_total", "seqrec_recommend_fallback_total")}
    expect(grown, {"seqrec_history_unavailable_total": 5, "seqrec_recommend_fallback_total": 1})


def reads_a_table_that_was_renamed():
    check_works("renamed")
    sql("ALTER TABLE renamed RENAME TO other; CREATE TABLE renamed (LIKE other)")
    sql("INSERT INTO other SELECT 'u1', 'i42', now() + interval '1 year'")
    check_works("renamed")


def reads_a_column_of_another_type():
    sql("ALTER TABLE retyped ALTER user_id TYPE text")
    check_works("retyped", user="1")


def tells_that_a_table_is_gone():
    sql("DROP TABLE dropped")
    check_fails("dropped", "42P01", "does not exist", "")


def tells_that_a_column_is_gone():
    sql("ALTER TABLE columnless DROP user_id")
    check_fails("columnless", "42703", "user_id", "")


def tells_that_the_owner_may_not_read():
    sql("REVOKE SELECT ON revoked FROM shop_trainer")
    check_fails("revoked", "42501", "revoked", "")
    sql("GRANT SELECT ON revoked TO shop_trainer")
    check_works("revoked")


def keeps_what_a_view_says_in_the_log():
    """An error within a view may quote a row of it; the table's owner finds it under the request's id."""
    sql("CREATE OR REPLACE VIEW view_fails AS SELECT user_id, (item_id || length(item_id::int::text))::text AS item_id, timestamp FROM kept")
    check_fails("view_fails", "22P02", "the user's own rows can't be read", "recent_clicks")
    answer = post("/recommend", {"user_id": "u1", "model": "view_fails"}, S)
    assert 'invalid input syntax for type integer: \\"i' in S.log() and answer[2]["request_id"] in S.log(), S.log()


def wants_a_right_of_its_own():
    """packaging/roles.sql leaves it out unless it is told to give it."""
    plain, narrow = start("plain_api", SEQREC_POOL=2), start("plain_api", **ONE_CONNECTION)
    try:
        expect(post("/recommend", {"user_id": "u1", "recent_clicks": ["i1"], "explain": True}, plain)[0], 200)
        sql("GRANT EXECUTE ON FUNCTION seqrec_history TO plain_api")
        expect(post("/recommend", {"user_id": "u1"}, plain)[2]["recommended_item_ids"], in_sql("kept", "u1", 10), "at once")
        sql("REVOKE EXECUTE ON FUNCTION seqrec_history FROM plain_api")
        check_fails("kept", "42501", "history", "GRANT EXECUTE ON FUNCTION seqrec_history TO plain_api", plain, narrow)
    finally:
        plain.stop()
        narrow.stop()


def tells_that_an_owner_is_gone():
    """Last: every model is that role's."""
    sql("REASSIGN OWNED BY shop_trainer TO postgres; DROP OWNED BY shop_trainer; DROP ROLE shop_trainer")
    check_fails("kept", "42704", "belonged", "seqrec_set_owner")


def make_tables():
    make_ratings("kept")
    sql("CREATE VIEW view_fails AS TABLE kept")
    for model in MODELS:
        if model not in ("kept", "view_fails"):
            sql(f"CREATE TABLE {model} AS TABLE kept")
    sql("ALTER TABLE retyped ALTER user_id TYPE bigint USING substr(user_id, 2)::bigint")
    for model in MODELS:
        sql(f"GRANT SELECT ON {model} TO shop_trainer")


def make_roles(name, *options):
    made = psql("-v", f"api={name}_api", "-v", f"trainer={name}_trainer", *options, "-f", os.path.join(ROOT, "packaging", "roles.sql"))
    assert made.returncode == 0, made.stderr


if __name__ == "__main__":
    sql("CREATE EXTENSION seqrec")
    make_roles("shop", "-v", "history=on")
    make_roles("plain")
    make_tables()
    done = script("".join(f"SELECT seqrec_train('{model}', '{model}', options => {QUICK}) AS job \\gset\nCALL seqrec_wait(:job);\n" for model in MODELS), user="shop_trainer")
    assert "ERROR" not in done, done
    Sidecar.document = Document()
    S, NARROW = start(SEQREC_POOL=2), start(**ONE_CONNECTION)
    try:
        main(reads_a_table_that_was_renamed, reads_a_column_of_another_type, tells_that_a_table_is_gone, tells_that_a_column_is_gone,
             tells_that_the_owner_may_not_read, keeps_what_a_view_says_in_the_log, wants_a_right_of_its_own, tells_that_an_owner_is_gone)
    finally:
        S.stop()
        NARROW.stop()
