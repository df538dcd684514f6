#!/usr/bin/python3
"""seqrec_recommend_all with the help of parallel workers: the same rows in the same order, whose rights, how it ends."""

import glob
import os
import sys
import threading
import time

sys.dont_write_bytecode = True

from testing import Session, main, make_ratings, refused, script, server_log, sql, wait_for

USERS = 2000
ALL = "seqrec_recommend_all(7)"


def rows(workers, query=f"SELECT * FROM {ALL}", before=""):
    return sql(f"SET max_parallel_workers_per_gather = {workers}; {before} {query}").split("\n")


def workers_started():
    """By the server's log."""
    return server_log().count("starting background worker process \"parallel worker")


def helped(statement, user=None):
    """Runs a statement and tells how many workers were started meanwhile."""
    before = workers_started()
    told = sql(statement, user=user)
    return told, workers_started() - before


def rows_are_the_same_whoever_makes_them():
    alone = rows(0)
    assert len(alone) == USERS * 7, len(alone)
    order = sql("SELECT string_agg(user_id, ' ' ORDER BY idx) FROM seqrec.users WHERE model_id = (SELECT max(model_id) FROM seqrec.models)").split()
    assert [row.split("|")[0] for row in alone[::7]] == order, "users come in the model's order"
    assert [row.split("|")[1] for row in alone[:14]] == [str(rank) for rank in range(1, 8)] * 2
    for workers in (1, 2, 4):
        for _ in range(3):
            assert rows(workers) == alone, workers
    expensive = f"SELECT * FROM seqrec_recommend_all(50, exclude => ARRAY['i3','i4'], exclude_seen => false, candidates => (SELECT array_agg('i' || g) FROM generate_series(1, 55) g), min_score => -0.5, diversity => 0.3)"
    assert rows(2, expensive) == rows(0, expensive)
    assert rows(2, f"SELECT * FROM {ALL}", "SET seqrec.exact = on;") == rows(0, f"SELECT * FROM {ALL}", "SET seqrec.exact = on;")


def workers_help():
    _, started = helped(f"SELECT count(*) FROM {ALL}")
    assert started == 2, started
    assert helped(f"SET max_parallel_workers_per_gather = 0; SELECT count(*) FROM {ALL}")[1] == 0
    assert helped("SELECT count(*) FROM seqrec_recommend_all(7, 'few')")[1] == 0, "few users are answered sooner alone"


def everywhere_a_query_may_be():
    alone = sql(f"SET max_parallel_workers_per_gather = 0; SELECT md5(string_agg(r::text, ';')) FROM {ALL} r")
    same = f"SELECT md5(string_agg(r::text, ';')) = '{alone}' FROM"
    sql(f"CREATE TABLE kept (n serial, LIKE made INCLUDING ALL); INSERT INTO kept (user_id, rank, item_id, score) SELECT * FROM {ALL}")
    assert sql(f"{same} (SELECT user_id, rank, item_id, score FROM kept ORDER BY n) r") == "t"
    sql(f"CREATE TABLE made_now AS SELECT * FROM {ALL}")
    assert sql(f"{same} made_now r") == "t"
    for text in (f"BEGIN READ ONLY; {same} {ALL} r; COMMIT;",
                 f"BEGIN ISOLATION LEVEL SERIALIZABLE; {same} {ALL} r; COMMIT;",
                 f"BEGIN; INSERT INTO made VALUES ('x'); SAVEPOINT s; {same} {ALL} r; INSERT INTO made VALUES ('y'); COMMIT;",
                 f"DO $$ BEGIN INSERT INTO made SELECT * FROM {ALL}; EXCEPTION WHEN division_by_zero THEN NULL; END $$; SELECT count(*) >= {USERS * 7} FROM made;",
                 f"BEGIN; DECLARE c CURSOR FOR SELECT * FROM {ALL}; MOVE FORWARD ALL c; INSERT INTO made VALUES ('z'); COMMIT; SELECT true;",
                 f"SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SELECT count(*) = {USERS * 7} FROM made_now m JOIN {ALL} a USING (user_id, rank);"):
        told = script(text)
        assert told.strip().endswith("t") and "ERROR" not in told, (text, told)
    told, started = helped(f"INSERT INTO made SELECT * FROM {ALL}")
    assert started == 2, started


def whose_rights_count():
    refused(f"SELECT * FROM {ALL}", "42501", user="nobody")
    sql("GRANT EXECUTE ON FUNCTION seqrec_recommend_all TO nobody")
    told, started = helped(f"SELECT count(*) FROM {ALL}", user="nobody")
    assert (told, started) == (str(USERS * 7), 2)
    sql("REVOKE EXECUTE ON FUNCTION seqrec_recommend_all FROM nobody")
    sql(f"CREATE FUNCTION for_nobody() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS $$ SELECT count(*) FROM {ALL} $$")
    assert helped("SELECT for_nobody()", user="nobody") == (str(USERS * 7), 2)


def errors_are_those_of_one_process():
    for call, code in (("seqrec_recommend_all(0)", "22023"), ("seqrec_recommend_all(3, 'none')", "42704"), ("seqrec_recommend_all(3, min_probability => 0.5)", "0A000")):
        refused(f"SELECT * FROM {call}", code)
    # What an open transaction has done is what its workers see.
    session = Session()
    assert session.run(f"SELECT count(*) FROM {ALL};") == str(USERS * 7)
    told = session.run(f"BEGIN; UPDATE seqrec.models SET active = false WHERE name = 'default'; SELECT count(*) FROM {ALL};")
    assert "does not exist" in told, told
    session.run("ROLLBACK;")
    assert session.run(f"SELECT count(*) FROM {ALL};") == str(USERS * 7)
    session.close()


def a_cancel_ends_all():
    session = Session()
    session.run("SET statement_timeout = '150ms';")
    before = time.monotonic()
    told = session.run("DO $$ BEGIN LOOP PERFORM count(*) FROM seqrec_recommend_all(60, diversity => 0.9); END LOOP; END $$;")
    assert "statement timeout" in told and time.monotonic() - before < 20, told
    session.run("SET statement_timeout = 0;")
    assert session.run(f"SELECT count(*) FROM {ALL};") == str(USERS * 7)
    session.close()
    wait_for(lambda: sql("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'parallel worker'") == "0", "the workers' end")


def a_worker_that_dies_is_an_error():
    """Its rows are never left out in silence."""
    session, killer = Session(), Session()
    session.run("SET max_parallel_workers_per_gather = 2;")
    session.run("\\set VERBOSITY sqlstate")
    session.process.stdin.write("DO $$ BEGIN LOOP PERFORM count(*) FROM seqrec_recommend_all(60, diversity => 0.9); END LOOP; END $$;\n\\echo --end--\n")
    session.process.stdin.flush()
    over = threading.Event()

    def kill():
        while not over.is_set():
            killer.run("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE backend_type = 'parallel worker';")

    thread = threading.Thread(target=kill)
    thread.start()
    said = []
    for line in session.process.stdout:
        if line == "--end--\n":
            break
        said.append(line)
    over.set()
    thread.join()
    assert said in (["ERROR:  57P01\n"], ["ERROR:  55000\n"]), said  # the latter: before it could say anything
    assert session.run(f"SELECT count(*) FROM {ALL};") == str(USERS * 7)
    session.close()
    killer.close()


def no_worker_to_be_had_is_no_error():
    alone = rows(0)
    assert rows(2, before="SET max_parallel_workers = 0;") == alone


def folders():
    return glob.glob(os.path.join(os.environ["PGDATA"], "seqrec", "*"))


def a_copy_of_ones_own_is_shared_with_nobody():
    """Where files can't be written each process would make a snapshot of its own: then one process does it all."""
    alone = rows(0)
    for path in glob.glob(os.path.join(os.environ["PGDATA"], "seqrec", "*", "*.safetensors*")):
        os.remove(path)
    modes = {folder: os.stat(folder).st_mode for folder in folders()}
    for folder in modes:
        os.chmod(folder, 0o500)
    try:
        told, started = helped(f"SELECT * FROM {ALL}")
        assert (told.split("\n"), started) == (alone, 0), started
    finally:
        for folder, mode in modes.items():
            os.chmod(folder, mode)


def a_session_outlives_the_extension():
    """Numbers of versions begin anew with it: a session that had the old one's first takes no other for it, nor do its workers."""
    session = Session()
    session.run("SET max_parallel_workers_per_gather = 2;")
    assert session.run(f"SELECT count(*) FROM {ALL};") == str(USERS * 7)
    sql("DROP EXTENSION seqrec CASCADE; CREATE EXTENSION seqrec; CREATE TABLE others AS SELECT user_id, 'other' || item_id AS item_id, timestamp FROM ratings")
    for table in ("few_ratings", "others"):
        train(table, "default" if table == "others" else "few")
    assert session.run(f"SELECT count(*), bool_and(item_id LIKE 'other%') FROM {ALL};") == f"{USERS * 7}|t"
    session.close()


def train(table, model):
    job = sql(f"""SELECT seqrec_train('{table}', '{model}', options => '{{"epochs": 1, "dim": 16, "max_len": 20, "members": 1, "layers": 1, "students": 0}}')""")
    sql(f"CALL seqrec_wait({job})")


if __name__ == "__main__":
    sql("CREATE EXTENSION seqrec; CREATE ROLE nobody LOGIN; CREATE TABLE made (user_id text, rank int, item_id text, score real)")
    script("ALTER SYSTEM SET log_min_messages = debug1; SELECT pg_reload_conf();")
    make_ratings(users=USERS)
    make_ratings("few_ratings", users=300)
    for table, model in (("few_ratings", "few"), ("ratings", "default")):
        train(table, model)
    main(rows_are_the_same_whoever_makes_them, workers_help, everywhere_a_query_may_be, whose_rights_count, errors_are_those_of_one_process,
         a_cancel_ends_all, a_worker_that_dies_is_an_error, no_worker_to_be_had_is_no_error,
         a_copy_of_ones_own_is_shared_with_nobody, a_session_outlives_the_extension)
