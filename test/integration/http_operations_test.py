#!/usr/bin/python3
"""seqrec-http's routes of operation against the real extension, with the roles of packaging/roles.sql."""

import json
import os
import re
import socket
import sys
import threading
import time

sys.dont_write_bytecode = True

from http_support import ROOT, Here, Sidecar, expect, expect_problem, in_parallel
from openapi import Document
from testing import Session, main, make_ratings, psql, sql, wait_for

READ = "read-token-0123456789"
ADMIN = "admin-token-0123456789"
READER = {"Authorization": "Bearer " + READ}
BOSS = {"Authorization": "Bearer " + ADMIN}
JSON = {"Content-Type": "application/json"}
QUICK = {"epochs": 2, "dim": 16, "max_len": 20}
LONG = {"max_seconds": 300, "epochs": 100000, "patience": 100000, "dim": 16}

GRANTS = """
GRANT SELECT ON products TO shop_api;
GRANT SELECT, INSERT ON ratings TO shop_trainer;
GRANT SELECT ON empty TO shop_trainer;
"""


def start(**settings):
    usual = {"PGDATABASE": os.environ["PGDATABASE"], "PGUSER": "shop_api", "SEQREC_ADMIN_DSN": "user=shop_trainer", "SEQREC_POOL": 2,
             "SEQREC_READ_TOKEN": READ, "SEQREC_ADMIN_TOKEN": ADMIN, "SEQREC_EVENTS_TABLE": "ratings", "SEQREC_TITLE_TABLE": "products",
             "SEQREC_STREAMS": 3}
    return Sidecar(Here, **{**usual, **settings})


def get(path, headers=READER):
    return S.request("GET", path, headers=headers)


def post(path, body=None, headers=BOSS):
    return S.request("POST", path, None if body is None else json.dumps(body), {**JSON, **headers})


def job(number):
    return get(f"/jobs/{number}")[2]


def train(**fields):
    status, headers, body = post("/train", {"ratings": "ratings", **fields})
    expect(status, 202, str(body))
    expect(headers["Location"], f"jobs/{body['job_id']}")
    return body["job_id"]


def wait_done(number, state="done"):
    wait_for(lambda: job(number)["state"] == state, f"job {number} to be {state}, not {job(number)}")


def read_events(number, headers=READER, seconds=60, stop=lambda events: False):
    """[(event, data, id)] of a stream, until it ends or `stop` has seen enough."""
    events, lines, event = [], b"", {}
    with socket.create_connection((S.host, S.port), timeout=seconds) as client:
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        client.sendall(f"GET /jobs/{number}/events HTTP/1.1\r\nHost: localhost\r\n{head}\r\n".encode())
        while (chunk := client.recv(65536)) and not stop(events):
            lines += chunk
            if b"\r\n\r\n" in lines and lines.startswith(b"HTTP"):
                header, lines = lines.split(b"\r\n\r\n", 1)
                assert header.startswith(b"HTTP/1.1 200") and b"text/event-stream" in header and b"no-store" in header, header
            *whole, lines = lines.split(b"\n") if not lines.startswith(b"HTTP") else (lines,)
            for line in whole:
                if line == b"" and event:
                    events.append((event.get("event"), json.loads(event["data"]), event.get("id")))
                    event = {}
                elif line and not line.startswith(b":"):
                    name, value = line.decode().split(": ", 1)
                    event[name] = value
    return events


# --- models and jobs ---


def shows_an_empty_database():
    expect(get("/models")[2], {"models": []})
    expect(get("/jobs")[2], {"jobs": []})
    expect(get("/items")[2], {"items": []})
    expect(get("/users?query=x")[2], {"users": []})
    expect_problem(get("/jobs/1"), 404, "unknown-job")
    expect_problem(get("/jobs/1/events"), 404, "unknown-job")
    expect_problem(post("/models/1/activate"), 404, "unknown-model", sqlstate="42704")
    expect_problem(post("/jobs/1/cancel"), 404, "unknown-job", sqlstate="42704")


def trains_and_shows_the_job():
    number = train(options=QUICK, if_running="skip")
    events = read_events(number)
    wait_done(number)
    shown = job(number)
    expect(set(shown), set("job_id model kind state phase percent epoch loss labels_per_s eta queued_at started_at finished_at error sqlstate "
                           "detail hint warnings metrics owner source options model_id refreshes member members stage epochs".split()))
    expect((shown["job_id"], shown["model"], shown["owner"]), (number, "default", "shop_trainer"))
    expect([shown[name] for name in ("source", "detail", "options")], [None] * 3, "the owner's own")
    assert shown["queued_at"].endswith("+00:00") and "T" in shown["queued_at"], shown["queued_at"]
    expect(set(shown["epochs"][0]), {"epoch", "at", "step", "loss", "metrics", "member", "members", "stage"})
    expect([event for event, _, _ in events][-1], "end")
    jobs = [data for event, data, _ in events if event == "job"]
    expect(jobs[-1]["state"], "done")
    assert "epochs" not in jobs[0]
    expect([data for event, data, _ in events if event == "epoch"], shown["epochs"])
    listed = get("/jobs?limit=1&model=default")[2]["jobs"]
    expect(listed, [{name: value for name, value in shown.items() if name != "epochs"}])
    expect(get("/jobs?model=other")[2], {"jobs": []})


def tells_that_a_model_has_no_coefficients():
    expect(get("/models/default/coefficients")[::2], (200, {"model": "default", "count": 0, "coefficients": []}))
    expect_problem(get("/models/none/coefficients?top=5"), 404, "unknown-model", sqlstate="42704")
    for query, field in (("top=0", "top"), ("top=1001", "top"), ("top=x", "top"), ("limit=5", "limit")):
        expect(expect_problem(get("/models/default/coefficients?" + query), 400, "invalid-field")["field"], field)


def passes_side_tables_on():
    for side in ("items", "users"):
        expect_problem(post("/train", {"ratings": "ratings", "model": "sides", side: "no_such_table"}), 400, "refused-by-database", sqlstate="42P01")


def shows_jobs_of_others_with_a_right():
    """Without it a role sees its own jobs, and that is no error."""
    number = get("/jobs?limit=1")[2]["jobs"][0]["job_id"]
    expect(sql("SELECT pg_has_role('shop_api', 'pg_monitor', 'MEMBER')"), "f")
    sql("REVOKE EXECUTE ON FUNCTION seqrec.sees_all_jobs FROM shop_api")
    try:
        expect((get("/jobs")[0], get("/jobs")[2]), (200, {"jobs": []}))
        expect_problem(get(f"/jobs/{number}"), 404, "unknown-job")
    finally:
        sql("GRANT EXECUTE ON FUNCTION seqrec.sees_all_jobs TO shop_api")
    expect(job(number)["job_id"], number)


def ends_a_stream_of_a_finished_job():
    number = get("/jobs?limit=1")[2]["jobs"][0]["job_id"]
    events = read_events(number)
    expect([event for event, _, _ in events], ["epoch"] * len(job(number)["epochs"]) + ["job", "end"])
    last = [place for event, _, place in events if event == "epoch"][-1]
    expect([event for event, _, _ in read_events(number, {**READER, "Last-Event-ID": last})], ["job", "end"])


def lists_models_and_activates():
    number = train(options=QUICK)
    wait_done(number)
    models = get("/models")[2]["models"]
    expect([m["active"] for m in models], [True, False])
    expect(set(models[0]), set("model model_id version kind active pinned owner created_at n_users n_items dim metrics config".split()))
    expect((models[0]["n_users"], models[0]["n_items"], models[0]["owner"]), (300, 60, "shop_trainer"))
    assert 0 < models[0]["metrics"]["ndcg@10"] <= 1
    expect([kind["kind"] for kind in get("/kinds")[2]["kinds"]][0], models[0]["kind"])
    old = models[1]["model_id"]
    expect(post(f"/models/{old}/activate")[2], {"model_id": old, "active": True})
    expect([m["active"] for m in get("/models")[2]["models"]], [False, True])
    for bad in ("x", "0", "-1", "1.5", "99999999999999999999"):
        expect_problem(post(f"/models/{bad}/activate"), 404, "unknown-model")


def refreshes_items():
    expect_problem(post("/models/nowhere/refresh"), 404, "unknown-model", sqlstate="42704")
    expect_problem(post("/models/default/refresh"), 409, "conflict", sqlstate="55000")
    sql("GRANT SELECT ON products TO shop_trainer")
    wait_done(post("/train", {"ratings": "ratings", "items": "products", "model": "新", "options": QUICK})[2]["job_id"])
    version = next(model["version"] for model in get("/models")[2]["models"] if model["model"] == "新" and model["active"])
    sql("INSERT INTO products VALUES ('this morning', 'Green Tent')")
    status, headers, body = post("/models/%E6%96%B0/refresh")
    expect((status, headers["Location"]), (202, f"../../jobs/{body['job_id']}"))
    wait_done(body["job_id"])
    shown = job(body["job_id"])
    expect((shown["refreshes"], shown["metrics"]["items_new"]), (version, 1))
    sql("DELETE FROM products WHERE item_id = 'this morning'")
    sql("SELECT seqrec_drop(model_id) FROM seqrec_models WHERE model = '新'; DELETE FROM seqrec.jobs WHERE model = '新'")


def cancels_a_job():
    number = train(options=LONG)
    for more in ({}, {"if_running": "error"}):
        expect_problem(post("/train", {"ratings": "ratings", **more}), 409, "conflict", sqlstate="55006")
    status, headers, body = post("/train", {"ratings": "ratings", "if_running": "skip"})
    expect((status, body, headers["Location"]), (200, {"job_id": None, "skipped": True}, None))
    wait_for(lambda: job(number)["state"] == "training", "the training")
    events = []
    follower = threading.Thread(target=lambda: events.extend(read_events(number)))
    follower.start()
    time.sleep(0.3)
    expect(post(f"/jobs/{number}/cancel")[2], {"cancelled": True})
    wait_done(number, "cancelled")
    follower.join(10)
    expect((events[-2][0], events[-2][1]["state"], events[-1][0]), ("job", "cancelled", "end"))
    expect(post(f"/jobs/{number}/cancel")[2], {"cancelled": False})
    expect_problem(post("/jobs/x/cancel"), 404, "unknown-job")


def refuses_bad_trainings():
    cases = [({}, "ratings"), ({"ratings": 1}, "ratings"), ({"ratings": "ratings", "table": "x"}, "table"),
             ({"ratings": "ratings", "options": []}, "options"), ({"ratings": "ratings", "options": "{}"}, "options"),
             ({"ratings": "ratings", "user_column": "x" * 64}, "user_column"), ({"ratings": "ratings", "model": 7}, "model"),
             ({"ratings": "ratings", "kind": ""}, "kind"), ({"ratings": "ratings", "if_running": "wait"}, "if_running"),
             ({"ratings": "ratings", "if_running": None}, "if_running"), ({"ratings": "ratings", "if_running": True}, "if_running")]
    for body, field in cases:
        expect_problem(post("/train", body), 400, "invalid-field", field=field)
    for body, sqlstate in (({"ratings": "nowhere"}, "42P01"), ({"ratings": "no.where"}, "3F000"), ({"ratings": '"a'}, "42602"),
                           ({"ratings": "ratings", "user_column": "who"}, "42703"), ({"ratings": "ratings", "time_column": "item_id"}, "42804"),
                           ({"ratings": "ratings", "kind": "oracle"}, "22023"), ({"ratings": "ratings", "options": {"dims": 1}}, "22023"),
                           ({"ratings": "empty"}, "02000"), ({"ratings": "ratings", "options": {"init_from": "nobody"}}, "42704")):
        expect_problem(post("/train", body), 400, "refused-by-database", sqlstate=sqlstate)
    status, _, problem = post("/train", {"ratings": "secret"})
    expect((status, problem["sqlstate"], problem["hint"]), (403, "42501", 'Grant SELECT on it to role "shop_trainer".'))
    expect_problem(get("/jobs?limit=0"), 400, "invalid-field", field="limit")
    expect_problem(get("/jobs?limits=1"), 400, "invalid-field", field="limits")


# --- streams ---


def shares_one_look_among_all_followers():
    number = train(options=LONG)
    wait_for(lambda: job(number)["state"] == "training", "the training")
    seen = []
    followers = [threading.Thread(target=lambda: seen.append(read_events(number))) for _ in range(3)]
    for follower in followers:
        follower.start()
    time.sleep(0.5)
    problem = get(f"/jobs/{number}/events")
    expect_problem(problem, 503, "too-many-streams")
    assert int(problem[1]["Retry-After"]) >= 1
    before = queries()
    time.sleep(3)
    looks = queries() - before
    assert 4 <= looks <= 9, f"{looks} looks in 3 s for 3 followers"  # three of them for /metrics
    post(f"/jobs/{number}/cancel")
    for follower in followers:
        follower.join(10)
    expect([events[-1][0] for events in seen], ["end"] * 3)
    wait_for(lambda: get(f"/jobs/{number}/events")[0] == 200, "free streams")


def queries():
    """Queries that the reading pool has had an answer to."""
    lines = get("/metrics")[2].decode().splitlines()
    return sum(float(line.split()[1]) for line in lines if line.startswith('seqrec_db_query_duration_seconds_count{pool="read"}'))


def forgets_followers_that_leave():
    number = train(options=LONG)
    for _ in range(5):
        read_events(number, stop=lambda events: len(events) >= 1)
    wait_for(lambda: get("/metrics")[2].decode().find("seqrec_http_in_flight 1\n") > 0, "the end of their streams")
    wait_for(lambda: 'seqrec_training_percent{model="default"}' in get("/metrics")[2].decode(), "the training's metrics", poll=0.5)
    post(f"/jobs/{number}/cancel")
    wait_done(number, "cancelled")


def closes_streams_when_it_drains():
    global S
    number = train(options=LONG)
    events = []
    follower = threading.Thread(target=lambda: events.extend(read_events(number)))
    follower.start()
    time.sleep(0.5)
    begin = time.monotonic()
    expect(S.stop(), 0)
    assert time.monotonic() - begin < 2, "waited for the stream"
    follower.join(5)
    assert events and events[-1][0] != "end", events
    S = start()
    S.wait_ready()
    post(f"/jobs/{number}/cancel")
    wait_done(number, "cancelled")


# --- events ---


def count_ratings(where="true"):
    return int(sql(f"SELECT count(*) FROM ratings WHERE {where}"))


def adds_events():
    before = count_ratings()
    answer = post("/events", {"user_id": "new", "item_id": "i1"}, READER)
    expect((answer[0], answer[2]), (201, {"inserted": 1}))
    answer = post("/events", {"events": [{"user_id": 7, "item_id": "i2", "timestamp": "2026-02-03T04:05:06+01:00"},
                                         {"user_id": "7", "item_id": 3, "timestamp": None}]})
    expect((answer[0], answer[2]), (201, {"inserted": 2}))
    expect(count_ratings(), before + 3)
    expect(sql("SET TimeZone = 'UTC'; SELECT timestamp FROM ratings WHERE user_id = '7' AND item_id = 'i2'"), "2026-02-03 03:05:06+00")
    expect(sql("SELECT item_id FROM ratings WHERE user_id = '7' AND timestamp > now() - interval '1 minute'"), "3")
    expect(S.recommend("new", headers=READER)[0], 200)


def adds_repeated_events_once():
    event, key = {"user_id": "once", "item_id": "i1"}, {"Idempotency-Key": "order 7"}
    expect(post("/events", event, {**BOSS, **key})[0], 201)
    answer = post("/events", event, {**BOSS, **key})
    expect((answer[0], answer[2]), (200, {"inserted": 0, "repeated": True}))
    answers = in_parallel(8, lambda i: post("/events", event, {**BOSS, "Idempotency-Key": "at once"}))
    expect(sorted(a[0] for a in answers), [200] * 7 + [201])
    expect(count_ratings("user_id = 'once'"), 2)
    spelled = S.request("POST", "/events", '{"events": [{"item_id": "\\u0069\\u0031",  "timestamp": null, "user_id": "once"}]}', {**JSON, **BOSS, **key})
    expect((spelled[0], spelled[2]), (200, {"inserted": 0, "repeated": True}))
    problem = expect_problem(post("/events", {**event, "item_id": "i2"}, {**BOSS, **key}), 422, "key-reused", sqlstate="22KEY")
    assert "order 7" in problem["detail"] and "another key" in problem["hint"], problem
    expect(count_ratings("user_id = 'once'"), 2)
    expect_problem(post("/events", event, {**BOSS, "Idempotency-Key": "x" * 256}), 400, "invalid-field", field="Idempotency-Key")
    expect_problem(post("/events", event, {**BOSS, "Idempotency-Key": ""}), 400, "invalid-field", field="Idempotency-Key")
    with socket.create_connection((S.host, S.port), timeout=60) as client:
        body = json.dumps(event)
        client.sendall(f"POST /events HTTP/1.1\r\nHost: localhost\r\nAuthorization: {BOSS['Authorization']}\r\nContent-Type: application/json\r\n"
                       "Idempotency-Key: one\r\nIdempotency-Key: two\r\nConnection: close\r\n"
                       f"Content-Length: {len(body)}\r\n\r\n{body}".encode())
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 400 ") and b"Idempotency-Key is given twice" in answer, answer
    expect(count_ratings("user_id = 'once'"), 2)
    sql("UPDATE seqrec.event_keys SET at = at - interval '25 hours' WHERE key = 'order 7'")
    expect(post("/events", event, {**BOSS, **key})[0], 201)


def tells_a_lock_from_a_key_that_is_written():
    event = {"user_id": "locked", "item_id": "i1"}
    impatient, holder = start(SEQREC_ADMIN_DSN="user=shop_trainer options='-c lock_timeout=100ms'"), Session()
    taken = f"SELECT seqrec_add_events('[{json.dumps(event)}]', 'ratings', key => 'taken')"
    try:
        impatient.wait_ready()
        for begin, words in (("LOCK TABLE ratings", "lock timeout"), ("LOCK TABLE seqrec.event_keys", "seqrec.event_keys is locked"),
                             (f"SET LOCAL SESSION AUTHORIZATION shop_trainer; {taken}", "same key has not ended")):
            holder.run(f"BEGIN; {begin};")
            answer = impatient.request("POST", "/events", json.dumps(event), {**JSON, **BOSS, "Idempotency-Key": "taken"})
            problem = expect_problem(answer, 503, "database-unavailable", sqlstate="55P03")
            expect((words in problem["detail"], "same key" in problem["detail"]), (True, "same key" in words), problem["detail"])
            expect(answer[1]["Retry-After"], "1")
            holder.run("ROLLBACK;")
        expect(count_ratings("user_id = 'locked'"), 0)
    finally:
        holder.close()
        impatient.stop()


def adds_all_events_or_none():
    before = count_ratings()
    events = [{"user_id": "u", "item_id": "i1"}, {"user_id": "u", "item_id": "i2", "timestamp": "yesterday or so"}]
    key = {**BOSS, "Idempotency-Key": "all or none"}
    expect_problem(post("/events", {"events": events}, key), 400, "refused-by-database", sqlstate="22007")
    expect(count_ratings(), before)
    expect(post("/events", {"events": events[:1]}, key)[0], 201, "the key of a failure is not used up")


def casts_events_to_the_tables_own_types():
    global S
    S.stop()
    sql("""CREATE TABLE "Odd clicks" ("the user" int, event bigint CHECK (event > 0), place numeric, note text DEFAULT 'x');
           GRANT INSERT ON "Odd clicks" TO shop_trainer""")
    S = start(SEQREC_EVENTS_TABLE='"Odd clicks"', SEQREC_EVENTS_USER_COLUMN="the user", SEQREC_EVENTS_ITEM_COLUMN="event",
              SEQREC_EVENTS_TIME_COLUMN="place")
    S.wait_ready()
    expect(post("/events", {"events": [{"user_id": "4", "item_id": 5}, {"user_id": 6, "item_id": "7", "timestamp": 12.5}]})[2], {"inserted": 2})
    expect(sql("""SELECT "the user", event, note FROM "Odd clicks" ORDER BY event"""), "4|5|x\n6|7|x")
    expect(sql("""SELECT place FROM "Odd clicks" WHERE event = 7"""), "12.5")
    problem = expect_problem(post("/events", {"user_id": "maria", "item_id": 5}), 400, "refused-by-database", sqlstate="22P02")
    assert "maria" in problem["detail"], problem
    expect_problem(post("/events", {"user_id": 1, "item_id": -5}), 409, "conflict", sqlstate="23514")
    sql("""ALTER TABLE "Odd clicks" RENAME place TO somewhere""")
    expect_problem(post("/events", {"user_id": 1, "item_id": 5}), 500, "misconfigured", sqlstate="42703")
    S.stop()
    S = start(SEQREC_EVENTS_TABLE="nowhere", SEQREC_TITLE_COLUMN="name")
    S.wait_ready()
    expect_problem(post("/events", {"user_id": 1, "item_id": 5}), 500, "misconfigured", sqlstate="42P01")
    for words in ('SEQREC_EVENTS_TABLE: there is no table \\"nowhere\\"', 'SEQREC_TITLE_TABLE: \\"products\\" has no column \\"name\\"'):
        wait_for(lambda: words in S.log(), f"{words} in {S.log()}")
    S.stop()
    S = start()
    S.wait_ready()


def refuses_bad_events():
    good = {"user_id": "u", "item_id": "i"}
    cases = [({}, "user_id"), ({"user_id": "u"}, "item_id"), ({**good, "weight": 1}, "weight"), ({**good, "timestamp": True}, "timestamp"),
             ({**good, "timestamp": "x" * 65}, "timestamp"), ({**good, "item_id": ""}, "item_id"), ({**good, "user_id": None}, "user_id"),
             ({"events": []}, "events"), ({"events": good}, "events"), ({"events": [good] * 1001}, "events"), ({"events": [1]}, "events[0]"),
             ({"events": [good, {"user_id": "u"}]}, "events[1].item_id"), ({"events": [good], "user_id": "u"}, "user_id"),
             ({"events": [{**good, "x": 1}]}, "events[0].x"), ({"events": [{**good, "user_id": "x" * 513}]}, "events[0].user_id")]
    for body, field in cases:
        expect_problem(post("/events", body), 400, "invalid-field", field=field)
    expect(post("/events", {"events": [good] * 1000})[2], {"inserted": 1000})


def tells_what_the_role_may_not_do():
    global S
    S.stop()
    S = start(SEQREC_ADMIN_DSN="")
    S.wait_ready()
    problem = expect_problem(post("/train", {"ratings": "ratings"}), 403, "forbidden", sqlstate="42501")
    assert "operations.md" in problem["hint"], problem
    expect_problem(post("/events", {"user_id": 1, "item_id": 5}), 403, "forbidden", sqlstate="42501")
    S.stop()
    S = start()
    S.wait_ready()


# --- finding ---


def finds_items_by_id_and_title():
    expect(get("/items?query=i1&limit=3")[2], {"items": [{"item_id": "i1", "title": "Blue Tent"}, {"item_id": "i10", "title": None},
                                                        {"item_id": "i11", "title": None}]})
    expect(get("/items?query=tent")[2]["items"], [{"item_id": "i1", "title": "Blue Tent"}, {"item_id": "i2", "title": "红色帐篷 Red Tent 50% off"}])
    expect([i["item_id"] for i in get("/items?query=RED+tent")[2]["items"]], ["i2"])
    expect([i["item_id"] for i in get("/items?query=%E5%B8%90%E7%AF%B7")[2]["items"]], ["i2"], "帐篷")
    expect([i["item_id"] for i in get("/items?query=50%25")[2]["items"]], ["i2"], "a percent sign is itself")
    expect(get("/items?query=unsold")[2], {"items": []}, "what the model does not know")
    expect(len(get("/items")[2]["items"]), 20)
    expect(get("/items?query=i1&model=nobody")[2], {"items": []})
    expect(get("/items?id=zz&id=i2&id=i3")[2]["items"], [{"item_id": "zz", "title": None}, {"item_id": "i2", "title": "红色帐篷 Red Tent 50% off"},
                                                         {"item_id": "i3", "title": None}])
    for path, field in (("/items?limit=101", "limit"), ("/items?query=a&query=b", "query"), ("/items?query=" + "x" * 513, "query"),
                        ("/items?id=", "id"), ("/items?id=a&query=b", "query"), ("/items?" + "&".join(["id=a"] * 101), "id"),
                        ("/items?what=1", "what")):
        expect_problem(get(path), 400, "invalid-field", field=field)


def finds_users():
    expect(get("/users?query=u29&limit=3")[2], {"users": [{"user_id": "u29"}, {"user_id": "u290"}, {"user_id": "u291"}]})
    expect(len(get("/users")[2]["users"]), 20)
    expect(get("/users?query=zzz")[2], {"users": []})
    expect_problem(get("/users?id=1"), 400, "invalid-field", field="id")


def reads_titles_by_ids_of_any_type():
    """Ids that are none of the column's type are unknown, not an error."""
    for kind, known in (("bigint", "42"), ("smallint", "42"), ("bigint", "9223372036854775807"), ("bigint", "-9223372036854775808"),
                        ("bigint", "1234567890123456789"), ("uuid", "0d5ba9a2-6f0e-4a2b-9b3e-1f6b0c6f2a11"), ("varchar(40)", "x"), ("numeric", "42")):
        sql(f"CREATE TABLE typed (id {kind}, title text); INSERT INTO typed VALUES ('{known}', 'found')")
        expect(sql(f"SELECT item_id, title FROM seqrec.titles_of(ARRAY['{known}', 'other', '9223372036854775808', '99999999999999999999', ''], 'typed', 'id', 'title')"),
               known + "|found", kind)
        sql("DROP TABLE typed")


def steps_into_indexes():
    """Finding by the beginning of an id reads a handful of rows, however many there are."""
    sql("""INSERT INTO seqrec.items (model_id, idx, item_id, popularity, embedding)
           SELECT 999, g, 'big' || g, 1, '{}' FROM generate_series(1, 200000) g""")
    plan = sql("""EXPLAIN (ANALYZE, COSTS off, TIMING off) SELECT i.item_id FROM seqrec.items i
                  WHERE i.model_id = 999 AND i.item_id >= 'big777' ORDER BY i.item_id LIMIT 20""")
    assert "Index Only Scan" in plan and "Sort" not in plan, plan
    sql("DELETE FROM seqrec.items WHERE model_id = 999")


def keeps_event_keys_through_a_dump():
    assert sql("SELECT 'seqrec.event_keys'::regclass = ANY (extconfig) FROM pg_extension WHERE extname = 'seqrec'") == "t"


# --- what is on the whole ---


def tells_models_to_its_operator():
    wait_for(lambda: "seqrec_model_info{" in get("/metrics")[2].decode(), "the model's metrics", poll=0.5)
    text = get("/metrics")[2].decode()
    for line in ('seqrec_model_items{model="default"} 60', 'seqrec_model_users{model="default"} 300', "seqrec_model_ndcg{", "seqrec_trainings_running 0",
                 "seqrec_model_trained_timestamp_seconds{"):
        assert line in text, f"{line} in {text}"


def metric(name):
    """One value of /metrics; None before it is there."""
    for line in get("/metrics")[2].decode().splitlines():
        if line.startswith(name + " "):
            return float(line.split()[1])


def tells_how_trainings_ended():
    sql("""CREATE VIEW broken AS SELECT user_id, item_id || (1 / (length(item_id) - length(item_id)))::text AS item_id, timestamp FROM ratings;
           GRANT SELECT ON broken TO shop_trainer""")
    wait_done(train(model="ends", options=QUICK))
    wait_for(lambda: metric('seqrec_trainings_failed_total{model="ends"}') == 0, "a model without failures", poll=0.5)
    wait_done(train(ratings="broken", model="ends"), "failed")
    wait_for(lambda: metric('seqrec_trainings_failed_total{model="ends"}') == 1, "the failure", poll=0.5)
    ended = sql("SELECT extract(epoch FROM max(finished_at)) FROM seqrec_jobs WHERE model = 'ends' AND state = 'done'")
    assert abs(metric('seqrec_training_last_success_timestamp_seconds{model="ends"}') - float(ended)) < 1e-3, ended
    wait_done(train(ratings="broken", model="never"), "failed")
    wait_for(lambda: metric('seqrec_trainings_failed_total{model="never"}') == 1, "the failure", poll=0.5)
    expect(metric('seqrec_training_last_success_timestamp_seconds{model="never"}'), None)
    expect(metric('seqrec_trainings_running'), 0)


def tells_of_fifty_models_at_most():
    sql("""INSERT INTO seqrec.jobs (model, kind, owner, source, options, state, finished_at)
           SELECT 'many' || g, 'transformer', 'shop_trainer', '{}', '{}', 'failed', now() FROM generate_series(1, 200) g""")
    wait_for(lambda: metric('seqrec_trainings_failed_total{model="many1"}') == 1, "the failure", poll=0.5)
    expect(get("/metrics")[2].decode().count("seqrec_trainings_failed_total{"), 50)
    sql("DELETE FROM seqrec.jobs WHERE model LIKE 'many%'")


def alerts_are_about_what_is_told():
    """The file and the document have the same alerts, and every metric in them is one of /metrics."""
    def alerts(*path):
        with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
            return re.findall(r"- alert: (\w+)\n +expr: (.+)", file.read())
    found = alerts("packaging", "prometheus-alerts.yml")
    expect(found, alerts("docs", "operations.md"))
    assert len(found) >= 6, found
    text = get("/metrics")[2].decode()
    for name in set(re.findall(r"seqrec_\w+", str([expression for _, expression in found]))):
        assert f"# TYPE {name.removesuffix('_bucket')} " in text, name


def serves_with_the_roles_of_the_recipe():
    """Every route that reads, asked with the grants of packaging/roles.sql alone."""
    expect(S.recommend("u1", headers=READER, recent_clicks=["i1", "i2"], explain=True)[0], 200)
    expect(S.recommend("u1", headers=READER)[0], 200, "the user's own rows")
    expect(post("/recommend/batch", {"requests": [{"user_id": "u1"}, {"user_id": "u2"}]}, READER)[0], 200)
    expect(get("/similar/i1")[0], 200)
    expect(S.request("GET", "/readyz")[0], 200)


def hides_nothing_but_itself():
    for path in ("/models", "/jobs", "/jobs/1", "/jobs/1/events", "/items", "/users", "/metrics"):
        expect_problem(get(path, {}), 401, "unauthorized")
    for path in ("/train", "/jobs/1/cancel", "/models/1/activate", "/models/default/refresh"):
        expect_problem(post(path, {}, READER), 403, "admin-only")
    log = S.log() + open(S.access_path).read()
    assert READ not in log and ADMIN not in log


def answered_as_documented():
    """Each answer above was held to openapi.json, and every route gave a good one."""
    for path in ("/livez", "/openapi.json"):
        expect(S.request("GET", path)[0], 200)
    document = Sidecar.document
    good = {name for name, status in document.met if status.startswith("2")}
    every = {f"{method.upper()} {path}" for path, methods in document.content["paths"].items() for method in methods}
    expect(every - good, set())


if __name__ == "__main__":
    sql("CREATE EXTENSION seqrec")
    make_ratings()
    sql("""CREATE TABLE products (item_id text PRIMARY KEY, title text);
           INSERT INTO products VALUES ('i1', 'Blue Tent'), ('i2', '红色帐篷 Red Tent 50% off'), ('unsold', 'Unsold Thing');
           CREATE TABLE secret AS TABLE ratings; CREATE TABLE empty (LIKE ratings)""")
    made = psql("-v", "api=shop_api", "-v", "trainer=shop_trainer", "-v", "history=on", "-f", os.path.join(ROOT, "packaging", "roles.sql"))
    assert made.returncode == 0, made.stderr
    sql(GRANTS)
    Sidecar.document = Document()
    S = start()
    try:
        main(shows_an_empty_database, trains_and_shows_the_job, tells_that_a_model_has_no_coefficients, passes_side_tables_on, shows_jobs_of_others_with_a_right, ends_a_stream_of_a_finished_job, lists_models_and_activates, refreshes_items, cancels_a_job,
             refuses_bad_trainings, shares_one_look_among_all_followers, forgets_followers_that_leave, closes_streams_when_it_drains, adds_events,
             adds_repeated_events_once, tells_a_lock_from_a_key_that_is_written, adds_all_events_or_none, refuses_bad_events, casts_events_to_the_tables_own_types,
             tells_what_the_role_may_not_do, finds_items_by_id_and_title, finds_users, reads_titles_by_ids_of_any_type, steps_into_indexes,
             keeps_event_keys_through_a_dump, tells_models_to_its_operator, tells_how_trainings_ended,
             tells_of_fifty_models_at_most, alerts_are_about_what_is_told, serves_with_the_roles_of_the_recipe,
             hides_nothing_but_itself, answered_as_documented)
    finally:
        S.stop()
