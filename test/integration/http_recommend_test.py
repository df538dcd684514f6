#!/usr/bin/python3
# Runs alone: it holds seqrec-http to times
"""Tests of /recommend, /recommend/batch and /similar with stubs of the functions they ask: every field and every limit, and
requests that are joined while they wait for a connection."""

import contextlib
import json
import re
import sys
import threading
import time

sys.dont_write_bytecode = True

from http_support import (attempt, expect, expect_problem, in_parallel, main, running_queries, sidecar,
                          wait_until)

VERSION = "f0478fd1-757c-4d65-9940-7e49e6e02e52"


def ids(answer):
    expect(answer[0], 200, str(answer[2]))
    return answer[2]["recommended_item_ids"]


def batch(s, requests, **fields):
    body = json.dumps({"requests": requests, **fields})
    return s.request("POST", "/recommend/batch", body, {"Content-Type": "application/json"})


class Fields:
    """One sidecar with the usual settings."""

    settings = {"SEQREC_POOL": 2}

    def passes_every_wish_on(self, s, db):
        expect(ids(s.recommend("wish")), ["10", "default", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL", "0"])
        expect(ids(s.recommend("wish", top_k=7, model="second", exclude_item_ids=["a", 1], exclude_seen=False,
                               candidate_item_ids=["b", "c,d"], min_score=-0.25, min_probability=0.5, diversity=0.2,
                               context={"b": [1, None], "a": "é\"'"})),
               ["7", "second", "{a,1}", "false", '{b,"c,d"}', "-0.25", "0.5", '{"a": "é\\"\'", "b": [1, null]}', "0.2"])
        expect(ids(s.recommend("wish", exclude_item_ids=[], candidate_item_ids=[], min_score=0)),
               ["10", "default", "NULL", "NULL", "{}", "0", "NULL", "NULL", "0"])
        expect(ids(s.recommend("wish", exclude_item_ids=None, candidate_item_ids=None, exclude_seen=None, min_score=0.1, context=None)),
               ["10", "default", "NULL", "NULL", "NULL", "0.1", "NULL", "NULL", "0"])

    def answers_plainly_when_nothing_is_new(self, s, db):
        raw = s.raw(b"POST /recommend HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n"
                    b"Content-Length: 28\r\n\r\n" + b'{"user_id":"u", "top_k": 2 }')
        expect(raw.split(b"\r\n\r\n")[1], b'{"recommended_item_ids":["u-1","u-2"]}')
        assert b"Server-Timing: " in raw, raw

    def tells_scores(self, s, db):
        body = s.recommend("u", top_k=3, with_scores=True, headers={"X-Request-Id": "mine"})[2]
        expect(set(body), {"recommended_item_ids", "scores", "model_version", "request_id", "took_ms"})
        expect((body["scores"], body["model_version"], body["request_id"]), ([1, 0.5, 0.33333334], VERSION, "mine"))
        assert 0 < body["took_ms"] < 1000, body
        expect(set(s.recommend("u", with_scores=False)[2]), {"recommended_item_ids"})

    def explains(self, s, db):
        body = s.recommend("u", recent_clicks=["a", 'b"'], top_k=3, explain=True)[2]
        expect(body["reasons"], [{"because_of": "a", "contribution": 1, "source": "clicks", "text": "a -"},
                                 {"because_of": 'b"', "contribution": 0.5, "source": "clicks", "text": 'b" -'},
                                 {"because_of": None, "contribution": 0.33333334, "source": "user", "text": "user -"}])
        expect(set(body), {"recommended_item_ids", "scores", "reasons", "model_version", "request_id", "took_ms"})
        expect(s.recommend("u", top_k=1, explain=True)[2]["reasons"], [{"because_of": None, "contribution": 1, "source": "user", "text": "user -"}])
        nothing = s.recommend("echo", recent_clicks=[], explain=True)[2]
        expect((nothing["recommended_item_ids"], nothing["scores"], nothing["reasons"]), ([], [], []))

    def words_reasons_in_the_language_that_is_asked_for(self, s, db):
        def text(header=None, **more):
            headers = {} if header is None else {"Accept-Language": header}
            return s.recommend("u", recent_clicks=["a"], top_k=1, explain=True, headers=headers, **more)[2]["reasons"][0]["text"]
        expect(text(language="zh"), "a zh")
        expect(text("zh-CN,zh;q=0.9,en;q=0.8"), "a zh-CN")
        expect(text("fr;q=0.9, en;q=0.2", language=None), "a en")
        expect(text("zh", language="en"), "a en")
        expect(text("*;q=x"), "a -")
        expect(ids(s.recommend("u", top_k=1, language="zh")), ["u-1"])

    def tells_unknown_clicks_and_popular_answers(self, s, db):
        expect(s.recommend("u", recent_clicks=["a", "unknown 1", "unknown\t2"], top_k=1)[2],
               {"recommended_item_ids": ["u-1"], "unknown_item_ids": ["unknown 1", "unknown\t2"]})
        expect(s.recommend("nobody", top_k=1)[2], {"recommended_item_ids": ["nobody-1"], "fallback": "popular"})

    def tells_probabilities_and_unknown_context(self, s, db):
        body = s.recommend("probable", top_k=2, with_scores=True, context={"unknown a": 1, "known": 2})[2]
        expect((body["scores"], body["probabilities"], body["unknown_context"]), ([1, 0.5], [1, 0.5], ["unknown a"]))
        expect(set(s.recommend("probable", top_k=2, context={"known": 1})[2]), {"recommended_item_ids"})
        assert "probabilities" not in s.recommend("u", top_k=2, with_scores=True)[2]
        body = s.recommend("probable", top_k=1, explain=True, recent_clicks=["a"], context={"unknown": None})[2]
        expect((body["reasons"][0]["because_of"], body["probabilities"], body["unknown_context"]), ("a", [1], ["unknown"]))
        results = batch(s, [{"user_id": "probable", "context": {"unknown": 1}}, {"user_id": "u"}], top_k=1, with_scores=True)[2]["results"]
        expect(results, [{"recommended_item_ids": ["probable-1"], "scores": [1], "probabilities": [1], "unknown_context": ["unknown"]},
                         {"recommended_item_ids": ["u-1"], "scores": [1]}])

    def refuses_a_probability_that_no_model_gives(self, s, db):
        problem = expect_problem(s.recommend("improbable", min_probability=0.5), 400, "refused-by-database", sqlstate="0A000", hint="Ask with min_score.")
        assert "gives no probability" in problem["detail"], problem
        expect(s.recommend("improbable")[0], 200)
        expect_problem(s.recommend("error:54000"), 400, "refused-by-database")

    def tells_that_own_rows_cannot_be_read(self, s, db):
        for more in ({}, {"explain": True}, {"with_scores": True}):
            problem = expect_problem(s.recommend("lost", **more), 422, "history-unavailable", sqlstate="42501", hint="Grant it.")
            expect((problem["title"], problem["detail"]), ("History unavailable", 'permission denied "here"'))
        problem = expect_problem(s.recommend("lost:22P02"), 422, "history-unavailable", sqlstate="22P02")
        assert "permission" not in problem["detail"] and "recent_clicks" in problem["hint"], problem
        assert "SQLSTATE 22P02: permission denied" in s.log() and problem["request_id"] in s.log(), s.log()

    def answers_the_others_of_a_batch(self, s, db):
        answer = batch(s, [{"user_id": "u"}, {"user_id": "lost"}, {"user_id": "echo", "recent_clicks": ["a"]}] + [{"user_id": "lost:XX000"}] * 50, top_k=1)
        expect(answer[0], 200)
        expect([r["recommended_item_ids"] for r in answer[2]["results"]], [["u-1"], [], ["a"]] + [[]] * 50)
        expect(answer[2]["results"][1], {"recommended_item_ids": [], "problem": {
            "type": "urn:seqrec:problem:history-unavailable", "title": "History unavailable", "status": 422, "detail": 'permission denied "here"',
            "sqlstate": "42501", "hint": "Grant it."}})
        expect([r.get("problem", {}).get("sqlstate") for r in answer[2]["results"][:4]], [None, "42501", None, "XX000"])
        expect(s.log().count("SQLSTATE XX000"), 1)

    def refuses_bad_wishes(self, s, db):
        cases = {"exclude_item_ids": ["a", {}, [None], [[]], [""], ["x" * 513], list(range(10001))],
                 "candidate_item_ids": ["a", 1, [True], [1.5], ["\0"], list(range(10001))],
                 "exclude_seen": [0, "true"], "with_scores": [None, 1], "explain": [[], "yes"], "language": ["", 1, "z", "zh_CN.UTF-8", "en'; --", "x" * 36],
                 "min_probability": [None, "0.5", -0.001, 1.001, True], "diversity": [None, "0.5", -0.001, 1.001, True, []], "context": [[], "{}", 1, {str(i): i for i in range(65)}, {"a": "x" * 70000}],
                 "min_score": [None, "0", 1e39, -1e300, True, []], "top_k": [0, 1001, 1.0, True], "model": ["", 5, None, "x" * 513]}
        for name, values in cases.items():
            for value in values:
                answer = s.recommend("u", **{name: value})
                body = expect_problem(answer, 400, "invalid-field")
                assert re.fullmatch(re.escape(name) + r"(\[0\])?", body["field"]), body

    def takes_lists_up_to_their_limits(self, s, db):
        many = list(range(10000))
        expect(ids(s.recommend("wish", exclude_item_ids=many))[2].count(","), 9999)
        expect(ids(s.recommend("wish", candidate_item_ids=many))[4].count(","), 9999)
        expect(ids(s.recommend("echo", recent_clicks=["x" * 40] * 1000)), ["x" * 40] * 1000)

    def answers_many_in_their_order(self, s, db):
        answer = batch(s, [{"user_id": "echo", "recent_clicks": ["a", "b"]}, {"user_id": "show"}, {"user_id": 7}, {"user_id": "nobody"},
                           {"user_id": "echo", "recent_clicks": ["unknown"]}, {"user_id": "show", "recent_clicks": None}], top_k=2)
        expect(answer[2], {"results": [
            {"recommended_item_ids": ["a", "b"]}, {"recommended_item_ids": ["NULL clicks, model default"]},
            {"recommended_item_ids": ["7-1", "7-2"]}, {"recommended_item_ids": ["nobody-1", "nobody-2"], "fallback": "popular"},
            {"recommended_item_ids": ["unknown"], "unknown_item_ids": ["unknown"]},
            {"recommended_item_ids": ["NULL clicks, model default"]}]})
        expect(set(answer[2]), {"results"})
        scored = batch(s, [{"user_id": "u"}], top_k=2, with_scores=True, model="second")[2]
        expect(set(scored), {"results", "model_version", "request_id", "took_ms"})
        expect(scored["results"], [{"recommended_item_ids": ["u-1", "u-2"], "scores": [1, 0.5]}])
        wish = batch(s, [{"user_id": "wish"}], exclude_item_ids=[1], exclude_seen=False, candidate_item_ids=["a"], min_score=1, diversity=0.5)[2]
        expect(wish["results"][0]["recommended_item_ids"], ["10", "default", "{1}", "false", "{a}", "1", "NULL", "NULL", "0.5"])
        wishes = batch(s, [{"user_id": "wish", "context": {"a": 1}}, {"user_id": "wish"}, {"user_id": "wish", "context": {}}], min_probability=1)[2]
        expect([result["recommended_item_ids"][6:] for result in wishes["results"]], [["1", '{"a": 1}', "0"], ["1", "NULL", "0"], ["1", "{}", "0"]])

    def answers_batches_of_any_size(self, s, db):
        expect(batch(s, [])[2], {"results": []})
        expect(set(batch(s, [], with_scores=True)[2]), {"results", "request_id", "took_ms"})
        expect(len(batch(s, [{"user_id": i} for i in range(1000)], top_k=1)[2]["results"]), 1000)
        expect_problem(batch(s, [{"user_id": i} for i in range(1001)]), 400, "invalid-field", field="requests")

    def refuses_bad_batches(self, s, db):
        cases = [({}, "requests"), ({"requests": None}, "requests"), ({"requests": {}}, "requests"), ({"requests": [1]}, "requests[0]"),
                 ({"requests": [{"user_id": "a"}, {}]}, "requests[1].user_id"),
                 ({"requests": [{"user_id": ""}]}, "requests[0].user_id"),
                 ({"requests": [{"user_id": "a", "recent_clicks": ["b", None]}]}, "requests[0].recent_clicks[1]"),
                 ({"requests": [{"user_id": "a", "recent_clicks": [1] * 1001}]}, "requests[0].recent_clicks"),
                 ({"requests": [{"user_id": "a", "top_k": 5}]}, "requests[0].top_k"),
                 ({"requests": [], "user_id": "a"}, "user_id"), ({"requests": [], "explain": True}, "explain"), ({"requests": [], "language": "zh"}, "language"),
                 ({"requests": [], "top_k": 0}, "top_k")]
        for body, field in cases:
            answer = s.request("POST", "/recommend/batch", json.dumps(body), {"Content-Type": "application/json"})
            expect_problem(answer, 400, "invalid-field", field=field)
        twice = '{"requests":[{"user_id":"a","user_id":"b"}]}'
        expect_problem(s.request("POST", "/recommend/batch", twice, {"Content-Type": "application/json"}), 400, "invalid-field",
                       field="user_id")
        expect_problem(batch(s, [{"user_id": "error:22023"}, {"user_id": "u"}]), 400, "refused-by-database", sqlstate="22023")
        expect_problem(batch(s, [{"user_id": "u"}], model="third"), 404, "unknown-model")

    def bounds_the_depth(self, s, db):
        def deep(levels):
            return '{"user_id":"u","recent_clicks":' + "[" * (levels - 1) + "]" * (levels - 1) + "}"
        expect_problem(s.post(deep(8)), 400, "invalid-field", field="recent_clicks[0]")
        expect_problem(s.post(deep(9)), 400, "invalid-json")

    def finds_similar_items(self, s, db):
        expect(s.request("GET", "/similar/lens?top_k=2")[2], {"similar_item_ids": ["lens~1", "lens~2"], "scores": [1, 0.5]})
        expect(len(s.request("GET", "/similar/lens")[2]["scores"]), 10)
        expect(s.request("GET", "/similar/a%2Fb%20%E4%B8%AD%25?top_k=1&model=second")[2]["similar_item_ids"], ["a/b 中%~1"])
        expect(s.request("GET", "/similar/a?top_k=2&exclude_item_ids=a~1&exclude_item_ids=a%7E3")[2]["similar_item_ids"], ["a~2", "a~4"])
        expect(s.request("GET", "/similar/a?candidate_item_ids=a~3&candidate_item_ids=x,y")[2]["similar_item_ids"], ["a~3"])
        expect(s.request("GET", "/similar/a?min_score=0.4")[2]["scores"], [1, 0.5])
        expect(s.request("GET", "/similar/unknown%20thing")[2],
               {"similar_item_ids": [], "scores": [], "unknown_item_ids": ["unknown thing"]})
        status, headers, body = s.request("HEAD", "/similar/lens")
        expect((status, body), (200, b""))
        assert int(headers["Content-Length"]) > 50

    def refuses_bad_questions_of_similarity(self, s, db):
        for query, field in (("top_k=0", "top_k"), ("top_k=1001", "top_k"), ("top_k=ten", "top_k"), ("top_k=", "top_k"), ("top_k=1e1", "top_k"),
                             ("model=", "model"), ("model=" + "x" * 513, "model"), ("k=5", "k"), ("top_k=1&top_k=2", "top_k"), ("x", "x"), ("min_score=1e39", "min_score"),
                             ("min_score=", "min_score"), ("min_score=nan", "min_score"), ("exclude_item_ids=", "exclude_item_ids"),
                             ("candidate_item_ids=a&candidate_item_ids=" + "x" * 513, "candidate_item_ids")):
            expect_problem(s.request("GET", "/similar/lens?" + query), 400, "invalid-field", field=field)
        expect_problem(s.request("GET", "/similar/" + "x" * 513), 400, "invalid-field", field="item_id")
        for path in ("/similar/%ff", "/similar/%2", "/similar/%00", "/similar/a?model=%C0%80", "/similar/a?%"):
            expect_problem(s.request("GET", path), 400, "malformed-request")
        for path in ("/similar/", "/similar", "/similar/a/b"):
            expect_problem(s.request("GET", path), 404, "unknown-path")
        expect(s.request("POST", "/similar/lens", "")[1]["Allow"], "GET, HEAD")
        expect_problem(s.request("GET", "/similar/lens?model=" + "%20" * 200 + "&top_k=" + "9" * 2000), 400, "invalid-field")

    def logs_the_pattern(self, s, db):
        s.request("GET", "/similar/secret-lens?model=second")
        s.request("GET", "/similar/secret-lens?bad=secret")
        lines = s.access_lines()[-2:]
        expect([(line["route"], line["status"]) for line in lines], [("/similar/{item_id}", 200), ("/similar/{item_id}", 400)])
        assert "secret" not in json.dumps(lines) and "secret" not in s.log()

    def documents_itself(self, s, db):
        status, headers, body = s.request("GET", "/openapi.json")
        expect((status, headers["Content-Type"], body["openapi"]), (200, "application/json", "3.1.0"))
        expect(s.request("GET", "/openapi.json", headers={"If-None-Match": headers["ETag"]})[0], 304)


def clicked(s, user, **fields):
    """A request that may be joined with others: one whose clicks are given."""
    return s.recommend(user, **{"recent_clicks": ["a click"], **fields})


@contextlib.contextmanager
def held_up(s, seconds=0.3):
    """The only connection is busy meanwhile; what is asked inside waits for it."""
    blocker = threading.Thread(target=attempt, args=(s, f"sleep:{seconds}"))
    blocker.start()
    time.sleep(0.1)
    yield
    blocker.join()


class Joined:
    """One connection: what waits for it is asked for at once."""

    settings = {"SEQREC_POOL": 1, "SEQREC_PIPELINE": 1, "SEQREC_DEADLINE_MS": 1500, "SEQREC_QUEUE": 200}

    def asks_together_for_what_waits(self, s, db):
        with held_up(s):
            answers = in_parallel(12, lambda i: ids(clicked(s, "together")))
        expect(answers, [["12"]] * 12)
        expect(ids(clicked(s, "together")), ["1"])

    def gives_each_its_own_answer(self, s, db):
        def ask(i):
            if i % 3 == 0:
                return ids(s.recommend("echo", recent_clicks=[f"{i}-{j}" for j in range(i)]))
            return ids(clicked(s, f"u{i}", top_k=i % 3, recent_clicks=["unknown"] * (i % 2)))
        with held_up(s):
            answers = in_parallel(30, ask)
        for i, answer in enumerate(answers):
            expect(answer, [f"{i}-{j}" for j in range(i)] if i % 3 == 0 else [f"u{i}-{j + 1}" for j in range(i % 3)])

    def joins_only_what_is_alike(self, s, db):
        wishes = [{"top_k": 5}, {"top_k": 6}, {"model": "second"}, {"exclude_item_ids": ["a"]}, {"exclude_seen": False},
                  {"candidate_item_ids": []}, {"min_score": 0.5}, {"min_probability": 0.5}, {"diversity": 0.2}, {"diversity": 0.3}, {"explain": True}, {"recent_clicks": None}]
        with held_up(s):
            answers = in_parallel(48, lambda i: ids(clicked(s, "together", **wishes[i % 12])))
        expect([answer[0] for answer in answers], (["8"] * 2 + ["4"] * 10) * 4)

    def gives_each_its_own_reasons(self, s, db):
        def ask(i):
            clicks = {"recent_clicks": [f"{i}-{j}" for j in range(i % 4)]} if i != 11 else {}
            return s.recommend("together" if i == 10 else f"u{i}", top_k=3, explain=True, **clicks)[2]
        with held_up(s):
            answers = in_parallel(12, ask)
        for i, answer in enumerate(answers):
            because_of = [f"{i}-{j}" for j in range(i % 4)] if i != 11 else []
            count = 1 if i == 10 else 3
            expect([reason["because_of"] for reason in answer["reasons"]], (because_of + [None] * 3)[:count])
        expect(answers[10]["recommended_item_ids"], ["11"], "who gave no clicks is asked for alone")

    def joins_contexts_with_contexts(self, s, db):
        with held_up(s):
            answers = in_parallel(8, lambda i: clicked(s, "wish" if i % 2 else "together", **({"context": {"n": i}} if i < 6 else {})))
        expect([ids(answer)[0] if i % 2 == 0 else ids(answer)[7] for i, answer in enumerate(answers)],
               ["6", '{"n": 1}', "6", '{"n": 3}', "6", '{"n": 5}', "2", "NULL"])

    def lets_a_bad_one_fail_alone(self, s, db):
        users = ["u", "error:22023", "v", "error:XX000", "w"]
        with held_up(s):
            answers = in_parallel(5, lambda i: clicked(s, users[i], top_k=1))
        expect([answer[0] for answer in answers], [200, 400, 200, 500, 200])
        expect([answers[i][2]["recommended_item_ids"] for i in (0, 2, 4)], [["u-1"], ["v-1"], ["w-1"]])

    def tells_one_of_them_that_rows_cannot_be_read(self, s, db):
        users = ["together", "lost", "together", "lost:22P02", "together"]
        with held_up(s):
            answers = in_parallel(5, lambda i: clicked(s, users[i]))
        expect([ids(answers[i]) for i in (0, 2, 4)], [["5"]] * 3)
        expect_problem(answers[1], 422, "history-unavailable", sqlstate="42501")
        expect_problem(answers[3], 422, "history-unavailable", sqlstate="22P02")

    def asks_alone_for_who_was_left_out(self, s, db):
        """A row without a version is no answer: there was no time to read that user's rows with the others'."""
        users = ["u", "late", "v", "late", "w"]
        with held_up(s):
            answers = in_parallel(5, lambda i: ids(s.recommend(users[i], top_k=i + 1)))
        expect(answers, [[f"{users[i]}-{n + 1}" for n in range(i + 1)] for i in range(5)])

    def survives_the_end_of_a_backend_with_many_waiting(self, s, db):
        with held_up(s):
            answers = in_parallel(6, lambda i: clicked(s, "exit" if i == 3 else f"u{i}", top_k=1))
        assert all(answer[0] in (200, 503) for answer in answers), answers
        wait_until(lambda: s.recommend("u")[0] == 200, "not back")

    def ends_each_at_its_own_deadline(self, s, db):
        answers = [None] * 4
        def ask(i, user):
            answers[i] = clicked(s, user, top_k=1)
        threads = [threading.Thread(target=ask, args=(i, user)) for i, user in enumerate(["u", "sleep:9", "v", "w"])]
        begin = time.monotonic()
        with held_up(s):
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert time.monotonic() - begin < 2.5
        expect(answers[1][0], 504)
        assert all(answer[0] in (200, 504) for answer in answers), answers
        wait_until(lambda: running_queries(db) == 0, "the query was not cancelled")
        expect(ids(s.recommend("u", top_k=1)), ["u-1"])

    def keeps_a_query_that_one_still_waits_for(self, s, db):
        """One of two that were asked for together has left at its deadline; the other is still answered."""
        late = []
        def ask_late():
            time.sleep(0.7)
            late.append(clicked(s, "sleep:0.6", top_k=1)[0])
        with held_up(s, 1.2):
            early = threading.Thread(target=clicked, args=(s, "u"))
            early.start()
            thread = threading.Thread(target=ask_late)
            thread.start()
            early.join()
            thread.join()
        expect(late, [200])

    def health_goes_before_all(self, s, db):
        with held_up(s):
            waiting = threading.Thread(target=lambda: in_parallel(20, lambda i: s.recommend("sleep:0.05", explain=True)))
            waiting.start()
            time.sleep(0.05)
            begin = time.monotonic()
            expect(s.request("GET", "/readyz")[0], 200)
            assert time.monotonic() - begin < 0.5
            waiting.join()


def never_joins_more_than_it_may(db):
    for size, together in ((1, {"1"}), (4, {"4"})):
        with sidecar(db, SEQREC_POOL=1, SEQREC_PIPELINE=2, SEQREC_BATCH=size) as s:
            s.wait_ready()
            with held_up(s):
                answers = in_parallel(12, lambda i: ids(clicked(s, "together"))[0])
            assert set(answers) & together and all(int(a) <= size for a in answers), answers


def shares_among_connections(db):
    with sidecar(db, SEQREC_POOL=3, SEQREC_PIPELINE=1) as s:
        s.wait_ready()
        blockers = [threading.Thread(target=attempt, args=(s, "sleep:0.3")) for _ in range(3)]
        for blocker in blockers:
            blocker.start()
        time.sleep(0.1)
        answers = in_parallel(12, lambda i: int(ids(clicked(s, "together"))[0]))
        assert max(answers) <= 5 and sum(answers) > 30, answers
        for blocker in blockers:
            blocker.join()


GROUPS = [Fields, Joined]
SINGLE = [never_joins_more_than_it_may, shares_among_connections]


if __name__ == "__main__":
    main(GROUPS, SINGLE)
