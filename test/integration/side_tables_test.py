#!/usr/bin/python3
"""Tables of items and users beside the ratings, and further columns of the ratings: what of them is in the dataset file, whose rights they
are read with, what is refused and what is counted. With the kind of test/fixtures/, which needs all of them and learns from none."""

import glob
import json
import math
import os
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True

from clusters import ROOT, restart_with
from dataset_file import Dataset
from http_support import expect
from testing import Session, main, refused, sql, wait_for

os.environ["PGCLIENTENCODING"] = "UTF8"
KIND = "category_popularity"
FIXTURE = os.path.join(os.environ["PGHOST"], "fixture")
SLOW = os.path.join(os.environ["PGHOST"], "slow")  # while it is there a training does not begin
KEPT = os.path.join(os.environ["PGHOST"], "kept.safetensors")


def libraries(path, database=None):
    sql(f"UPDATE pg_proc SET probin = '{path}' WHERE probin IN ('seqrec', '$libdir/seqrec')", database=database)


def keep_datasets():
    """A trainer that keeps the dataset before it trains, for the folder goes when the job is done."""
    path = os.path.join(FIXTURE, "seqrec-trainer")
    os.rename(path, path + "-itself")
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"""#!/bin/sh
cp "$(dirname "$2")/dataset.safetensors" {KEPT} && chmod a+r {KEPT}
while [ -e {SLOW} ]; do echo '{{"event": "progress", "phase": "training"}}'; sleep 0.2; done
exec {path}-itself "$@"
""")
    os.chmod(path, 0o755)


def install_fixture():
    os.mkdir(FIXTURE)
    for name in ("seqrec.so", "seqrec-trainer"):
        shutil.copy(os.path.join(ROOT, "build", "fixture", name), FIXTURE)
    keep_datasets()
    subprocess.run(["chmod", "-R", "a+rX", FIXTURE], check=True)
    os.chmod(os.environ["PGHOST"], 0o777)
    restart_with(f"dynamic_library_path = '{FIXTURE}:$libdir'\nseqrec.trainer = '{FIXTURE}/seqrec-trainer'\nwal_level = logical")
    sql("CREATE EXTENSION seqrec")
    libraries("seqrec")


def call(ratings="ratings", model="m", options=None, **arguments):
    """The text of a call of seqrec_train."""
    options = json.dumps({"index": "none", "repeats": "first", **(options or {})})
    more = "".join(f", {name} => '{value}'" for name, value in arguments.items())
    return f"SELECT seqrec_train('{ratings}', model => '{model}', kind => '{KIND}', options => $${options}$${more})"


def wait(job, database=None):
    sql(f"CALL seqrec_wait({job})", database=database)


def train(user=None, database=None, **arguments):
    """Trains and returns the dataset and the job's number."""
    job = sql(call(**arguments), user=user, database=database)
    wait(job, database)
    return Dataset(KEPT), job


def warnings(job, database=None):
    return sql(f"SELECT unnest(warnings) FROM seqrec_jobs WHERE job_id = {job}", database=database).splitlines()


def metric(job, name):
    return sql(f"SELECT metrics->>'{name}' FROM seqrec_jobs WHERE job_id = {job}")


SMALL_RATINGS = """
    CREATE TABLE ratings (user_id text, item_id int, timestamp timestamptz, channel text, stars int, liked boolean, event text);
    INSERT INTO ratings SELECT 'u' || u, (u * 7 + g * 3) % 20 + 1, timestamptz '2026-01-01' + make_interval(hours => u + g),
           (ARRAY['web', 'app', NULL])[1 + g % 3], g % 5 + 1, CASE WHEN g % 4 < 3 THEN g % 2 = 0 END, (ARRAY['view', 'cart', 'buy', 'odd'])[1 + g % 4]
    FROM generate_series(1, 30) u, generate_series(1, 8) g;
"""


def fresh(statements):
    """Runs statements after the tables of the tests before are gone."""
    sql("SET client_min_messages = warning; DROP TABLE IF EXISTS items, people, films, movies, things CASCADE; " + statements)


def every_type_travels():
    fresh("""CREATE TYPE mood AS ENUM ('sad', 'happy');
           CREATE DOMAIN cents AS int CHECK (VALUE >= 0);
           CREATE DOMAIN tags AS text[];
           CREATE DOMAIN word AS varchar(20);
           CREATE TABLE items (item_id bigint, small smallint, amount bigint, price numeric, ratio real, depth double precision, paid cents,
                               active boolean, title text, code varchar(8), padded char(6), feeling mood, short word, key uuid,
                               genres text[], moods mood[], labels tags, flags boolean[], words word[],
                               released date, updated timestamp, seen timestamptz, json_one jsonb, blob bytea, numbers int[], gone text, span interval);
           ALTER TABLE items DROP COLUMN gone;
           INSERT INTO items VALUES (1, 1, 2, 3.5, 0.25, 1e300, 7, true, 'Amelie é 书', 'x', 'ab', 'happy', 'wo', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11',
                               '{drama,comedy,drama,NULL}', '{happy,sad}', '{a,b}', '{t,f,t}', '{p,q}',
                               '1969-12-31', '2000-01-01 00:00:01.5', '2000-01-01 00:00:00+01', '{}', '', '{1}', '1 day'),
                              (2, NULL, NULL, 'NaN', 'Infinity', 'NaN', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
                               'infinity', '-infinity', 'infinity', NULL, NULL, NULL, NULL),
                              (3, -1, -2, 1e400, 1, 2, 0, false, '', '', '', 'sad', '', NULL, '{}', '{}', '{{x,y},{y,z}}', '{}', '{}', NULL, NULL, NULL, NULL, NULL, NULL, NULL)""")
    data, job = train(items="items")
    expect(data.types("item"), {"small": "number", "amount": "number", "price": "number", "ratio": "number", "depth": "number", "paid": "number",
                                "active": "category", "title": "category", "code": "category", "padded": "category", "feeling": "category",
                                "short": "category", "key": "category", "genres": "category", "moods": "category", "labels": "category",
                                "flags": "category", "words": "category", "released": "time", "updated": "time", "seen": "time"})
    expect((data.features["user"], data.features["event"]), ([], []))
    wanted = {"small": (1, None, -1), "amount": (2, None, -2), "price": (3.5, None, None), "ratio": (0.25, None, 1), "depth": (1e300, None, 2), "paid": (7, None, 0),
              "active": (["true"], [], ["false"]), "title": (["Amelie é 书"], [], [""]), "code": (["x"], [], [""]), "padded": (["ab"], [], [""]),
              "feeling": (["happy"], [], ["sad"]), "short": (["wo"], [], [""]), "key": (["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"], [], []),
              "genres": (["drama", "comedy"], [], []), "moods": (["happy", "sad"], [], []), "labels": (["a", "b"], [], ["x", "y", "z"]),
              "flags": (["true", "false"], [], []), "words": (["p", "q"], [], []), "released": (-86400, None, None),
              "updated": (946684801.5, None, None), "seen": (946681200, None, None)}
    for name, values in wanted.items():
        found = data.by_id("item", name)
        expect(tuple(found[item] for item in "123"), values)
        assert len(found) == 20 and all(not found[str(item)] for item in range(4, 21)), (name, found)
    told = warnings(job)
    assert "items: columns of types that can't be used were left out: json_one (jsonb), blob (bytea), numbers (integer[]), span (interval)" in told, told
    assert 'items: 2 values of column "price" were NaN, infinite or longer than 512 bytes, and count as missing' in told, told
    assert any('"released"' in line and " 1 values" in line for line in told) and not any('"small"' in line for line in told), told
    assert "items: 17 items of the ratings have no row" in told, told
    expect((metric(job, "item_rows"), metric(job, "items_without_interactions"), metric(job, "items_without_row")), ("3", "0", "17"))


def rows_that_do_not_fit_are_counted():
    fresh("""CREATE TABLE items (film text, price int);
           INSERT INTO items VALUES ('1', 10), ('2', 20), ('1', 30), ('2', NULL), (NULL, 1), (repeat('x', 513), 1), (repeat('y', 512), 2), ('cold', 99), ('', 5);
           CREATE VIEW views_of_items AS SELECT film AS item_id, ARRAY['x', 'y'] AS c, 'z'::text AS d, price AS b, -price AS a FROM items ORDER BY price DESC;
           CREATE TABLE people (user_id varchar, age int);
           INSERT INTO people VALUES ('u3', 33), ('newcomer', 20), ('u3', 34), ('u1', 11), (NULL, 1)""")
    data, job = train(items="items", users="people", options={"item_id_column": "film"})
    ids = data.ids("item")
    expect(ids[20:], ["", "cold", "y" * 512])
    prices = data.by_id("item", "price")
    expect((prices["1"], prices["2"], prices["3"], prices["cold"], prices[""]), (10, 20, None, 99, 5))
    users, offsets = data.ids("user"), data.tensor("user.offsets")
    expect((users[30:], offsets[-3:]), (["newcomer"], [232, 240, 240]))
    ages = data.by_id("user", "age")
    expect((ages["u3"], ages["newcomer"], ages["u1"], ages["u2"]), (33, 20, 11, None))
    told = warnings(job)
    for line in ("items: 2 rows with an id that came before were skipped", "items: 1 rows without an id were skipped",
                 "items: 1 rows with an id of more than 512 bytes were skipped", "items: 18 items of the ratings have no row",
                 "users: 1 rows with an id that came before were skipped", "users: 1 rows without an id were skipped", "users: 28 users of the ratings have no row"):
        assert line in told, (line, told)
    expect([metric(job, name) for name in ("item_rows", "item_rows_skipped", "items_without_interactions", "items_without_row", "user_rows", "user_rows_skipped", "users_without_interactions")],
           ["9", "4", "3", "18", "5", "2", "1"])
    # A view has no places: what its rows hold decides, whatever order it shows them in.
    again, _ = train(items="views_of_items")
    expect((again.by_id("item", "b")["1"], again.by_id("item", "a")["1"]), (10, -10))


def cold_ones_are_served():
    model = "(SELECT model_id FROM seqrec.models WHERE name = 'm' AND active)"
    train(items="items", users="people", options={"item_id_column": "film"})
    expect(sql(f"SELECT n_users, n_items FROM seqrec.models WHERE model_id = {model}"), "31|23")
    expect(sql(f"SELECT seen_until, seen FROM seqrec.users WHERE model_id = {model} AND user_id = 'newcomer'").split("|")[0], "-Infinity")
    expect(sql("SELECT count(*) FROM seqrec_recommend('newcomer', model => 'm', k => 5)"), "5")
    expect(sql("SELECT count(*) FROM seqrec_recommend('newcomer', '{1,2}'::text[], 5, 'm')"), "5")
    expect(sql("SELECT DISTINCT source FROM seqrec_recommend_batch('{newcomer}'::text[], '[[]]', 40, 'm')"), "popular")
    expect(sql("SELECT count(*) FILTER (WHERE item_id IN ('cold', ''))  FROM seqrec_recommend('u1', '{3}'::text[], 40, 'm', exclude_seen => false)"), "2")
    expect(sql("SELECT count(*) FROM seqrec_score('newcomer', '{cold}'::text[], '{cold,1}'::text[], 'm')"), "2")
    expect(sql("SELECT count(*) FROM seqrec_similar_items('cold', 3, 'm')"), "3")
    expect(sql("SELECT count(*) FROM seqrec_recommend_batch('{newcomer,u1}'::text[], '[[],[]]', 3, 'm')"), "6")
    # The snapshot is built again from the tables, and the next training goes on from this one.
    before = sql("SELECT item_id, score FROM seqrec_recommend('newcomer', model => 'm', k => 5)")
    for path in glob.glob(os.path.join(os.environ["PGDATA"], "seqrec", "**", "*.safetensors*"), recursive=True):
        os.unlink(path)
    expect(sql("SELECT item_id, score FROM seqrec_recommend('newcomer', model => 'm', k => 5)"), before)
    train(items="items", users="people", options={"item_id_column": "film", "init_from": "m"})
    train(items="items", users="people", options={"item_id_column": "film", "init_from": "m", "split": "time", "repeats": "keep", "activate": "better"})
    train(items="items", users="people", model="m", options={"item_id_column": "film", "split": "time", "index": "ivf", "holdout": "keep"})
    expect(sql(f"SELECT n_users, n_items FROM seqrec.models WHERE model_id = {model}"), "31|23")


def the_ratings_own_columns_travel():
    data, job = train(options={"context": ["channel", "stars"], "label": "stars"} | {"context": ["channel"]})
    expect(data.types("event"), {"channel": "category"})
    rows = sql("SELECT coalesce(channel, '-'), stars FROM ratings ORDER BY user_id COLLATE \"C\", timestamp").splitlines()
    expect([(value or ["-"])[0] + f"|{label:.0f}" for value, label in zip(data.column("event", "channel"), data.tensor("event.label"))], rows)
    assert "event.weight" not in data.header
    expect(warnings(job), [])

    data, job = train(options={"context": ["channel", "stars"], "label": "liked", "event_weights": {"view": 1, "cart": 3, "buy": 5.5}, "event_column": "event"})
    rows = sql("SELECT coalesce(liked::int, -1), CASE event WHEN 'view' THEN 1 WHEN 'cart' THEN 3 WHEN 'buy' THEN 5.5 ELSE 1 END::float FROM ratings ORDER BY user_id COLLATE \"C\", timestamp").splitlines()
    expect([f"{-1 if math.isnan(label) else label:.0f}|{weight:g}" for label, weight in zip(data.tensor("event.label"), data.tensor("event.weight"))], rows)
    expect(data.types("event"), {"channel": "category", "stars": "number"})
    expect(warnings(job), ["ratings: 60 rows are of no event in event_weights, and weigh 1"])
    expect(metric(job, "unweighted_rows"), "60")

    sql("""CREATE VIEW odd_labels AS SELECT user_id, item_id, timestamp, CASE stars WHEN 1 THEN 'NaN' WHEN 2 THEN 'Infinity' WHEN 3 THEN '1e300' ELSE stars::float8 END AS label FROM ratings""")
    data, job = train(ratings="odd_labels", options={"label": "label", "split": "time", "repeats": "keep"})
    expect(sorted({label for label in data.tensor("event.label") if not math.isnan(label)}), [4, 5])
    expect(warnings(job), ["ratings: 150 labels were NaN, infinite or too large, and count as missing"])
    data, _ = train(options={"context": ["stars", "event"], "event_weights": {"buy": 0}})  # the only text of context
    expect(sorted(set(data.tensor("event.weight"))), [0, 1])
    data, job = train()
    expect((data.features, [name for name in data.header if ".feature." in name], warnings(job)), (None, [], []))


def ten_thousand_categories_are_kept():
    fresh("""CREATE TABLE items AS SELECT g AS item_id, 'c' || g AS many, 'same' AS constant, repeat('w', g % 514) AS word FROM generate_series(1, 12000) g""")
    data, job = train(items="items")
    expect(len(data.texts("item.feature.0.value")), 12000)
    expect(data.texts("item.feature.1.value"), ["same"])
    words = data.by_id("item", "word")
    expect((words["512"], words["513"], words["514"]), (["w" * 512], [], [""]))
    assert f'items: {12000 // 514} values of column "word" were NaN, infinite or longer than 512 bytes, and count as missing' in warnings(job), warnings(job)


def columns_are_refused_with_a_list():
    fresh("CREATE TABLE items (item_id int, price int, poster bytea, genres text[], \"Odd name\" text); INSERT INTO items VALUES (1)")
    usable = 'Columns that can be used for item_features: price, genres, Odd name.'
    refused(call(items="items", options={"item_features": ["prise"]}), "42703", '"prise"', usable)
    refused(call(items="items", options={"item_features": ["price", "poster"]}), "42804", "bytea", usable)
    refused(call(items="items", options={"item_features": ["item_id"]}), "42804", "another part", usable)
    refused(call(items="items", options={"item_features": ["ctid"]}), "42703", usable)
    refused(call(items="items", options={"item_id_column": "film"}), "42703", '"film"', "item_id_column")
    refused(call(users="items"), "42703", '"user_id"', "user_id_column")
    refused(call(options={"context": ["chanel"]}), "42703", "Columns that can be used for context: channel, stars, liked, event.")
    refused(call(options={"context": ["item_id"]}), "42804", "another part")
    refused(call(options={"label": "channel"}), "42804", "text", "Columns that can be used for label: stars, liked.")
    refused(call(options={"label": "star"}), "42703", "stars, liked")
    refused(call(options={"event_weights": {"buy": 2}, "event_column": "stars"}), "42804", "Columns that can be used for event_column: channel, event.")
    refused(call(options={"event_weights": {"buy": 2}}), "22023", "event_column")
    refused(call(options={"event_weights": {"buy": 2}, "context": ["channel", "event"]}), "22023", "more than one", "event_column")
    refused(call(options={"item_features": ["price"]}), "22023", "items => 'table'")
    refused(call(options={"user_id_column": "price"}), "22023", "users => 'table'")
    refused(call(options={"item_features": "price"}), "22023", "not a list")
    refused(call(options={"context": ["channel", "channel"]}), "22023", "twice")
    refused(call(options={"context": ["stars"], "label": "stars"}), "22023", "the label")
    refused(call(options={"event_weights": {"buy": -1e7}}), "22023", "from -1000000 to 1000000")
    refused(call(items="pg_class_oid_index"), "42809")
    refused("SELECT seqrec_train('ratings', users => 'items')", "0A000", "transformer", "users")
    refused("SELECT seqrec_train('ratings', options => '{\"label\": \"stars\"}')", "22023", "unknown option")
    data, _ = train(items="items", options={"item_features": ["Odd name", "price"]})
    expect([feature["name"] for feature in data.features["item"]], ["Odd name", "price"])


def rights_are_the_callers():
    fresh("""CREATE ROLE scientist LOGIN; CREATE ROLE stranger LOGIN;
           GRANT USAGE, CREATE ON SCHEMA public TO scientist, stranger;
           GRANT SELECT ON ratings TO scientist;
           DO $$ BEGIN EXECUTE (SELECT string_agg(format('GRANT EXECUTE ON FUNCTION %s TO scientist', oid::regprocedure), ';')
                                FROM pg_proc WHERE proname = 'seqrec_train'); END $$;
           CREATE TABLE people (user_id text, age int, secret text);
           INSERT INTO people VALUES ('u1', 10, 'x')""")
    ask = {"model": "theirs", "users": "people"}
    refused(call(**ask), "42501", '"user_id" of relation "people"', user="scientist")
    sql("GRANT SELECT (user_id, age) ON people TO scientist")
    refused(call(**ask), "42501", '"secret"', user="scientist")
    data, _ = train(user="scientist", **ask, options={"user_features": ["age"]})
    expect(data.by_id("user", "age")["u1"], 10)

    sql("REVOKE SELECT ON ratings FROM scientist; GRANT SELECT (user_id, item_id, timestamp, channel) ON ratings TO scientist")
    refused(call(model="theirs", options={"context": ["channel", "event"]}), "42501", '"event" of relation "ratings"', user="scientist")
    data, _ = train(user="scientist", model="theirs", options={"context": ["channel"]})
    expect(data.types("event"), {"channel": "category"})
    sql("GRANT SELECT ON ratings TO scientist")

    sql("GRANT SELECT ON people TO scientist; ALTER TABLE people ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON people USING (age > 50)")
    refused(call(**ask), "42501", "row-level security", '"people"', user="scientist")
    sql("ALTER TABLE people DISABLE ROW LEVEL SECURITY; GRANT SELECT ON people TO stranger")

    # The code of somebody with fewer rights does not run with the caller's.
    sql("CREATE FUNCTION spy() RETURNS text LANGUAGE sql AS $$ SELECT current_user::text $$; CREATE VIEW seen_people AS SELECT user_id, spy() AS who FROM people;"
        "GRANT SELECT ON seen_people TO PUBLIC", user="stranger")
    data, _ = train(model="spied", users="seen_people")
    expect(data.by_id("user", "who")["u1"], ["stranger"])
    sql("CREATE VIEW of_the_owner AS SELECT * FROM seen_people; GRANT SELECT ON of_the_owner TO scientist")
    refused(call(model="spied", users="of_the_owner"), "42501", 'view "seen_people"')

    # Rights are asked for again when the rows are read.
    session = Session()
    session.run("BEGIN;\nSET SESSION AUTHORIZATION scientist;")
    job = session.run(call(model="revoked", users="people") + ";")
    sql("REVOKE SELECT ON people FROM scientist; REVOKE SELECT (user_id, age) ON people FROM scientist")
    session.run("COMMIT;")
    session.close()
    refused(f"CALL seqrec_wait({job})", "42501", '"user_id" of relation "people"')


def one_snapshot_is_read():
    """Rows of all tables are those of one moment, and a table that changed its name or went while the job was queued is that one, or an error."""
    fresh("CREATE TABLE items (item_id int, price int); INSERT INTO items VALUES (1, 5)")
    session = Session()
    session.run("BEGIN;")
    job = session.run(call(items="items") + ";")
    renamed = Session()
    renamed.run("SET lock_timeout = '5s';")
    session.run("ALTER TABLE items RENAME TO films; CREATE TABLE items (item_id int, other text); COMMIT;")
    wait(job)
    expect(Dataset(KEPT).by_id("item", "price")["1"], 5)
    renamed.close()
    expect(sql(f"SELECT source->'items'->>'relation', source->'items'->>'id_column' FROM seqrec.models WHERE model_id = (SELECT model_id FROM seqrec_jobs WHERE job_id = {job})"), "public.films|item_id")
    sql("ALTER TABLE films RENAME TO movies")
    expect(sql("SELECT DISTINCT source->'items'->>'relation' FROM seqrec.models WHERE name = 'm' AND active"), "public.movies")

    session.run("BEGIN;")
    job = session.run(call(items="movies", model="dropped") + ";")
    session.run("DROP TABLE movies; CREATE TABLE movies (item_id int, price int); COMMIT;")
    refused(f"CALL seqrec_wait({job})", "42P01", "the table of items", "seqrec_train")
    session.run("BEGIN;")
    job = session.run(call(items="movies", model="dropped", options={"item_features": ["price"]}) + ";")
    session.run("ALTER TABLE movies DROP COLUMN price; COMMIT;")
    refused(f"CALL seqrec_wait({job})", "42703", '"price"')
    session.close()


def an_interrupted_job_goes_on_with_its_dataset():
    fresh("CREATE TABLE items (item_id int, price int); INSERT INTO items VALUES (1, 5)")

    with open(SLOW, "w", encoding="utf-8"):
        job = sql(call(items="items", model="again"))
    wait_for(lambda: sql(f"SELECT state FROM seqrec_jobs WHERE job_id = {job}") == "training", "training")
    wait_for(lambda: sql(f"SELECT pg_terminate_backend(seqrec.worker_pid(uuid)) FROM seqrec.jobs WHERE job_id = {job}") != "t", "its end")
    wait_for(lambda: sql(f"SELECT state FROM seqrec_jobs WHERE job_id = {job}") == "interrupted", "interrupted")
    os.unlink(SLOW)
    sql("UPDATE items SET price = 6; ALTER TABLE items RENAME TO things")
    sql(f"SELECT seqrec_resume({job})")
    wait(job)
    expect(Dataset(KEPT).by_id("item", "price")["1"], 5)
    expect(sql(f"SELECT source->'items'->>'relation' FROM seqrec.models WHERE name = 'again'"), "public.things")


def other_encodings_become_utf8():
    for encoding, locale, word in (("LATIN1", "C", "é"), ("EUC_CN", "C", "书"), ("SQL_ASCII", "C", "é")):
        name = "in_" + encoding.lower()
        sql(f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE '{locale}' TEMPLATE template0")
        sql("CREATE EXTENSION seqrec", database=name)
        libraries("seqrec", name)
        sql(SMALL_RATINGS + f"""
            CREATE TABLE items (item_id int, "w{word}" text, tags text[], plain int); INSERT INTO items VALUES (1, 'x{word}', '{{{word},y}}', 3), (2, 'y', NULL, 4)""", database=name)
        data, job = train(items="items", database=name)
        expect(data.types("item"), {f"w{word}": "category", "tags": "category", "plain": "number"})
        expect((data.by_id("item", f"w{word}")["1"], data.by_id("item", "tags")["1"]), ([f"x{word}"], [word, "y"]))
        refused(call(items="items", options={"item_features": ["no"]}), "42703", f"w{word}", database=name)
    sql("INSERT INTO items VALUES (3, E'\\xff', ARRAY[E'\\xff', 'z'], 5)", database="in_sql_ascii")
    data, job = train(items="items", database="in_sql_ascii")
    expect((data.by_id("item", "wé")["3"], data.by_id("item", "tags")["3"]), ([], ["z"]))
    assert any('"w' in line and " 1 values" in line for line in warnings(job, "in_sql_ascii")), warnings(job, "in_sql_ascii")


def a_dump_binds_them_by_name():
    fresh("CREATE TABLE items (item_id int, price int); INSERT INTO items VALUES (1, 5)")
    train(items="items")
    sql("CREATE DATABASE restored")
    dump = subprocess.run(["pg_dump", "-Fc", os.environ["PGDATABASE"]], capture_output=True, check=True).stdout
    subprocess.run(["pg_restore", "-d", "restored"], input=dump, capture_output=True, check=False)
    expect(sql("SELECT source->'items'->>'relation_id' = 'items'::regclass::oid::text, source->>'relation_id' = 'ratings'::regclass::oid::text, "
               "(source->'items'->>'database')::oid = (SELECT oid FROM pg_database WHERE datname = current_database()) FROM seqrec.models WHERE name = 'm' AND active", database="restored"), "t|t|t")


install_fixture()
sql(SMALL_RATINGS)
main(every_type_travels, rows_that_do_not_fit_are_counted, cold_ones_are_served, the_ratings_own_columns_travel, ten_thousand_categories_are_kept,
     columns_are_refused_with_a_list, rights_are_the_callers, one_snapshot_is_read, an_interrupted_job_goes_on_with_its_dataset, other_encodings_become_utf8,
     a_dump_binds_them_by_name)
