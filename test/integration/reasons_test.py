#!/usr/bin/python3
"""Reasons in words, for every kind that can be trained: what is named counts, in both languages, and templates outlive a dump."""

import contextlib
import glob
import json
import os
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True

from clusters import restart_with
from http_support import Here, Sidecar, expect
from testing import SqlError, main, psql, script, sql

os.environ["PGCLIENTENCODING"] = "UTF8"
# Options that make a training short, of those kinds that know them.
QUICK = {"user_dropout": 0.5, "students": 0, "epochs": 2, "dim": 16, "index": "none", "threads": 1, "seed": 7, "max_seconds": 60}
LINEAR = {"label": "liked", "threads": 1}
ENGLISH, CHINESE = "because you viewed ", "因为您最近浏览了"


def prepare():
    """Two shelves: who buys of one stays with it. Titles are of two words, in Chinese for every third item."""
    sql("CREATE EXTENSION IF NOT EXISTS seqrec")
    script("""
CREATE TABLE things AS SELECT 'i' || n AS item_id, CASE WHEN n % 3 = 0 THEN '北脊' || CASE n % 2 WHEN 0 THEN '双人帐篷' ELSE '登山背包' END || n
        ELSE 'Northfold ' || CASE n % 2 WHEN 0 THEN 'Tent ' ELSE 'Pack ' END || n END AS title,
    CASE n % 2 WHEN 0 THEN '{tents}' ELSE '{packs}' END::text[] AS shelf FROM generate_series(1, 40) n;
CREATE TABLE people AS SELECT 'u' || n AS user_id, CASE n % 2 WHEN 0 THEN 'camper' ELSE 'climber' END AS sport FROM generate_series(1, 120) n;
CREATE TABLE seen AS SELECT 'u' || u AS user_id, 'i' || 1 + (u % 2 + 2 * ((u * 7 + g * g * 3) % 20) + (g = 9)::int) % 40 AS item_id, g AS timestamp, (u + g) % 3 > 0 AS liked
FROM generate_series(1, 120) u, generate_series(1, 10) g;""")


def train(kind, model):
    """Trains with whatever of tables and options the kind takes."""
    known = set(json.loads(sql(f"SELECT options FROM seqrec_kinds() WHERE kind = '{kind}'")))
    options = {name: value for name, value in {**QUICK, **(LINEAR if kind == "logistic" else {})}.items() if name in known}
    for tables in (", items => 'things', users => 'people'", ", items => 'things'", ""):
        try:
            job = sql(f"SELECT seqrec_train('seen', model => '{model}', kind => '{kind}'{tables}, options => '{json.dumps(options)}')")
        except SqlError as error:
            if "does not use a table of" not in str(error):
                raise
            continue
        sql(f"CALL seqrec_wait({job})")
        return tables
    raise AssertionError(f"{kind} takes no table at all")


KINDS = {}


def every_kind_is_trained():
    for kind in sql("SELECT kind FROM seqrec_kinds()").splitlines():
        KINDS[kind] = train(kind, f"by_{kind}")
    assert {"transformer", "logistic"} <= set(KINDS), KINDS


def explained(user, clicks, model, more=""):
    """Rows of seqrec_recommend_explained as dictionaries, encoded exactly."""
    return json.loads(sql(f"SET seqrec.exact = on; SELECT json_agg(r ORDER BY rank) FROM seqrec_recommend_explained('{user}', '{{{','.join(clicks)}}}'::text[], 10, '{model}', "
                          f"exclude_seen => false, titles => 'things', title_id_column => 'item_id'{more}) r"))


def score(user, clicks, item, model):
    return float(sql(f"SET seqrec.exact = on; SELECT seqrec_score_item('{user}', '{{{','.join(clicks)}}}'::text[], '{item}', '{model}')"))


def without_the_named_click_the_score_is_lower():
    for kind in KINDS:
        named = 0
        for user in ("stranger", "u7"):
            for clicks in (["i2", "i4", "i9"], ["i1", "i3", "i1", "i6"]):
                for row in explained(user, clicks, f"by_{kind}")[:5]:
                    if not row["because_item_id"]:
                        continue
                    rest = [click for click in clicks if click != row["because_item_id"]]
                    now, then = score(user, clicks, row["item_id"], f"by_{kind}"), score(user, rest, row["item_id"], f"by_{kind}")
                    assert then < now and abs(now - then - row["contribution"]) < 1e-4, (kind, user, clicks, row, now, then)
                    named += 1
        assert named > 0, f"{kind} named no click at all"


def the_click_is_named_by_its_title():
    titles = dict(line.split("|") for line in sql("SELECT item_id, title FROM things").splitlines())
    for kind in KINDS:
        for language, words, again in (("en", ENGLISH, "because you viewed it before"), ("zh", CHINESE, "因为您之前浏览过")):
            for row in explained("stranger", ["i2", "i3"], f"by_{kind}", f", language => '{language}'"):
                if row["because_item_id"]:
                    expect(row["reason"], again if row["because_item_id"] == row["item_id"] else words + titles[row["because_item_id"]])


def the_models_own_table_has_titles_too():
    for kind, tables in KINDS.items():
        reasons = sql(f"SELECT DISTINCT reason FROM seqrec_recommend_explained('stranger', ARRAY['i2'], 10, 'by_{kind}') WHERE because_item_id = 'i2'").splitlines()
        assert all(reason == ENGLISH + ("Northfold Tent 2" if "items" in tables else "i2") for reason in reasons), (kind, reasons)


def a_language_without_templates_is_said():
    for language, said in (("fr", True), ("fr_FR.UTF-8", True), ("en", False), ("zh-Hant", False)):
        done = psql("-c", f"SELECT reason FROM seqrec_recommend_explained('stranger', ARRAY['i2'], 3, 'by_transformer', language => '{language}')")
        expect((f'no templates of reasons in language "{language}"' in done.stderr, done.returncode), (said, 0))


def features_of_a_user_are_told_as_such():
    user = "SELECT DISTINCT reason FROM seqrec_recommend_explained('u7', '{{}}', 5, '{}', language => '{}') WHERE source = 'user'"
    expect(sql(user.format("by_logistic", "en")), "because people like you choose it")
    expect(sql(user.format("by_logistic", "zh")), "因为与您相似的人也喜欢")
    expect(sql(user.format("by_transformer", "zh")), "因为您一贯的喜好")
    told = sql("""SELECT DISTINCT reason FROM seqrec_recommend_explained('stranger', '{}', 3, 'by_logistic', context => '{"sport": "climber", "mood": 1}') WHERE source = 'user'""")
    expect(told, "because of sport: climber")


def words_stand_in_where_no_click_helps():
    """Of a model that reads texts."""
    ask = "SELECT reason FROM seqrec_explain('stranger', ARRAY['i2', 'i3'], (SELECT array_agg(item_id ORDER BY item_id) FROM things), 'by_transformer', language => '{}', titles => 'things') WHERE because_of IS NULL"
    reasons = set(sql(ask.format("en")).splitlines())
    assert reasons & {"because you viewed things like it: Northfold", "because you viewed things like it: Northfold, Tent"}, reasons
    reasons = set(sql(ask.format("zh")).splitlines())
    assert reasons & {"因为您浏览过相近的内容：北脊", "因为您浏览过相近的内容：登山背包、北脊", "因为您浏览过相近的内容：北脊登山背包"}, reasons


def http_tells_it_in_the_language_that_is_wanted():
    server = Sidecar(Here, PGDATABASE=os.environ["PGDATABASE"], PGUSER="postgres", SEQREC_MODEL="by_transformer", SEQREC_TITLE_TABLE="things")
    try:
        server.wait_ready()
        for header, more, words in (("zh-CN,zh;q=0.9", {}, CHINESE), ("en", {"language": "zh"}, CHINESE), ("zh", {"language": "en"}, ENGLISH), (None, {}, ENGLISH)):
            headers = {"Content-Type": "application/json"} | ({"Accept-Language": header} if header else {})
            body = {"user_id": "stranger", "recent_clicks": ["i2"], "top_k": 3, "explain": True, **more}
            status, _, answer = server.request("POST", "/recommend", json.dumps(body), headers)
            expect(status, 200)
            expect({reason["text"] for reason in answer["reasons"]}, {words + "Northfold Tent 2"})
    finally:
        server.stop()


def templates_are_dumped():
    sql("INSERT INTO seqrec.reason_templates VALUES ('zh', 'click', '您看过《{title}》')")
    try:
        others = [row for row in explained("stranger", ["i2"], "by_transformer", ", language => 'zh'") if row["item_id"] != "i2" and row["because_item_id"]]
        expect({row["reason"] for row in others}, {"您看过《Northfold Tent 2》"})
        dumped = subprocess.run(["pg_dump", "--data-only", "--exclude-table-data=seqrec.weights"], capture_output=True, text=True, check=True, encoding="utf-8").stdout
        block = dumped.split("COPY seqrec.reason_templates (language, kind, template) FROM stdin;\n")[1].split("\\.")[0]
        expect(block, "zh\tclick\t您看过《{title}》\n")
    finally:
        sql("DELETE FROM seqrec.reason_templates")


def lc_messages_decides():
    """With a Chinese locale, made here where there is none."""
    folder = os.path.join(os.environ["PGHOST"], "locales")
    os.makedirs(folder, exist_ok=True)
    made = shutil.which("localedef") and subprocess.run(["localedef", "-i", "zh_CN", "-f", "UTF-8", os.path.join(folder, "zh_CN.utf8")], check=False).returncode == 0
    if not made:
        print("SKIPPED: there is no localedef to make a Chinese locale", flush=True)
        return
    os.chmod(folder, 0o755)
    os.environ["LOCPATH"] = folder
    with contextlib.ExitStack() as stack:
        stack.callback(os.environ.pop, "LOCPATH")
        restart_with("")
        told = sql("SET lc_messages = 'zh_CN.utf8'; SELECT DISTINCT reason FROM seqrec_recommend_explained('stranger', ARRAY['i2'], 3, 'by_transformer', titles => 'things')")
        expect(told, CHINESE + "Northfold Tent 2")
        told = sql("SET lc_messages = 'zh_CN.utf8'; SELECT DISTINCT reason FROM seqrec_recommend_explained('stranger', ARRAY['i2'], 3, 'by_transformer', titles => 'things', language => 'en')")
        expect(told, ENGLISH + "Northfold Tent 2")


prepare()
main(every_kind_is_trained, without_the_named_click_the_score_is_lower, the_click_is_named_by_its_title, the_models_own_table_has_titles_too,
     a_language_without_templates_is_said, features_of_a_user_are_told_as_such, words_stand_in_where_no_click_helps, http_tells_it_in_the_language_that_is_wanted, templates_are_dumped, lc_messages_decides)
