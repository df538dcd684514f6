#!/usr/bin/python3
"""No statement of seqrec-http calls what somebody has planted on its roles' search path: functions, operators and types of
PostgreSQL's own stand there once more, each raises when it is used, and every route is asked. The extension may be in a schema that is
on nobody's path, and what has its names in another is not called."""

import glob
import json
import os
import re
import sys

sys.dont_write_bytecode = True

from http_support import ROOT, Here, Sidecar, expect
from openapi import Document
from testing import SqlError, main, make_ratings, psql, sql, wait_for

ADMIN = "admin-token-0123456789"
HEADERS = {"Authorization": "Bearer " + ADMIN, "Content-Type": "application/json"}
QUICK = {"epochs": 2, "dim": 16, "max_len": 20}

FUNCTIONS = ("unnest array_agg json_agg jsonb_agg json_build_object row_to_json to_json min max count sum extract date_part format to_regclass "
             "abs coalesce nullif now lower starts_with cardinality array_length").split()
OPERATORS = "= <> < > <= >= * + - || -> ->> ~ ~~ @>".split()
TYPES = "name jsonb regclass".split()

# What raises, under every signature that pg_catalog has under a name; those that only C functions may have are given by hand.
PLANTING = r"""
CREATE FUNCTION SCHEMA.boom() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'planted'; END $$;
CREATE FUNCTION pg_temp.plant(name text, arguments text, result text, kind text, n int) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    raises text := ' LANGUAGE plpgsql AS ''BEGIN RAISE ''''planted %s''''; END''';
BEGIN
    raises := format(raises, name);
    IF kind = 'a' THEN
        EXECUTE format('CREATE FUNCTION SCHEMA.step%s(int%s) RETURNS int', n, ', ' || nullif(arguments, '')) || raises;
        EXECUTE format('CREATE AGGREGATE SCHEMA.%I(%s) (SFUNC = SCHEMA.step%s, STYPE = int)', name, coalesce(nullif(arguments, ''), '*'), n);
    ELSE
        EXECUTE format('CREATE FUNCTION SCHEMA.%I(%s) RETURNS %s', name, arguments, result) || raises;
    END IF;
EXCEPTION WHEN OTHERS THEN
    NULL;  -- of a kind that plpgsql can't have
END $$;
"""

CLOSER = r"""
SELECT pg_temp.plant(name, arguments, result, kind, 1000 + row_number() OVER ()::int) FROM (VALUES
    ('unnest', 'text[]', 'SETOF text', 'f'), ('array_agg', 'text', '', 'a'), ('array_agg', 'real', '', 'a'), ('json_agg', 'json', '', 'a'),
    ('json_agg', 'record', '', 'a'), ('json_agg', 'public.seqrec_jobs', '', 'a'), ('row_to_json', 'public.seqrec_jobs', 'json', 'f'), ('json_build_object', 'text, json', 'json', 'f'),
    ('json_build_object', 'text, text', 'json', 'f'), ('json_build_object', 'text, text, text, text', 'json', 'f'),
    ('format', 'text, text', 'text', 'f'), ('format', 'text, text, name', 'text', 'f'), ('format', 'text, text, text', 'text', 'f')
) AS v (name, arguments, result, kind);
"""

EXACT = rf"""
SELECT pg_temp.plant(proname, pg_get_function_identity_arguments(p.oid), pg_get_function_result(p.oid), prokind::text, row_number() OVER ()::int)
FROM pg_proc p WHERE pronamespace = 'pg_catalog'::regnamespace AND proname = ANY ('{{{",".join(FUNCTIONS)}}}');
CREATE FUNCTION pg_temp.plant_operator(name text, l regtype, r regtype, result regtype, n int) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    EXECUTE format('CREATE FUNCTION SCHEMA.operator%s(%s, %s) RETURNS %s LANGUAGE plpgsql AS ''BEGIN RAISE ''''planted %s''''; END''', n, l, r, result, name);
    EXECUTE format('CREATE OPERATOR SCHEMA.%s (FUNCTION = SCHEMA.operator%s, LEFTARG = %s, RIGHTARG = %s)', name, n, l, r);
EXCEPTION WHEN OTHERS THEN
    NULL;
END $$;
SELECT pg_temp.plant_operator(oprname, oprleft, oprright, oprresult, row_number() OVER ()::int) FROM pg_operator
WHERE oprnamespace = 'pg_catalog'::regnamespace AND oprkind = 'b' AND oprname = ANY ('{{{",".join(OPERATORS)}}}');
{"".join(f"CREATE DOMAIN SCHEMA.{name} AS pg_catalog.{name} CHECK (SCHEMA.boom());" for name in TYPES)}
"""


# Whatever the extension has in its schema, once more in public.
NAMESAKES = r"""
DO $do$
DECLARE
    own record;
BEGIN
    FOR own IN SELECT p.proname, oidvectortypes(p.proargtypes) AS arguments, pg_get_function_result(p.oid) AS result
               FROM pg_proc p WHERE p.pronamespace = 'ext'::regnamespace AND p.prokind = 'f' LOOP
        EXECUTE format('CREATE FUNCTION public.%I(%s) RETURNS %s LANGUAGE plpgsql AS ''BEGIN RAISE ''''planted %s''''; END''',
                       own.proname, own.arguments, own.result, own.proname);
    END LOOP;
    FOR own IN SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'ext'::regnamespace AND c.relkind = 'v' LOOP
        EXECUTE format('CREATE VIEW public.%I AS SELECT v.* FROM ext.%1$I v, (SELECT public.boom()) b (planted) WHERE planted', own.relname);
    END LOOP;
END $do$;
GRANT SELECT ON ALL TABLES IN schema public TO PUBLIC;
"""


def plant(schema, *what):
    sql((PLANTING + "".join(what)).replace("SCHEMA", schema))


def raises(statement, user="shop_api"):
    try:
        sql(statement, user=user)
    except SqlError as error:
        return "planted" in str(error)
    return False


def start():
    server = Sidecar(Here, PGDATABASE=os.environ["PGDATABASE"], PGUSER="shop_api", SEQREC_ADMIN_DSN="user=shop_trainer", SEQREC_POOL=2,
                     SEQREC_ADMIN_TOKEN=ADMIN, SEQREC_EVENTS_TABLE="ratings", SEQREC_TITLE_TABLE="products", SEQREC_TITLE_COLUMN="title")
    try:
        server.wait_ready()
    except AssertionError:
        server.stop()
        raise
    return server


def ask(server, method, path, body=None):
    status, headers, answer = server.request(method, path, None if body is None else json.dumps(body), HEADERS)
    assert status < 300, (method, path, status, answer, server.log())
    return answer


def ask_every_route(server):
    number = ask(server, "POST", "/train", {"ratings": "ratings", "options": QUICK})["job_id"]
    wait_for(lambda: ask(server, "GET", f"/jobs/{number}")["state"] == "done", "the training")
    assert ask(server, "GET", "/jobs?model=default")["jobs"]
    assert b"event: epoch" in ask(server, "GET", f"/jobs/{number}/events")
    model = ask(server, "GET", "/models")["models"][0]["model_id"]
    ask(server, "POST", f"/models/{model}/activate")
    ask(server, "POST", f"/jobs/{number}/cancel")
    for path, body in (("/train", {"ratings": "ratings", "model": "reads", "items": "products", "options": QUICK}), ("/models/reads/refresh", None)):
        number = ask(server, "POST", path, body)["job_id"]
        wait_for(lambda: ask(server, "GET", f"/jobs/{number}")["state"] == "done", path)
    for clicks in ({}, {"recent_clicks": ["i1", "i2"]}):
        for more in ({}, {"explain": True}, {"exclude_item_ids": ["i3"], "candidate_item_ids": ["i3", "i4"], "min_score": -1},
                     {"context": {"device": "phone"}}, {"context": {"device": "phone"}, "explain": True}):
            assert ask(server, "POST", "/recommend", {"user_id": "u1", **clicks, **more})["recommended_item_ids"]
    ask(server, "POST", "/recommend/batch", {"requests": [{"user_id": "u1"}, {"user_id": "u2", "recent_clicks": ["i1"]}]})
    ask(server, "POST", "/recommend/batch", {"requests": [{"user_id": "u1", "context": {"device": "phone"}}, {"user_id": "u2", "recent_clicks": ["i1"]}]})
    expect(ask(server, "GET", "/models/default/coefficients?top=3")["count"], 0)
    assert ask(server, "GET", "/similar/i1")["similar_item_ids"]
    assert ask(server, "GET", "/similar/i1?exclude_item_ids=i3&candidate_item_ids=i4&min_score=-1")["similar_item_ids"] == ["i4"]
    assert ask(server, "GET", "/kinds")["kinds"]
    expect(ask(server, "GET", "/items?query=tent")["items"], [{"item_id": "i1", "title": "Blue Tent"}])
    assert len(ask(server, "GET", "/items?query=i1")["items"]) > 3
    expect(ask(server, "GET", "/items?id=i1")["items"], [{"item_id": "i1", "title": "Blue Tent"}])
    assert ask(server, "GET", "/users?query=u1")["users"]
    expect(ask(server, "POST", "/events", {"user_id": "new", "item_id": "i1"}), {"inserted": 1})
    expect(ask(server, "POST", "/events", {"user_id": "new", "item_id": "i2", "timestamp": "2026-01-05T10:00:00Z"}), {"inserted": 1})
    wait_for(lambda: b"seqrec_model_info{" in ask(server, "GET", "/metrics") and b"seqrec_trainings_running" in ask(server, "GET", "/metrics"),
             "the model's metrics", poll=0.5)
    for path in ("/livez", "/readyz", "/openapi.json"):
        ask(server, "GET", path)


def every_route_was_asked():
    good = {name for name, status in Sidecar.document.met if status.startswith("2")}
    every = {f"{method.upper()} {path}" for path, methods in Sidecar.document.content["paths"].items() for method in methods}
    expect(every - good, set())


def check_all():
    """Every route, and the warnings of a start whose settings name what is not there."""
    Sidecar.document = Document()
    server = start()
    try:
        ask_every_route(server)
        every_route_was_asked()
    finally:
        server.stop()
    server = Sidecar(Here, PGDATABASE=os.environ["PGDATABASE"], PGUSER="shop_api", SEQREC_EVENTS_TABLE="nowhere", SEQREC_TITLE_TABLE="products",
                     SEQREC_TITLE_COLUMN="name")
    try:
        for words in ('SEQREC_EVENTS_TABLE: there is no table \\"nowhere\\"', 'SEQREC_TITLE_TABLE: \\"products\\" has no column \\"name\\"'):
            wait_for(lambda: words in server.log(), f"{words} in {server.log()}")
    finally:
        server.stop()


def closer_matches_are_not_called():
    """pg_catalog stands first on the path, as it does unless it is named there; what fits better than its functions still wins."""
    plant("public", CLOSER)
    for call in ("unnest('{a}'::text[])", "array_agg('a'::text)", "row_to_json(NULL::seqrec_jobs)", "json_build_object('a'::text, 'b'::text)"):
        assert raises("SELECT " + call), call + " does not find what was planted"
    check_all()


def a_schema_before_pg_catalog_is_not_used():
    """Everything under the very same signatures, in a schema that a role has before pg_catalog."""
    sql("CREATE SCHEMA planted; GRANT USAGE ON SCHEMA planted TO PUBLIC")
    plant("planted", EXACT, CLOSER)
    for role in ("shop_api", "shop_trainer"):
        sql(f"ALTER ROLE {role} SET search_path = planted, public, pg_catalog")
    for call in ("json_agg(1)", "min('a'::pg_catalog.text)", "1 = 1", "'{}'::pg_catalog.jsonb ->> 'a'", "'a'::name", "to_regclass('a')"):
        assert raises("SELECT " + call), call + " does not find what was planted"
    check_all()


def the_extension_may_be_in_any_schema():
    """In one that no path has, while functions and views of its names stand in one that all have; then in one behind that."""
    os.environ["PGDATABASE"] = "apart"
    sql("CREATE DATABASE apart", database="postgres")
    sql("CREATE SCHEMA ext; CREATE EXTENSION seqrec SCHEMA ext")
    make_shop()
    plant("public", NAMESAKES)
    for path in ("public", "public, ext"):
        for role in ("shop_api", "shop_trainer"):
            sql(f"ALTER ROLE {role} SET search_path = {path}")
        for call, role in (("seqrec_kinds()", "shop_api"), ("seqrec_find_items('', 1, '')", "shop_api"), ("seqrec_cancel(1)", "shop_trainer"),
                           ("count(*) FROM seqrec_models", "shop_api")):
            assert raises("SELECT " + call, role), call + " does not find what was planted"
        check_all()


def types_are_named_in_full():
    """A planted "text" would stop the extension's own view of models, so this one is read from the sources."""
    found = []
    for path in glob.glob(os.path.join(ROOT, "sidecar", "**", "*.cpp"), recursive=True):
        with open(path, encoding="utf-8") as file:
            found += [(os.path.basename(path), cast) for cast in re.findall(r"\w::(?!pg_catalog\.)(?:text|name|jsonb|regclass|uuid|timestamptz)\b[^:(<]", file.read())]
    expect(found, [])


def nothing_depends_on_a_path():
    """Names without a schema that are called, or read: those of the extension are in the schema seqrec."""
    found = []
    for path in glob.glob(os.path.join(ROOT, "sidecar", "**", "*.cpp"), recursive=True):
        with open(path, encoding="utf-8") as file:
            found += [(os.path.basename(path), call or name) for call, name in
                      re.findall(r"(?<![\w.])(seqrec_\w+) *\(|(?:FROM|JOIN) (seqrec_\w+)", file.read())]
    expect(found, [])


def make_shop():
    """A table, a model, and the roles of seqrec-http."""
    make_ratings()
    sql("CREATE TABLE products (item_id text PRIMARY KEY, title text); INSERT INTO products VALUES ('i1', 'Blue Tent')")
    made = psql("-v", "api=shop_api", "-v", "trainer=shop_trainer", "-v", "history=on", "-f", os.path.join(ROOT, "packaging", "roles.sql"))
    assert made.returncode == 0, made.stderr
    sql("GRANT SELECT ON products TO shop_api, shop_trainer; GRANT SELECT, INSERT ON ratings TO shop_trainer")
    job = sql(f"SELECT seqrec.http_train('ratings', 'default', 'transformer', 'user_id', 'item_id', 'timestamp', NULL, NULL, '{json.dumps(QUICK)}', 'error')",
              user="shop_trainer")
    wait_for(lambda: sql(f"SELECT state FROM seqrec.http_jobs() WHERE job_id = {job}", user="shop_trainer") == "done", "the training")


if __name__ == "__main__":
    sql("CREATE EXTENSION seqrec")
    make_shop()
    main(types_are_named_in_full, nothing_depends_on_a_path, closer_matches_are_not_called, a_schema_before_pg_catalog_is_not_used,
         the_extension_may_be_in_any_schema)
