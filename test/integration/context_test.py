#!/usr/bin/python3
"""What is known beyond clicks, probabilities and coefficients, with a kind that has them (test/fixtures/)."""

import glob
import json
import math
import os
import sys

sys.dont_write_bytecode = True

from fixture_kind import KIND, install_fixture, libraries
from http_support import expect
from testing import after, main, refused, sql

ASK = "SELECT item_id FROM seqrec_recommend('u7', '{{i3}}', 60, 'cats', exclude_seen => false{}) ORDER BY rank"


def category(item):
    """Of an item, as the model has it: its index modulo three."""
    return CATEGORY[item]


def train():
    job = sql(f"SELECT seqrec_train('ratings', model => 'cats', kind => '{KIND}', options => '{{\"index\": \"none\", \"weight\": 3, \"repeats\": \"first\"}}')")
    sql(f"CALL seqrec_wait({job})")
    for row in sql("SELECT item_id, idx % 3 FROM seqrec.items").splitlines():
        item, number = row.split("|")
        CATEGORY[item] = int(number)


CATEGORY = {}


def make_logits():
    """The same model with scores that are logits, as a kind with probabilities would have published it."""
    version = sql("""UPDATE seqrec.models SET score = jsonb_set(score, '{link}', '"sigmoid"') WHERE name = 'cats' RETURNING version""").splitlines()[0]
    for file in glob.glob(os.path.join(os.environ["PGDATA"], "seqrec", "*", version + ".safetensors*")):
        os.remove(file)


def context_moves_what_is_recommended():
    train()
    for wanted in range(3):
        items = sql(ASK.format(f""", context => '{{"category": {wanted}}}'""")).splitlines()
        first = items[:5]
        assert all(category(item) in (wanted, category("i3")) for item in first), (wanted, first)
        assert any(category(item) == wanted for item in first), (wanted, first)
    plain = sql(ASK.format(""))
    expect(sql(ASK.format(", context => NULL")), plain)
    expect(sql(ASK.format(""", context => '{"category": 17}'""")), plain)
    expect(sql(ASK.format(""", context => '{}'""")), plain)


@after(context_moves_what_is_recommended)
def it_speaks_for_who_is_unknown_and_has_no_clicks():
    info = json.loads(sql("""SELECT seqrec_recommend_info('nobody', '{}', 5, 'cats', context => '{"category": 2, "mood": "good", "weather": null}')"""))
    expect((info["source"], info["fallback"], info["unknown_context"]), ("user", False, ["mood", "weather"]))
    expect({category(item["item_id"]) for item in info["items"]}, {2})
    assert "probability" not in info["items"][0], info
    info = json.loads(sql("SELECT seqrec_recommend_info('nobody', '{}', 5, 'cats')"))
    expect((info["source"], info["unknown_context"]), ("popular", []))


@after(context_moves_what_is_recommended)
def a_batch_has_one_for_all_or_one_for_each():
    rows = sql("""SELECT request, source, string_agg(DISTINCT item_id, ',') FROM seqrec_recommend_batch('{u1,u2,u3}', '[[],[],[]]', 2, 'cats',
                  context => '[{"category": 0}, null, {"category": 1}]') GROUP BY 1, 2 ORDER BY 1""").splitlines()
    found = [row.split("|") for row in rows]
    expect([row[1] for row in found], ["user", "popular", "user"])
    expect([{category(item) for item in found[place][2].split(",")} for place in (0, 2)], [{0}, {1}])
    rows = sql("""SELECT DISTINCT item_id FROM seqrec_recommend_batch(array_fill('u1'::text, '{1300}')::text[], (SELECT jsonb_agg('[]'::jsonb) FROM generate_series(1, 1300)), 2, 'cats',
                  context => '{"category": 1}')""").splitlines()
    expect({category(item) for item in rows}, {1})
    rows = sql("""SELECT source, item_ids[1], unknown_context, probabilities FROM seqrec.answers('{u1,u2}', '{0,0}', '{}', 2, 'cats',
                  contexts => ARRAY['{"category": 1, "x": 1}', NULL]::jsonb[])""").splitlines()
    expect([(row.split("|")[0], row.split("|")[2:]) for row in rows], [("user", ["{x}", ""]), ("popular", ["{}", ""])])
    expect(category(rows[0].split("|")[1]), 1)


@after(context_moves_what_is_recommended)
def scores_reasons_and_vectors_follow_it():
    item = next(item for item in CATEGORY if category(item) == 1)
    plain, with_context = (float(sql(f"SELECT score FROM seqrec_score('u7', '{{i3}}', '{{{item}}}', 'cats'{more})")) for more in ("", """, '{"category": 1}'"""))
    assert math.isclose(with_context - plain, 3, abs_tol=1e-4), (plain, with_context)
    because, contribution, source = sql(f"""SELECT because_of, contribution, source FROM seqrec_explain('u7', '{{}}', '{{{item}}}', 'cats', '{{"category": 1}}')""").split("|")
    expect((because, source), ("", "user"))
    assert math.isclose(float(contribution), 3.5, abs_tol=1e-4), contribution  # and what a known user adds
    expect(sql("""SELECT seqrec_user_embedding('nobody', '{}', 'cats', context => '{"category": 1}')"""), "{0,3,0,1}")
    # a call site keeps a vector for what it was made from, the context included
    rows = sql(f"""SELECT DISTINCT c, round(seqrec_score_item('u7', '{{i3}}', '{item}', 'cats', jsonb_build_object('category', c))::numeric, 3)
                   FROM generate_series(0, 2) c, generate_series(1, 3) ORDER BY 1""").splitlines()
    scores = [float(row.split("|")[1]) for row in rows]
    assert len(scores) == 3 and math.isclose(scores[1] - scores[0], 3, abs_tol=2e-3) and scores[0] == scores[2], rows


@after(context_moves_what_is_recommended)
def probabilities_are_of_models_that_have_them():
    refused("SELECT seqrec_recommend('u7', '{i3}', 5, 'cats', min_probability => 0.5)", "0A000", 'model "cats" gives no probability of single items', "min_score", "sigmoid")
    make_logits()
    items = json.loads(sql("""SELECT seqrec_recommend_info('u7', '{i3}', 60, 'cats', exclude_seen => false)->'items'"""))
    for item in items:
        assert math.isclose(item["probability"], 1 / (1 + math.exp(-item["score"])), abs_tol=1e-6), item
    for floor in (items[0]["probability"], items[7]["probability"], (items[30]["probability"] + items[29]["probability"]) / 2):
        found = sql(f"SELECT item_id FROM seqrec_recommend('u7', '{{i3}}', 60, 'cats', exclude_seen => false, min_probability => {floor})").splitlines()
        expect(len(found), sum(item["probability"] >= floor for item in items))
    best = items[0]["score"]
    expect(sql(f"SELECT count(*) FROM seqrec_recommend('u7', '{{i3}}', 60, 'cats', exclude_seen => false, min_probability => 0.01, min_score => {best + 1})"), "0")
    expect(sql("SELECT count(*) > 0, bool_and(1 / (1 + exp(-score)) >= 0.99) FROM seqrec_recommend_all(3, 'cats', min_probability => 0.99)"), "t|t")
    rows = sql("SELECT scores, probabilities FROM seqrec.answers('{u7,nobody}', '{1,0}', '{i3}', 2, 'cats', min_probability => 0.9)").splitlines()
    scores, probabilities = ([float(x) for x in part.strip("{}").split(",")] for part in rows[0].split("|"))
    assert all(math.isclose(p, 1 / (1 + math.exp(-s)), abs_tol=1e-5) for s, p in zip(scores, probabilities)), rows
    expect(rows[1], "{}|")
    expect(sql("SELECT round(probability::numeric, 4) = round((1 / (1 + exp(-score)))::numeric, 4) FROM seqrec_score('u7', '{i3}', '{i1}', 'cats')"), "t")


@after(probabilities_are_of_models_that_have_them)
def popular_items_have_none():
    """A list that is not personal would pass no promise of a probability: it is empty, and says why."""
    expect(sql("SELECT count(*) FROM seqrec_recommend('nobody', '{}', 5, 'cats')"), "5")
    expect(sql("SELECT count(*) FROM seqrec_recommend('nobody', '{}', 5, 'cats', min_probability => 0)"), "5")
    info = json.loads(sql("SELECT seqrec_recommend_info('nobody', '{}', 5, 'cats', min_probability => 0.001)"))
    expect((info["source"], info["items"]), ("popular", []))
    assert "probability" not in json.loads(sql("SELECT seqrec_recommend_info('nobody', '{}', 5, 'cats')"))["items"][0]


@after(context_moves_what_is_recommended)
def coefficients_are_read():
    expect(sql("SELECT feature, value, coefficient, standard_error, rows FROM seqrec_coefficients('cats')").splitlines(),
           ["unknown||-0.25||7", "category|1|3|0.5|8", "category|帐篷|-3|0.125|9"])
    sql("CREATE ROLE reader LOGIN")
    refused("SELECT seqrec_coefficients('cats')", "42501", user="reader")
    sql("GRANT EXECUTE ON FUNCTION seqrec_coefficients TO reader")
    expect(sql("SELECT count(*) FROM seqrec_coefficients('cats')", user="reader"), "3")
    refused("SELECT seqrec_coefficients('nothing')", "42704")


def train_visits(options, model="visits"):
    given = {"dim": 16, "layers": 1, "members": 1, "epochs": 8, "repeats": "keep", "learning_rate": 0.02, "batch_tokens": 128, "device": "cpu", **options}
    job = sql(f"SELECT seqrec_train('visits', model => '{model}', options => '{json.dumps(given)}')")
    sql(f"CALL seqrec_wait({job})")
    return json.loads(sql(f"SELECT metrics FROM seqrec_jobs WHERE job_id = {job}")), json.loads(sql(f"SELECT config FROM seqrec.models WHERE name = '{model}' AND active"))


EVENTS = {"context": ["device", "event"], "event_column": "event", "event_weights": {"view": 1, "buy": 3, "dislike": -1}, "exclude_events": ["dislike"], "context_use": "all"}


def the_transformer_knows_of_moments():
    """Who has a phone goes on to the next item, who has a desk five further; every seventh visit is a dislike of the item nine further."""
    sql("""CREATE TABLE visits AS WITH RECURSIVE walk AS (
               SELECT u, 0 AS g, u % 24 AS item, 'phone' AS device, 'view' AS event FROM generate_series(1, 250) u
               UNION ALL SELECT u, g + 1, CASE WHEN (u + g) % 7 = 6 THEN (item + 9) % 24 WHEN hashint4(u * 100 + g) % 2 = 0 THEN (item + 1) % 24 ELSE (item + 5) % 24 END,
                   CASE WHEN (u + g) % 7 = 6 OR hashint4(u * 100 + g) % 2 = 0 THEN 'phone' ELSE 'desk' END,
                   CASE WHEN (u + g) % 7 = 6 THEN 'dislike' WHEN g % 3 = 0 THEN 'buy' ELSE 'view' END FROM walk WHERE g < 9)
           SELECT 'u' || u AS user_id, 'v' || item AS item_id, timestamptz '2026-03-01' + make_interval(hours => u % 50 + g * 5) AS timestamp, device, event FROM walk""")
    metrics, config = train_visits(EVENTS)
    expect(config["context_use"], "all")
    expect([column["name"] for column in config["context_columns"]], ["hour", "weekday", "gap", "device", "event"])
    test = metrics["context_test_ndcg@10"]
    assert test["with"] > test["plain"], metrics
    ask = "SELECT string_agg(item_id || ':' || score, ' ' ORDER BY rank) FROM seqrec_recommend('nobody', '{{v3,v4}}', 5, 'visits'{})"
    plain = sql(ask.format(""))
    phone, desk = (sql(ask.format(f""", context => '{{"device": "{device}", "event": "view"}}'""")) for device in ("phone", "desk"))
    assert len({plain, phone, desk}) == 3, (plain, phone, desk)
    expect(sql(ask.format(""", context => '{"device": "fridge", "mood": 1}'""")), plain)
    timed = ask.format(", context => jsonb_build_object('time', timestamptz '2026-11-28 22:10:00+00', 'gap', 3600)")
    assert sql(timed) != plain
    expect(sql(timed), sql(ask.format(""", context => '{"hour": 22, "weekday": 6, "gap": 3600}'""")))
    clicks = """, context => '{"clicks": [{"event": "dislike"}, null, {"event": "view"}]}'"""
    said = sql(ask.format(clicks).replace("{v3,v4}", "{v3,unknown,v4}"))
    assert said != plain
    expect(said, sql(ask.format(""", context => '{"clicks": [{"event": "dislike"}, {"event": "view"}]}'""")))
    expect(json.loads(sql("""SELECT seqrec_recommend_info('nobody', '{v3}', 5, 'visits', context => '{"device": "fridge", "event": "view", "time": "now", "clicks": []}')"""))["unknown_context"],
           ["device", "time"])
    score = "SELECT score FROM seqrec_score('nobody', '{v3,v4}', '{v5}', 'visits', context => '{\"device\": \"phone\"}')"
    assert sql(score) != sql("SELECT score FROM seqrec_score('nobody', '{v3,v4}', '{v5}', 'visits')")


@after(the_transformer_knows_of_moments)
def what_a_user_disliked_is_never_recommended():
    row = sql("SELECT user_id, string_agg(DISTINCT item_id, ',') FROM visits WHERE event = 'dislike' GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1").split("|")
    disliked = set(row[1].split(","))
    everything = ("exclude_seen => false", "exclude_seen => true", "exclude_seen => NULL")
    for more in everything:
        shown = set(sql(f"SELECT item_id FROM seqrec_recommend('{row[0]}', '{{v3,v4}}', 24, 'visits', {more})").splitlines())
        assert not shown & disliked, (more, shown & disliked)
    expect(set(sql("SELECT item_id FROM seqrec_recommend('nobody', '{v3,v4}', 24, 'visits', exclude_seen => false)").splitlines()) >= disliked, True)
    rows = sql("""SELECT count(*) FROM seqrec_recommend_all(24, 'visits', exclude_seen => false) a JOIN (SELECT DISTINCT user_id, item_id FROM visits WHERE event = 'dislike') d USING (user_id, item_id)""")
    expect(rows, "0")
    for path in glob.glob(os.path.join(os.environ["PGDATA"], "seqrec", "**", "*.safetensors*"), recursive=True):
        os.unlink(path)  # the tables are the truth
    shown = set(sql(f"SELECT item_id FROM seqrec_recommend('{row[0]}', '{{v3,v4}}', 24, 'visits', exclude_seen => false)").splitlines())
    assert shown and not shown & disliked


@after(the_transformer_knows_of_moments)
def it_goes_on_from_what_it_knew():
    _, config = train_visits({**EVENTS, "context_use": "auto", "init_from": "visits"})
    expect(config["context_use"], "all")
    plain, _ = train_visits({"context_use": "none"}, model="plain")
    assert "context_test_ndcg@10" not in plain, plain


@after(the_transformer_knows_of_moments)
def mistakes_about_events_are_named():
    call = lambda options: f"SELECT seqrec_train('visits', model => 'wrong', options => '{json.dumps(options)}')"
    refused(call({"context": ["gadget"]}), "42703", "Columns that can be used for context: device, event.")
    refused(call({"event_column": "event", "event_weights": {"buy": "3"}}), "22023", "-1000000 to 1000000")
    refused(call({"exclude_events": ["dislike"]}), "22023", "event_column")
    refused(call({"event_column": "event", "exclude_events": "dislike"}), "22023", '["dislike"]')
    refused(call({"context_use": "some"}), "22023", "auto, none".replace(", ", "|"))
    for options, parts in (({"event_column": "event", "exclude_events": ["dislikes"]}, ("dislikes", "buy", "dislike", "view")),
                           ({"context_use": "columns"}, ("no column of context",)),
                           ({"event_column": "event", "event_weights": {"view": 0, "buy": -1, "dislike": 0}}, ("above 0",))):
        job = sql(call(options))
        refused(f"CALL seqrec_wait({job})")
        told = sql(f"SELECT sqlstate, error, hint FROM seqrec_jobs WHERE job_id = {job}")
        for part in parts:
            assert part in told, (part, told)


def text_comes_from_the_databases_encoding():
    """An unknown key comes back as it went in, where text is not UTF-8."""
    sql("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'")
    sql("CREATE EXTENSION seqrec", database="latin")
    libraries("seqrec", database="latin")
    sql("""CREATE TABLE ratings AS SELECT 'u' || u AS user_id, 'i' || (u * 7 + g) % 20 AS item_id, timestamptz '2026-01-01' + make_interval(hours => u + g) AS timestamp
           FROM generate_series(1, 60) u, generate_series(1, 8) g""", database="latin")
    job = sql(f"SELECT seqrec_train('ratings', model => 'cats', kind => '{KIND}')", database="latin")
    sql(f"CALL seqrec_wait({job})", database="latin")
    ask = """seqrec_recommend_info('nobody', '{}', 3, 'cats', context => '{"Größe": "é", "category": 1}')"""
    expect(sql(f"SELECT {ask}->'unknown_context'", database="latin"), '["Größe"]')
    answers = """seqrec.answers('{nobody}', '{0}', '{}', 3, 'cats', contexts => ARRAY['{"Größe": 1}']::jsonb[])"""
    expect(sql(f"SELECT unknown_context FROM {answers}", database="latin"), "{Größe}")
    refused("SELECT * FROM seqrec_coefficients('cats')", "22P05", database="latin")  # 帐篷 has no form there


install_fixture()
main(context_moves_what_is_recommended, it_speaks_for_who_is_unknown_and_has_no_clicks, a_batch_has_one_for_all_or_one_for_each,
     scores_reasons_and_vectors_follow_it, coefficients_are_read, text_comes_from_the_databases_encoding, probabilities_are_of_models_that_have_them,
     popular_items_have_none, the_transformer_knows_of_moments, what_a_user_disliked_is_never_recommended, it_goes_on_from_what_it_knew,
     mistakes_about_events_are_named)
