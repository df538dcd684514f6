#!/usr/bin/python3
"""Kind vae through SQL: the statements of docs/vae.md on a table of its columns, what the log tells, strangers, a second training from the first."""

import json
import re
from pathlib import Path

from testing import main, psql, refused, sql

ROOT = Path(__file__).resolve().parents[2]
OPTIONS = {"epochs": 6, "dim": 16, "layers": 1, "max_len": 12, "threads": 1, "index": "none"}
CLICKS = "ARRAY['50', '172', '181']"


def example(document="docs/vae.md"):
    """The statements of the page's example."""
    return re.search(r"```sql\n(.*?)```", (ROOT / document).read_text(encoding="utf-8"), re.S).group(1).split(";\n")


def train(model="films", **options):
    job = sql(f"SELECT seqrec_train('ratings', model => '{model}', kind => 'vae', options => '{json.dumps(OPTIONS | options)}')")
    sql(f"CALL seqrec_wait({job})")
    return job


def metrics(model="films"):
    return json.loads(sql(f"SELECT metrics FROM seqrec_models WHERE model = '{model}' AND active"))


def answer(clicks=CLICKS, user="NULL"):
    return sql(f"SELECT item_id, score FROM seqrec_recommend({user}, {clicks}, 10, 'films')")


def the_page_can_be_followed():
    assert example() == example("docs/vae.zh-CN.md")
    call, recommend, units, _ = example()
    job = sql(call.replace(")", f", options => '{json.dumps(OPTIONS)}')"))
    sql(f"CALL seqrec_wait({job})")
    assert len(sql(recommend).splitlines()) == 10
    assert int(sql(units)) == metrics()["active_units"] >= 8


def the_log_tells_what_the_latent_variables_do():
    job = train(epochs=80, patience=100)
    told = [json.loads(line) for line in sql(f"SELECT metrics FROM seqrec_job_log WHERE job_id = {job} ORDER BY epoch").splitlines()]
    assert len(told) > 1 and all(set(one) == {"hr@10", "ndcg@10", "reconstruction", "kl", "active_units", "beta"} for one in told), told
    assert told[0]["beta"] <= told[-1]["beta"] == 0.005, told


def answers_repeat_and_strangers_get_them():
    first = answer()
    assert first == answer() == answer(user="'nobody'") == answer(user="'u3'") and len(first.splitlines()) == 10, first
    assert first != answer("ARRAY['7', '9']")
    assert sql("SELECT seqrec_recommend_info(NULL, NULL, 10, 'films')->>'user_known'") == "false"


def without_a_click_there_is_nothing_to_answer_by():
    for user, said in (("(SELECT min(user_id)::text FROM ratings)", "has nothing to answer by of the user"), ("'nobody of this name'", "neither the user nor any click is known")):
        done = psql("-c", f"SELECT count(*) FROM seqrec_recommend({user}, '{{}}'::text[], 10, 'films')")
        assert said in done.stderr and done.stdout.strip() == "10", (done.stdout, done.stderr)


def a_second_training_begins_with_the_first():
    train(init_from="films", epochs=1)
    config = json.loads(sql("SELECT config FROM seqrec_models WHERE model = 'films' AND active"))
    assert config["dim"] == 16 and config["layers"] == 1, config
    refused(f"SELECT seqrec_train('ratings', model => 'films', kind => 'vae', options => '{json.dumps({'init_from': 'films', 'latent': 8})}')", "22023", "latent")


def options_are_checked():
    refused("""SELECT seqrec_train('ratings', kind => 'vae', options => '{"loss": "bce"}')""", "22023", "softmax", "mse")
    refused("""SELECT seqrec_train('ratings', kind => 'vae', options => '{"members": 2}')""", "22023", '"members"')


sql("""CREATE EXTENSION seqrec;
       CREATE TABLE ratings (user_id text, item_id text, timestamp int);
       INSERT INTO ratings SELECT 'u' || u, 1 + (u * 37 + g) % 190, g FROM generate_series(1, 200) u, generate_series(1, 15) g""")
main(the_page_can_be_followed, the_log_tells_what_the_latent_variables_do, answers_repeat_and_strangers_get_them, without_a_click_there_is_nothing_to_answer_by, a_second_training_begins_with_the_first,
     options_are_checked)
