#!/usr/bin/python3
# Runs first: it takes two minutes
"""What a job's row says is true, and no training that ended well is lost."""

import contextlib
import glob
import os
import stat
import time

from testing import Session, after, main, make_ratings, refused, script, sql, wait_for, with_trainer

OPTIONS = """'{"epochs": 2, "dim": 16, "max_len": 20, "members": 1}'"""
LONG = """'{"max_seconds": 300, "epochs": 100000, "patience": 100000}'"""


RUNNING = ("queued", "exporting", "training", "publishing")


def job(number, column="state"):
    return sql(f"SELECT {column} FROM seqrec_jobs WHERE job_id = {number}")


def wait_for_state(number, *states):
    wait_for(lambda: job(number) in states, f"job {number} to be {states}, not {job(number)}: {job(number, 'error')}")


def train(table="ratings", model="default", options=OPTIONS, user=None):
    return int(sql(f"SELECT seqrec_train('{table}', model => '{model}', options => {options})", user=user))


def done(number):
    sql(f"CALL seqrec_wait({number})")
    return number


def active(model="default"):
    return sql(f"SELECT model_id FROM seqrec_models WHERE model = '{model}' AND active")


def job_folders():
    folder = os.path.join(os.environ["PGDATA"], "seqrec")
    return [name for _, folders, _ in os.walk(folder) for name in folders if name.startswith("job-")]


# --- publishing ---


def an_open_activation_makes_a_publish_wait():
    for _ in range(2):
        done(train())
    older = sql("SELECT min(model_id) FROM seqrec_models WHERE model = 'default'")
    session = Session()
    session.run("BEGIN;")
    session.run(f"SELECT seqrec_activate({older});")
    number = train()
    wait_for_state(number, "publishing")
    session.run("COMMIT;")
    session.close()
    done(number)
    assert active() == job(number, "model_id")


def a_publish_that_fails_can_be_repeated():
    """Here a trigger refuses the version: as a full disk or a lost race would."""
    before = active()
    sql(
        """CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no room' USING ERRCODE = '53100'; END $$;
           CREATE TRIGGER no_room BEFORE INSERT ON seqrec.items FOR EACH STATEMENT EXECUTE FUNCTION no_room()"""
    )
    number = train()
    wait_for_state(number, "failed")
    assert job(number, "sqlstate") == "53100" and f"seqrec_resume({number})" in job(number, "hint"), job(number, "hint")
    wait_for(lambda: len(job_folders()) == 1, "the job's folder to be the only one")
    refused(f"CALL seqrec_wait({number})", "no room", "seqrec_resume")
    sql("DROP TRIGGER no_room ON seqrec.items; DROP FUNCTION no_room()")
    # A training that fails afterwards does not take it away.
    sql("CREATE TABLE lonely AS SELECT 'u' || g AS user_id, 'i' || g % 5 AS item_id, g AS timestamp FROM generate_series(1, 20) g")
    wait_for_state(train("lonely"), "failed")
    assert len(job_folders()) >= 1
    before_log = sql(f"SELECT count(*) FROM seqrec_job_log WHERE job_id = {number}")
    sql(f"SELECT seqrec_resume({number})")
    done(number)
    assert active() == job(number, "model_id") != before
    assert sql(f"SELECT count(*) FROM seqrec_job_log WHERE job_id = {number}") == before_log, "it was trained again"
    wait_for(lambda: not job_folders(), "the folder to go")


@contextlib.contextmanager
def failing(trigger):
    """A trigger that refuses, as a full disk would."""
    sql(
        "CREATE OR REPLACE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no room' USING ERRCODE = '53100'; END $$;"
        f"CREATE TRIGGER no_room {trigger} EXECUTE FUNCTION no_room()"
    )
    try:
        yield
    finally:
        table = trigger.split(" ON ")[1].split()[0]
        sql(f"DROP TRIGGER no_room ON {table}; DROP FUNCTION no_room()")


def no_worker():
    return sql("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'seqrec worker'") == "0"


def resumed_from_its_model(number):
    """Published from what had been trained: the log of epochs is the same, and the table is not needed."""
    before = sql(f"SELECT count(*), max(at) FROM seqrec_job_log WHERE job_id = {number}")
    sql("ALTER TABLE ratings RENAME TO put_away")
    try:
        sql(f"SELECT seqrec_resume({number})")
        done(number)
    finally:
        sql("ALTER TABLE put_away RENAME TO ratings")
    assert sql(f"SELECT count(*), max(at) FROM seqrec_job_log WHERE job_id = {number}") == before, "it was trained again"


def a_trained_model_survives_failing_bookkeeping():
    """The row can't be set to publishing, or not to failed either: the model is there, and is published."""
    with failing("BEFORE UPDATE ON seqrec.jobs FOR EACH ROW WHEN (NEW.state = 'publishing' AND OLD.state <> 'publishing')"):
        number = train()
        wait_for_state(number, "failed")
        wait_for(no_worker, "the worker to leave")
    resumed_from_its_model(number)
    with failing("BEFORE UPDATE ON seqrec.jobs FOR EACH ROW WHEN (NEW.state IN ('failed', 'done'))"):
        number = train()
        wait_for_state(number, "interrupted")
        wait_for(no_worker, "the worker to leave")
    resumed_from_its_model(number)


def trained_models_survive_each_others_ends():
    """Several of them are resumed one after the other: what one's end sweeps is not another's."""
    with failing("BEFORE INSERT ON seqrec.models FOR EACH ROW"):
        numbers = [train(model=f"kept{i}") for i in range(5)]
        for number in numbers:
            wait_for_state(number, "failed")
        wait_for(no_worker, "the workers to leave")
    logs = sql("SELECT count(*), max(at) FROM seqrec_job_log")
    for number in numbers:
        sql(f"SELECT seqrec_resume({number})")
    for number in numbers:
        done(number)
    assert sql("SELECT count(*), max(at) FROM seqrec_job_log") == logs, "one was trained again"


def a_trained_model_survives_a_resume_that_does_not_begin():
    """Its worker is ended while the resuming transaction is open; another job ends before anybody looks."""
    with failing("BEFORE INSERT ON seqrec.models FOR EACH ROW"):
        number = train()
        wait_for_state(number, "failed")
        wait_for(no_worker, "the worker to leave")
    session = Session()
    session.run("BEGIN;")
    session.run(f"SELECT seqrec_resume({number});")
    wait_for(lambda: not no_worker(), "the worker")
    sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'seqrec worker'")
    wait_for(no_worker, "the worker's end")
    session.run("COMMIT;")
    session.close()
    done(train(model="other"))
    wait_for_state(number, "interrupted")
    resumed_from_its_model(number)


def a_file_that_can_not_be_read_now_is_kept():
    with failing("BEFORE INSERT ON seqrec.models FOR EACH ROW"):
        number = train()
        wait_for_state(number, "failed")
        wait_for(no_worker, "the worker to leave")
    (folder,) = job_folders()
    (path,) = [os.path.join(at, name) for at, _, names in os.walk(os.environ["PGDATA"]) for name in names if name == "model.safetensors" and folder in at]
    mode = stat.S_IMODE(os.stat(path).st_mode)
    os.chmod(path, 0)
    kept_out(number)
    os.chmod(path, mode)
    resumed_from_its_model(number)


def kept_out(number):
    """Resumed, the job ends where it was, and says how it goes on."""
    before = job_folders()
    sql(f"SELECT seqrec_resume({number})")
    wait_for_state(number, "interrupted")
    wait_for(no_worker, "the worker to leave")
    assert job_folders() == before, job(number, "error")
    assert f"seqrec_resume({number})" in job(number, "hint"), job(number, "hint")



def a_failed_publish_is_given_up():
    with failing("BEFORE INSERT ON seqrec.users FOR EACH STATEMENT"):
        number = train()
        wait_for_state(number, "failed")
    assert sql(f"SELECT seqrec_cancel({number})") == "t"
    assert job(number) == "cancelled" and not job_folders()
    refused(f"SELECT seqrec_resume({number})", "cancelled", "55000")


# --- waiting and cancelling ---


def waiting_sees_the_present():
    for level in ("REPEATABLE READ", "SERIALIZABLE"):
        session = Session()
        session.run(f"BEGIN ISOLATION LEVEL {level};")
        session.run("SELECT count(*) FROM seqrec_jobs;")
        number = train()
        assert "does not exist" not in session.run(f"CALL seqrec_wait({number});")
        done(number)
        assert session.run(f"CALL seqrec_wait({number});") in ("", "CALL"), "it is done"
        session.run("COMMIT;")
        session.close()


def views_do_not_call_the_past_interrupted():
    number = train(options=LONG)
    wait_for_state(number, "training")
    session = Session()
    session.run("BEGIN ISOLATION LEVEL REPEATABLE READ;")
    assert session.run(f"SELECT state FROM seqrec_jobs WHERE job_id = {number};") == "training"
    sql(f"SELECT seqrec_cancel({number})")
    wait_for_state(number, "cancelled")
    assert session.run(f"SELECT state FROM seqrec_jobs WHERE job_id = {number};") == "cancelled"
    session.run("COMMIT;")
    session.close()


def cancelled_right_after_the_call():
    """One connection, no pause between the two statements: never false, never done."""
    for _ in range(12):
        number, said = script(f"SELECT seqrec_train('ratings', options => {LONG}) AS job \\gset\nSELECT :job, seqrec_cancel(:job);").strip().split("|")
        assert said == "t", said
        wait_for_state(number, "cancelled")
        assert sql(f"SELECT seqrec_cancel({number})") == "f"


def cancelled_in_the_same_transaction():
    said = script(f"BEGIN;\nSELECT seqrec_train('ratings', options => {LONG}) AS job \\gset\nSELECT seqrec_cancel(:job), :job;\nCOMMIT;").strip()
    answer, number = said.split("|")
    assert answer == "t" and job(number) == "cancelled", said
    wait_for(lambda: sql("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'seqrec worker'") == "0", "the worker to leave")
    assert job(number) == "cancelled"
    refused(f"CALL seqrec_wait({number})", "cancelled", "57014")
    done(train())


def cancelled_while_publishing():
    done(train())
    session = Session()
    session.run("BEGIN;")
    session.run(f"SELECT seqrec_activate({active()});")
    number = train()
    wait_for_state(number, "publishing")
    assert sql(f"SELECT seqrec_cancel({number})") == "t"
    wait_for_state(number, "cancelled")
    session.run("ROLLBACK;")
    session.close()
    done(train())


def a_second_training_in_an_open_transaction_is_refused_at_once():
    session = Session()
    session.run("BEGIN;")
    number = session.run(f"SELECT seqrec_train('ratings', options => {OPTIONS});")
    refused(f"SET statement_timeout = '5s'; SELECT seqrec_train('ratings', options => {OPTIONS})", "55006", "transaction")
    assert sql(f"SELECT seqrec_train('ratings', options => {OPTIONS}, if_running => 'skip') IS NULL") == "t"
    session.run("COMMIT;")
    session.close()
    done(number)


def a_cast_for_ids_holds_nobody():
    """Two trainings on a table of a new type at once: one makes the cast, the other does not wait for it."""
    sql("""CREATE TYPE shelf AS ENUM ('a', 'b', 'c');
           CREATE TABLE shelves AS SELECT (enum_range(NULL::shelf))[1 + u % 3] AS user_id, 'i' || u % 7 AS item_id, u AS timestamp FROM generate_series(1, 60) u""")
    casts = "SELECT count(*) FROM pg_cast WHERE castsource = 'shelf'::regtype"
    session = Session()
    session.run("BEGIN;")
    session.run(f"SELECT seqrec_train('shelves', 'one', options => {OPTIONS});")
    done(train("shelves", "other"))
    assert sql(casts) == "0"
    session.run("ROLLBACK;")
    session.close()
    done(train("shelves", "other"))
    assert sql(casts) == "1"
    sql("DROP TABLE shelves; DROP TYPE shelf")


def a_running_training_is_skipped_or_refused():
    number = train(options=LONG)
    said = script(f"SELECT coalesce(seqrec_train('ratings', if_running => 'skip'), -1);")
    assert "-1" in said and "is skipped" in said and f"Job {number}" in said, said
    refused("SELECT seqrec_train('ratings')", "55006", f"job {number}")
    refused("SELECT seqrec_train('ratings', if_running => 'wait')", "22023", "HINT")
    refused("SELECT seqrec_train('ratings', if_running => NULL)", "22004")
    sql(f"SELECT seqrec_cancel({number})")
    wait_for_state(number, "cancelled")


# --- what a role or a database has set ---


def settings_of_a_role_do_not_stop_a_worker():
    sql("CREATE ROLE careful LOGIN; CREATE ROLE stand_in; GRANT stand_in TO careful; GRANT EXECUTE ON FUNCTION seqrec_train, seqrec_cancel TO careful; GRANT SELECT ON ratings TO careful")
    for number, setting in enumerate(
        (
            "default_transaction_read_only = on",
            "default_transaction_isolation = 'serializable'",
            "default_transaction_deferrable = on",
            "lock_timeout = '1ms'",
            "statement_timeout = '1ms'",
            "idle_in_transaction_session_timeout = '1ms'",
            "search_path = 'nowhere'",
            "DateStyle = 'German'",
            "client_encoding = 'LATIN1'",
            "exit_on_error = on",
            "role = 'stand_in'",
        )
    ):
        sql(f"ALTER ROLE careful RESET ALL; ALTER ROLE careful SET {setting}")
        said = script(
            f"SET statement_timeout = 0;\nSET default_transaction_read_only = off;\nSET ROLE careful;\n"
            f"SELECT public.seqrec_train('public.ratings', model => 'careful{number}', options => {OPTIONS});",
            user="careful",
        ).strip()
        assert said.isdigit(), f"{setting}: {said}"
        wait_for(lambda: job(said) not in RUNNING, "the end")
        assert job(said) == "done", f"{setting}: {job(said, 'error')}"
    sql("ALTER ROLE careful RESET ALL; ALTER DATABASE seqrec_test SET default_transaction_read_only = on")
    try:
        number = script(f"SET default_transaction_read_only = off;\nSELECT seqrec_train('ratings', options => {OPTIONS});").strip()
        wait_for(lambda: job(number) not in RUNNING, "the end")
        assert job(number) == "done", job(number, "error")
    finally:
        script("SET default_transaction_read_only = off;\nALTER DATABASE seqrec_test RESET default_transaction_read_only;")


def a_reason_reaches_the_row():
    """Whatever fails in the worker: here the export, by a view that raises."""
    sql("CREATE VIEW broken AS SELECT user_id, item_id, (timestamp + make_interval(secs => 1 / (length(user_id) - length(user_id)))) AS timestamp FROM ratings")
    number = train("broken", "broken")
    wait_for_state(number, "failed")
    assert job(number, "sqlstate") == "22012" and "division by zero" in job(number, "error")


def a_role_that_may_not_connect_is_told_so():
    sql("CREATE ROLE outside LOGIN; GRANT EXECUTE ON FUNCTION seqrec_train TO outside; GRANT SELECT ON ratings TO outside")
    sql("REVOKE CONNECT ON DATABASE seqrec_test FROM PUBLIC")
    refused("SET ROLE outside; SELECT seqrec_train('ratings', model => 'outside')", "may not connect", "42501", "HINT")
    sql("GRANT CONNECT ON DATABASE seqrec_test TO PUBLIC")


# --- limits, said before the work ---


def ids_have_512_bytes_at_most():
    make_ratings("longer", users=60)
    sql("UPDATE longer SET item_id = repeat('é', 256) WHERE item_id = 'i3'; UPDATE longer SET user_id = repeat('x', 512) WHERE user_id = 'u7'")
    done(train("longer", "longer"))
    ask = "SELECT seqrec_recommend_info(repeat('x', 512), ARRAY[repeat('é', 256)], model => 'longer')"
    assert sql(f"SELECT ({ask[7:]})->>'user_known' || (({ask[7:]})->>'unknown_items')") == "true[]"
    sql("UPDATE longer SET item_id = item_id || 'y' WHERE item_id = repeat('é', 256)")
    number = train("longer", "longer")
    wait_for_state(number, "failed")
    assert job(number, "sqlstate") == "54000" and "item id of 513 bytes" in job(number, "error") and "512" in job(number, "hint"), job(number, "error")
    sql("UPDATE longer SET item_id = 'i3' WHERE item_id LIKE 'é%'; UPDATE longer SET user_id = (SELECT string_agg(md5(g::text), '') FROM generate_series(1, 100) g) WHERE user_id LIKE 'x%'")
    number = train("longer", "longer")
    wait_for_state(number, "failed")
    assert job(number, "sqlstate") == "54000" and "user id of 3200 bytes" in job(number, "error"), job(number, "error")
    assert sql("SELECT seqrec_unknown_items(ARRAY[repeat('z', 4000)], 'longer') = ARRAY[repeat('z', 4000)]") == "t"


def a_temporary_table_is_refused_at_the_call():
    for kind in ("CREATE TEMP TABLE t AS SELECT * FROM ratings", "CREATE TEMP VIEW t AS SELECT * FROM ratings"):
        said = script(f"{kind};\nSELECT seqrec_train('t');")
        assert "temporary" in said and "42809" in said and "HINT" in said, said
    sql("CREATE UNLOGGED TABLE fleeting AS SELECT * FROM ratings")
    done(train("fleeting", "fleeting"))


# --- trainers that hang ---


def a_silent_trainer_is_ended():
    for body in ("sleep 600\n", """echo '{"event": "progress", "phase": "loading"}'\nsleep 600\n""", "exec >&-\nsleep 600\n", """while :; do echo '{"event": "progress", "phase": "training", "percent": 7}'; sleep 1; done\n"""):

        def act():
            number = train()
            wait_for_state(number, "failed")
            assert "has done nothing for 2 seconds" in job(number, "error") and job(number, "hint"), job(number, "error")
            assert not job_folders()

        with_trainer(body, {"seqrec.trainer_silence": "2s"}, act)
    done(train())


def too_little_memory_is_53200():
    """Whatever says it: from less than the libraries need to more than enough."""
    ended = {}
    for memory in ("32MB", "128MB", "256MB", "512MB"):

        def act():
            number = train(options="""'{"epochs": 2, "dim": 256, "max_len": 20, "members": 1}'""")
            wait_for_state(number, "failed", "done")
            ended[memory] = (job(number), job(number, "sqlstate"))
            assert ended[memory] in (("failed", "53200"), ("done", "")), (memory, ended[memory], job(number, "error"), job(number, "detail"))
            assert job(number) == "done" or job(number, "hint")

        with_trainer("", {"seqrec.trainer_memory": memory}, act)
    assert ended["32MB"] == ("failed", "53200"), ended


# --- one rule for training and for serving ---


def changed_columns_reach_open_sessions():
    """The same answer in an open session as in a new one, whatever happens to the table."""
    sql("CREATE TABLE numbers AS SELECT u AS user_id, (u + g) % 20 AS item_id, g AS at FROM generate_series(1, 40) u, generate_series(1, 6) g")
    done(int(sql(f"SELECT seqrec_train('numbers', model => 'numbers', time_column => 'at', options => {OPTIONS})")))
    ask = "SELECT seqrec_recommend_info('7', model => 'numbers')->>'source';"
    session = Session()
    assert session.run(ask) == "history"
    for change in (
        "ALTER TABLE numbers ALTER user_id TYPE text",
        "ALTER TABLE numbers ALTER user_id TYPE bigint USING user_id::bigint, ALTER item_id TYPE text",
        "ALTER TABLE numbers ALTER at TYPE double precision",
        "CREATE INDEX ON numbers (user_id, at)",
        "ALTER TABLE numbers RENAME TO numbers2",
        "CREATE SCHEMA far; ALTER TABLE numbers2 SET SCHEMA far",
        "ALTER TABLE far.numbers2 ADD note text",
        "CREATE ROLE other; GRANT USAGE ON SCHEMA far TO other; ALTER TABLE far.numbers2 OWNER TO other",
        "ALTER TABLE far.numbers2 DROP COLUMN note",
    ):
        sql(change)
        for answer in (session.run(ask), sql(ask)):
            assert answer == "history", f"{change}: {answer}"
    for change, part in (("ALTER TABLE far.numbers2 RENAME at TO moment", 'column "at"'), ("DROP TABLE far.numbers2", "does not exist")):
        sql(change)
        for said in (script(ask), session.run(ask)):
            assert part in said and "HINT" in said, said
    session.close()


def rows_that_do_not_count_are_no_clicks():
    """NULL, infinity and NaN: skipped in training, and no history either, for every type of time."""
    cases = {
        "timestamptz": ("timestamptz '2026-01-01' + make_interval(mins => g)", ("'infinity'", "'-infinity'", "NULL")),
        "timestamp": ("timestamp '2026-01-01' + make_interval(mins => g)", ("'infinity'", "'-infinity'", "NULL")),
        "date": ("date '2026-01-01' + g", ("'infinity'", "'-infinity'", "NULL")),
        "double precision": ("g::float8", ("'infinity'", "'-infinity'", "'NaN'", "NULL")),
        "real": ("g::real", ("'infinity'", "'-infinity'", "'NaN'", "NULL")),
        "numeric": ("g::numeric", ("'infinity'", "'-infinity'", "'NaN'", "'1e400'", "'-1e400'", "NULL")),
        "integer": ("g", ("NULL",)),
    }
    for number, (kind, (value, strange)) in enumerate(cases.items()):
        table = f"times{number}"
        sql(
            f"""CREATE TABLE {table} AS SELECT 'u' || u AS user_id, 'i' || (u + g) % 20 AS item_id, ({value})::{kind} AS timestamp
                FROM generate_series(1, 40) u, generate_series(1, 6) g"""
            + "".join(f"; INSERT INTO {table} VALUES ('u1', 'strange', {one})" for one in strange)
            + f"; INSERT INTO {table} SELECT 'u1', NULL, timestamp FROM {table} LIMIT 1"
        )
        done(train(table, table))
        assert sql(f"SELECT metrics->>'skipped_rows' FROM seqrec_jobs WHERE model = '{table}'") == str(len(strange) + 1), kind
        got = sql(f"SELECT string_agg(item_id, ' ' ORDER BY rank DESC) FROM seqrec_history('u1', 100, '{table}')")
        assert got == "i2 i3 i4 i5 i6 i7", f"{kind}: {got}"


def ids_are_one_text_whatever_the_session_has_set():
    """Trained by a role with settings of its own, asked from sessions with others."""
    kinds = {
        "date": "date '2026-01-31' + {}",
        "timestamptz": "timestamptz '2026-03-29 01:30:00+00' + make_interval(hours => {})",
        "double precision": "1.0 / (3 + {})",
        "real": "(1.0 / (3 + {}))::real",
        "bytea": "decode(lpad(to_hex({}), 4, '0'), 'hex')",
        "interval": "make_interval(days => {}, mins => {})",
        "uuid": "md5({}::text)::uuid",
        "bigint": "{}",
        "numeric": "{}::numeric / 7",
        "char(8)": "'c' || {}",
        "inet": "inet '10.0.0.0' + {}",
        "oid": "{}",
    }
    sql("ALTER ROLE odd RESET ALL; ALTER ROLE odd SET DateStyle = 'SQL, DMY'; ALTER ROLE odd SET TimeZone = 'Asia/Tokyo'; ALTER ROLE odd SET extra_float_digits = -5; ALTER ROLE odd SET bytea_output = 'escape'; ALTER ROLE odd SET IntervalStyle = 'iso_8601'")
    for number, (kind, value) in enumerate(kinds.items()):
        table = f"kinds{number}"
        user, item = (f"({value.replace('{}', name)})::{kind}" for name in ("u", "((u + g) % 20)"))
        sql(
            f"""CREATE TABLE {table} AS SELECT {user} AS user_id, {item} AS item_id, g AS timestamp
                FROM generate_series(1, 40) u, generate_series(1, 6) g; ALTER TABLE {table} OWNER TO odd"""
        )
        done(train(table, table, user="odd"))
        answers = set()
        for settings in (
            "SELECT 1",
            "SET DateStyle = 'German'; SET TimeZone = 'America/New_York'; SET extra_float_digits = 3; SET bytea_output = 'escape'; SET IntervalStyle = 'sql_standard'",
            "SET DateStyle = 'ISO'; SET TimeZone = 'Asia/Kolkata'; SET bytea_output = 'hex'",
        ):
            ask = f"""SELECT string_agg(seqrec_recommend_info(user_id::text, model => '{table}') ->> 'source', ',') || ' ' ||
                             (SELECT string_agg(r.item_id, ' ' ORDER BY rank) FROM {table} x, seqrec_recommend(x.user_id::text, ARRAY[x.item_id::text], 3, '{table}') r WHERE x.ctid = '(0,1)') || ' ' ||
                             cardinality(seqrec_unknown_items((SELECT array_agg(item_id::text) FROM {table}), '{table}'))
                      FROM (SELECT * FROM {table} LIMIT 5) t"""
            answers.add(script(f"{settings};\n{ask};").replace("1\n", "", 1 if settings == "SELECT 1" else 0).strip())
        assert len(answers) == 1, (kind, answers)
        answer = answers.pop()
        assert answer.startswith("history,history,history,history,history ") and answer.endswith(" 0"), (kind, answer)


def other_spellings_of_an_id_are_the_same_id():
    assert sql("SELECT seqrec_recommend_info(upper(user_id::text), model => 'kinds6')->>'source' FROM kinds6 LIMIT 1") == "history"
    assert sql("SELECT seqrec_recommend_info('007', ARRAY['003', '+4', 'x', '5.0'], model => 'kinds7')->>'unknown_items'") == '["x", "5.0"]'
    assert sql("SELECT seqrec_recommend_info('2026-02-30', ARRAY['tomorrowish'], model => 'kinds0')->>'source'") == "popular"


def a_number_of_very_many_digits_is_no_id():
    """Eight bytes that would be written as 131 kB, two thousand times."""
    assert sql("SELECT cardinality(seqrec_unknown_items(array_fill('1e131071'::text, ARRAY[2000]), 'kinds8'))") == "2000"


def cancelling_waits_for_nobody():
    """Another transaction resumes the job and stays open."""
    with failing("BEFORE INSERT ON seqrec.models FOR EACH ROW"):
        number = train()
        wait_for_state(number, "failed")
        wait_for(no_worker, "the worker to leave")
    session = Session()
    session.run("BEGIN;")
    session.run(f"SELECT seqrec_resume({number});")
    wait_for(lambda: not no_worker(), "the worker")
    refused(f"SET statement_timeout = '10s'; SELECT seqrec_cancel({number})", "another transaction", "55006")
    session.run("ROLLBACK;")
    session.close()
    wait_for(no_worker, "the worker to leave")
    assert sql(f"SELECT seqrec_cancel({number})") == "t"


def renaming_waits_for_nobody():
    """An open activation holds the model's row: whoever renames the table is not kept, and the name follows later."""
    sql("CREATE TABLE named AS SELECT * FROM ratings")
    done(train("named", "named"))
    session = Session()
    session.run("BEGIN;")
    session.run(f"UPDATE seqrec.models SET metrics = metrics WHERE model_id = {active('named')};")
    sql("SET statement_timeout = '10s'; ALTER TABLE named RENAME TO named2")
    session.run("COMMIT;")
    session.close()
    sql("ALTER TABLE named2 ADD note text")
    assert sql("SELECT source->>'relation' FROM seqrec_models WHERE model = 'named'") == "public.named2"
    number = train("named2", "named", LONG)
    wait_for_state(number, "training")
    sql("SET statement_timeout = '10s'; ALTER TABLE named2 RENAME TO named3")
    sql(f"SELECT seqrec_cancel({number})")
    wait_for_state(number, "cancelled")


def case_and_collation_make_ids_different():
    """citext and nondeterministic collations call ids equal that the model tells apart: bytes decide, for both."""
    sql("CREATE COLLATION blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false)")
    columns = ["text COLLATE blind"]
    if sql("SELECT count(*) FROM pg_available_extensions WHERE name = 'citext'") == "1":
        sql("CREATE EXTENSION citext")
        columns.append("citext")
    for number, kind in enumerate(columns):
        table = f"cased{number}"
        sql(
            f"""CREATE TABLE {table} (user_id {kind}, item_id {kind}, timestamp integer);
                INSERT INTO {table} SELECT chr(CASE WHEN g % 2 = 0 THEN 85 ELSE 117 END) || u, 'i' || (u + g) % 20, g FROM generate_series(1, 40) u, generate_series(1, 8) g"""
        )
        done(train(table, table))
        assert sql(f"SELECT metrics->>'users' FROM seqrec_jobs WHERE model = '{table}'") == "80"
        for user in ("u1", "U1"):
            assert sql(f"SELECT count(*) FROM seqrec_history('{user}', 100, '{table}')") == "4", (kind, user)


def a_view_finds_what_it_names_in_both():
    """A view whose function names a table without its schema: found along the owner's path, in worker and session."""
    sql(
        """CREATE SCHEMA shop; CREATE ROLE keeper LOGIN; GRANT CREATE, USAGE ON SCHEMA shop TO keeper; ALTER ROLE keeper SET search_path = shop, public;
           GRANT EXECUTE ON FUNCTION seqrec_train TO keeper"""
    )
    sql(
        """CREATE TABLE shop.sales AS SELECT 'u' || u AS user_id, 'i' || (u + g) % 20 AS item_id, g AS timestamp FROM generate_series(1, 40) u, generate_series(1, 6) g;
           CREATE FUNCTION shop.latest() RETURNS TABLE (user_id text, item_id text, "timestamp" integer) LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN QUERY SELECT * FROM sales; END $$;
           CREATE VIEW shop.all_sales AS SELECT * FROM latest()""",
        user="keeper",
    )
    done(train("shop.all_sales", "sales", user="keeper"))
    assert sql("SELECT count(*) FROM seqrec_history('u1', 100, 'sales')") == "6"
    assert sql("SET search_path = pg_catalog; SELECT count(*) FROM public.seqrec_history('u1', 100, 'sales')") == "6"


def an_error_that_concerns_everybody_leaves_no_subtransaction():
    """seqrec.answers keeps the error of one asker's history to itself, but a cancel or a lost race is the statement's."""
    sql("CREATE TABLE waited AS SELECT * FROM ratings; CREATE VIEW slow AS SELECT * FROM waited")
    done(train("slow", "slow"))
    answers = "SELECT problem IS NULL FROM seqrec.answers('{u1}', '{NULL}', '{}', 5, 'slow');"
    sql("CREATE OR REPLACE VIEW slow AS SELECT w.* FROM waited w, (SELECT pg_sleep(5)) s")
    session = Session()
    session.run("SET statement_timeout = '200ms';")
    for _ in range(2):
        assert "statement timeout" in session.run(answers)
        assert session.run("SELECT 1;") == "1", "the session is stuck in a transaction"
    session.run("SET statement_timeout = 0;")
    sql(
        """CREATE FUNCTION lose() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'lost' USING ERRCODE = '40001'; END $$;
           CREATE OR REPLACE VIEW slow AS SELECT lose() AS user_id, item_id, timestamp FROM waited; CREATE TABLE undone (x int)"""
    )
    session.run(
        """DO $$ BEGIN INSERT INTO undone VALUES (1); PERFORM seqrec.answers('{u1}', '{NULL}', '{}', 5, 'slow');
           EXCEPTION WHEN serialization_failure THEN NULL; END $$;"""
    )
    assert session.run("SELECT count(*), pg_current_xact_id_if_assigned() IS NULL FROM undone;") == "0|t"
    assert sql("SELECT count(*) FROM undone") == "0"
    sql("CREATE OR REPLACE VIEW slow AS SELECT (1 / 0)::text AS user_id, item_id, timestamp FROM waited")
    assert session.run(answers) == "f", "an error of the rows is told in the row"
    assert session.run("SELECT 1;") == "1"
    session.close()


def rows_that_take_long_hold_nobody_up():
    """With several users reading own rows may take so long in all; who is not read by then is left out, and nothing is cancelled later."""
    sql(
        """CREATE TABLE mixed_rows AS SELECT * FROM ratings; CREATE VIEW mixed AS SELECT * FROM mixed_rows;
           CREATE FUNCTION is_slow(who text) RETURNS boolean LANGUAGE plpgsql STABLE AS $$ BEGIN
               IF who = 'u2' THEN PERFORM pg_advisory_xact_lock_shared(15); END IF; RETURN true; END $$"""
    )
    holder = Session()  # as long as it lives rows of u2 take
    holder.run("SELECT pg_advisory_lock(15);")
    done(train("mixed", "mixed"))
    sql("CREATE OR REPLACE VIEW mixed AS SELECT m.* FROM mixed_rows m WHERE is_slow(user_id)")
    session = Session()
    alone = {user: session.run(f"SELECT item_ids, version FROM seqrec.answers('{{{user}}}', '{{NULL}}', '{{}}', 5, 'mixed');") for user in ("u1", "u3")}
    for _ in range(3):
        start = time.monotonic()
        rows = session.run("SELECT item_ids, version FROM seqrec.answers('{u1,u2,u3}', '{NULL,NULL,NULL}', '{}', 5, 'mixed', history_ms => 1000);").split("\n")
        assert rows == [alone["u1"], "|", "|"], rows
        assert time.monotonic() - start < 20, "a slow one held the others up"
        assert session.run("SELECT count(*) FROM generate_series(1, 1000000);") == "1000000", "a cancel came late"
    rows = session.run("SELECT item_ids, version FROM seqrec.answers('{u3,u1}', '{NULL,NULL}', '{}', 5, 'mixed', history_ms => 60000);").split("\n")
    assert rows == [alone["u3"], alone["u1"]], rows
    sql("CREATE OR REPLACE VIEW mixed AS SELECT (1 / 0)::text AS user_id, item_id, timestamp FROM mixed_rows")
    assert session.run("SELECT problem LIKE '%22012%' FROM seqrec.answers('{u1,u3}', '{NULL,NULL}', '{}', 5, 'mixed', history_ms => 10000);") == "t\nt"
    session.run("SET statement_timeout = '3s';")
    sql("CREATE OR REPLACE VIEW mixed AS SELECT m.* FROM mixed_rows m WHERE is_slow(user_id)")
    slow = "SELECT version IS NULL FROM seqrec.answers('{u2,u1}', '{NULL,NULL}', '{}', 5, 'mixed', history_ms => %d);"
    assert "statement timeout" in session.run(slow % 60000)
    assert session.run(slow % 200) == "t\nt"
    # A limit below a limit leaves the upper one as it is.
    sql("""CREATE FUNCTION asks_itself(who text) RETURNS boolean LANGUAGE plpgsql STABLE AS $$ BEGIN
               PERFORM version FROM seqrec.answers('{u1}', '{1}', '{i1}', 5, 'mixed', history_ms => 30000); RETURN is_slow('u2'); END $$""")
    sql("CREATE OR REPLACE VIEW mixed AS SELECT m.* FROM mixed_rows m WHERE asks_itself(user_id)")
    session.run("SET statement_timeout = '20s';")
    assert session.run(slow % 200) == "t\nt"
    session.close()
    holder.close()
    # To open a model may take longer than any limit, and is none of what is limited.
    sql("CREATE OR REPLACE VIEW mixed AS SELECT * FROM mixed_rows")
    for path in glob.glob(os.path.join(os.environ["PGDATA"], "seqrec", "*", "*.safetensors*")):
        os.remove(path)
    session = Session()
    assert "canceling" not in session.run(slow % 1)
    assert session.run(slow % 60000) == "f\nf"
    session.close()


@after(rows_that_take_long_hold_nobody_up)
def each_user_may_want_a_number_of_items():
    ask = "SELECT cardinality(item_ids) FROM seqrec.answers('{u1,u2,u3}', '{1,0,NULL}', '{i1}', 4, 'mixed', ks => '%s')"
    sql("CREATE OR REPLACE VIEW mixed AS SELECT * FROM mixed_rows")
    assert sql(ask % "{7,NULL,1}").split() == ["7", "4", "1"]
    refused(ask % "{7,1}", "2202E", "ks must have one number")
    refused(ask % "{7,1,0}", "22023", "k is 0")
    refused(ask % "{{7},{1},{2}}", "2202E")


# --- events ---


def events_are_inserted_as_a_plain_insert_would():
    sql(
        """CREATE DOMAIN channel AS text NOT NULL DEFAULT 'web' CHECK (VALUE <> '');
           CREATE TABLE events (id bigint GENERATED ALWAYS AS IDENTITY, user_id varchar(5), item_id bigint, timestamp timestamptz, via channel)"""
    )
    assert sql("""SELECT seqrec_add_events('[{"user_id": "u1", "item_id": 7}, {"user_id": 2, "item_id": "8", "timestamp": "2026-01-01"}]', 'events')""") == "2"
    assert sql("SELECT string_agg(user_id || item_id || via, ' ' ORDER BY id) FROM events") == "u17web 28web"
    for events, code in (('[{}]', "22023"), ('[{"user_id": "a"}]', "22023"), ('{}', "22023"), ('[{"user_id": null, "item_id": 1}]', "22023"),
                         ('[{"user_id": "", "item_id": 1}]', "22023"), ('[{"user_id": "a", "item_id": ""}]', "22023"), ('[{"user_id": ["a"], "item_id": 1}]', "22023"),
                         ('[{"user_id": true, "item_id": 1}]', "22023"), ('[null]', "22023"), ('["a"]', "22023"), ('null', "22023"),
                         ('[{"user_id": "too long", "item_id": 1}]', "22001"), ('[{"user_id": "%s", "item_id": 1}]' % ("x" * 513), "54000"), ('[{"user_id": "a", "item_id": "x"}]', "22P02")):
        refused(f"SELECT seqrec_add_events('{events}', 'events')", code)
    refused("""SELECT seqrec_add_events('[{"user_id": "a", "item_id": 1}]', 'events', item_column => 'product')""", "42703")
    refused("""SELECT seqrec_add_events('[{"user_id": "a", "item_id": 1}, {"user_id": "a", "item_id": 2, "timestamp": 1767225600}]', 'events')""",
            "22007", "the timestamp of event 2 is a number", "HINT", "2026-01-31T12:00:00Z")
    assert sql("SELECT count(*) FROM events") == "2"


@after(events_are_inserted_as_a_plain_insert_would)
def events_of_domains_are_inserted():
    """Ids and times in domains of the table's own: NOT NULL ones, with a default and a check."""
    sql(
        """CREATE DOMAIN customer AS bigint NOT NULL DEFAULT 0 CHECK (VALUE > 0); CREATE DOMAIN article AS varchar(4) NOT NULL DEFAULT 'none';
           CREATE DOMAIN moment AS bigint NOT NULL DEFAULT 0;
           CREATE TABLE domain_events (user_id customer, item_id article, timestamp moment, via channel)"""
    )
    assert sql("""SELECT seqrec_add_events('[{"user_id": 7, "item_id": "a"}, {"user_id": "8", "item_id": 9, "timestamp": 10}]', 'domain_events')""") == "2"
    assert sql("SELECT string_agg(concat_ws(' ', user_id, item_id, timestamp > 1e9, via), ', ' ORDER BY user_id) FROM domain_events") == "7 a t web, 8 9 f web"
    refused("""SELECT seqrec_add_events('[{"user_id": -1, "item_id": "a"}]', 'domain_events')""", "23514")


@after(events_are_inserted_as_a_plain_insert_would)
def a_keyed_call_in_an_open_transaction_holds_nobody():
    """Whoever uses another key does not wait for it, though both remove old keys; whoever uses the same one waits for a moment."""
    add = """SELECT seqrec_add_events('[{{"user_id": "k", "item_id": 1}}]', 'events', key => '{}')"""
    sql("INSERT INTO seqrec.event_keys SELECT 'postgres'::regrole, 'old ' || n, now() - interval '8 days' FROM generate_series(1, 3) n")
    first, second = Session(), Session()
    for session, key in ((first, "a"), (second, "b")):
        assert session.run("BEGIN;\n" + add.format(key) + ";") == "1"
    assert sql(add.format("c")) == "1", "the lock on old keys was waited for"
    refused(add.format("a"), "55P03", "same key has not ended yet", "HINT")
    refused("SET lock_timeout = 0; " + add.format("old 1"), "55P03")  # which the first removes, or not
    first.run("ROLLBACK;")
    second.run("COMMIT;")
    assert sql(add.format("a")) == "1", "what was rolled back has used no key"
    assert sql(add.format("b")) == "", "what was committed has"
    assert sql("SHOW lock_timeout") == "0"
    assert sql("SELECT count(*) FROM seqrec.event_keys WHERE key LIKE 'old%'") == "0"
    for key in ("", "x" * 256):
        refused(add.format(key), "22023", "HINT")
    for session in (first, second):
        session.close()


def a_key_stands_for_one_call():
    """With other events, or for another table, it is refused, and nothing is left out without a word."""
    sql("CREATE TABLE times (user_id text, item_id text, timestamp double precision, at double precision); CREATE TABLE others (LIKE times)")

    def add(events, table="times", more=""):
        return f"SELECT seqrec_add_events('{events}', '{table}', key => 'one'{more})"

    first = '[{"user_id": "u", "item_id": 1, "timestamp": 10}, {"user_id": "v", "item_id": 2}]'
    assert sql(add(first)) == "2"
    for equal in (first, '[{"timestamp":1e1,"item_id":1,"user_id":"\\u0075"},{"item_id":2,"user_id":"w","user_id":"v","timestamp":null}]'):
        assert sql(add(equal)) == "", equal
    for other in (first.replace("10", "11"), first.replace('"v"', '"w"'), first.replace(": 1,", ': "1",'), first.replace(": 1,", ": 1.0,"), first[:-1] + ', {"user_id": "u", "item_id": 1}]',
                  '[{"user_id": "v", "item_id": 2}, {"user_id": "u", "item_id": 1, "timestamp": 10}]', "[]"):
        refused(add(other), "22KEY", 'key "one" has been used for other events', "HINT")
    refused(add(first, "others"), "22KEY")
    refused(add(first, more=", time_column => 'at'"), "22KEY")
    assert sql("SELECT (SELECT count(*) FROM times), (SELECT count(*) FROM others)") == "2|0"
    sql("UPDATE seqrec.event_keys SET at = at - interval '25 hours' WHERE key = 'one'")
    assert sql(add(first, "others")) == "2", "it is free again"
    sql("UPDATE seqrec.event_keys SET hash = NULL WHERE key = 'one'")
    assert sql(add(first)) == "", "of keys of 0.1.0 nobody knows what they stand for"


def a_table_is_the_one_that_is_meant():
    """Whatever the path: a temporary one has the name of another; what is NULL or gone is told."""
    said = script(
        """CREATE TABLE named (user_id text, item_id text, timestamp timestamptz); CREATE TEMP TABLE named (LIKE named);
           SET search_path = public, pg_temp; SELECT seqrec_add_events('[{"user_id": "u", "item_id": "i"}]', 'pg_temp.named');
           SELECT (SELECT count(*) FROM public.named), (SELECT count(*) FROM pg_temp.named)"""
    )
    assert said.split() == ["1", "0|1"], said
    for table, column, state in (("NULL", "'user_id'", "22004"), ("99999999", "'user_id'", "42P01"), ("'named'", "NULL", "22004")):
        refused(f"""SELECT seqrec_add_events('[{{"user_id": "u", "item_id": "i"}}]', {table}, {column})""", state, "HINT")


@after(events_are_inserted_as_a_plain_insert_would)
def a_lock_is_told_from_a_key_that_is_written():
    add = """SET lock_timeout = '100ms'; SELECT seqrec_add_events('[{"user_id": "k", "item_id": 1}]', 'events', key => 'free')"""
    holder = Session()
    for table, words in (("seqrec.event_keys", "the table seqrec.event_keys is locked"), ("events", "lock timeout")):
        holder.run(f"BEGIN; LOCK TABLE {table};")
        refused(add, "55P03", words)
        holder.run("ROLLBACK;")
    assert sql(add) == "1"
    holder.close()


if __name__ == "__main__":
    sql("CREATE EXTENSION seqrec; CREATE ROLE odd LOGIN; GRANT CREATE ON SCHEMA public TO odd; GRANT EXECUTE ON FUNCTION seqrec_train TO odd")
    make_ratings()
    main(
        an_open_activation_makes_a_publish_wait,
        a_publish_that_fails_can_be_repeated,
        a_trained_model_survives_failing_bookkeeping,
        trained_models_survive_each_others_ends,
        a_trained_model_survives_a_resume_that_does_not_begin,
        a_file_that_can_not_be_read_now_is_kept,
        a_failed_publish_is_given_up,
        waiting_sees_the_present,
        views_do_not_call_the_past_interrupted,
        cancelled_right_after_the_call,
        cancelled_in_the_same_transaction,
        cancelled_while_publishing,
        a_second_training_in_an_open_transaction_is_refused_at_once,
        a_cast_for_ids_holds_nobody,
        a_running_training_is_skipped_or_refused,
        settings_of_a_role_do_not_stop_a_worker,
        a_reason_reaches_the_row,
        a_role_that_may_not_connect_is_told_so,
        ids_have_512_bytes_at_most,
        a_temporary_table_is_refused_at_the_call,
        a_silent_trainer_is_ended,
        too_little_memory_is_53200,
        changed_columns_reach_open_sessions,
        rows_that_do_not_count_are_no_clicks,
        ids_are_one_text_whatever_the_session_has_set,
        other_spellings_of_an_id_are_the_same_id,
        a_number_of_very_many_digits_is_no_id,
        cancelling_waits_for_nobody,
        renaming_waits_for_nobody,
        case_and_collation_make_ids_different,
        a_view_finds_what_it_names_in_both,
        an_error_that_concerns_everybody_leaves_no_subtransaction,
        rows_that_take_long_hold_nobody_up,
        each_user_may_want_a_number_of_items,
        events_are_inserted_as_a_plain_insert_would,
        events_of_domains_are_inserted,
        a_keyed_call_in_an_open_transaction_holds_nobody,
        a_key_stands_for_one_call,
        a_table_is_the_one_that_is_meant,
        a_lock_is_told_from_a_key_that_is_written,
    )
