#!/usr/bin/python3
"""A kind that no file of seqrec names (test/fixtures/) goes through train, publish, serve, explain, HTTP and the dashboard."""

import json
import math
import os
import sys

sys.dont_write_bytecode = True

import browser_test
from clusters import restart_with
from fixture_kind import KIND, install_fixture, libraries
from http_support import Here, Sidecar, expect
from testing import main, refused, sql

ADMIN = "admin-token-0123456789"
QUICK = """'{"index": "none", "weight": 3, "repeats": "first"}'"""


def is_listed_with_its_options():
    expect(sql("SELECT string_agg(kind, ',' ORDER BY n) FROM seqrec_kinds() WITH ORDINALITY k(kind, meaning, score, options, learns_from, n)"), f"transformer,logistic,two_tower,vae,p5,{KIND}")
    form, weight = sql(f"SELECT score, options->'weight'->>'default' FROM seqrec_kinds() WHERE kind = '{KIND}'").split("|")
    expect(json.loads(form), {"link": "dot", "item_bias": True, "user_offset": True})
    expect(weight, "2")
    for kind, learns_from in (line.split("|") for line in sql("SELECT kind, learns_from FROM seqrec_kinds()").splitlines()):
        for table in ("items", "users"):
            if table not in learns_from:
                refused(f"SELECT seqrec_train('ratings', kind => '{kind}', {table} => 'ratings')", "0A000", f"does not use a table of {table}")
    expect(sql("SELECT string_agg(kind, ',') FROM seqrec_kinds() WHERE learns_from @> '{items,users}'"), f"logistic,two_tower,{KIND}")
    refused(f"SELECT seqrec_train('ratings', kind => '{KIND}', options => '{{\"weight\": 101}}')", "22023", "0 to 100")
    refused(f"SELECT seqrec_train('ratings', kind => '{KIND}', options => '{{\"dim\": 8}}')", "22023", "weight")
    refused("SELECT seqrec_train('ratings', kind => 'gru')", "22023", '"gru"', f"transformer, logistic, two_tower, vae, p5, {KIND}")


def is_trained_and_published():
    job = sql(f"SELECT seqrec_train('ratings', model => 'cats', kind => '{KIND}', options => {QUICK})")
    sql(f"CALL seqrec_wait({job})")
    expect(sql(f"SELECT kind, state, metrics ? 'ndcg@10', metrics ? 'markov_ndcg@10' FROM seqrec_jobs WHERE job_id = {job}"), f"{KIND}|done|t|t")
    expect(sql("SELECT kind, dim, score->>'link', config->>'weight' FROM seqrec.models WHERE name = 'cats'"), f"{KIND}|4|dot|3.0")


def scores_by_definition(user_known, clicks):
    """Every item's score, from the tables alone."""
    rows = sql("SELECT idx, item_id, embedding[4] FROM seqrec.items WHERE model_id = (SELECT model_id FROM seqrec.models WHERE name = 'cats')")
    index, popularity = {}, {}
    for row in rows.splitlines():
        idx, item, own = row.split("|")
        index[item], popularity[item] = int(idx), float(own)
    shares = {}
    for click in clicks:
        shares[index[click] % 3] = shares.get(index[click] % 3, 0) + 3 / len(clicks)
    return {item: popularity[item] + shares.get(index[item] % 3, 0) + (0.25 if user_known else -0.25) for item in index}


def answers_as_its_definition_says():
    for user, known in (("u7", True), ("nobody", False)):
        for clicks in (["i3"], ["i1", "i2", "i3", "i7"]):
            array = "{" + ",".join(clicks) + "}"
            wanted = scores_by_definition(known, clicks)
            best = sorted(wanted.values(), reverse=True)[:10]
            for setting in ("off", "on"):
                rows = sql(f"SET seqrec.exact = {setting}; SELECT item_id, score FROM seqrec_recommend('{user}', '{array}'::text[], 10, 'cats', exclude_seen => false)").splitlines()
                found = [row.split("|") for row in rows]
                expect(len(found), 10)
                for (item, score), value in zip(found, best):
                    assert math.isclose(float(score), wanted[item], abs_tol=1e-4) and math.isclose(wanted[item], value, abs_tol=1e-4), (item, score, wanted[item], value)
            floor = best[4]
            rows = sql(f"SELECT score FROM seqrec_recommend('{user}', '{array}'::text[], 10, 'cats', exclude_seen => false, min_score => {floor - 1e-4})").splitlines()
            expect(len(rows), sum(value > floor - 1e-4 for value in wanted.values()) if len(rows) < 10 else 10)
            scored = dict(row.split("|")[:2] for row in sql(f"SELECT item_id, score FROM seqrec_score('{user}', '{array}'::text[], '{{i1,i9}}'::text[], 'cats')").splitlines())
            for item in ("i1", "i9"):
                assert math.isclose(float(scored[item]), wanted[item], abs_tol=1e-4), (scored, wanted[item])
    expect(sql("SELECT DISTINCT source FROM seqrec_recommend_batch('{u1}'::text[], '[[]]', 3, 'cats')"), "popular")


def explains_and_finds_similar_ones():
    with_click = scores_by_definition(True, ["i3"])
    without = scores_by_definition(True, [])
    item, click, contribution = sql("SELECT item_id, because_of, contribution FROM seqrec_explain('u7', '{i3}'::text[], '{i3}'::text[], 'cats')").split("|")
    expect((item, click), ("i3", "i3"))
    assert math.isclose(float(contribution), with_click["i3"] - without["i3"], abs_tol=1e-4), contribution
    similar = sql("SELECT score FROM seqrec_similar_items('i3', 5, 'cats')").splitlines()
    assert len(similar) == 5 and all(math.isclose(float(score), 1, abs_tol=1e-6) for score in similar), similar  # of one category, whatever their popularity


def is_served_over_http():
    server = Sidecar(Here, PGDATABASE=os.environ["PGDATABASE"], PGUSER="postgres", SEQREC_MODEL="cats", SEQREC_ADMIN_DSN="user=postgres", SEQREC_ADMIN_TOKEN=ADMIN)
    try:
        server.wait_ready()
        kinds = server.request("GET", "/kinds")[2]["kinds"]
        expect([kind["kind"] for kind in kinds], ["transformer", "logistic", "two_tower", "vae", "p5", KIND])
        status, _, body = server.request("POST", "/recommend", json.dumps({"user_id": "u7", "recent_clicks": ["i3"], "top_k": 5, "model": "cats", "with_scores": True, "explain": True, "min_score": 2}),
                                         {"Content-Type": "application/json"})
        expect(status, 200)
        wanted = sorted(scores_by_definition(True, ["i3"]).values(), reverse=True)
        assert len(body["recommended_item_ids"]) == 5 and wanted[0] > 2, body
        body = server.request("POST", "/recommend", json.dumps({"user_id": "nobody", "recent_clicks": [], "top_k": 3, "with_scores": True, "explain": True,
                              "context": {"category": 1, "mood": "good"}}), {"Content-Type": "application/json"})[2]
        expect((body["unknown_context"], {reason["source"] for reason in body["reasons"]}, "fallback" in body), (["mood"], {"user"}, False))
        refusal = server.request("POST", "/recommend", '{"user_id": "u7", "recent_clicks": [], "min_probability": 0.5}', {"Content-Type": "application/json"})
        expect((refusal[0], refusal[2]["sqlstate"]), (400, "0A000"))
        body = server.request("GET", "/models/cats/coefficients?top=2", headers={"Authorization": f"Bearer {ADMIN}"})[2]
        expect(body, {"model": "cats", "count": 3, "coefficients": [
            {"feature": "category", "value": "1", "coefficient": 3, "standard_error": 0.5, "rows": 8},
            {"feature": "category", "value": "帐篷", "coefficient": -3, "standard_error": 0.125, "rows": 9}]})
        models = server.request("GET", "/models")[2]["models"]
        expect([model["kind"] for model in models], [KIND])
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {ADMIN}"}
        status, _, body = server.request("POST", "/train", json.dumps({"ratings": "ratings", "model": "over_http", "kind": KIND}), headers)
        expect(status, 202)
        sql(f"CALL seqrec_wait({body['job_id']})")
    finally:
        server.stop()


def is_shown_by_the_dashboard():
    browser_test.install_modules()
    server = Sidecar(Here, PGDATABASE=os.environ["PGDATABASE"], PGUSER="postgres", SEQREC_MODEL="cats", SEQREC_ADMIN_DSN="user=postgres", SEQREC_ADMIN_TOKEN=ADMIN)
    try:
        server.wait_ready()
        passed, failed = browser_test.run_browser("kinds.mjs", SHOP=browser_test.url(server), KIND=KIND, MODEL="cats", ADMIN_TOKEN=ADMIN, CHROMIUM=browser_test.chromium(),
                                                  SCREENSHOTS=browser_test.SCREENSHOTS)
        expect((passed, failed), (5, 0))
    finally:
        server.stop()


def a_build_without_it_refuses_it_by_name():
    libraries("$libdir/seqrec")
    restart_with("dynamic_library_path = '$libdir'\nseqrec.trainer = ''")
    refused("SELECT * FROM seqrec_recommend('u7', '{i3}'::text[], 5, 'cats')", "0A000", f'"{KIND}"', "transformer")


install_fixture()
main(is_listed_with_its_options, is_trained_and_published, answers_as_its_definition_says, explains_and_finds_similar_ones, is_served_over_http,
     is_shown_by_the_dashboard, a_build_without_it_refuses_it_by_name)
