#!/usr/bin/python3
# Runs alone: it holds seqrec-http to times
"""Tests of seqrec-http alone: a private cluster with stubs of the functions and views it asks, one sidecar a group.

Needs python3 only, PostgreSQL's programs (found through PG_CONFIG or pg_config) and build/seqrec-http (SEQREC_HTTP
names another one). Leaves nothing behind. Prints a line a test and "N passed, N failed".
"""

import contextlib
import json
import os
import re
import signal
import socket
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True

from http_support import (attempt, expect, expect_problem, in_parallel, main, read_all, run_program,
                          running_queries, sidecar, status_of, wait_until)
from sharing_pooler import SharingPooler


class Plain:
    """One sidecar with the usual settings."""

    settings = {"SEQREC_POOL": 2}

    def recommends(self, s, db):
        status, headers, body = s.recommend("u1", recent_clicks=["a"], top_k=3)
        expect(status, 200)
        expect(body, {"recommended_item_ids": ["u1-1", "u1-2", "u1-3"]})
        expect(headers["Content-Type"], "application/json")
        expect(headers["Cache-Control"], "private, no-store")

    def orders_by_rank_and_keeps_any_text(self, s, db):
        ids = ["plain", 'quo"te', "back\\slash", "com,ma", "{brace}", "NULL", "空格 和中文", "😀", "tab\t", " "]
        expect(s.recommend("echo", recent_clicks=ids)[2], {"recommended_item_ids": ids})

    def takes_numbers_as_ids(self, s, db):
        expect(s.recommend("echo", recent_clicks=[1, -2, 18446744073709551615])[2]["recommended_item_ids"],
               ["1", "-2", "18446744073709551615"])
        expect(len(s.recommend(42)[2]["recommended_item_ids"]), 10)

    def tells_no_clicks_from_own_history(self, s, db):
        expect(s.recommend("show")[2]["recommended_item_ids"], ["NULL clicks, model default"])
        expect(s.recommend("show", recent_clicks=None)[2]["recommended_item_ids"], ["NULL clicks, model default"])
        expect(s.recommend("show", recent_clicks=[])[2]["recommended_item_ids"], ["0 clicks, model default"])

    def takes_a_model(self, s, db):
        expect(s.recommend("show", model="second")[2]["recommended_item_ids"], ["NULL clicks, model second"])
        body = expect_problem(s.recommend("u", model="third"), 404, "unknown-model", sqlstate="42704",
                              hint="See seqrec_models.")
        expect(body["detail"], 'model "third" does not exist')

    def refuses_bad_fields(self, s, db):
        cases = [
            ('{}', "user_id"), ('{"user_id":null}', "user_id"), ('{"user_id":1.5}', "user_id"),
            ('{"user_id":true}', "user_id"), ('{"user_id":["a"]}', "user_id"), ('{"user_id":""}', "user_id"),
            ('{"user_id":"a\\u0000b"}', "user_id"), (json.dumps({"user_id": "x" * 513}), "user_id"),
            ('{"user_id":18446744073709551616}', "user_id"),
            ('{"user_id":"a","recent_clicks":"b"}', "recent_clicks"),
            ('{"user_id":"a","recent_clicks":{}}', "recent_clicks"),
            ('{"user_id":"a","recent_clicks":["b",null]}', "recent_clicks[1]"),
            ('{"user_id":"a","recent_clicks":[["b"]]}', "recent_clicks[0]"),
            (json.dumps({"user_id": "a", "recent_clicks": [1] * 1001}), "recent_clicks"),
            ('{"user_id":"a","top_k":0}', "top_k"), ('{"user_id":"a","top_k":1001}', "top_k"),
            ('{"user_id":"a","top_k":-1}', "top_k"), ('{"user_id":"a","top_k":1.5}', "top_k"),
            ('{"user_id":"a","top_k":"10"}', "top_k"), ('{"user_id":"a","top_k":null}', "top_k"),
            ('{"user_id":"a","top_k":99999999999999999999}', "top_k"),
            ('{"user_id":"a","model":7}', "model"), ('{"user_id":"a","model":""}', "model"),
            ('{"user_id":"a","topk":5}', "topk"), ('{"user_id":"a","user_id":"b"}', "user_id"),
        ]
        for body, field in cases:
            expect_problem(s.post(body), 400, "invalid-field", field=field)

    def takes_the_limits(self, s, db):
        clicks = [f"c{i}" for i in range(1000)]
        expect(s.recommend("echo", recent_clicks=clicks)[2]["recommended_item_ids"], clicks)
        expect(len(s.recommend("x" * 512, top_k=1000)[2]["recommended_item_ids"]), 1000)
        expect(len(s.recommend("x", top_k=1)[2]["recommended_item_ids"]), 1)

    def refuses_what_is_not_json(self, s, db):
        for body in ("", "{", "nonsense", '{"user_id":"a"} x', '{"user_id":"\xff"}'.encode("latin1"), '["a"]', '"a"', "null",
                     '{"user_id":1e999}', '{"user_id":' + "[" * 5000 + "]" * 5000 + "}", '{"user_id":"\\ud800"}'):
            answer = s.post(body)
            expect(answer[0], 400, repr(body[:40]))
            assert answer[2]["type"].endswith(("invalid-json", "invalid-field")), answer[2]
        expect_problem(s.post("[" * 60000), 400, "invalid-json")

    def knows_its_paths_and_methods(self, s, db):
        expect_problem(s.request("GET", "/nothing"), 404, "unknown-path")
        expect_problem(s.request("POST", "/recommend/u1", "{}", {"Content-Type": "application/json"}), 404, "unknown-path")
        for method in ("GET", "PUT", "DELETE", "OPTIONS"):
            answer = s.request(method, "/recommend")
            expect_problem(answer, 405, "method-not-allowed")
            expect(answer[1]["Allow"], "POST")
        answer = s.request("POST", "/livez", "")
        expect_problem(answer, 405, "method-not-allowed")
        expect(answer[1]["Allow"], "GET, HEAD")

    def wants_json_of_known_length(self, s, db):
        for kind in ("text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1", "json"):
            expect_problem(s.post('{"user_id":"a"}', kind), 415, "unsupported-media-type")
        for kind in ("application/json; charset=utf-8", "Application/JSON", "application/vnd.x+json"):
            expect(s.post('{"user_id":"a"}', kind)[0], 200)
        answer = s.request("POST", "/recommend", b"x", {"Content-Type": "application/json", "Content-Encoding": "gzip"})
        expect_problem(answer, 415, "unsupported-media-type")
        head = b"POST /recommend HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        expect(status_of(s.raw(head + b"\r\n")), 411)
        body = b'{"user_id":"u"}'
        chunks = head + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        expect(status_of(s.raw(chunks)), 200)

    def bounds_the_body(self, s, db):
        expect_problem(s.post(b" " * 524289), 413, "body-too-large")
        expect_problem(s.post(b" " * 3_000_000), 413, "body-too-large")
        expect(s.post(b'{"user_id":"a"}'.ljust(524288))[0], 200)
        ids = [f"item-{n:09}" for n in range(10000)]
        expect(s.recommend("a", exclude_item_ids=ids, candidate_item_ids=ids)[0], 200)
        chunked = (b"POST /recommend HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                   b"Transfer-Encoding: chunked\r\n\r\n") + b"4000\r\n" + b" " * 0x4000 + b"\r\n"
        expect(status_of(s.raw(chunked + (b"4000\r\n" + b" " * 0x4000 + b"\r\n") * 32)), 413)

    def bounds_the_header(self, s, db):
        answer = s.request("GET", "/livez", headers={"X-Long": "x" * 9000})
        expect_problem(answer, 431, "header-too-large")
        expect(status_of(s.raw(b"GET /livez HTTP/1.1\r\n" + b"X-Many: y\r\n" * 5000 + b"\r\n")), 431)
        expect(status_of(s.raw(b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\n\r\n")), 431)

    def refuses_what_is_not_http(self, s, db):
        for data in (b"nonsense\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n",
                     b"POST /recommend HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
                     b"POST /recommend HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                     b"POST /recommend HTTP/1.1\r\nContent-Length: -1\r\n\r\n"):
            expect(status_of(s.raw(data)), 400, data[:40])

    def answers_many_requests_on_one_connection(self, s, db):
        connection = s.connect()
        for k in range(1, 30):
            expect(len(s.recommend("u", connection, top_k=k)[2]["recommended_item_ids"]), k)
        expect_problem(s.recommend("u", connection, top_k=0), 400, "invalid-field")
        expect_problem(s.request("GET", "/nowhere", connection=connection), 404, "unknown-path")
        expect(s.recommend("u", connection)[0], 200)
        connection.close()

    def answers_requests_sent_ahead_in_order(self, s, db):
        requests = b""
        for k in (3, 1, 2):
            body = b'{"user_id":"u","top_k":%d}' % k
            close = b"Connection: close\r\n" if k == 2 else b""
            requests += (b"POST /recommend HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" + close +
                         b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        bodies = re.findall(rb"\{\"recommended_item_ids\":\[.*?\]\}", s.raw(requests))
        expect([len(json.loads(body)["recommended_item_ids"]) for body in bodies], [3, 1, 2])

    def waits_for_leave_to_send(self, s, db):
        head = b"POST /recommend HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: 15\r\n"
        with socket.create_connection((s.host, s.port), timeout=5) as client:
            client.sendall(head + b"Content-Type: application/json\r\n\r\n")
            expect(client.recv(1000), b"HTTP/1.1 100 Continue\r\n\r\n")
            client.sendall(b'{"user_id":"a"}')
            expect(status_of(read_all(client)), 200)
        expect(status_of(s.raw(head + b"Content-Type: text/plain\r\n\r\n")), 415)

    def speaks_http_1_0_and_head(self, s, db):
        answer = s.raw(b"GET /livez HTTP/1.0\r\n\r\n")
        expect(status_of(answer), 200)
        assert b"Connection: close" in answer
        status, headers, body = s.request("HEAD", "/livez")
        expect((status, body, headers["Content-Length"]), (200, b"", str(len('{"live":true}'))))

    def passes_request_ids_through(self, s, db):
        expect(s.recommend("u", headers={"X-Request-Id": "order-7/α".encode().decode("latin1")})[0], 200)
        expect(s.recommend("u", headers={"X-Request-Id": "order-7"})[1]["X-Request-Id"], "order-7")
        for bad in ("a b", "x" * 129, "", "tab\tid"):
            given = s.recommend("u", headers={"X-Request-Id": bad})[1]["X-Request-Id"]
            assert re.fullmatch("[0-9a-f]{16}", given), given

    def maps_the_database_errors(self, s, db):
        for sqlstate, status in (("22023", 400), ("22P02", 400), ("42501", 403), ("42883", 503), ("42P01", 503),
                                 ("53200", 503), ("53300", 503), ("57P03", 503), ("08006", 503), ("40001", 503),
                                 ("57014", 504), ("XX000", 500), ("P0001", 400), ("28000", 503), ("55000", 503)):
            answer = s.recommend("error:" + sqlstate)
            expect(answer[0], status, sqlstate)
            expect((answer[2]["sqlstate"], answer[2]["hint"]), (sqlstate, "Try another id."))
            expect("secret" in answer[2]["detail"], status == 400, sqlstate)
            expect("Retry-After" in answer[1], status == 503, sqlstate)
        expect(s.recommend("u")[0], 200)

    def survives_the_end_of_its_own_backend(self, s, db):
        expect(s.recommend("exit")[0], 503)
        time.sleep(0.2)
        for _ in range(4):
            expect(s.recommend("u")[0], 200)

    def never_writes(self, s, db):
        expect_problem(s.recommend("write"), 500, "database-error", sqlstate="25006")

    def sets_its_session(self, s, db):
        names = ["application_name", "default_transaction_read_only", "transaction_read_only", "statement_timeout", "client_encoding",
                 "TimeZone", "DateStyle", "plan_cache_mode", "client_min_messages"]
        for _ in range(4):  # the first of a session and those after it
            expect(s.recommend("session", recent_clicks=names)[2]["recommended_item_ids"],
                   ["seqrec-http", "on", "on", "1800ms", "UTF8", "UTC", "ISO, MDY", "force_generic_plan", "error"])

    def says_whether_it_is_ready(self, s, db):
        expect(s.request("GET", "/livez")[2], {"live": True})
        expect(s.request("GET", "/readyz?verbose")[2], {"ready": True, "reasons": []})
        db.sql("UPDATE models SET active = false WHERE model = 'default'")
        comes_to_be(s, 503, 'there is no active model named "default"')
        db.sql("ALTER VIEW seqrec_models RENAME TO hidden")
        comes_to_be(s, 503, "the database has no seqrec functions for this role (SQLSTATE 42P01). CREATE EXTENSION seqrec in the database that is asked; "
                            "docs/operations.md has the grants that a role needs.")
        db.sql("ALTER VIEW hidden RENAME TO seqrec_models; UPDATE models SET active = true")
        comes_to_be(s, 200)

    def is_ready_only_when_the_model_answers(self, s, db):
        """A model that is there, and whose snapshot is not, has no answer."""
        with instead_of_answers(db, "RAISE 'made by another' USING ERRCODE = '55000'"):
            comes_to_be(s, 503, "the database cannot answer now (SQLSTATE 55000)")
        with instead_of_answers(db, "PERFORM pg_sleep(60)"):
            comes_to_be(s, 503, "the model did not answer in time: its snapshot may still be made")
        comes_to_be(s, 200)

    def looks_once_for_all_who_ask_whether_it_is_ready(self, s, db):
        """Anybody may ask, and it goes before the queue: no more than a look in a quarter of a second."""
        before, begin = asked_for(s), time.monotonic()
        answers = in_parallel(50, lambda i: [s.request("GET", "/readyz")[0] for _ in range(4)])
        looks = asked_for(s) - before
        expect(answers, [[200] * 4] * 50)
        assert looks <= 1 + (time.monotonic() - begin) / 0.25 + 6, f"{looks} looks"  # and those of /metrics

    def logs_no_user(self, s, db):
        s.recommend("user-quokka", recent_clicks=["click-quokka"])
        s.request("GET", "/user-quokka")
        lines = s.access_lines()
        assert "quokka" not in json.dumps(lines)
        expect(set(lines[-2]), {"at", "request_id", "remote", "method", "route", "status", "bytes", "ms", "queue_ms", "db_ms"})
        expect((lines[-2]["route"], lines[-2]["status"]), ("/recommend", 200))
        expect((lines[-1]["route"], lines[-1]["status"]), (None, 404))

    def leaks_no_sql_when_the_function_is_missing(self, s, db):
        db.sql("ALTER FUNCTION seqrec.answers RENAME TO hidden")
        try:
            expect_problem(s.recommend("u"), 503, "not-installed", sqlstate="42883")
        finally:
            db.sql("ALTER FUNCTION seqrec.hidden RENAME TO answers")
        expect(s.recommend("u")[0], 200)


class Narrow:
    """One connection, a short queue, short limits: what happens when there is too much of something."""

    settings = {"SEQREC_POOL": 1, "SEQREC_PIPELINE": 1, "SEQREC_QUEUE": 1, "SEQREC_DEADLINE_MS": 800, "SEQREC_READ_TIMEOUT_MS": 400,
                "SEQREC_IDLE_TIMEOUT_MS": 600, "SEQREC_MAX_CONNECTIONS": 8}

    def turns_away_when_the_queue_is_full(self, s, db):
        answers = in_parallel(4, lambda i: s.recommend("sleep:0.3"))
        expect(sorted(a[0] for a in answers), [200, 200, 503, 503])
        refused = next(a for a in answers if a[0] == 503)
        expect_problem(refused, 503, "overloaded")
        expect(refused[1]["Retry-After"], "1")

    def ends_a_request_at_its_deadline(self, s, db):
        begin = time.monotonic()
        expect_problem(s.recommend("sleep:5"), 504, "deadline-exceeded")
        assert 0.6 < time.monotonic() - begin < 2
        wait_until(lambda: running_queries(db) == 0, "the query was not cancelled")
        expect(s.recommend("u")[0], 200)

    def ends_a_request_that_waited_too_long(self, s, db):
        answers = in_parallel(2, lambda i: (time.sleep(0.1 * i), s.recommend("sleep:0.5" if i == 0 else "sleep:5"))[1])
        expect([a[0] for a in answers], [200, 504])
        wait_until(lambda: running_queries(db) == 0, "the query was not cancelled")
        expect(s.recommend("u")[0], 200)

    def health_goes_before_the_queue(self, s, db):
        thread_answers = []
        threads = [threading.Thread(target=lambda: thread_answers.append(s.recommend("sleep:0.3")[0])) for _ in range(2)]
        for thread in threads:
            thread.start()
        time.sleep(0.1)
        expect(s.request("GET", "/livez")[0], 200)
        expect(s.request("GET", "/readyz")[0], 200)
        for thread in threads:
            thread.join()
        expect(thread_answers, [200, 200])

    def gives_up_on_a_slow_header(self, s, db):
        begin = time.monotonic()
        with socket.create_connection((s.host, s.port), timeout=5) as client:
            with contextlib.suppress(OSError):
                for byte in b"GET /livez HTTP/1.1\r\nX-Slow: " + b"x" * 30:
                    client.sendall(bytes([byte]))
                    time.sleep(0.03)
            expect(status_of(read_all(client)), 408)
        assert time.monotonic() - begin < 2

    def gives_up_on_a_slow_body(self, s, db):
        begin = time.monotonic()
        answer = s.raw(b"POST /recommend HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                       b"Content-Length: 100\r\n\r\n{\"user_id\"")
        expect(status_of(answer), 408)
        assert time.monotonic() - begin < 4  # the limit, the tick, and the time given to read the answer

    def closes_an_idle_connection(self, s, db):
        begin = time.monotonic()
        expect(s.raw(b""), b"")
        assert 0.5 < time.monotonic() - begin < 3

    def turns_away_too_many_clients(self, s, db):
        clients = [socket.create_connection((s.host, s.port), timeout=5) for _ in range(8)]
        time.sleep(0.05)
        answer = s.request("GET", "/livez")
        expect_problem(answer, 503, "too-many-connections")
        expect(answer[1]["Retry-After"], "1")
        for client in clients:
            client.close()
        wait_until(lambda: s.request("GET", "/livez")[0] == 200, "the places were not given back")

    def forgets_clients_that_leave(self, s, db):
        for part in (b"", b"GET", b"POST /recommend HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"):
            with socket.create_connection((s.host, s.port), timeout=5) as client:
                client.sendall(part)
        body = b'{"user_id":"sleep:0.1"}'
        with socket.create_connection((s.host, s.port), timeout=5) as client:
            client.sendall(b"POST /recommend HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                           % (len(body), body))
        time.sleep(0.2)
        expect(s.recommend("u")[0], 200)


class Deep:
    """Requests sent ahead on one connection, old connections replaced, no prepared statements."""

    settings = {"SEQREC_POOL": 1, "SEQREC_PIPELINE": 4, "SEQREC_DEADLINE_MS": 1000, "SEQREC_POOL_LIFETIME_S": 1,
                "SEQREC_PREPARE": "off", "SEQREC_ACCESS_LOG": "off", "SEQREC_MODEL": "second"}

    def answers_in_a_pipeline(self, s, db):
        answers = in_parallel(8, lambda i: [s.recommend("u", top_k=i * 10 + j + 1)[2] for j in range(10)])
        for i, group in enumerate(answers):
            expect([len(body["recommended_item_ids"]) for body in group], [i * 10 + j + 1 for j in range(10)])

    def an_error_ends_one_request_only(self, s, db):
        users = ["sleep:0.1", "error:22023", "u", "error:XX000"]
        answers = in_parallel(4, lambda i: (time.sleep(0.02 * i), s.recommend(users[i]))[1])
        expect([a[0] for a in answers], [200, 400, 200, 500])

    def a_cancel_spares_the_neighbours(self, s, db):
        users = ["sleep:0.6", "sleep:5", "u", "u"]
        answers = in_parallel(4, lambda i: (time.sleep(0.05 * i), s.recommend(users[i]))[1])
        expect([a[0] for a in answers[:2]], [200, 504])
        assert all(a[0] in (200, 504) for a in answers[2:]), answers
        expect(s.recommend("u")[0], 200)

    def replaces_old_connections(self, s, db):
        pids, statuses, end = set(), set(), time.monotonic() + 2.5
        while time.monotonic() < end:
            status, _, body = s.recommend("backend")
            statuses.add(status)
            pids.update(body.get("recommended_item_ids", []))
            time.sleep(0.01)
        expect(statuses, {200})
        assert len(pids) >= 2, pids

    def has_its_own_default_model(self, s, db):
        expect(s.recommend("show")[2]["recommended_item_ids"], ["NULL clicks, model second"])

    def keeps_quiet(self, s, db):
        expect(s.access_lines(), [])


class Restarts:
    """The database goes and comes back under load."""

    settings = {"SEQREC_POOL": 2}

    def answers_503_while_the_database_is_away_and_recovers(self, s, db):
        statuses, stop = [], threading.Event()

        def load(_):
            connection = s.connect()
            while not stop.is_set():
                statuses.append((time.monotonic(), s.recommend("u", connection)[0]))
                time.sleep(0.002)

        workers = [threading.Thread(target=load, args=(i,)) for i in range(4)]
        for worker in workers:
            worker.start()
        time.sleep(0.3)
        db.stop()
        expect(s.request("GET", "/livez")[0], 200)
        status, _, body = s.request("GET", "/readyz")
        expect((status, body["reasons"]), (503, ["the database is unreachable"]))
        answer = s.recommend("u")
        expect_problem(answer, 503, "database-unavailable")
        assert int(answer[1]["Retry-After"]) >= 1
        time.sleep(1)
        db.start()
        started = time.monotonic()
        time.sleep(2.2)
        stop.set()
        for worker in workers:
            worker.join()
        assert {status for _, status in statuses} <= {200, 503}, "those that were being answered wait, others are 503"
        late = [status for at, status in statuses if at > started + 2]
        assert late and set(late) == {200}, "not recovered 2 s after the database"
        expect(s.request("GET", "/readyz")[0], 200)

    def keeps_many_clients_through_a_restart(self, s, db):
        """Nothing but 503 in the gap, all well 2 s after the database, and nothing left behind."""
        files, memory = lambda: len(os.listdir(f"/proc/{s.process.pid}/fd")), lambda: resident_kilobytes(s.process.pid)
        statuses, stop = [], threading.Event()

        def load(_):
            connection = s.connect()
            while not stop.is_set():
                statuses.append((time.monotonic(), s.recommend("u", connection)[0]))
                time.sleep(0.02)
            connection.close()

        def run(seconds):
            stop.clear()
            workers = [threading.Thread(target=load, args=(i,)) for i in range(50)]
            for worker in workers:
                worker.start()
            time.sleep(seconds)
            return workers

        def finish(workers):
            stop.set()
            for worker in workers:
                worker.join()

        finish(run(0.5))  # so that everything there is room for is there
        wait_until(lambda: files() < 30, "open files")
        files_before, memory_before = files(), memory()
        workers = run(0.5)
        db.stop()
        time.sleep(0.5)
        db.start()
        started = time.monotonic()
        time.sleep(2.5)
        finish(workers)
        expect({status for _, status in statuses}, {200, 503})
        late = {status for at, status in statuses if at > started + 2}
        expect(late, {200}, "2 s after the database")
        wait_until(lambda: files() <= files_before + 1, f"{files()} open files, {files_before} before")
        assert memory() < memory_before + 4096, f"{memory()} kB, {memory_before} kB before"

    def notices_killed_backends(self, s, db):
        db.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'seqrec-http'")
        time.sleep(0.3)
        for _ in range(5):
            expect(s.recommend("u")[0], 200)

    def asks_gently_while_the_database_refuses(self, s, db):
        before = s.log().count("cannot connect")
        db.sql("ALTER DATABASE shop ALLOW_CONNECTIONS false", database="postgres")
        db.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'seqrec-http'", "postgres")
        time.sleep(1)
        expect_problem(s.recommend("u"), 503, "database-unavailable")
        expect(s.log().count("cannot connect"), before + 1, "one line about an outage")
        db.sql("ALTER DATABASE shop ALLOW_CONNECTIONS true", database="postgres")
        s.wait_ready(2)


def comes_to_be(s, status, *reasons):
    """/readyz says what was seen within the last quarter of a second."""
    wait_until(lambda: s.request("GET", "/readyz")[::2] == (status, {"ready": status == 200, "reasons": list(reasons)}), f"/readyz: {status} {reasons}", 5)


def asked_for(s):
    """Queries that have had an answer."""
    lines = s.request("GET", "/metrics")[2].decode().splitlines()
    return sum(float(line.split()[1]) for line in lines if line.startswith('seqrec_db_query_duration_seconds_count{pool="read"}'))


@contextlib.contextmanager
def instead_of_answers(db, body):
    """seqrec.answers does something else."""
    arguments = "text[], int[], text[], int, text, text[], boolean, text[], real, real, real, jsonb[], int[], int"
    db.sql(f"""ALTER FUNCTION seqrec.answers RENAME TO hidden;
               CREATE FUNCTION seqrec.answers({arguments.replace("jsonb[], int[], int", "jsonb[] DEFAULT NULL, int[] DEFAULT NULL, int DEFAULT NULL")})
               RETURNS TABLE(version text) LANGUAGE plpgsql AS $$ BEGIN {body}; END $$""")
    try:
        yield
    finally:
        db.sql(f"DROP FUNCTION seqrec.answers({arguments}); ALTER FUNCTION seqrec.hidden RENAME TO answers")


def resident_kilobytes(pid):
    with open(f"/proc/{pid}/status") as status:
        return int(re.search(r"VmRSS:\s+(\d+) kB", status.read())[1])


def drains_on_sigterm(db):
    with sidecar(db, SEQREC_DRAIN_MS=500) as s:
        s.wait_ready()
        connection = s.connect()
        s.request("GET", "/livez", connection=connection)
        answers = []
        worker = threading.Thread(target=lambda: answers.append(s.recommend("sleep:1.2")))
        worker.start()
        time.sleep(0.1)
        s.process.send_signal(signal.SIGTERM)
        time.sleep(0.1)
        status, headers, body = s.request("GET", "/readyz", connection=connection)
        expect((status, body["reasons"], headers["Connection"]), (503, ["shutting down"], "close"))
        expect(s.recommend("u")[0], 200, "still serving before the drain is over")
        time.sleep(0.6)
        try:
            s.request("GET", "/livez")
            raise AssertionError("still listening")
        except ConnectionRefusedError:
            pass
        worker.join()
        expect(answers[0][0], 200, "the request that was under way")
        expect(s.process.wait(2), 0)


def ends_at_once_on_sigint_and_on_a_second_signal(db):
    with sidecar(db) as s:
        s.wait_ready()
        idle = socket.create_connection((s.host, s.port))
        begin = time.monotonic()
        s.process.send_signal(signal.SIGINT)
        expect(s.process.wait(2), 0)
        assert time.monotonic() - begin < 1.5
        idle.close()
    with sidecar(db, SEQREC_DRAIN_MS=60000, SEQREC_DEADLINE_MS=60000) as s:
        s.wait_ready()
        worker = threading.Thread(target=attempt, args=(s, "sleep:3"))
        worker.start()
        time.sleep(0.1)
        s.process.send_signal(signal.SIGTERM)
        time.sleep(0.1)
        s.process.send_signal(signal.SIGTERM)
        expect(s.process.wait(2), 0)
        worker.join()


def starts_without_a_database(db):
    with sidecar(db, PGHOST="/nonexistent") as s:
        expect(s.request("GET", "/livez")[0], 200)
        wait_until(lambda: s.recommend("u")[0] == 503, "no 503")
        expect(s.request("GET", "/readyz")[2]["reasons"], ["the database is unreachable"])
        expect(s.stop(signal.SIGTERM, 5), 0)


def bounds_the_wait_for_a_dumb_database(db):
    """Something that accepts connections and never speaks."""
    with socket.create_server(("127.0.0.1", 0)) as dumb:
        port = dumb.getsockname()[1]
        with sidecar(db, PGHOST="127.0.0.1", PGPORT=port, SEQREC_DEADLINE_MS=300, SEQREC_CONNECT_TIMEOUT_MS=600) as s:
            expect(s.recommend("u")[0], 504)
            wait_until(lambda: s.recommend("u")[0] == 503, "no 503 after the connect timeout")


def cancels_what_the_server_lets_run(db):
    """A user's own options come before those of seqrec-http, so here only a cancel ends the query."""
    with sidecar(db, SEQREC_DEADLINE_MS=300, PGOPTIONS="-c statement_timeout=0") as s:
        s.wait_ready()
        expect_problem(s.recommend("sleep:30"), 504, "deadline-exceeded")
        wait_until(lambda: running_queries(db) == 0, "the query was not cancelled")
        expect(s.log().count("lost"), 0, "the connection stays")


def gives_up_on_a_backend_that_ignores_a_cancel(db):
    with sidecar(db, SEQREC_POOL=1, SEQREC_DEADLINE_MS=300) as s:
        s.wait_ready()
        pid = int(s.recommend("backend")[2]["recommended_item_ids"][0])
        os.kill(pid, signal.SIGSTOP)
        try:
            expect(s.recommend("u")[0], 504)
            wait_until(lambda: s.recommend("u")[0] == 200, "the stuck connection was not given up", seconds=3)
        finally:
            os.kill(pid, signal.SIGCONT)


def listens_on_ipv6(db):
    if not os.path.exists("/proc/net/if_inet6") or "00000000000000000000000000000001" not in open("/proc/net/if_inet6").read():
        return
    with sidecar(db, SEQREC_LISTEN="[::1]:0") as s:
        expect(s.host, "::1")
        expect(s.recommend("u")[0], 200)


def takes_a_dsn(db):
    dsn = f"postgresql:///shop?host={db.folder}&user=postgres&application_name=mine&options=-c%20work_mem%3D8MB%20-c%20TimeZone%3DAsia/Dubai%20--statement-timeout%3D7s"
    with sidecar(db, SEQREC_DSN=dsn, PGHOST="/nonexistent", PGDATABASE="none") as s:
        names = ["application_name", "work_mem", "default_transaction_read_only", "TimeZone", "statement_timeout"]
        expect(s.recommend("session", recent_clicks=names)[2]["recommended_item_ids"], ["mine", "8MB", "on", "UTC", "7s"])


@contextlib.contextmanager
def behind_a_pooler(db, **where):
    pooler = SharingPooler(os.path.join(db.folder, ".s.PGSQL.5432"), **where)
    try:
        with sidecar(db, SEQREC_DSN=pooler.dsn + " dbname=shop user=postgres", SEQREC_POOL=1, SEQREC_PREPARE="off") as s:
            s.wait_ready()
            yield s, pooler
    finally:
        pooler.close()


def ask_for_settings(s):
    names = ["TimeZone", "statement_timeout", "transaction_read_only"]
    for _ in range(5):
        expect(s.recommend("session", recent_clicks=names)[2]["recommended_item_ids"], ["UTC", "1800ms", "on"])


def takes_no_poolers_session_for_its_own(db):
    """Though the pooler shows the server's own process: nothing is lost when the next transaction is another session's, and nothing left."""
    usual = db.sql("SHOW TimeZone")
    with tempfile.TemporaryDirectory() as folder:
        for where in ({"folder": folder, "port": 6432}, {}):
            with behind_a_pooler(db, **where) as (s, pooler):
                ask_for_settings(s)
                expect(pooler.settings, pooler.transactions)
                expect(pooler.left_behind("TimeZone"), {usual})
                expect(pooler.left_behind("statement_timeout"), {"0"})
                expect(pooler.left_behind("default_transaction_read_only"), {"off"})


def tells_a_session_of_its_own_once(db):
    """A Unix socket through which nobody shares a session."""
    with tempfile.TemporaryDirectory() as folder, behind_a_pooler(db, folder=folder, sessions=1) as (s, pooler):
        ask_for_settings(s)
        expect((pooler.settings, pooler.transactions > 5), (1, True))


def refuses_bad_settings(db):
    cases = {"SEQREC_LISTEN": ["8080", "127.0.0.1:99999", "::1:80", "[127.0.0.1]:80", "example.org:80", "127.0.0.1:", ":80"],
             "SEQREC_POOL": ["0", "-1", "many", "1.5", "1 "], "SEQREC_ACCESS_LOG": ["yes"], "SEQREC_DEADLINE_MS": ["5"],
             "SEQREC_DSN": ["nonsense", "password=hunter2 bad"], "SEQREC_PREPARE": ["1"], "SEQREC_MODEL": ["x" * 513]}
    for name, values in cases.items():
        for value in values:
            result = run_program(**{name: value})
            expect(result.returncode, 2, f"{name}={value}")
            expect((result.stdout, result.stderr.count("\n")), ("", 1), f"{name}={value}")
            assert result.stderr.startswith(f"seqrec-http: {name}") and "hunter2" not in result.stderr, result.stderr
    expect(run_program("--nonsense").returncode, 2)


def says_when_it_cannot_listen(db):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = run_program(SEQREC_LISTEN=f"127.0.0.1:{taken.getsockname()[1]}")
        expect((result.returncode, result.stderr.count("\n")), (1, 1), result.stderr)
        expect(result.stderr, f"seqrec-http: cannot listen on 127.0.0.1:{taken.getsockname()[1]} (SEQREC_LISTEN): Address already in use\n")


def explains_itself(db):
    text = run_program("--help").stdout
    for name in ("SEQREC_LISTEN", "SEQREC_QUEUE", "SEQREC_DRAIN_MS"):
        assert name in text
    assert re.fullmatch(r"seqrec-http \d+\.\d+\.\d+\n", run_program("--version").stdout)
    shown = run_program("--print-config", SEQREC_DSN="host=db.example password=hunter2", SEQREC_POOL="3", PGUSER="maria").stdout
    assert "hunter2" not in shown and "password=****" in shown, shown
    for line in ("SEQREC_POOL=3", "SEQREC_QUEUE=192", "  host=db.example", "  user=maria"):
        assert line in shown.splitlines(), shown
    with sidecar(db, SEQREC_POOLS=3) as s:
        assert "SEQREC_POOLS is not a setting" in s.log()


GROUPS = [Plain, Narrow, Deep, Restarts]
SINGLE = [drains_on_sigterm, ends_at_once_on_sigint_and_on_a_second_signal, starts_without_a_database,
          bounds_the_wait_for_a_dumb_database, cancels_what_the_server_lets_run, gives_up_on_a_backend_that_ignores_a_cancel, listens_on_ipv6, takes_a_dsn,
          takes_no_poolers_session_for_its_own, tells_a_session_of_its_own_once,
          refuses_bad_settings, says_when_it_cannot_listen, explains_itself]


if __name__ == "__main__":
    main(GROUPS, SINGLE)
