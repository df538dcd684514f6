#!/usr/bin/python3
"""The serving routes against the real extension, with the role of packaging/roles.sql: what HTTP answers is what SQL answers,
and every answer is as openapi.json has it."""

import json
import os
import sys
import threading

sys.dont_write_bytecode = True

from http_support import ROOT, Here, Sidecar, expect, expect_problem, in_parallel, wait_until
from openapi import Document
from testing import Session, main, make_ratings, psql, sql

JSON = {"Content-Type": "application/json"}
CLICKS = [f"i{n}" for n in range(60)]


def start(**settings):
    usual = {"PGDATABASE": os.environ["PGDATABASE"], "PGUSER": "shop_api", "SEQREC_POOL": 2}
    return Sidecar(Here, **{**usual, **settings})


def post(path, body, server=None):
    DOCUMENT.check_request("POST", path, body)
    return (server or S).request("POST", path, json.dumps(body), JSON)


def recommend(body, server=None):
    status, _, answer = post("/recommend", body, server)
    expect(status, 200, str(answer))
    return answer


def literal(value):
    if value is None:
        return "NULL"
    if isinstance(value, list):
        return "ARRAY[" + ",".join(literal(v) for v in value) + "]::text[]"
    return "'" + str(value).replace("'", "''") + "'"


def rows(query):
    return json.loads(sql(f"SELECT coalesce(json_agg(q), '[]') FROM ({query}) q"))


def in_sql(user, clicks, k=10, **filters):
    """[(item_id, score)] by seqrec_recommend."""
    more = "".join(f", {name} => {literal(value)}" for name, value in filters.items())
    return [(row["item_id"], row["score"]) for row in rows(
        f"SELECT item_id, score FROM seqrec_recommend({literal(user)}, {literal(clicks)}, {k}{more}) ORDER BY rank")]


def by_http(answer):
    return list(zip(answer["recommended_item_ids"], answer["scores"], strict=True))


def same(got, wanted):
    expect([item for item, _ in got], [item for item, _ in wanted])
    assert all(abs(a - b) < 1e-6 for (_, a), (_, b) in zip(got, wanted)), (got, wanted)


def answers_as_sql_does():
    for user, clicks in (("u1", ["i1", "i2"]), ("stranger", ["i5"]), ("u2", None), ("u3", []), ("stranger", [])):
        body = {"user_id": user, "with_scores": True}
        if clicks is not None:
            body["recent_clicks"] = clicks
        same(by_http(recommend(body)), in_sql(user, clicks))
    filters = {"top_k": 5, "exclude_item_ids": ["i4"], "exclude_seen": False, "candidate_item_ids": ["i3", "i4", "i5", "i9", "never"],
               "min_score": -0.5}
    same(by_http(recommend({"user_id": "u1", "recent_clicks": ["i2"], "with_scores": True, **filters})),
         in_sql("u1", ["i2"], 5, exclude=["i4"], exclude_seen="false", candidates=filters["candidate_item_ids"], min_score=-0.5))
    for user, clicks in (("stranger", ["i5"]), ("stranger", [])):
        diverse = by_http(recommend({"user_id": user, "recent_clicks": clicks, "with_scores": True, "top_k": 7, "diversity": 0.6}))
        same(diverse, in_sql(user, clicks, 7, diversity=0.6))
        assert diverse != in_sql(user, clicks, 7), diverse
    version = sql("SELECT version FROM seqrec_models WHERE active")
    expect(recommend({"user_id": "u1", "with_scores": True})["model_version"], version)


def answers_the_same_when_many_ask_at_once():
    """Under load requests are joined; each answer must be the one it gets alone, whatever k, clicks, filters and diversity."""
    def body(i):
        wanted = {"user_id": f"u{i % 70}", "top_k": 1 + i * 7 % 30, "with_scores": True}
        if i % 3:
            wanted["recent_clicks"] = [CLICKS[(i * 7 + j * 11) % 60] for j in range(i % 9)] + (["never"] if i % 4 == 0 else [])
        if i % 11 == 0:
            wanted["exclude_item_ids"] = CLICKS[:20]
        if i % 4 == 0:
            wanted["diversity"] = 0.3 + 0.4 * (i % 8 > 0)
        return wanted

    def answer(i, server=None):
        told = recommend(body(i), server)
        return {name: told.get(name) for name in ("recommended_item_ids", "scores", "unknown_item_ids", "fallback", "model_version")}

    alone = [answer(i) for i in range(400)]
    expect(sum(in_parallel(40, lambda part: [answer(i) for i in range(part * 10, part * 10 + 10)]), []), alone)
    narrow, lock = start(SEQREC_POOL=1, SEQREC_DEADLINE_MS=20000), Session()
    try:
        narrow.wait_ready()
        lock.run("BEGIN; LOCK TABLE ratings;")
        # One that reads its own rows holds up the only connection, and all others wait for it.
        held_up = threading.Thread(target=recommend, args=({"user_id": "u1"}, narrow))
        held_up.start()
        wait_until(lambda: counts(narrow)['seqrec_db_pool_in_flight{pool="read"}'] == 1, "nothing is held up")
        freed = threading.Thread(target=lambda: (wait_until(lambda: counts(narrow)['seqrec_db_pool_waiting{pool="read"}'] >= 40,
                                                            "nobody waits", 10), lock.run("ROLLBACK;")))
        freed.start()
        expect(in_parallel(60, lambda i: answer(i, narrow)), alone[:60])
        freed.join()
        held_up.join()
        batches = counts(narrow)
        assert batches["seqrec_batch_size_sum"] > 2 * batches["seqrec_batch_size_count"], batches
    finally:
        lock.close()
        narrow.stop()


def counts(server):
    """/metrics, name to value."""
    lines = server.request("GET", "/metrics")[2].decode().splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))}


def tells_what_is_unknown():
    answer = recommend({"user_id": "stranger", "recent_clicks": ["never", "i1", "neither"], "top_k": 2})
    expect(answer["unknown_item_ids"], ["never", "neither"])
    assert "fallback" not in answer
    expect(recommend({"user_id": "stranger", "recent_clicks": ["never"], "top_k": 1})["fallback"], "popular")
    expect(set(recommend({"user_id": "stranger", "recent_clicks": ["i1"]})), {"recommended_item_ids"})
    expect_problem(post("/recommend", {"user_id": "u1", "model": "none"}), 404, "unknown-model", sqlstate="42704")


def explains_as_sql_does():
    for user, clicks in (("stranger", ["i1", "i9", "i30"]), ("u1", ["i7", "i8"]), ("u1", None), ("u4", []), ("stranger", ["never"])):
        body = {"user_id": user, "explain": True, "top_k": 8, **({} if clicks is None else {"recent_clicks": clicks})}
        answer = recommend(body)
        wanted = rows(f"SELECT because_of, contribution, source, reason FROM seqrec_explain({literal(user)}, {literal(clicks)}, "
                      f"{literal(answer['recommended_item_ids'])})")
        expect(len(wanted), 8)
        for told, meant in zip(answer["reasons"], wanted, strict=True):
            expect((told["because_of"], told["source"], told["text"]), (meant["because_of"], meant["source"], meant["reason"]))
            assert abs(told["contribution"] - meant["contribution"]) < 1e-6, (told, meant)
        same(by_http(answer), in_sql(user, clicks, 8))
    diverse = recommend({"user_id": "stranger", "recent_clicks": ["i1", "i9"], "explain": True, "top_k": 8, "diversity": 0.6})
    same(by_http(diverse), in_sql("stranger", ["i1", "i9"], 8, diversity=0.6))
    expect([reason["because_of"] for reason in diverse["reasons"]],
           [row["because_of"] for row in rows(f"SELECT because_of FROM seqrec_explain('stranger', '{{i1,i9}}', {literal(diverse['recommended_item_ids'])})")])
    chinese = recommend({"user_id": "stranger", "recent_clicks": ["i1"], "explain": True, "top_k": 3, "language": "zh"})
    expect({reason["text"] for reason in chinese["reasons"]}, {"因为您最近浏览了i1"})


def answers_batches_as_sql_does():
    askers = [("u1", ["i1"]), ("u2", None), ("stranger", ["i3", "never"]), ("nobody", [])]
    body = {"requests": [{"user_id": user, "recent_clicks": clicks} for user, clicks in askers], "top_k": 4, "with_scores": True}
    status, _, answer = post("/recommend/batch", body)
    expect(status, 200)
    for (user, clicks), result in zip(askers, answer["results"], strict=True):
        same(by_http(result), in_sql(user, clicks, 4))
    for (user, clicks), result in zip(askers, post("/recommend/batch", {**body, "diversity": 0.5})[2]["results"], strict=True):
        same(by_http(result), in_sql(user, clicks, 4, diversity=0.5))
    expect([result.get("unknown_item_ids") for result in answer["results"]], [None, None, ["never"], None])
    expect([result.get("fallback") for result in answer["results"]], [None, None, None, "popular"])


def finds_similar_items_as_sql_does():
    status, _, answer = S.request("GET", "/similar/i5?top_k=7")
    expect(status, 200)
    same(list(zip(answer["similar_item_ids"], answer["scores"], strict=True)),
         [(row["item_id"], row["score"]) for row in rows("SELECT * FROM seqrec_similar_items('i5', 7) ORDER BY rank")])
    expect(S.request("GET", "/similar/a%20slash%2F")[2], {"similar_item_ids": [], "scores": [], "unknown_item_ids": ["a slash/"]})
    expect_problem(S.request("GET", "/similar/i5?model=none"), 404, "unknown-model")


def follows_the_active_version():
    old, new = sql("SELECT string_agg(version::text, ' ' ORDER BY model_id) FROM seqrec_models").split()
    def version():
        return recommend({"user_id": "u1", "recent_clicks": ["i1"], "with_scores": True})["model_version"]
    expect(version(), new)
    sql("SELECT seqrec_activate(min(model_id)) FROM seqrec_models")
    expect([version() for _ in range(4)], [old] * 4)
    sql("SELECT seqrec_activate(max(model_id)) FROM seqrec_models")
    expect([version() for _ in range(4)], [new] * 4)


def document_is_whole():
    """Its examples are as its schemas want them, every reference leads somewhere, every operation has a name of its own."""
    for schema, example, where in DOCUMENT.examples():
        DOCUMENT.check(example, schema, where)
    assert len(DOCUMENT.examples()) > 25
    names = [operation["operationId"] for methods in DOCUMENT.content["paths"].values() for operation in methods.values()]
    expect(len(set(names)), len(names))
    for part in ("schemas", "responses", "parameters", "headers"):
        for name in DOCUMENT.content["components"][part]:
            assert f'"#/components/{part}/{name}"' in json.dumps(DOCUMENT.content), f"{part}/{name} is not used"
    expect(S.request("GET", "/openapi.json")[2], DOCUMENT.content)


def document_refuses_what_is_not_so():
    """The checks above can fail."""
    answer = recommend({"user_id": "u1", "explain": True})
    for damaged in ({**answer, "scores": ["1"]}, {**answer, "more": 1}, {**answer, "reasons": [{}]}, {"scores": []}, {**answer, "fallback": "no"}, []):
        assert not DOCUMENT.fits(damaged, {"$ref": "#/components/schemas/Recommendation"}), damaged
    for refused in ({"user_id": ""}, {"user_id": 1.5}, {"user_id": "a", "top_k": 0}, {"user_id": "a", "k": 1}, {}, {"user_id": "a", "min_score": "2"}):
        assert not DOCUMENT.fits(refused, {"$ref": "#/components/schemas/RecommendRequest"}), refused


def every_serving_route_was_checked():
    wanted = {("POST /recommend", "200"), ("POST /recommend", "404"), ("POST /recommend/batch", "200"), ("GET /similar/{item_id}", "200"),
              ("GET /similar/{item_id}", "404"), ("GET /metrics", "200"), ("GET /openapi.json", "200"), ("GET /readyz", "200")}
    assert wanted <= DOCUMENT.met, wanted - DOCUMENT.met


if __name__ == "__main__":
    sql("CREATE EXTENSION seqrec")
    make_ratings()
    for _ in range(2):
        job = sql("""SELECT seqrec_train('ratings', options => '{"epochs": 2, "dim": 16, "max_len": 20}')""")
        sql(f"CALL seqrec_wait({job})")
    made = psql("-v", "api=shop_api", "-v", "trainer=shop_trainer", "-v", "history=on", "-f", os.path.join(ROOT, "packaging", "roles.sql"))
    assert made.returncode == 0, made.stderr
    DOCUMENT = Sidecar.document = Document()
    S = start()
    try:
        S.wait_ready()
        main(answers_as_sql_does, answers_the_same_when_many_ask_at_once, tells_what_is_unknown, explains_as_sql_does,
             answers_batches_as_sql_does, finds_similar_items_as_sql_does, follows_the_active_version, document_is_whole,
             document_refuses_what_is_not_so, every_serving_route_was_checked)
    finally:
        S.stop()
