#!/usr/bin/python3
"""Lists of candidates: of texts and of numbers of every width, constants, parameters, variables that change, and again in a session."""

from testing import main, psql, refused, sql

SHORT = """'{"epochs": 2, "dim": 16, "max_len": 20, "layers": 1, "members": 1}'"""
ITEMS = 200


def train(table, model):
    job = sql(f"SELECT seqrec_train('{table}', '{model}', options => {SHORT})")
    sql(f"CALL seqrec_wait({job})")


def prepare():
    sql("CREATE EXTENSION seqrec")
    for name, item, kind in (("numbers", "100 + i", "int"), ("sparse", "(100 + i) * 1000003", "bigint"), ("texts", "'i' || i", "text"), ("days", "date '2026-01-01' + i", "date")):
        sql(f"""CREATE TABLE {name} AS SELECT u AS user_id, ({item})::{kind} AS item_id, u * 100 + g AS timestamp
                FROM generate_series(1, 300) u, generate_series(1, 12) g, LATERAL (SELECT (u * 7 + g * g) % {ITEMS} AS i) n""")
        train(name, name)


def answer(model, candidates):
    """The ids of an answer that holds only some items."""
    call = f"seqrec_recommend(7, NULL, 8, '{model}', exclude_seen => false, candidates => {candidates})"
    return sql(f"SELECT string_agg(item_id, ' ' ORDER BY rank) FROM {call}")


def by_hand(model, wanted):
    """The same by the scores of all items."""
    return sql(f"""SELECT string_agg(item_id, ' ' ORDER BY rank) FROM (
                     SELECT item_id, row_number() OVER (ORDER BY rank) AS rank
                     FROM seqrec_recommend(7, NULL, {ITEMS}, '{model}', exclude_seen => false) WHERE {wanted} ORDER BY rank LIMIT 8) r""")


def numbers_of_every_width():
    for model, of in (("numbers", "100 + i"), ("sparse", "(100 + i) * 1000003")):
        for step in (1, 3, 40):  # all, many, a few
            numbers = f"SELECT {of} FROM generate_series(0, {ITEMS - 1}, {step}) i"
            wanted = by_hand(model, f"item_id::bigint IN ({numbers})")
            assert len(wanted.split()) == min(8, (ITEMS + step - 1) // step)
            for kind in ("int2", "int4", "int8", "text", "numeric", "varchar"):
                if kind == "int2" and model == "sparse":
                    continue
                got = answer(model, f"ARRAY({numbers})::{kind}[]")
                assert got == wanted, (model, step, kind, got, wanted)


def what_is_no_item_does_not_matter():
    assert answer("numbers", "'{103,NULL,-103,9223372036854775807,103,99,0}'::bigint[]") == "103"
    assert answer("numbers", "'{103,NULL,-103,32767,103,99,0}'::int2[]") == "103"
    assert answer("numbers", "ARRAY[' 103', '+104', '0105', 'x']") == answer("numbers", "ARRAY[103, 104, 105]")
    assert answer("texts", "'{1,2,3}'::bigint[]") == ""
    for empty in ("'{}'::bigint[]", "'{NULL}'::bigint[]", "'{}'::text[]", "'{-5}'::int[]"):
        assert answer("numbers", empty) == "", empty
    assert len(answer("numbers", "NULL::bigint[]").split()) == 8
    refused("SELECT * FROM seqrec_recommend(7, NULL, 8, 'numbers', candidates => '{{103},{104}}'::bigint[])", "2202E", "one-dimensional")


def the_cast_gives_the_texts():
    for kind in ("int2", "int4", "int8"):
        for array in ("{}", "{1,-2,NULL,32767,0}", "{NULL}", "{{1,2},{3,4}}", "[5:6]={7,8}", "{{1,NULL},{-3,4}}"):
            assert sql(f"SELECT '{array}'::{kind}[]::seqrec.id[]::text") == array, (kind, array)
    assert sql("SELECT ('{9223372036854775807,-9223372036854775808}'::bigint[]::seqrec.id[])::text") == "{9223372036854775807,-9223372036854775808}"
    assert sql("SELECT ids = ARRAY(SELECT i::text FROM generate_series(-300, 300) i) FROM (SELECT ARRAY(SELECT i FROM generate_series(-300, 300) i)::seqrec.id[]::text[] AS ids) c") == "t"


def plan(arguments):
    return sql(f"EXPLAIN (VERBOSE, COSTS OFF) SELECT * FROM seqrec_recommend(7, {arguments}, 8, 'numbers')")


def numbers_stay_numbers():
    """The planner leaves casts out where a function reads numbers itself; answers are the same where it can't."""
    assert "ids_of" not in plan("'{103,104}'::int[]")
    assert "ids_of" not in plan("ARRAY(SELECT generate_series(100, 110))::bigint[]")
    similar = "SELECT string_agg(item_id, ' ' ORDER BY rank) FROM seqrec_similar_items(103, 5, 'numbers', candidates => {})"
    assert sql(similar.format("ARRAY[104, 105, 106]")) == sql(similar.format("'{104,105,106}'::text[]"))
    batch = "SELECT string_agg(item_id, ' ' ORDER BY user_id, rank) FROM seqrec_recommend_batch(ARRAY[7, 8], NULL, 3, 'numbers', exclude_seen => false, candidates => {})"
    assert sql(batch.format("ARRAY[104, 105, 106]")) == sql(batch.format("'{104,105,106}'::text[]")) != ""
    excluded = "SELECT string_agg(item_id, ' ' ORDER BY rank) FROM seqrec_recommend(7, {0}, 5, 'numbers', exclude => {0})"
    assert sql(excluded.format("ARRAY[103, 104]")) == sql(excluded.format("'{103,104}'::text[]"))


def a_variable_may_change():
    """A variable of PL/pgSQL is known by its address, until an element is set, another array assigned, or another model asked."""
    said = sql("""CREATE TEMP TABLE found (step int, allowed bigint[], model text, ids text[]);
        CREATE FUNCTION asked(allowed bigint[], model text) RETURNS text[] LANGUAGE sql AS
        'SELECT array_agg(item_id ORDER BY item_id) FROM seqrec_recommend(7, NULL, 200, model, exclude_seen => false, candidates => allowed)';
        DO $$
        DECLARE
          allowed bigint[] := ARRAY(SELECT 100 + i FROM generate_series(0, 99) i);
          ids text[];
          model text;
        BEGIN
          FOR step IN 1..60 LOOP
            model := CASE WHEN step % 5 = 4 THEN 'texts' ELSE 'numbers' END;
            IF step % 3 = 0 THEN
              allowed[1 + step] := 100 + 2 * step;
            ELSIF step % 7 = 0 THEN
              allowed := ARRAY(SELECT 100 + i + step FROM generate_series(0, 99) i);
            END IF;
            SELECT array_agg(item_id ORDER BY item_id) INTO ids
            FROM seqrec_recommend(7, NULL, 200, model, exclude_seen => false, candidates => allowed);
            INSERT INTO found VALUES (step, allowed, model, ids);
            IF asked(allowed, model) IS DISTINCT FROM ids THEN RAISE EXCEPTION 'step %', step; END IF;
          END LOOP;
        END $$;
        SELECT count(*), count(DISTINCT ids), count(*) FILTER (WHERE ids IS DISTINCT FROM CASE model WHEN 'numbers' THEN
               (SELECT array_agg(DISTINCT a::text ORDER BY a::text) FROM unnest(allowed) a WHERE a BETWEEN 100 AND 299) END)
        FROM found""")
    rows, lists, wrong = map(int, said.split("|"))
    assert rows == 60 and lists > 20 and wrong == 0, said


def again_in_a_session():
    """Lists of one length, more of them than are kept, another version."""
    lists = [f"ARRAY[{100 + n}, {150 - n}]" for n in range(12)]
    wanted = [answer("numbers", one) for one in lists]
    call = "SELECT string_agg(item_id, ' ' ORDER BY rank) FROM seqrec_recommend(7, NULL, 8, 'numbers', exclude_seen => false, candidates => {})"
    assert sql(";".join(call.format(one) for one in lists * 3)).splitlines() == wanted * 3
    assert sql(";".join(call.format(one + "::text[]") for one in lists * 2)).splitlines() == wanted * 2
    sql("CREATE TABLE fewer AS SELECT * FROM numbers WHERE item_id <> 103")
    first = sql("SELECT max(model_id) FROM seqrec_models WHERE model = 'numbers'")
    train("fewer", "numbers")
    newest = sql("SELECT max(model_id) FROM seqrec_models WHERE model = 'numbers'")
    ask = call.format("ARRAY[103, 104]")
    steps = "".join(f"SELECT seqrec_activate({version});\n{ask};\n" for version in (first, newest, first))
    said = [line.split() for line in psql("-f", "-", input=steps).stdout.splitlines() if line.startswith("10")]
    assert [sorted(ids) for ids in said] == [["103", "104"], ["104"], ["103", "104"]], said


def dates_are_read_as_the_session_says():
    """The same text is another day after SET DateStyle."""
    call = "SELECT string_agg(item_id, ' ' ORDER BY item_id) FROM seqrec_recommend(7, NULL, 8, 'days', exclude_seen => false, candidates => '{02/03/2026}')"
    mdy, dmy = (sql(f"SET DateStyle = 'SQL, {order}'; {call}").splitlines()[-1] for order in ("MDY", "DMY"))
    both = sql(f"SET DateStyle = 'SQL, MDY'; {call}; SET DateStyle = 'SQL, DMY'; {call}").splitlines()
    assert (mdy, dmy) == ("2026-02-03", "2026-03-02") and [line for line in both if line.startswith("2026")] == [mdy, dmy], both


if __name__ == "__main__":
    main(prepare, numbers_of_every_width, what_is_no_item_does_not_matter, the_cast_gives_the_texts, numbers_stay_numbers,
         a_variable_may_change, again_in_a_session, dates_are_read_as_the_session_says)
