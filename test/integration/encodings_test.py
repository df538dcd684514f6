#!/usr/bin/python3
"""Databases that are not UTF-8: ids come back as they went in, and every message can be read."""

import json
import os

from testing import main, psql, sql, wait_for

SHORT = """'{"epochs": 2, "dim": 16, "max_len": 20, "members": 1}'"""
ENCODINGS = {  # each with a word in its own characters; psql speaks UTF-8
    "LATIN1": "é",
    "WIN1252": "Œuvre",
    "KOI8R": "Жук",
    "EUC_CN": "中文",
    "EUC_JP": "日本",
    "SQL_ASCII": "é中",
}


def database_of(encoding):
    return f"in_{encoding.lower()}"


def ask(encoding, statement):
    return sql(statement, database=database_of(encoding))


def make_database(encoding):
    sql(f"CREATE DATABASE {database_of(encoding)} TEMPLATE template0 ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'")
    word = ENCODINGS[encoding]
    ask(encoding, "CREATE EXTENSION seqrec")
    ask(
        encoding,
        f"""CREATE TABLE "{word}" (user_id text, "{word} item" varchar, timestamp timestamptz);
            INSERT INTO "{word}" SELECT '{word} user ' || u, '{word} ' || (u * 7 + g) % 20, timestamptz '2026-01-01' + make_interval(hours => u + g)
            FROM generate_series(1, 60) u, generate_series(1, 8) g""",
    )


def train(encoding, model="default", options=SHORT):
    word = ENCODINGS[encoding]
    return ask(encoding, f"""SELECT seqrec_train('"{word}"', '{model}', item_column => '{word} item', options => {options})""")


def trained(encoding, model="default", options=SHORT):
    number = train(encoding, model, options)
    ask(encoding, f"CALL seqrec_wait({number})")
    return number


def ids_come_back(encoding):
    word = ENCODINGS[encoding]
    trained(encoding)
    items = {f"{word} {i}" for i in range(20)}
    assert set(ask(encoding, f"SELECT item_id FROM seqrec_recommend('{word} user 1', '{{}}', 20, exclude_seen => false)").split("\n")) == items
    found = ask(encoding, f"SELECT item_id FROM seqrec_recommend('{word} user 1', ARRAY['{word} 1'], 5)").split("\n")
    assert len(found) == 5 and set(found) <= items - {f"{word} 1"}, found
    assert ask(encoding, f"SELECT item_id FROM seqrec_history('{word} user 1', 2)") == f"{word} 15\n{word} 14"
    assert ask(encoding, f"SELECT seqrec_unknown_items(ARRAY['{word} 1', '{word} new'])") == f'{{"{word} new"}}'
    assert set(ask(encoding, f"SELECT user_id FROM seqrec_find_users('{word} user 1', 3)").split("\n")) == {f"{word} user 1", f"{word} user 10", f"{word} user 11"}
    assert ask(encoding, f"SELECT seqrec_similar_items('{word} 3', 1)").startswith(f'(1,"{word} ')
    batch = f"""SELECT DISTINCT user_id, source FROM seqrec_recommend_batch(ARRAY['{word} user 1'], '[["{word} 1"]]', 3)"""
    assert ask(encoding, batch) == f"{word} user 1|clicks"


def info_is_json(encoding):
    word = ENCODINGS[encoding]
    info = json.loads(ask(encoding, f"SELECT seqrec_recommend_info('{word} user 1', ARRAY['{word} 1', '{word} new'], 3)"))
    assert info["unknown_items"] == [f"{word} new"], info
    assert all(item["item_id"].startswith(word + " ") for item in info["items"]), info
    source = json.loads(ask(encoding, "SELECT source FROM seqrec_models WHERE active"))
    assert source["item_column"] == f"{word} item" and word in source["relation"], source
    assert ask(encoding, "SELECT source->>'relation' FROM seqrec_jobs LIMIT 1") == source["relation"]


def own_name_of_a_model(encoding):
    word = ENCODINGS[encoding]
    number = trained(encoding, word)
    assert ask(encoding, f"SELECT model FROM seqrec_jobs WHERE job_id = {number}") == word
    assert ask(encoding, f"SELECT count(*) FROM seqrec_recommend('x', ARRAY['{word} 1'], 5, '{word}')") == "5"
    again = trained(encoding, f"{word} 2", f"""'{{"epochs": 1, "init_from": "{word}"}}'""")
    assert ask(encoding, f"SELECT state FROM seqrec_jobs WHERE job_id = {again}") == "done"


def errors_can_be_read(encoding):
    """At once, and later in the job's row: what an id or a name is part of."""
    word = ENCODINGS[encoding]
    for call in (f"SELECT seqrec_recommend('x', '{{}}', 5, '{word} no')", f"""SELECT seqrec_train('"{word}"', '{word} no', item_column => '{word} no')"""):
        said = psql("-d", database_of(encoding), "-c", call).stderr
        assert f"{word} no" in said and "does not exist" in said, said
    for argument in (f"""options => '{{"{word}": 1}}'""", f"kind => '{word}'"):
        said = psql("-d", database_of(encoding), "-c", f"""SELECT seqrec_train('"{word}"', item_column => '{word} item', {argument})""").stderr
        assert 'unknown' in said and f'"{word}"' in said and "22023" in said, said
    ask(encoding, f"""CREATE TABLE "{word} 2" AS SELECT '{word}' AS user_id, '{word}' AS item_id, NULL::timestamptz AS timestamp""")
    number = ask(encoding, f"""SELECT seqrec_train('"{word} 2"', '{word} 2')""")
    said = psql("-d", database_of(encoding), "-c", f"CALL seqrec_wait({number})").stderr
    assert "no row has a user, an item and a time" in said, said
    ask(encoding, f"""CREATE FUNCTION fails(text) RETURNS text LANGUAGE plpgsql AS $$BEGIN RAISE 'no % here', $1; END$$;
                      CREATE VIEW "{word} 3" AS SELECT fails(user_id) AS user_id, item_id, now() AS timestamp FROM "{word} 2" """)
    number = ask(encoding, f"""SELECT seqrec_train('"{word} 3"', '{word} 3')""")
    wait_for(lambda: ask(encoding, f"SELECT finished_at FROM seqrec_jobs WHERE job_id = {number}"), "the job's end")
    assert ask(encoding, f"SELECT error FROM seqrec_jobs WHERE job_id = {number}") == f"no {word} here"


def resumed(encoding):
    """The dataset of an interrupted job names the same ids when the job goes on."""
    word = ENCODINGS[encoding]
    number = train(encoding, f"{word} resumed", """'{"max_seconds": 2, "epochs": 100000, "patience": 100000, "dim": 16, "threads": 1}'""")
    wait_for(lambda: ask(encoding, f"SELECT state FROM seqrec_jobs WHERE job_id = {number}") == "training", "the training")
    pid = ask(encoding, f"SELECT pid FROM pg_stat_activity WHERE backend_type = 'seqrec worker' AND query LIKE 'seqrec job {number}:%'")
    sql(f"SELECT pg_terminate_backend({pid})")
    wait_for(lambda: ask(encoding, f"SELECT state FROM seqrec_jobs WHERE job_id = {number}") == "interrupted", "the interruption")
    ask(encoding, f"SELECT seqrec_resume({number})")
    ask(encoding, f"CALL seqrec_wait({number})")
    found = ask(encoding, f"SELECT item_id FROM seqrec_recommend('{word} user 1', ARRAY['{word} 1'], 3, '{word} resumed')").split("\n")
    assert len(found) == 3 and all(id.startswith(word + " ") for id in found), found


def bytes_of_any_kind_in_SQL_ASCII():
    """There ids are bytes and need not be UTF-8. JSON must be, and says so."""
    ask("SQL_ASCII", """CREATE TABLE bytes AS SELECT E'\\xe9 ' || u AS user_id, E'\\xe9\\xff' || (u * 7 + g) % 20 AS item_id, g AS timestamp
                        FROM generate_series(1, 60) u, generate_series(1, 8) g""")
    number = ask("SQL_ASCII", f"SELECT seqrec_train('bytes', 'bytes', options => {SHORT})")
    ask("SQL_ASCII", f"CALL seqrec_wait({number})")
    known = "SELECT count(*), bool_and(item_id IN (SELECT item_id FROM bytes)) FROM "
    assert ask("SQL_ASCII", known + "seqrec_recommend(E'\\xe9 1', ARRAY[E'\\xe9\\xff1'], 5, 'bytes')") == "5|t"
    assert ask("SQL_ASCII", known + "seqrec_history(E'\\xe9 1', 5, 'bytes')") == "5|t"
    worded = "SELECT DISTINCT reason = E'because you viewed \\xe9 title' FROM seqrec_recommend_explained('x', ARRAY[E'\\xe9\\xff1'], 3, 'bytes', titles => 'names')"
    ask("SQL_ASCII", "CREATE TABLE names AS SELECT DISTINCT item_id, E'\\xe9  title' AS title FROM bytes")
    assert ask("SQL_ASCII", worded) == "t"
    said = psql("-d", database_of("SQL_ASCII"), "-c", "SELECT seqrec_recommend_info(E'\\xe9 1', '{}', 3, 'bytes')").stderr
    assert "22021" in said and "invalid byte sequence" in said, said


def in_encodings(test):
    """The test once for each encoding, under its name."""

    def of(encoding):
        def run():
            test(encoding)

        run.__name__ = f"{test.__name__}_in_{encoding}"
        return run

    return [of(encoding) for encoding in ENCODINGS]


def databases_are_made():
    for encoding in ENCODINGS:
        make_database(encoding)
        assert ask(encoding, "SHOW server_encoding") == encoding


if __name__ == "__main__":
    os.environ["PGCLIENTENCODING"] = "UTF8"
    main(
        databases_are_made,
        *in_encodings(ids_come_back),
        *in_encodings(info_is_json),
        *in_encodings(own_name_of_a_model),
        *in_encodings(errors_can_be_read),
        *in_encodings(resumed),
        bytes_of_any_kind_in_SQL_ASCII,
    )
