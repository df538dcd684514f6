#!/usr/bin/python3
"""A database of 0.1.0 becomes one of 0.2.0: by ALTER EXTENSION UPDATE, and from its dump."""

import json
import os
import re
import subprocess

from testing import SqlError, main, make_ratings, psql, sql, wait_for

NEW = os.environ["PGDATABASE"]  # of 0.2.0 from the beginning; its rows are put into the old one
OLD = "old"
SHORT = """'{"epochs": 2, "dim": 16, "max_len": 20}'"""
ASK = "SELECT string_agg(item_id || '=' || score, ' ' ORDER BY rank) FROM seqrec_recommend('u1', {}, 20, '{}')"
SERVING = (
    "seqrec_recommend('u1', ARRAY['i1'], 5)",
    "seqrec_recommend('u1')",
    "seqrec_recommend_info('u1', ARRAY['i1'])",
    "seqrec_recommend_batch(ARRAY['u1'], '[[\"i1\"]]')",
    "seqrec_recommend_all(3)",
    "seqrec_similar_items('i1')",
    "seqrec_score('u1', ARRAY['i1'], ARRAY['i2'])",
    "seqrec_score('u1', ARRAY['i1'], 'i2')",
    "seqrec_explain('u1', ARRAY['i1'], ARRAY['i2'])",
    "seqrec_user_embedding('u1', ARRAY['i1'])",
    "seqrec_item_embedding('i1')",
    "seqrec_unknown_items(ARRAY['i1'])",
    "seqrec_prewarm()",
    "seqrec.answers(ARRAY['u1'], ARRAY[1], ARRAY['i1'])",
    "seqrec_train('ratings')",
    "seqrec_cancel(1)",
    "seqrec_resume(1)",
    "seqrec_activate(1)",
    "seqrec_drop(1)",
)
# The tables as 0.1.0 had them: owners were names, and a source was the names of relation and columns.
NAMES = "(SELECT jsonb_object_agg(key, value) FROM jsonb_each(source) WHERE key IN ('relation', 'user_column', 'item_column', 'time_column'))"
COLUMNS_OF_OLD = {
    "models": f"model_id, name, kind, version, active, pg_get_userbyid(owner), {NAMES}, config, metrics, dim, n_users, n_items, created_at",
    "weights": "*",
    "items": "*",
    "users": "*",
    "jobs": f"job_id, model, kind, pg_get_userbyid(owner), {NAMES}, options, state, phase, percent, epoch, loss, labels_per_s, eta, metrics, "
    "warnings, error, sqlstate, detail, hint, model_id, queued_at, started_at, finished_at",
    "job_log": "job_id, at, epoch, step, loss, metrics",
    "event_keys": "pg_get_userbyid(owner), key, at",
}
TRAINERS = ("alice", "Shop Trainer", "gone")
LEFT = TRAINERS[:2]  # the third is dropped before the update
MODELS = {"alice": "default", "Shop Trainer": "odd", "gone": "left"}


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def error_of(statement, database, user=None):
    try:
        sql(statement, database=database, user=user)
    except SqlError as error:
        return str(error)
    raise AssertionError(f"no error: {statement}")


def grant(database, roles=TRAINERS):
    for role in roles:
        sql(f'GRANT SELECT ON ratings TO "{role}"; GRANT EXECUTE ON FUNCTION seqrec_train TO "{role}"', database=database)


# Who could call functions of 0.1.0 that have become one.
GRANTS_OF_OLD = {
    "alice": "seqrec_recommend(bigint, bigint[], integer, text, bigint[], boolean, bigint[], real), seqrec_score(text, text[], text, text), seqrec.answers, seqrec.claim_event_key",
    "Shop Trainer": "seqrec_score(bigint, bigint[], bigint[], text), seqrec_recommend_all, seqrec_prewarm",
    "PUBLIC": "seqrec_similar_items(text, integer, text), seqrec_find_items",
}


def train(role, database, model=None, options=SHORT):
    number = sql(f"SELECT seqrec_train('ratings', '{model or MODELS[role]}', options => {options})", user=role, database=database)
    sql(f"CALL seqrec_wait({number})", database=database)
    return number


def copy_rows(query, table):
    """Puts what a query finds in the new database into a table of the old one."""
    rows = run("psql", "-Xqd", NEW, "-c", f"COPY ({query}) TO STDOUT")
    done = psql("-d", OLD, "-c", f"COPY {table} FROM STDIN", input=rows)
    assert done.returncode == 0, done.stderr


def make_old():
    """A database of 0.1.0 with the models that another one, of 0.2.0, has trained."""
    run("createdb", OLD)
    sql("CREATE EXTENSION seqrec VERSION '0.1.0'; CREATE TABLE ratings (user_id text, item_id text, timestamp timestamptz)", database=OLD)
    copy_rows("SELECT * FROM ratings", "ratings")
    grant(OLD)
    for role, functions in GRANTS_OF_OLD.items():
        sql(f"GRANT EXECUTE ON FUNCTION {functions} TO {role if role == 'PUBLIC' else json.dumps(role)}", database=OLD)
    sql("REVOKE SELECT ON seqrec_job_log FROM PUBLIC; GRANT SELECT ON seqrec_job_log TO alice", database=OLD)
    for table, columns in COLUMNS_OF_OLD.items():
        copy_rows(f"SELECT {columns} FROM seqrec.{table}", f"seqrec.{table}")
    for table, number in (("models", "model_id"), ("jobs", "job_id")):
        sql(f"SELECT setval('seqrec.{table}_{number}_seq', max({number})) FROM seqrec.{table}", database=OLD)


def prepare():
    sql("CREATE EXTENSION seqrec")
    make_ratings()
    for role in TRAINERS:
        sql(f'CREATE ROLE "{role}" LOGIN')
    grant(NEW)
    for role in TRAINERS:
        train(role, NEW)
    train("alice", NEW)
    sql("SELECT seqrec_train('ratings', 'left')", user="gone")
    sql("SELECT seqrec_cancel(max(job_id)) FROM seqrec.jobs")
    wait_for(lambda: sql("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'seqrec worker'") == "0", "the workers to leave")
    sql("INSERT INTO seqrec.event_keys VALUES ('alice', 'a key'), ('gone', 'another')")
    make_old()
    for database in (OLD, NEW):
        sql("DROP OWNED BY gone", database=database)
    sql("DROP ROLE gone")
    dump(OLD)
    run("createdb", "simple", "-T", OLD)
    for table in ("models", "jobs", "event_keys"):
        sql(f"DELETE FROM seqrec.{table} WHERE owner <> 'alice'", database="simple")
    dump("simple")


def dump_file(database):
    return os.path.join(os.environ["PGHOST"], database + ".dump")


def dump(database):
    run("pg_dump", "-Fc", "-d", database, "-f", dump_file(database))


def same_answers(database, models=("default", "odd", "left")):
    for model in models:
        ask = ASK.format("ARRAY['i1', 'i9', 'i4']", model)
        assert sql(ask, database=database) == sql(ask), f"{model} answers otherwise"


def refused_before_the_update():
    said = {}
    for call in SERVING:
        error = error_of(f"SELECT {call}", OLD)
        if "55000" not in error or "ALTER EXTENSION seqrec UPDATE" not in error:
            said[call] = error
    error = error_of("CALL seqrec_wait(1)", OLD)
    if "ALTER EXTENSION seqrec UPDATE" not in error:
        said["wait"] = error
    assert not said, said


def views_work_before_the_update():
    assert sql("SELECT count(*) FROM seqrec_models", database=OLD) == "4"
    assert sql("SELECT count(*) FROM seqrec_jobs", database=OLD) == "5"


def updated():
    sql("ALTER EXTENSION seqrec UPDATE TO '0.2.0'", database=OLD)


def answers_as_before():
    same_answers(OLD)
    assert sql("SELECT count(*) FROM seqrec_jobs", database=OLD) == "5"
    assert sql("SELECT owner || ' ' || key FROM seqrec.event_keys", database=OLD) == "alice a key"


def own_history_works():
    latest = "SELECT string_agg(item_id, ' ' ORDER BY rank) FROM seqrec_history('u1', 5, '{}')"
    for model in ("default", "odd"):
        assert sql(latest.format(model), database=OLD) == sql(latest.format(model))
        assert sql(ASK.format("NULL", model), database=OLD) == sql(ASK.format("NULL", model))
    sql("INSERT INTO ratings VALUES ('u1', 'i50', now())", database=OLD)
    assert sql(latest.format("default"), database=OLD).startswith("i50 ")
    sql("ALTER TABLE ratings RENAME TO moved; CREATE TABLE ratings (LIKE moved)", database=OLD)
    assert sql(latest.format("default"), database=OLD).startswith("i50 "), "another table of the name is read"
    sql("DROP TABLE ratings; ALTER TABLE moved RENAME TO ratings", database=OLD)


def grants_are_carried_along():
    """Functions with other arguments or columns than before are others; who could call the earlier ones can call them."""
    may = """SELECT string_agg(proname, ' ' ORDER BY proname COLLATE "C") FROM pg_proc
             WHERE (proname LIKE 'seqrec\\_%' OR proname IN ('answers', 'claim_event_key')) AND has_function_privilege('{}', oid, 'EXECUTE')"""
    everybody = "seqrec_find_items seqrec_kinds seqrec_similar_items seqrec_wait"
    for role, functions in (
        ("public", everybody),
        ("alice", f"answers claim_event_key {everybody} seqrec_recommend seqrec_score_item seqrec_train"),
        ("Shop Trainer", f"{everybody} seqrec_prewarm seqrec_recommend_all seqrec_score seqrec_train"),
    ):
        assert set(sql(may.format(role), database=OLD).split()) == set(functions.split()), role
    reads = "SELECT has_table_privilege('{}', 'seqrec_job_log', 'SELECT'), has_table_privilege('{}', 'seqrec_jobs', 'SELECT')"
    for role, may_read in (("public", "f|t"), ("alice", "t|t"), ("Shop Trainer", "f|t")):
        assert sql(reads.format(role, role), database=OLD) == may_read, role
    grant(OLD, LEFT)


def training_goes_on():
    most = int(sql("SELECT max(job_id) FROM seqrec.jobs", database=OLD))
    number = train("alice", OLD)
    assert int(number) == most + 1
    assert sql("SELECT max(model_id) FROM seqrec_models WHERE active", database=OLD) == str(int(sql("SELECT max(model_id) FROM seqrec.models")) + 1)
    again = train("alice", OLD, options="""'{"init_from": "default", "epochs": 1}'""")
    assert sql(f"SELECT state FROM seqrec_jobs WHERE job_id = {again}", database=OLD) == "done"


def owners_follow_a_rename():
    sql("ALTER ROLE alice RENAME TO alicia")
    try:
        assert sql("SELECT DISTINCT owner FROM seqrec_models WHERE model = 'default'", database=OLD) == "alicia"
        sql("CREATE ROLE alice LOGIN")
        assert sql("SELECT count(*) FROM seqrec_jobs", user="alice", database=OLD) == "0", "a new role of the old name sees the jobs"
        sql("DROP ROLE alice")
        train("alicia", OLD, "default")
    finally:
        sql("ALTER ROLE alicia RENAME TO alice")


def what_a_dropped_role_left_survives():
    jobs = "SELECT array_agg((job_id, state, error, model_id) ORDER BY job_id) FROM seqrec_jobs WHERE model = 'left'"
    assert sql(jobs, database=OLD) == sql(jobs)
    assert "has been dropped" in error_of("SELECT seqrec_history('u1', 5, 'left')", OLD)
    assert "42501" in error_of("SELECT seqrec_train('ratings', 'left')", OLD, user="alice")
    sql("SELECT seqrec_set_owner('left', 'alice')", database=OLD)
    assert sql("SELECT count(*) FROM seqrec_history('u1', 5, 'left')", database=OLD) == "5"
    train("alice", OLD, "left")


def dump_of_old_is_restored_as_old():
    """A dump says CREATE EXTENSION IF NOT EXISTS: with 0.1.0 there already, any owner's name can be loaded."""
    run("createdb", "restored")
    sql("CREATE EXTENSION seqrec VERSION '0.1.0'", database="restored")
    run("pg_restore", "--exit-on-error", "-d", "restored", dump_file(OLD))
    assert "55000" in error_of("SELECT seqrec_recommend('u1')", "restored")
    sql("ALTER EXTENSION seqrec UPDATE", database="restored")
    same_answers("restored")
    assert sql("SELECT string_agg(DISTINCT owner, ', ') FROM seqrec_models", database="restored") == "Shop Trainer, alice, unknown (OID=0)"
    latest = "SELECT string_agg(item_id, ' ' ORDER BY rank) FROM seqrec_history('u1', 5)"
    assert sql(latest, database="restored") == sql(latest)
    grant("restored", LEFT)
    train("alice", "restored")
    run("dropdb", "restored")


def dump_of_old_meets_new_tables():
    """Without that its rows meet the tables of 0.2.0. They load when every owner is there and needs no quotes; what is missed is
    the rights to the functions that have other parameters now."""
    run("createdb", "restored")
    said = subprocess.run(["pg_restore", "-d", "restored", dump_file("simple")], capture_output=True, text=True).stderr
    missed = re.findall(r"error: .*function (?:public|seqrec)\.(\w+)\(.* does not exist", said)
    assert len(missed) == said.count("error: could not execute") == len(re.findall("error: ", said)), said
    assert set(missed) == {"seqrec_train", "seqrec_recommend", "seqrec_score", "seqrec_recommend_all", "seqrec_similar_items", "answers", "claim_event_key"}, said
    assert sql("SELECT extversion FROM pg_extension WHERE extname = 'seqrec'", database="restored") == "0.2.0"
    same_answers("restored", ("default",))
    assert sql("SELECT DISTINCT owner FROM seqrec_models UNION SELECT DISTINCT owner FROM seqrec_jobs", database="restored") == "alice"
    assert sql("SELECT count(DISTINCT uuid) FROM seqrec.jobs", database="restored") == "2"
    assert sql(ASK.format("NULL", "default"), database="restored") == sql(ASK.format("NULL", "default"))
    grant("restored", LEFT)
    train("alice", "restored")
    run("dropdb", "restored")


def other_owners_are_refused_by_new_tables():
    run("createdb", "restored")
    done = subprocess.run(["pg_restore", "--exit-on-error", "-d", "restored", dump_file(OLD)], capture_output=True, text=True)
    assert done.returncode != 0 and 'role "gone" does not exist' in done.stderr, done.stderr
    run("dropdb", "restored")


def casts_of_own_types_are_restored():
    """A training has made a cast for the ids' type: a dump has it, and it goes with the type and the extension."""
    run("createdb", "typed")
    sql("""CREATE EXTENSION seqrec; CREATE TYPE shelf AS ENUM ('a', 'b', 'c'); CREATE TYPE kind AS ENUM ('x', 'y');
           CREATE TABLE ratings AS SELECT (enum_range(NULL::shelf))[1 + u % 3] AS user_id, (enum_range(NULL::kind))[1 + (u / 3) % 2] AS item_id,
               u AS timestamp FROM generate_series(1, 60) u""", database="typed")
    number = sql(f"SELECT seqrec_train('ratings', options => {SHORT})", database="typed")
    sql(f"CALL seqrec_wait({number})", database="typed")
    casts = "SELECT count(*) FROM pg_cast WHERE castsource IN (SELECT oid FROM pg_type WHERE typname IN ('shelf', 'kind'))"
    ask = "SELECT item_id, score FROM seqrec_recommend('b'::shelf, ARRAY['x'::kind], exclude_seen => false)"
    assert sql(casts, database="typed") == "2"
    dump("typed")
    run("createdb", "restored")
    run("pg_restore", "--exit-on-error", "-d", "restored", dump_file("typed"))
    assert sql(casts, database="restored") == "2"
    assert sql(ask, database="restored") == sql(ask, database="typed") != ""
    for database in ("typed", "restored"):
        sql("DROP TABLE ratings; DROP TYPE kind", database=database)
        assert sql(casts, database=database) == "1"
        sql("DROP EXTENSION seqrec; DROP TYPE shelf", database=database)
        run("dropdb", database)


# What an update must make as a fresh installation does, as rows of a name and a description. Comments inside of functions are left out,
# and pg_attver, a number that PostgreSQL's security releases of November 2026 keep with each column.
CATALOGS = {
    "members": "SELECT pg_describe_object(classid, objid, objsubid), deptype FROM pg_depend WHERE refclassid = 'pg_extension'::regclass AND refobjid = {extension}",
    "functions": r"""
        SELECT p.oid::regprocedure, concat_ws(E'\n', pg_get_function_arguments(p.oid), pg_get_function_result(p.oid),
               regexp_replace(prosrc, E'\\s*--[^\\n]*', '', 'g'),
               probin, l.lanname, prokind, provolatile, proparallel, prosecdef, proisstrict, proleakproof, procost, prorows, prosupport, proconfig,
               pg_get_userbyid(proowner), proacl, obj_description(p.oid, 'pg_proc'))
        FROM pg_proc p JOIN pg_language l ON l.oid = prolang WHERE {member}('pg_proc', p.oid)""",
    "relations": r"""
        SELECT c.oid::regclass, concat_ws(E'\n', relkind, relpersistence, reloptions, relrowsecurity, relforcerowsecurity, relreplident, relhastriggers,
               pg_get_userbyid(relowner), relacl, obj_description(c.oid, 'pg_class'), CASE relkind WHEN 'v' THEN pg_get_viewdef(c.oid) END)
        FROM pg_class c WHERE {member}('pg_class', c.oid)""",
    "columns": r"""
        SELECT attrelid::regclass || '.' || attname, concat_ws(E'\n', format_type(atttypid, atttypmod), attnotnull, attidentity, attgenerated, attstorage,
               attcompression, (SELECT array_agg(o) FROM unnest(attoptions) o WHERE o NOT LIKE 'pg_attver=%'), attacl,
               nullif(attcollation, 0)::regcollation, pg_get_expr(adbin, adrelid), col_description(attrelid, attnum))
        FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        WHERE attnum > 0 AND NOT attisdropped AND {member}('pg_class', attrelid)""",
    "constraints": """
        SELECT conrelid::regclass || '.' || conname, concat_ws(' ', contype, convalidated, condeferrable, pg_get_constraintdef(oid)) FROM pg_constraint
        WHERE {member}('pg_class', conrelid)""",
    "indexes": """
        SELECT indexrelid::regclass, concat_ws(' ', pg_get_indexdef(indexrelid), indisvalid, indisclustered, indisreplident) FROM pg_index
        WHERE {member}('pg_class', indrelid)""",
    "sequences": "SELECT seqrelid::regclass, concat_ws(' ', seqtypid::regtype, seqstart, seqincrement, seqmax, seqmin, seqcache, seqcycle) FROM pg_sequence",
    "triggers": "SELECT tgrelid::regclass || '.' || tgname, concat_ws(' ', pg_get_triggerdef(oid), tgenabled) FROM pg_trigger WHERE {member}('pg_class', tgrelid)",
    "event triggers": """
        SELECT evtname, concat_ws(' ', evtevent, evttags, evtfoid::regprocedure, evtenabled, pg_get_userbyid(evtowner), obj_description(oid, 'pg_event_trigger'))
        FROM pg_event_trigger""",
    "types": """
        SELECT t.oid::regtype, concat_ws(' ', typinput, typoutput, typreceive, typsend, typlen, typbyval, typalign, typstorage, typcategory, typcollation,
               pg_get_userbyid(typowner), typacl, obj_description(t.oid, 'pg_type'))
        FROM pg_type t WHERE {member}('pg_type', t.oid)""",
    "casts": """
        SELECT castsource::regtype || ' to ' || casttarget::regtype, concat_ws(' ', castfunc::regprocedure, castcontext, castmethod)
        FROM pg_cast c WHERE {member}('pg_cast', c.oid)""",
    "schemas": """
        SELECT nspname, concat_ws(' ', pg_get_userbyid(nspowner), nspacl, obj_description(oid, 'pg_namespace')) FROM pg_namespace WHERE nspname = 'seqrec'""",
    "initial privileges": "SELECT pg_describe_object(classoid, objoid, objsubid), privtype::text || initprivs::text FROM pg_init_privs WHERE objoid >= 16384",
    "dumped": """
        SELECT c::regclass, coalesce(condition, '') FROM pg_extension, unnest(extconfig, extcondition) AS dumped(c, condition) WHERE extname = 'seqrec'""",
    "extension": "SELECT extname, concat_ws(' ', extversion, extnamespace::regnamespace, extrelocatable, pg_get_userbyid(extowner)) FROM pg_extension",
}


IS_MEMBER = """
    CREATE FUNCTION pg_temp.is_member(catalog regclass, object oid) RETURNS boolean LANGUAGE sql AS $$
        SELECT EXISTS (SELECT FROM pg_depend WHERE classid = catalog AND objid = object AND refclassid = 'pg_extension'::regclass
                       AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'seqrec') AND deptype = 'e')$$;"""


def catalog(query, database):
    """The rows of one of the catalogs, their lists of privileges in a fixed order."""
    query = query.format(extension="(SELECT oid FROM pg_extension WHERE extname = 'seqrec')", member="pg_temp.is_member")
    rows = sql(f"{IS_MEMBER} SELECT json_agg(json_build_array(r.name, r.description)) FROM ({query}) r(name, description)", database=database)

    def in_order(privileges):
        return ",".join(sorted(privileges[0].strip("{}").split(",")))

    return {name: re.sub(r"\{[^{}]*=[^{}]*\}", in_order, text or "") for name, text in json.loads(rows)}


def catalogs_are_those_of_a_fresh_installation():
    for database, version in (("fresh", "0.2.0"), ("brought", "0.1.0")):
        run("createdb", database)
        sql(f"CREATE EXTENSION seqrec VERSION '{version}'; ALTER EXTENSION seqrec UPDATE", database=database)
    different = []
    for name, query in CATALOGS.items():
        fresh, updated_one = catalog(query, "fresh"), catalog(query, "brought")
        assert fresh, name
        for row in sorted(fresh.keys() | updated_one.keys()):
            if fresh.get(row) != updated_one.get(row):
                different.append(f"{name}: {row}:\n--- fresh\n{fresh.get(row)}\n--- updated\n{updated_one.get(row)}")
    assert not different, "\n".join(different)


if __name__ == "__main__":
    prepare()
    main(
        refused_before_the_update,
        views_work_before_the_update,
        updated,
        answers_as_before,
        own_history_works,
        grants_are_carried_along,
        training_goes_on,
        owners_follow_a_rename,
        what_a_dropped_role_left_survives,
        dump_of_old_is_restored_as_old,
        dump_of_old_meets_new_tables,
        other_owners_are_refused_by_new_tables,
        casts_of_own_types_are_restored,
        catalogs_are_those_of_a_fresh_installation,
    )
