#!/usr/bin/python3
"""Whose rights code runs with: that of whoever wrote it, or less."""

import subprocess

from testing import Session, SqlError, main, refused, script, server_log, sql

OPTIONS = """'{"epochs": 1, "dim": 16, "max_len": 10, "members": 1}'"""
ROWS = "SELECT 'u' || u AS user_id, 'i' || (u + g) % 20 AS item_id, g AS timestamp FROM generate_series(1, 40) u, generate_series(1, 6) g"
HISTORY = "SELECT count(*) FROM seqrec_recommend('u1', NULL, 5, '{}')"


def train(table, model, user=None, **more):
    options = "".join(f", {name} => {value}" for name, value in more.items())
    number = sql(f"SELECT seqrec_train('{table}', model => '{model}', options => {OPTIONS}{options})", user=user)
    sql(f"CALL seqrec_wait({number})")
    return int(number)


def ask(model, user="bob"):
    """An own-history call; what it said, an error's words included."""
    try:
        return sql(HISTORY.format(model), user=user)
    except SqlError as error:
        return str(error)


def seen():
    """As whom bob's code has run since the last look: it says so in the server's log."""
    lines = server_log().splitlines()
    new, seen.looked = lines[seen.looked :], len(lines)
    return ",".join(sorted({line.rpartition("spy ran as ")[2] for line in new if "LOG:  spy ran as " in line}))


seen.looked = 0


def make_table(name, owner="bob"):
    sql(f"DROP TABLE IF EXISTS {name}; CREATE TABLE {name} AS {ROWS}; ALTER TABLE {name} OWNER TO {owner}")


def setup():
    sql(
        """CREATE EXTENSION seqrec;
           CREATE ROLE bob LOGIN; CREATE ROLE alice LOGIN; CREATE ROLE carol LOGIN;
           GRANT CREATE ON SCHEMA public TO bob, alice, carol;
           GRANT EXECUTE ON FUNCTION seqrec_train, seqrec_cancel, seqrec_resume, seqrec_activate, seqrec_drop, seqrec_set_owner TO bob, alice, carol;
           GRANT EXECUTE ON FUNCTION seqrec_recommend, seqrec_history TO bob, alice, carol"""
    )
    # Autovacuum computes what indexes are made of, as the table's owner and at any time: what it calls is not what a test has called.
    script("ALTER SYSTEM SET autovacuum = off;\nSELECT pg_reload_conf();")
    # Whatever may be called anywhere: it writes down who it runs as.
    sql(
        """CREATE FUNCTION spy(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RAISE LOG 'spy ran as %', current_user; RETURN $1; END $$;
           CREATE FUNCTION spy_bool() RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RAISE LOG 'spy ran as %', current_user; RETURN true; END $$""",
        user="bob",
    )


def a_relation_of_the_same_name_is_another():
    """A superuser's model of bob's table; bob puts a view with code of his own in its place."""
    make_table("taken")
    train("taken", "taken")
    assert ask("taken") == "5"
    sql(f"DROP TABLE taken; CREATE VIEW taken AS SELECT spy(user_id) AS user_id, item_id, timestamp FROM ({ROWS}) r", user="bob")
    said = ask("taken")
    assert "does not exist" in said and "42P01" in said, said
    assert seen() == ""


def a_renamed_relation_is_the_same():
    make_table("moved")
    train("moved", "moved")
    session = Session()
    assert session.run(HISTORY.format("moved") + ";") == "5"
    sql("CREATE SCHEMA elsewhere; ALTER TABLE moved RENAME TO renamed; ALTER TABLE renamed SET SCHEMA elsewhere; GRANT USAGE ON SCHEMA elsewhere TO bob")
    for answer in (session.run(HISTORY.format("moved") + ";"), ask("moved")):
        assert answer == "5", answer
    session.close()


def a_replaced_view_runs_as_its_owner():
    make_table("base")
    sql("CREATE VIEW replaced AS SELECT * FROM base", user="bob")
    train("replaced", "replaced")
    session = Session()
    assert session.run(HISTORY.format("replaced") + ";") == "5"
    sql("CREATE OR REPLACE VIEW replaced AS SELECT spy(user_id) AS user_id, item_id, timestamp FROM base", user="bob")
    assert session.run(HISTORY.format("replaced") + ";") == "5"
    assert ask("replaced", "alice") == "5"
    assert seen() == "bob"
    session.close()
    train("replaced", "replaced")
    assert seen() == "bob", "the training ran bob's code as somebody else"


def a_table_that_becomes_a_view_runs_as_its_owner():
    """A rule turns an empty table into a view with the same oid (until PostgreSQL 15)."""
    if int(sql("SHOW server_version_num")) >= 160000:
        return
    make_table("ruled")
    train("ruled", "ruled")
    make_table("source")
    sql(
        "DELETE FROM ruled; CREATE RULE \"_RETURN\" AS ON SELECT TO ruled DO INSTEAD SELECT spy(user_id) AS user_id, item_id, timestamp FROM source",
        user="bob",
    )
    assert ask("ruled") == "5"
    assert seen() == "bob"


def a_new_owner_runs_as_itself():
    make_table("given", "postgres")
    sql("CREATE VIEW handed AS SELECT spy(user_id) AS user_id, item_id, timestamp FROM given")
    refused("SELECT 1 FROM seqrec_train('handed', model => 'handed')", "function", "bob", "42501")
    sql("DROP VIEW handed; CREATE VIEW handed AS SELECT * FROM given")
    train("handed", "handed")
    session = Session()
    assert session.run(HISTORY.format("handed") + ";") == "5"
    sql("GRANT SELECT ON given TO bob; ALTER VIEW handed OWNER TO bob")
    sql("CREATE OR REPLACE VIEW handed AS SELECT spy(user_id) AS user_id, item_id, timestamp FROM given", user="bob")
    assert session.run(HISTORY.format("handed") + ";") == "5"
    session.close()
    assert seen() == "bob"


def code_inside_a_view_of_another_is_not_run():
    """alice's view over bob's view, domain or function: alice's rights are not bob's to use."""
    make_table("inner_table")
    sql(
        """CREATE VIEW inner_view AS SELECT spy(user_id) AS user_id, item_id, timestamp FROM inner_table; GRANT SELECT ON inner_view, inner_table TO alice;
           CREATE DOMAIN inner_domain AS text CHECK (spy(VALUE) IS NOT NULL);
           CREATE FUNCTION with_default(text, text DEFAULT spy('x')) RETURNS text LANGUAGE sql IMMUTABLE SECURITY DEFINER AS 'SELECT $1';
           CREATE FUNCTION spy_step(text, text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT public.spy($2)';
           CREATE FUNCTION spy_range(int, int) RETURNS float8 LANGUAGE sql IMMUTABLE AS 'SELECT length(public.spy(''x''))::float8';
           CREATE TYPE inner_range AS RANGE (SUBTYPE = int, SUBTYPE_DIFF = spy_range)""",
        user="bob",
    )
    sql(
        """CREATE VIEW outer_view AS SELECT * FROM inner_view;
           CREATE VIEW outer_function AS SELECT spy(user_id) AS user_id, item_id, timestamp FROM inner_table;
           CREATE VIEW outer_domain AS SELECT (user_id::inner_domain)::text AS user_id, item_id, timestamp FROM inner_table;
           CREATE DOMAIN own_over_bobs AS inner_domain;
           CREATE VIEW outer_domains AS SELECT (user_id::own_over_bobs)::text AS user_id, item_id, timestamp FROM inner_table;
           CREATE DOMAIN own_check AS text CHECK (spy(VALUE) IS NOT NULL);
           CREATE VIEW outer_check AS SELECT (user_id::own_check)::text AS user_id, item_id, timestamp FROM inner_table;
           CREATE VIEW outer_default AS SELECT with_default(user_id) AS user_id, item_id, timestamp FROM inner_table;
           CREATE AGGREGATE own_max(text) (SFUNC = spy_step, STYPE = text);
           CREATE VIEW outer_aggregate AS SELECT user_id, item_id, max(timestamp) AS timestamp FROM inner_table GROUP BY 1, 2 HAVING own_max(item_id) IS NOT NULL;
           CREATE VIEW outer_range AS SELECT user_id, item_id, timestamp FROM inner_table WHERE '[1,2)'::text::inner_range IS NOT NULL;
           CREATE VIEW outer_plain AS SELECT * FROM inner_table""",
        user="alice",
    )
    for view, what in (
        ("outer_view", "view"),
        ("outer_function", "function"),
        ("outer_domain", "type"),
        ("outer_domains", "type"),
        ("outer_check", "function"),
        ("outer_default", "function"),
        ("outer_aggregate", "function"),
        ("outer_range", "type"),
    ):
        refused(f"SELECT seqrec_train('{view}')", what, '"bob"', "42501", "HINT", user="alice")
        refused(f"SELECT seqrec_train('{view}')", what, '"bob"', "42501", "HINT")
    train("outer_plain", "outer_plain", user="alice")
    assert seen() == ""
    # What is planted later is not run either: here in the constants of an index, which the planner evaluates.
    session = Session()
    assert session.run(HISTORY.format("outer_plain") + ";") == "5"
    sql("CREATE INDEX ON inner_table (item_id) WHERE spy_bool()", user="bob")
    seen()
    said = session.run(HISTORY.format("outer_plain") + ";")
    assert "belongs to role" in said and "bob" in said, said
    session.close()
    assert seen() == ""


def planner_evaluates_as_the_owner():
    """Index predicates, constraints and statistics of bob's table, asked by and for a superuser."""
    make_table("planned")
    sql("CREATE INDEX ON planned (user_id) WHERE spy_bool(); CREATE STATISTICS planned_s ON spy(user_id), item_id FROM planned", user="bob")
    seen()
    train("planned", "planned")
    assert ask("planned", "postgres") == "5"
    assert seen() == "bob", "the planner evaluated nothing, so that nothing was shown"


def parts_of_another_role_are_refused():
    """alice's partitioned table has a partition of bob's: the planner evaluates what bob puts there."""
    sql(
        """CREATE TABLE parts (user_id text, item_id text, timestamp int) PARTITION BY HASH (user_id);
           CREATE TABLE parts_0 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 0);
           CREATE TABLE parts_1 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 1)""",
        user="alice",
    )
    sql(f"INSERT INTO parts {ROWS}", user="alice")
    train("parts", "parts", user="alice")
    session = Session()
    assert session.run(HISTORY.format("parts") + ";") == "5"
    sql("ALTER TABLE parts_1 OWNER TO bob")
    sql("CREATE INDEX ON parts_1 (item_id) WHERE spy_bool()", user="bob")
    seen()
    for said in (session.run(HISTORY.format("parts") + ";"), ask("parts", "alice")):
        assert "a part of" in said and "bob" in said, said
    refused("SELECT seqrec_train('parts')", "a part of", "42501", user="alice")
    session.close()
    assert seen() == ""


def a_function_given_away_is_noticed():
    """Its new owner may replace it at any time; the plan of an open session knows nothing of that."""
    make_table("own_rows", "alice")
    sql(
        """CREATE FUNCTION harmless(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN $1; END $$;
           CREATE VIEW by_harmless AS SELECT harmless(user_id) AS user_id, item_id, timestamp FROM own_rows""",
        user="alice",
    )
    train("by_harmless", "by_harmless", user="alice")
    session = Session()
    assert session.run(HISTORY.format("by_harmless") + ";") == "5"
    sql("ALTER FUNCTION harmless OWNER TO bob")
    sql("CREATE OR REPLACE FUNCTION harmless(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT public.spy($1)'", user="bob")
    said = session.run(HISTORY.format("by_harmless") + ";")
    assert "belongs to role" in said, said
    session.close()
    assert seen() == ""


def indexes_of_a_trusted_owner_may_call_strangers():
    """A superuser's table whose index calls bob's function: the planner would evaluate it as the reader."""
    make_table("trusted", "postgres")
    sql("CREATE INDEX ON trusted (item_id) WHERE spy_bool()")
    seen()
    refused("SELECT seqrec_train('trusted')", "function", '"bob"', "42501")
    assert seen() == ""


def what_the_planner_evaluates_of_parts_counts():
    """Indexes, constraints and statistics of partitions and children, all of one owner, that call bob's function."""
    for number, code in enumerate(
        (
            "CREATE INDEX ON {}_1 (item_id) WHERE spy_bool()",
            "ALTER TABLE {}_1 ADD CHECK (spy('x') = 'x')",
            "CREATE STATISTICS {}_s ON (spy(item_id)), user_id FROM {}_1",
        )
    ):
        table = f"pieces{number}"
        sql(
            f"""CREATE TABLE {table} (user_id text, item_id text, timestamp int) PARTITION BY LIST (user_id);
                CREATE TABLE {table}_1 PARTITION OF {table} DEFAULT; INSERT INTO {table} {ROWS}"""
        )
        sql(code.format(table, table))
        seen()
        refused(f"SELECT seqrec_train('{table}')", "function", '"bob"', "42501")
        assert seen() == "", code


def operators_have_negators_and_commutators():
    """bob's operator calls a function of PostgreSQL's own; what it is swapped for by the planner is bob's to say."""
    make_table("compared", "alice")
    sql("CREATE OPERATOR public.=== (LEFTARG = text, RIGHTARG = text, FUNCTION = texteq)", user="bob")
    sql(
        """CREATE VIEW by_operator AS SELECT * FROM compared WHERE NOT (item_id OPERATOR(public.===) 'i0');
           CREATE VIEW by_any AS SELECT * FROM compared WHERE item_id OPERATOR(public.===) ANY (ARRAY['i0', 'i1'])""",
        user="alice",
    )
    for view in ("by_operator", "by_any"):
        refused(f"SELECT seqrec_train('{view}')", "operator", '"bob"', "42501", user="alice")


def a_definer_may_take_it_back():
    """bob's SECURITY DEFINER function runs as bob until bob says otherwise, in the middle of the query at that."""
    make_table("definer_rows", "alice")
    sql("CREATE FUNCTION definer(text) RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT public.spy($1)'", user="bob")
    sql("CREATE VIEW by_definer AS SELECT definer(user_id) AS user_id, item_id, timestamp FROM definer_rows", user="alice")
    refused("SELECT seqrec_train('by_definer')", "function", '"bob"', "42501", user="alice")


def values_made_of_others_are_of_trusted_types():
    make_table("made", "alice")
    sql("CREATE DOMAIN bobs_domain AS text CHECK (spy(VALUE) IS NOT NULL); CREATE TYPE bobs_row AS (u bobs_domain); CREATE TYPE bobs_kind AS ENUM ('a')", user="bob")
    sql(
        """CREATE TYPE own_row AS (u bobs_domain);
           CREATE VIEW as_array AS SELECT (('{' || user_id || '}')::text::bobs_domain[])[1]::text AS user_id, item_id, timestamp FROM made;
           CREATE VIEW as_record AS SELECT r.u::text AS user_id, item_id, timestamp FROM made, json_to_record(json_build_object('u', user_id)) AS r (u bobs_domain);
           CREATE TYPE own_range AS RANGE (SUBTYPE = bobs_domain);
           CREATE VIEW as_range AS SELECT user_id, item_id, timestamp FROM made WHERE ('[' || user_id || ',' || user_id || ']')::own_range IS NOT NULL;
           CREATE FUNCTION own_step(bobs_domain, text) RETURNS bobs_domain LANGUAGE sql IMMUTABLE AS 'SELECT $1';
           CREATE AGGREGATE own_state(text) (SFUNC = own_step, STYPE = bobs_domain, INITCOND = 'x');
           CREATE VIEW as_state AS SELECT user_id, item_id, max(timestamp) AS timestamp FROM made GROUP BY 1, 2 HAVING own_state(item_id) IS NOT NULL;
           CREATE TABLE kinds (user_id text, item_id text, timestamp int, kind bobs_kind);
           CREATE VIEW as_json AS SELECT to_jsonb(k) ->> 'user_id' AS user_id, item_id, timestamp FROM kinds k;
           CREATE VIEW as_row AS SELECT r.u::text AS user_id, item_id, timestamp FROM made, json_populate_record(NULL::own_row, json_build_object('u', user_id)) r""",
        user="alice",
    )
    seen()  # CREATE AGGREGATE itself looks at the initial value
    for view in ("as_array", "as_record", "as_row", "as_range", "as_state", "as_json"):
        refused(f"SELECT seqrec_train('{view}')", "type", '"bob"', "42501", user="alice")
    assert seen() == ""


def open_sessions_notice_what_changes_hands():
    """A domain given away, and a membership taken back: as in a new session."""
    make_table("handed_rows", "alice")
    sql(
        """CREATE DOMAIN own_domain AS text;
           CREATE VIEW by_domain AS SELECT user_id::own_domain::text AS user_id, item_id, timestamp FROM handed_rows""",
        user="alice",
    )
    train("by_domain", "by_domain", user="alice")
    sql("GRANT alice TO bob")
    sql("CREATE VIEW by_member AS SELECT user_id, item_id, timestamp FROM handed_rows", user="bob")
    sql("GRANT SELECT ON by_member TO alice", user="bob")
    sql("CREATE VIEW over_member AS SELECT * FROM by_member", user="alice")
    train("over_member", "over_member", user="alice")
    session = Session()
    for model in ("by_domain", "over_member"):
        assert session.run(HISTORY.format(model) + ";") == "5"
    sql("REVOKE alice FROM bob; ALTER DOMAIN own_domain OWNER TO bob; GRANT SELECT ON handed_rows TO bob")
    sql("ALTER DOMAIN own_domain ADD CHECK (spy(VALUE) IS NOT NULL)", user="bob")
    seen()
    for model in ("by_domain", "over_member"):
        for said in (session.run(HISTORY.format(model) + ";"), ask(model, "alice")):
            assert "belongs to role" in said, (model, said)
    session.close()
    assert seen() == ""


def a_strangers_code_claims_no_event_keys():
    """bob's view runs in a superuser's session: it can't use up the superuser's idempotency keys."""
    make_table("keyed")
    sql("GRANT EXECUTE ON FUNCTION seqrec.claim_event_key TO bob")
    sql(
        """CREATE FUNCTION claim(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM seqrec.claim_event_key('order-1', ''); RETURN $1; END $$;
           CREATE VIEW claiming AS SELECT user_id, item_id, timestamp FROM keyed""",
        user="bob",
    )
    train("claiming", "claiming")
    sql("CREATE OR REPLACE VIEW claiming AS SELECT claim(user_id) AS user_id, item_id, timestamp FROM keyed", user="bob")
    said = ask("claiming", "postgres")
    assert "security-restricted" in said, said
    assert sql("SELECT count(*) FROM seqrec.event_keys") == "0"


def column_rights_are_enough_for_a_plain_table():
    make_table("wide_rows", "postgres")
    sql("GRANT SELECT (user_id, item_id, timestamp) ON wide_rows TO carol")
    train("wide_rows", "wide_rows", user="carol")
    assert ask("wide_rows", "carol") == "5"


def a_path_that_is_set_anew_reaches_open_sessions():
    """A view's function looks along its owner's path, which ALTER ROLE may change."""
    sql("CREATE ROLE shelver LOGIN; GRANT CREATE ON DATABASE seqrec_test TO shelver; GRANT EXECUTE ON FUNCTION seqrec_train TO shelver; ALTER ROLE shelver SET search_path = one, public")
    sql(
        f"""CREATE SCHEMA one; CREATE SCHEMA two; CREATE TABLE one.sold AS {ROWS}; CREATE TABLE two.sold AS {ROWS} LIMIT 0;
            CREATE FUNCTION one.all_sold() RETURNS TABLE (user_id text, item_id text, "timestamp" integer) LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN QUERY SELECT * FROM sold; END $$;
            CREATE VIEW one.sold_by_path AS SELECT * FROM one.all_sold()""",
        user="shelver",
    )
    train("one.sold_by_path", "by_path", user="shelver")
    ask_rows = "SELECT count(*) FROM seqrec_history('u1', 10, 'by_path')"
    session = Session()
    assert session.run(ask_rows + ";") == "6"
    sql("ALTER ROLE shelver SET search_path = two, public")
    assert (session.run(ask_rows + ";"), sql(ask_rows)) == ("0", "0")
    session.close()


def errors_of_others_quote_no_rows():
    sql("CREATE TABLE cards AS SELECT 'card 4711' AS user_id, 'i' AS item_id, 1 AS timestamp; GRANT SELECT ON cards TO carol")
    sql("CREATE VIEW charged AS SELECT user_id::int AS user_id, item_id, timestamp FROM cards", user="carol")
    number = sql("SELECT seqrec_train('charged', model => 'charged')", user="carol")
    refused(f"CALL seqrec_wait({number})", "4711", user="carol")
    sql("GRANT EXECUTE ON FUNCTION seqrec.sees_all_jobs TO bob")
    told = f"SELECT state, error, hint, detail FROM seqrec_jobs WHERE job_id = {number}"
    assert sql(told, user="bob") == "failed|reading the table failed with SQLSTATE 22P02||"
    assert "4711" in sql(told, user="carol")
    sql("CREATE ROLE watcher LOGIN; GRANT pg_monitor TO watcher")
    assert sql(told, user="watcher") == "failed|reading the table failed with SQLSTATE 22P02||"
    assert sql("SELECT count(*) FROM seqrec_models WHERE source IS NOT NULL", user="watcher") == "0"
    # Who sees a job waits for it, is told no more, and changes nothing.
    sql("GRANT EXECUTE ON FUNCTION seqrec_cancel, seqrec_resume TO bob, watcher")
    for role in ("bob", "watcher"):
        said = script(f"CALL seqrec_wait({number});", user=role)
        assert "reading the table failed with SQLSTATE 22P02" in said and "22P02" in said and "4711" not in said and "DETAIL" not in said, said
        for function in ("seqrec_cancel", "seqrec_resume"):
            refused(f"SELECT {function}({number})", f"permission denied for job {number}", "42501", 'It belongs to role "carol"', user=role)
    sql("REVOKE EXECUTE ON FUNCTION seqrec.sees_all_jobs FROM bob")
    for statement in (f"CALL seqrec_wait({number})", f"SELECT seqrec_cancel({number})", "CALL seqrec_wait(99999)"):
        refused(statement, "does not exist", "42704", user="bob")


def casts_run_as_the_owner():
    """A type of bob's with a cast to text of bob's."""
    sql(
        f"""CREATE TYPE tag AS (value text);
            CREATE FUNCTION tag_text(tag) RETURNS text LANGUAGE sql AS 'SELECT public.spy(($1).value)';
            CREATE CAST (tag AS text) WITH FUNCTION tag_text(tag) AS ASSIGNMENT;
            CREATE TABLE tagged AS SELECT row(user_id)::tag AS user_id, item_id, timestamp FROM ({ROWS}) r""",
        user="bob",
    )
    train("tagged", "tagged")
    assert ask("tagged", "alice") == "5"
    assert seen() == "bob"


def a_security_invoker_view_is_refused_to_others():
    make_table("kept")
    sql("CREATE VIEW invoked WITH (security_invoker) AS SELECT * FROM kept; GRANT SELECT ON invoked TO alice", user="bob")
    refused("SELECT seqrec_train('invoked')", "security_invoker", "42501", user="alice")
    train("invoked", "invoked", user="bob")


def select_is_the_model_owners():
    """The view's owner may read the table, the model's owner may read the view: take one away."""
    make_table("granted")
    sql("GRANT SELECT ON granted TO alice", user="bob")
    train("granted", "granted", user="alice")
    session = Session()
    assert session.run(HISTORY.format("granted") + ";") == "5"
    sql("REVOKE SELECT ON granted FROM alice", user="bob")
    for said in (session.run(HISTORY.format("granted") + ";"), ask("granted", "bob")):
        assert "permission denied for column" in said, said
    session.close()
    sql("GRANT SELECT (user_id, item_id, timestamp) ON granted TO alice", user="bob")
    assert ask("granted") == "5", "column rights are enough"


def resuming_runs_as_the_jobs_owner():
    """bob's job, interrupted, resumed by a superuser: bob's code runs as bob, and what bob may no longer read is not read."""
    make_table("long")
    make_table("lent", "alice")
    sql("CREATE VIEW longer AS SELECT spy(user_id) AS user_id, item_id, timestamp FROM long", user="bob")
    sql("GRANT SELECT ON lent TO bob", user="alice")
    numbers = [train("longer", "longer", user="bob"), train("lent", "lent", user="bob")]
    sql("REVOKE SELECT ON lent FROM bob", user="alice")
    sql("DELETE FROM seqrec.models WHERE name IN ('longer', 'lent'); UPDATE seqrec.jobs SET state = 'training', finished_at = NULL WHERE model IN ('longer', 'lent')")
    seen()
    for number in numbers:
        assert sql(f"SELECT state FROM seqrec_jobs WHERE job_id = {number}") == "interrupted"
        sql(f"SELECT seqrec_resume({number})")
    sql(f"CALL seqrec_wait({numbers[0]})")
    assert seen() == "bob"
    assert sql("SELECT owner FROM seqrec_models WHERE model = 'longer'") == "bob"
    refused(f"CALL seqrec_wait({numbers[1]})", "permission denied", "42501", "bob")


def row_security_is_refused():
    """By a session's setting, by role, forced on the owner, below a view: no model of fewer rows, or of more."""
    make_table("tenants")
    sql(
        """ALTER TABLE tenants ENABLE ROW LEVEL SECURITY; GRANT SELECT ON tenants TO alice, carol;
           CREATE POLICY by_setting ON tenants USING (coalesce(current_setting('app.tenant', true), '') IN ('', item_id) AND spy(item_id) IS NOT NULL)""",
        user="bob",
    )
    said = script("SET app.tenant = 'i1';\nSELECT seqrec_train('tenants');", user="alice")
    assert "row-level security" in said and "42501" in said and "HINT" in said, said
    sql("CREATE VIEW over_tenants AS SELECT * FROM tenants", user="carol")
    refused("SELECT seqrec_train('over_tenants')", "row-level security", "42501", user="carol")
    refused("SELECT seqrec_train('over_tenants')", "row-level security", "42501")
    train("tenants", "tenants", user="bob")
    assert ask("tenants") == "5"
    sql("ALTER TABLE tenants FORCE ROW LEVEL SECURITY", user="bob")
    refused("SELECT seqrec_train('tenants')", "row-level security", "42501", user="bob")
    assert "row-level security" in ask("tenants"), ask("tenants")
    assert seen() == ""


def row_security_switched_on_later_is_noticed():
    make_table("later")
    sql("GRANT SELECT ON later TO alice", user="bob")
    train("later", "later", user="alice")
    session = Session()
    assert session.run(HISTORY.format("later") + ";") == "5"
    sql("ALTER TABLE later ENABLE ROW LEVEL SECURITY; CREATE POLICY all_of_it ON later USING (spy(item_id) IS NOT NULL)", user="bob")
    said = session.run(HISTORY.format("later") + ";")
    assert "row-level security" in said, said
    session.close()
    assert seen() == ""


def temporary_objects_do_not_stand_in():
    """A view's function names a table without its schema; the caller has a temporary one of that name."""
    make_table("unqualified")
    sql(
        """CREATE FUNCTION rows_of() RETURNS TABLE (user_id text, item_id text, "timestamp" integer) LANGUAGE plpgsql STABLE AS
           $$ BEGIN RETURN QUERY SELECT * FROM unqualified; END $$;
           CREATE VIEW by_function AS SELECT * FROM rows_of()""",
        user="bob",
    )
    train("by_function", "by_function", user="bob")
    said = script(
        f"CREATE TEMP VIEW unqualified AS SELECT spy('u1') AS user_id, 'i7'::text AS item_id, 1 AS timestamp;\n{HISTORY.format('by_function')};",
        user="carol",
    )
    assert said.strip() == "5", said
    assert seen() == ""
    said = script(f"SET search_path = pg_catalog;\nSELECT count(*) FROM public.seqrec_recommend('u1', NULL, 5, 'by_function');", user="carol")
    assert said.strip() == "5", said


def overloads_on_the_path_are_not_called():
    """In a schema that comes before everything: a closer match for what the helpers call."""
    sql(
        """CREATE SCHEMA planted AUTHORIZATION bob;
           CREATE TABLE products (id bigint, title varchar(40)); INSERT INTO products VALUES (1, 'A red tent');
           GRANT SELECT ON products TO PUBLIC; GRANT USAGE ON SCHEMA planted TO PUBLIC;
           GRANT EXECUTE ON FUNCTION seqrec_add_events TO alice; CREATE TABLE events (user_id text, item_id text, timestamp timestamptz);
           GRANT INSERT, SELECT ON events TO alice"""
    )
    sql(
        """CREATE FUNCTION planted.unnest(text[]) RETURNS SETOF text LANGUAGE sql AS 'SELECT public.spy(''x'')';
           CREATE FUNCTION planted.to_jsonb(timestamptz) RETURNS jsonb LANGUAGE sql AS 'SELECT ''1''::jsonb FROM public.spy(''x'')';
           CREATE FUNCTION planted.jsonb_build_object(text, jsonb, text, jsonb, text, jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT ''{}''::jsonb FROM public.spy(''x'')';
           CREATE FUNCTION planted.format(text, regclass, name, name, name) RETURNS text LANGUAGE sql AS 'SELECT public.spy(''x'')';
           CREATE FUNCTION planted.like_(varchar, text) RETURNS boolean LANGUAGE sql AS 'SELECT public.spy_bool()';
           CREATE OPERATOR planted.~~* (LEFTARG = varchar, RIGHTARG = text, FUNCTION = planted.like_)""",
        user="bob",
    )
    said = script(
        """SET search_path = planted, public;
           SELECT title FROM seqrec.titles_of(ARRAY['1'], 'products', 'id', 'title');
           SELECT title FROM seqrec.find_titles('red', 5, 'products', 'id', 'title');
           SELECT seqrec_add_events('[{"user_id": "u", "item_id": "i"}]', 'events');""",
        user="alice",
    )
    assert said.split("\n")[:3] == ["A red tent", "A red tent", "1"], said
    assert seen() == ""


def what_was_planted_before_the_extension_is_not_taken():
    """Closer matches for the install script's calls, in the schema that the extension is going to."""
    subprocess.run(["createdb", "planted"], check=True)
    sql("GRANT CREATE ON SCHEMA public TO bob", database="planted")
    sql(
        """CREATE FUNCTION spy() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE LOG 'spy ran as %', current_user; RETURN 'x'; END $$;
           CREATE FUNCTION pg_get_userbyid(regrole) RETURNS name LANGUAGE sql AS 'SELECT public.spy()::name';
           CREATE FUNCTION format(text, bigint) RETURNS text LANGUAGE sql AS 'SELECT public.spy()';
           CREATE FUNCTION gen_random_uuid() RETURNS uuid LANGUAGE sql AS 'SELECT md5(public.spy())::uuid';
           CREATE FUNCTION has_function_privilege(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT public.spy() IS NOT NULL';
           CREATE FUNCTION same(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT public.spy() IS NOT NULL';
           CREATE OPERATOR = (LEFTARG = text, RIGHTARG = text, FUNCTION = same);
           CREATE TYPE public.text AS (x int); CREATE TYPE public.jsonb AS (x int)""",
        user="bob",
        database="planted",
    )
    sql(f"CREATE EXTENSION seqrec; CREATE TABLE ratings AS {ROWS}", database="planted")
    number = sql(f"SELECT seqrec_train('ratings', options => {OPTIONS})", database="planted")
    sql(f"CALL seqrec_wait({number})", database="planted")
    seen()
    assert sql("SELECT owner FROM seqrec_models", database="planted") == "postgres"
    assert sql("SELECT owner FROM seqrec_jobs JOIN seqrec_job_log USING (job_id) GROUP BY 1", database="planted") == "postgres"
    assert sql("SELECT count(*) FROM seqrec_recommend('u1', NULL, 5)", database="planted") == "5"
    assert seen() == ""
    subprocess.run(["dropdb", "planted"], check=True)


def one_roles_name_is_not_anothers():
    """b's interrupted job does not become active over a's model of the same name."""
    make_table("contested")
    number = train("contested", "contested", user="bob")
    sql(f"UPDATE seqrec.jobs SET state = 'training', finished_at = NULL WHERE job_id = {number}; DELETE FROM seqrec.models WHERE name = 'contested'")
    make_table("own", "alice")
    train("own", "contested", user="alice")
    refused(f"SELECT seqrec_resume({number})", "belongs to role", "alice", "42501", user="bob")
    refused(f"SELECT seqrec_resume({number})", "belongs to role", "alice", "42501")
    assert sql("SELECT owner FROM seqrec_models WHERE model = 'contested' AND active") == "alice"


def a_superusers_training_leaves_the_owner():
    make_table("helped")
    train("helped", "helped", user="bob")
    train("helped", "helped")
    assert sql("SELECT DISTINCT owner FROM seqrec_models WHERE model = 'helped'") == "bob"
    train("helped", "helped", user="bob")


def privileges_of_the_trainer_alone_count():
    """A role that may not read the table does not learn of its rows by training."""
    make_table("hidden")
    refused("SELECT seqrec_train('hidden')", "permission denied", "42501", user="carol")
    sql("GRANT SELECT (user_id) ON hidden TO carol", user="bob")
    refused("SELECT seqrec_train('hidden')", 'column "item_id"', "42501", user="carol")


if __name__ == "__main__":
    setup()
    main(
        a_relation_of_the_same_name_is_another,
        a_renamed_relation_is_the_same,
        a_replaced_view_runs_as_its_owner,
        a_table_that_becomes_a_view_runs_as_its_owner,
        a_new_owner_runs_as_itself,
        code_inside_a_view_of_another_is_not_run,
        planner_evaluates_as_the_owner,
        parts_of_another_role_are_refused,
        a_function_given_away_is_noticed,
        indexes_of_a_trusted_owner_may_call_strangers,
        what_the_planner_evaluates_of_parts_counts,
        operators_have_negators_and_commutators,
        a_definer_may_take_it_back,
        values_made_of_others_are_of_trusted_types,
        open_sessions_notice_what_changes_hands,
        a_strangers_code_claims_no_event_keys,
        column_rights_are_enough_for_a_plain_table,
        a_path_that_is_set_anew_reaches_open_sessions,
        errors_of_others_quote_no_rows,
        casts_run_as_the_owner,
        a_security_invoker_view_is_refused_to_others,
        select_is_the_model_owners,
        resuming_runs_as_the_jobs_owner,
        row_security_is_refused,
        row_security_switched_on_later_is_noticed,
        temporary_objects_do_not_stand_in,
        overloads_on_the_path_are_not_called,
        what_was_planted_before_the_extension_is_not_taken,
        one_roles_name_is_not_anothers,
        a_superusers_training_leaves_the_owner,
        privileges_of_the_trainer_alone_count,
    )
