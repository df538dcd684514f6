#!/usr/bin/python3
"""What items say of themselves: which columns are read as text, how they travel, vectors, whose rights, what is refused and counted."""

import json
import math
import os
import sys

sys.dont_write_bytecode = True

from clusters import restart_with
from dataset_file import Dataset
from http_support import expect
from testing import main, refused, sql, wait_for

os.environ["PGCLIENTENCODING"] = "UTF8"
TRAINER = os.path.join(os.environ["PGHOST"], "keeping-trainer")
KEPT = os.path.join(os.environ["PGHOST"], "kept")
SHORT = {"epochs": 1, "dim": 16, "layers": 1, "max_len": 10, "members": 1, "index": "none"}


def keep_files():
    """A trainer that keeps the dataset and the job before it trains, for the folder goes when the job is done."""
    with open(TRAINER, "w", encoding="utf-8") as file:
        file.write(f"""#!/bin/sh
cp "$(dirname "$2")/dataset.safetensors" {KEPT}.safetensors && cp "$2" {KEPT}.json && chmod a+r {KEPT}.*
exec {sql("SELECT setting FROM pg_config WHERE name = 'BINDIR'")}/seqrec-trainer "$@"
""")
    os.chmod(TRAINER, 0o755)
    os.chmod(os.environ["PGHOST"], 0o777)
    restart_with(f"seqrec.trainer = '{TRAINER}'")


def call(ratings="ratings", options=None, items="items"):
    """The text of a call of seqrec_train."""
    return f"SELECT seqrec_train('{ratings}', model => 'm', items => '{items}', options => $${json.dumps(SHORT | (options or {}))}$$)"


def train(user=None, **arguments):
    """Trains and returns the dataset and the job's number."""
    job = sql(call(**arguments), user=user)
    sql(f"CALL seqrec_wait({job})")
    return Dataset(KEPT + ".safetensors"), job


def warnings(job):
    return sql(f"SELECT unnest(warnings) FROM seqrec_jobs WHERE job_id = {job}").splitlines()


def texts(data):
    return dict(zip(data.ids("item"), data.texts("item.text")))


def fresh(statements):
    sql("SET client_min_messages = warning; DROP TABLE IF EXISTS items CASCADE; " + statements)


def every_column_of_text_is_read():
    fresh("""CREATE TYPE mood AS ENUM ('sad', 'happy');
             CREATE DOMAIN word AS varchar(20);
             CREATE TABLE items (item_id int, title text, gone text, price int, code varchar(8), padded char(6), short word, feeling mood, tags text[], doc jsonb);
             ALTER TABLE items DROP COLUMN gone;
             INSERT INTO items VALUES (1, '帐篷 Amelie é', 5, 'x', 'ab', 'wo', 'sad', '{a,b}', '{}'), (2, NULL, 6, 'y', NULL, '', NULL, NULL, NULL), (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
                                      (77, 'brand new', 1, NULL, NULL, NULL, NULL, NULL, NULL), (NULL, 'nobody', 1, NULL, NULL, NULL, NULL, NULL, NULL)""")
    data, job = train()
    found = texts(data)
    expect((found["1"], found["2"], found["3"], found["77"]), ("帐篷 Amelie é\nx\nab\nwo", "y", "", "brand new"))
    listed = dict(zip(data.ids("item"), data.tensor("item.listed")))
    expect((listed["1"], listed["3"], listed["77"], listed["4"], sum(listed.values())), (1, 1, 1, 0, 4))
    assert "item.vector" not in data.header and data.features is None, data.header
    assert "items: 1 rows without an id were skipped" in warnings(job), warnings(job)
    expect(sql("SELECT source->'items'->'text' FROM seqrec_models WHERE model = 'm' AND active"), '["title", "code", "padded", "short"]')


def listed_columns_are_read_in_their_order():
    data, _ = train(options={"item_text": ["tags", "price", "feeling", "title"]})
    found = texts(data)
    expect((found["1"], found["2"], found["77"]), ("a b\n5\nsad\n帐篷 Amelie é", "6", "1\nbrand new"))


def long_texts_are_cut_at_a_character():
    fresh("""CREATE TABLE items (item_id int, title text, more text);
             INSERT INTO items VALUES (1, repeat('书', 3000), 'x'), (2, repeat('a', 8190), '书'), (3, repeat('a', 8188), '书'), (4, repeat('b', 1000000), NULL)""")
    data, job = train()
    found = texts(data)
    expect((found["1"], found["2"], found["3"], found["4"]), ("书" * 2730, "a" * 8190 + "\n", "a" * 8188 + "\n书", "b" * 8192))
    assert "items: 3 texts were longer than 8192 bytes, and were cut" in warnings(job), warnings(job)


def vectors_travel():
    fresh("""CREATE TABLE items (item_id int, title text, v real[], w double precision[], flat int[]);
             INSERT INTO items VALUES (1, 'a', '{1,2,3}', '{4,5,6.5}'), (2, 'b', NULL, NULL), (3, 'c', '{1,NaN,3}', '{1e300,1,1}'), (4, 'd', '{}', '{{1,2,3}}'),
                                      (5, 'e', '{1,NULL,2}', '{0,0,Infinity}'), (99, 'f', '{7,8,9}', '{7,8,9}')""")
    for column, first in (("v", [1, 2, 3]), ("w", [4, 5, 6.5])):
        data, job = train(options={"item_vector": column, "item_text": []})
        expect(data.header["item.vector"]["shape"][1], 3)
        values = data.tensor("item.vector")
        rows = {item: values[3 * i : 3 * i + 3] for i, item in enumerate(data.ids("item"))}
        expect((rows["1"], rows["99"]), (first, [7, 8, 9]))
        assert all(math.isnan(value) for item in ("2", "3", "4", "5", "6") for value in rows[item]), rows
        assert "item.text.bytes" not in data.header
        told = "items: 3 vectors were empty, of several dimensions, or held NULL, NaN or an infinity, and count as missing"
        assert told in warnings(job), warnings(job)
    sql("UPDATE items SET v = NULL")
    data, job = train(options={"item_vector": "v"})
    assert "item.vector" not in data.header and "items: none has a vector" in warnings(job), warnings(job)


def vectors_of_other_lengths_are_an_error():
    sql("UPDATE items SET v = '{1,2}' WHERE item_id < 3; UPDATE items SET v = '{1,2,3}' WHERE item_id = 99")
    job = sql(call(options={"item_vector": "v"}))
    refused(f"CALL seqrec_wait({job})", "22023", 'item "99" has 3 numbers', "those before it 2", "set its vector to NULL")
    sql("UPDATE items SET v = (SELECT array_agg(1) FROM generate_series(1, 8193)) WHERE item_id = 1")
    job = sql(call(options={"item_vector": "v"}))
    refused(f"CALL seqrec_wait({job})", "22023", "a vector of 8193 numbers", "at most 8192")


def vectors_of_a_type_that_casts_to_real():
    """pgvector's type is found by its cast; where it is not installed, something of its shape stands in."""
    installed = sql("SELECT count(*) FROM pg_available_extensions WHERE name = 'vector'") == "1"
    print("pgvector is installed" if installed else "pgvector is not installed: a type with a cast to real[] stands in for it")
    make = "CREATE EXTENSION vector" if installed else """
        CREATE TYPE vector AS (x real[]);
        CREATE FUNCTION reals(vector) RETURNS real[] IMMUTABLE LANGUAGE sql AS 'SELECT $1.x';
        CREATE CAST (vector AS real[]) WITH FUNCTION reals(vector) AS IMPLICIT"""
    value = "'[1,2.5]'" if installed else "row('{1,2.5}'::real[])::vector"
    fresh(f"{make}; CREATE TABLE items (item_id int, title text, v vector); INSERT INTO items VALUES (1, 'a', {value}), (2, 'b', NULL)")
    data, _ = train(options={"item_vector": "v"})
    rows = dict(zip(data.ids("item"), zip(data.tensor("item.vector")[0::2], data.tensor("item.vector")[1::2])))
    expect((rows["1"], math.isnan(rows["2"][0])), ((1, 2.5), True))
    # Somebody else's cast is somebody else's code: it is not run with the caller's rights.
    sql("CREATE ROLE maker LOGIN; GRANT CREATE ON SCHEMA public TO maker")
    sql("""CREATE TYPE theirs AS (x real[]); CREATE FUNCTION their_reals(theirs) RETURNS real[] LANGUAGE sql AS 'SELECT $1.x';
           CREATE CAST (theirs AS real[]) WITH FUNCTION their_reals(theirs)""", user="maker")
    fresh("CREATE TABLE items (item_id int, title text, v theirs)")
    refused(call(options={"item_vector": "v"}), "42501", "maker")


def what_can_not_be_is_refused_at_the_call():
    fresh("CREATE TABLE items (item_id int, title text, doc jsonb, blob bytea, flat int[], hidden text, price int)")
    refused(call(options={"item_text": ["titel"]}), "42703", '"titel"', "title, hidden, price")
    refused(call(options={"item_text": ["doc"]}), "42804", "jsonb", "item_text")
    refused(call(options={"item_text": ["item_id"]}), "42804", "another part")
    refused(call(options={"item_vector": "flat"}), "42804", "integer[]", "real[]")
    refused(call(options={"item_vector": "title"}), "42804", "pgvector")
    refused(call(options={"item_vector": "nowhere"}), "42703", "item_vector")
    refused(call(options={"item_text": []}), "22023", "no column", "leave items out")
    refused(call(options={"cold_share": 0.6}), "22023", "0 to 0.5")
    refused(call(options={"item_features": ["price"]}), "22023", "item_features")
    refused(call(options={"item_id_column": "nr"}), "42703", "item_id_column")
    refused("SELECT seqrec_train('ratings', options => '{\"item_text\": [\"title\"]}')", "22023", "items => 'table'")
    refused("SELECT seqrec_train('ratings', options => '{\"item_vector\": \"v\"}')", "22023", "items => 'table'")
    refused("SELECT seqrec_train('ratings', users => 'items')", "0A000", "users")
    sql("CREATE ROLE reader LOGIN; GRANT SELECT ON ratings TO reader; GRANT SELECT (item_id, title) ON items TO reader; GRANT EXECUTE ON FUNCTION seqrec_train TO reader")
    refused(call().replace("'m'", "'readers'"), "42501", '"hidden"', user="reader")
    many = ", ".join(f"c{i} text" for i in range(101))
    fresh(f"CREATE TABLE items (item_id int, {many})")
    refused(call(), "54000", "101 columns of text", "item_text")


def the_language_model_is_the_servers():
    """Of a setting that a library brings PostgreSQL knows only once the library is loaded whose it is."""
    load = "SELECT count(*) FROM seqrec_kinds(); "
    sql("CREATE ROLE nosy LOGIN")
    restart_with("seqrec.text_model = 'models/minilm'")
    refused(load + "SHOW seqrec.text_model", "42501", user="nosy")
    expect(sql(load + "SELECT count(*) FROM pg_settings WHERE name = 'seqrec.text_model'", user="nosy").split()[1], "0")
    refused(load + "SET seqrec.text_model = '/tmp'", "55P02")
    refused(load + "ALTER ROLE nosy SET seqrec.text_model = '/tmp'", "55P02")


def language_model_of_the_job():
    """As the trainer is told, whatever becomes of the training."""
    job = sql(call())
    wait_for(lambda: sql(f"SELECT finished_at IS NOT NULL FROM seqrec_jobs WHERE job_id = {job}") == "t", "the job's end")
    with open(KEPT + ".json", encoding="utf-8") as file:
        return json.load(file)["text_model"]


def the_language_model_is_in_the_job():
    fresh("CREATE TABLE items (item_id int, title text); INSERT INTO items SELECT i, 'title ' || i FROM generate_series(1, 20) i")
    expect(language_model_of_the_job(), os.path.join(os.environ["PGDATA"], "models/minilm"))
    sql("ALTER ROLE postgres SET seqrec.text_model = '/tmp'")  # before the library is loaded nothing says no
    expect(language_model_of_the_job(), os.path.join(os.environ["PGDATA"], "models/minilm"))
    sql("ALTER ROLE postgres RESET seqrec.text_model")
    restart_with("seqrec.text_model = ''")
    expect(language_model_of_the_job(), "")


sql("""CREATE EXTENSION seqrec;
       CREATE TABLE ratings (user_id text, item_id int, timestamp timestamptz);
       INSERT INTO ratings SELECT 'u' || u, (u * 7 + g * 3) % 20 + 1, timestamptz '2026-01-01' + make_interval(hours => u + g)
       FROM generate_series(1, 40) u, generate_series(1, 8) g""")
keep_files()
main(every_column_of_text_is_read, listed_columns_are_read_in_their_order, long_texts_are_cut_at_a_character, vectors_travel, vectors_of_other_lengths_are_an_error,
     vectors_of_a_type_that_casts_to_real, what_can_not_be_is_refused_at_the_call, the_language_model_is_the_servers, the_language_model_is_in_the_job)
