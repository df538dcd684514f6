#!/usr/bin/python3
# Runs first: it takes a minute
"""Snapshots: the tables are the truth, and every way to a model gives the same answer."""

import contextlib
import glob
import json
import os
import shutil
import signal
import struct
import subprocess
import threading
import time

from testing import Session, main, make_ratings, psql, script, server_log, sql, wait_for

ASK = "SELECT string_agg(item_id || '=' || score, ' ' ORDER BY rank) FROM seqrec_recommend('u1', ARRAY['i1', 'i9', 'i4'], 20)"
ALL_SCORES = "SELECT item_id, score FROM seqrec_recommend('u1', ARRAY['i1', 'i9', 'i4'], 100, exclude_seen => false);"
OPTIONS = """'{"epochs": 2, "dim": 16, "max_len": 20}'"""
ACTIVE = "SELECT model_id FROM seqrec_models WHERE model = 'default' AND active"
DAMAGED = "is damaged and is built again"
answers = {}


def server_program(name, *arguments, **environment):
    """Runs one of PostgreSQL's programs as the user that owns the server."""
    command = [shutil.which(name), *arguments]
    if os.geteuid() == 0:
        command = ["runuser", "-u", "postgres", "--", *command]
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd="/", timeout=120, env=os.environ | environment)


def pg_ctl(action, data, *options, **environment):
    log = os.path.join(os.environ["PGHOST"], "server.log")
    server_program("pg_ctl", action, "-D", data, "-w", "-l", log, *options, **environment)


def snapshot_file():
    version = sql("SELECT version FROM seqrec_models WHERE model = 'default' AND active")
    found = glob.glob(os.path.join(os.environ["PGDATA"], "seqrec", "*", version + ".safetensors"))
    assert len(found) == 1, found
    return found[0]


def expect_same_answer():
    assert sql(ASK) == answers["first"], "another answer"


def job_uuid(number):
    return sql(f"SELECT uuid FROM seqrec.jobs WHERE job_id = {number}")


def stamp_file():
    return snapshot_file() + ".verified"


def read(path):
    with open(path, "rb") as file:
        return file.read()


def write_in_place(path, data):
    """Changes a file without replacing it: whoever has it mapped sees the change."""
    with open(path, "r+b") as file:
        file.write(data)
        file.truncate(len(data))


def places(snapshot):
    """A byte in the middle of every tensor and of the header, and the last one of the file."""
    start = 8 + struct.unpack("<Q", snapshot[:8])[0]
    header = json.loads(snapshot[8:start])
    found = {"header": snapshot.index(b"seqrec-snapshot/"), "config": snapshot.index(b"config") + 30, "last byte": len(snapshot) - 1}
    for name, tensor in header.items():
        begin, end = tensor.get("data_offsets", (0, 0))
        if end > begin and not name.startswith("member."):
            found[name] = start + (begin + end) // 2
    return found


def flipped(snapshot, at):
    return snapshot[:at] + bytes([snapshot[at] ^ 16]) + snapshot[at + 1 :]


def copy_version(model_id):
    """A version of the same content, without the time that a training takes."""
    number = sql("SELECT nextval('seqrec.models_model_id_seq')")
    new = f"jsonb_build_object('model_id', {number})"
    fresh = "jsonb_build_object('version', gen_random_uuid(), 'active', false)"
    sql(
        f"INSERT INTO seqrec.models SELECT (jsonb_populate_record(m, {new} || {fresh})).* FROM seqrec.models m WHERE model_id = {model_id};"
        + ";".join(
            f"INSERT INTO seqrec.{table} SELECT (jsonb_populate_record(t, {new})).* FROM seqrec.{table} t WHERE model_id = {model_id}"
            for table in ("weights", "items", "users")
        )
    )
    return number


def train():
    number = sql(f"SELECT seqrec_train('ratings', options => {OPTIONS})")
    sql(f"CALL seqrec_wait({number})")
    answers["first"] = sql(ASK)


def published_warm():
    number = sql(f"SELECT seqrec_train('ratings', options => {OPTIONS})")
    sql(f"CALL seqrec_wait({number})")
    assert os.path.getsize(snapshot_file()) > 0
    assert os.path.exists(stamp_file()), "who publishes knows that the file is whole"
    assert sql("SHOW shared_preload_libraries") == ""
    answers["first"] = sql(ASK)
    assert len(answers["first"].split()) == 20


def new_connections_agree():
    for _ in range(3):
        expect_same_answer()


def file_deleted():
    session = Session()
    assert session.run(ASK + ";") == answers["first"]
    os.unlink(snapshot_file())
    assert session.run(ASK + ";") == answers["first"], "an open session lost its snapshot"
    expect_same_answer()
    assert os.path.exists(snapshot_file()), "not built again"
    session.close()


def file_damaged():
    path = snapshot_file()
    whole = open(path, "rb").read()
    for damage in (b"", whole[:7], whole[: len(whole) // 2], whole[:-1], b"\xff" * 8 + whole[8:], whole[:20] + b"!" + whole[21:]):
        with open(path + ".damaged", "wb") as file:
            file.write(damage)
        shutil.chown(path + ".damaged", os.stat(path).st_uid, os.stat(path).st_gid)
        os.rename(path + ".damaged", path)
        said = script(ASK + ";")
        assert answers["first"] in said, said
        assert "is damaged and is built again" in said, said
    assert open(path, "rb").read() == whole, "the same tables gave another file"


def bits_flipped():
    """A flipped bit anywhere is noticed: by a new connection, and by one that has the file mapped."""
    path = snapshot_file()
    whole = read(path)
    session = Session()
    assert session.run(ASK + ";") == answers["first"]
    for name, at in places(whole).items():
        for ask in (script, session.run):
            write_in_place(path, flipped(whole, at))
            said = ask(ASK + ";")
            assert answers["first"] in said, f"{name}: {said}"
            assert DAMAGED in said, f"{name}: {said}"
            assert read(path) == whole, name
    assert session.run(ASK + ";") == answers["first"], "a warning without a reason"
    session.close()


def damaged_under_a_connection():
    path = snapshot_file()
    whole = read(path)
    session = Session()
    assert session.run(ASK + ";") == answers["first"]
    for damage in (b"", whole[:100], whole[: len(whole) // 2], whole[:-1], whole + b"\0", b"\xff" * len(whole)):
        write_in_place(path, damage)
        said = session.run(ASK + ";")
        assert answers["first"] in said and DAMAGED in said, said
        assert read(path) == whole
    os.utime(path)  # touched, but whole: verified again, and no reason to complain
    assert session.run(ASK + ";") == answers["first"]
    session.close()


def verified_once():
    """Others trust the stamp of whoever read the file; a lost or old stamp is no trust."""
    stamp, first = stamp_file(), read(stamp_file())
    expect_same_answer()
    assert read(stamp) == first
    os.utime(snapshot_file())
    expect_same_answer()
    second = read(stamp)
    assert second != first, "a touched file kept its stamp"
    os.unlink(stamp)
    expect_same_answer()
    assert read(stamp) == second
    write_in_place(stamp, b"not a stamp")
    expect_same_answer()
    assert read(stamp) == second


def prewarmed():
    assert int(sql("SELECT seqrec_prewarm()")) == os.path.getsize(snapshot_file())
    os.unlink(snapshot_file())
    assert int(sql("SELECT seqrec_prewarm('default')")) == os.path.getsize(snapshot_file()), "not built"
    said = script("SELECT seqrec_prewarm('nobody');")
    assert "42704" in said, said


def snapshot_of_another_version():
    number = sql(f"SELECT seqrec_train('ratings', model => 'other', options => {OPTIONS})")
    sql(f"CALL seqrec_wait({number})")
    other = sql("SELECT version FROM seqrec_models WHERE model = 'other'")
    path = sql("SELECT version FROM seqrec_models WHERE model = 'default' AND active")
    folder = os.path.dirname(glob.glob(os.path.join(os.environ["PGDATA"], "seqrec", "*", "*.safetensors"))[0])
    shutil.copyfile(os.path.join(folder, other + ".safetensors"), os.path.join(folder, path + ".safetensors"))
    expect_same_answer()
    sql("SELECT seqrec_drop(model_id) FROM seqrec_models WHERE model = 'other'")


def many_build_at_once():
    os.unlink(snapshot_file())
    got = []
    threads = [threading.Thread(target=lambda: got.append(sql(ASK))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [answers["first"]] * 8, got
    assert not glob.glob(snapshot_file() + ".tmp*")


def built_by_a_parallel_worker():
    path = snapshot_file()
    os.unlink(path)
    forced = "debug_parallel_query" if int(sql("SHOW server_version_num")) >= 160000 else "force_parallel_mode"
    plan = script(f"SET {forced} = on; EXPLAIN {ASK};")
    assert "Gather" in plan, plan
    assert answers["first"] in script(f"SET {forced} = on; {ASK};")
    assert os.path.exists(path)


def built_by_many_parallel_workers():
    """The workers of one query don't exclude each other by locks: each finds no file, and none takes another's away."""
    sql("CREATE TABLE askers AS SELECT 'u' || g AS u FROM generate_series(1, 400) g; ALTER TABLE askers SET (parallel_workers = 6)")
    sql("ANALYZE askers")
    for _ in range(5):
        os.unlink(snapshot_file())
        said = script(
            """SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET max_parallel_workers_per_gather = 6;
               SET parallel_leader_participation = off; SELECT count(*) FROM askers WHERE seqrec_user_embedding(u, '{i1}') IS NOT NULL;"""
        )
        assert said.strip() == "400", said
        assert not glob.glob(snapshot_file() + ".tmp*")
    sql("DROP TABLE askers")


def built_in_spite_of_a_timeout():
    """A build takes longer than a statement may: one that is begun is finished all the same, and who has the earlier version mapped
    is answered with that meanwhile."""
    which = "SELECT seqrec_recommend_info('u1', ARRAY['i1'])->>'model_id';"
    old, big = sql(ACTIVE), copy_version(sql(ACTIVE))
    sql(
        f"""INSERT INTO seqrec.users (model_id, idx, user_id, seen_until, embedding, seen)
            SELECT {big}, m.n_users + g - 1, 'more' || g, u.seen_until, u.embedding, u.seen
            FROM seqrec.models m, seqrec.users u, generate_series(1, 400000) g WHERE m.model_id = {big} AND u.model_id = {big} AND u.idx = 0;
            UPDATE seqrec.models SET n_users = n_users + 400000 WHERE model_id = {big}"""
    )
    session = Session()
    session.run("SET statement_timeout = '200ms';")
    assert session.run(which) == old
    sql(f"SELECT seqrec_activate({big})")
    said = [session.run(which)]
    while said[-1] == old:
        said.append(session.run(which))
    assert said[0] == old and said[-1] == big, said[-3:]
    session.close()
    os.unlink(snapshot_file())
    hurried = f"SET statement_timeout = '200ms'; {ASK};"
    assert "canceling statement" in script(hurried), "it was built in no time"
    wait_for(lambda: answers["first"] in script(hurried), "the build that a cancelled statement began")
    os.unlink(stamp_file())
    wait_for(lambda: answers["first"] in script(hurried), "the verifying that a cancelled statement began, if it was cancelled")
    assert os.path.exists(stamp_file())
    sql(f"SELECT seqrec_activate({old}); SELECT seqrec_drop({big})")


def workers_errors():
    """What workers of snapshots have logged as errors; whom they worked for logs with a statement."""
    with open(os.path.join(os.environ["PGHOST"], "server.log"), encoding="utf-8") as log:
        return sum("[seqrec snapshot] ERROR:  rows of model version" in line for line in log)


def a_broken_model_costs_one_worker():
    """Whoever asks for what can't be built gets the error again, without another worker, until there is a next attempt; two such
    models asked in turn are no different, and a model beside them is built at once."""
    script("ALTER SYSTEM SET log_line_prefix = '[%b] ';\nSELECT pg_reload_conf();")
    wait_for(lambda: sql("SHOW log_line_prefix") == "[%b]", "the log's prefix")
    active, broken = sql(ACTIVE), {}
    for name in ("broken", "torn"):
        broken[name] = copy_version(active)
        sql(f"UPDATE seqrec.models SET name = '{name}', active = true WHERE model_id = {broken[name]}; DELETE FROM seqrec.items WHERE model_id = {broken[name]} AND idx = 0")
    ask = "SELECT item_id FROM seqrec_recommend('u1', '{{i1}}', 1, '{}');"
    before, began, session = workers_errors(), time.monotonic(), Session()
    session.run("\\set VERBOSITY verbose")
    for _ in range(20):
        for name in broken:
            said = session.run(ask.format(name))
            assert "55000" in said and "are missing" in said and "next attempt is made" in said, said
    attempts = workers_errors() - before
    pauses = (time.monotonic() - began)  # of one second at least: they are of two, told in whole ones
    assert 2 <= attempts <= 2 * (1 + pauses), f"{attempts} workers for 40 questions"
    os.unlink(snapshot_file())
    assert session.run(ASK + ";") == answers["first"], "a model that is whole"
    for name, model_id in broken.items():
        sql(f"INSERT INTO seqrec.items SELECT {model_id}, idx, item_id, popularity, embedding, list FROM seqrec.items WHERE model_id = {active} AND idx = 0")
        assert int(sql(f"SELECT seqrec_prewarm('{name}')")) > 0, "who repaired it need not wait"
        assert session.run(ask.format(name)) == sql(ask.format("default"))
    session.close()
    for model_id in broken.values():
        sql(f"SELECT seqrec_drop({model_id})")
    assert not glob.glob(os.path.join(os.path.dirname(snapshot_file()), "*.failed*")), "a note of what is gone"
    script("ALTER SYSTEM RESET log_line_prefix;\nSELECT pg_reload_conf();")


def why_a_build_failed_is_for_who_may_know():
    """The version's owner, who is in pg_monitor or sees all jobs, and superusers; others learn that it failed, and the log has the rest:
    of what a worker tried, and of what the asking process tried itself."""
    active = sql(ACTIVE)
    torn = copy_version(active)
    roles = {"keeper": True, "watcher": True, "overseer": True, "asker": False}
    sql(
        "".join(f"CREATE ROLE {role} LOGIN; GRANT EXECUTE ON FUNCTION seqrec_recommend TO {role};" for role in roles)
        + f"""GRANT pg_monitor TO watcher; GRANT EXECUTE ON FUNCTION seqrec.sees_all_jobs TO overseer;
              UPDATE seqrec.models SET name = 'torn', owner = 'keeper', active = true WHERE model_id = {torn};
              DELETE FROM seqrec.items WHERE model_id = {torn} AND idx = 0"""
    )
    ask = "SELECT item_id FROM seqrec_recommend('u1', '{i1}', 1, 'torn');"
    forced = "debug_parallel_query" if int(sql("SHOW server_version_num")) >= 160000 else "force_parallel_mode"
    why, that, note = f"rows of model version {torn} are missing", f"the snapshot of model version {torn} could not be built", None
    for before in ("", f"SET {forced} = on;"):  # a parallel worker begins no worker
        for role, told in {**roles, "postgres": True}.items():
            for path in glob.glob(os.path.join(os.path.dirname(snapshot_file()), "*.failed")):
                os.unlink(path)
            for again in (False, True):
                said, wanted = script(before + ask, user=role), (why,) if told else (that, "are told why")
                assert "55000" in said and all(part in said for part in wanted), f"{role}, {before}, {again}: {said}"
                assert told or why not in said, f"{role}, {before}, {again}: {said}"
                assert before or "next attempt is made" in said, said
                note = note or glob.glob(os.path.join(os.path.dirname(snapshot_file()), "*.failed"))
    assert note, "no worker left a note"
    assert server_log().count(f"{that}: {why}") == 2, "the log does not say why"
    sql(f"SELECT seqrec_drop({torn}); DROP OWNED BY {', '.join(roles)}; DROP ROLE {', '.join(roles)}")


def where_files_lie_is_for_who_may_know():
    """A damaged file and a folder that can't be written are warnings to everybody; paths are for superusers, owners and who sees jobs."""
    sql("CREATE ROLE asker LOGIN; GRANT EXECUTE ON FUNCTION seqrec_recommend TO asker")
    path, whole = snapshot_file(), read(snapshot_file())
    folder = os.path.dirname(path)
    named = os.path.relpath(folder, os.environ["PGDATA"])
    for role, told in {"asker": False, "postgres": True}.items():
        write_in_place(path, flipped(whole, len(whole) // 2))
        said = script(ASK + ";", user=role)
        assert answers["first"] in said and DAMAGED in said and (named in said) == told and ("are told why" in said) != told, said
        with read_only(folder):
            write_in_place(path, flipped(whole, len(whole) // 2))
            said = script(ASK + ";", user=role)
        assert answers["first"] in said and "makes a snapshot of its own" in said and (named in said) == told, said
        expect_same_answer()
        os.chmod(path, 0)  # another one takes its place, for the trainer, too
        said = script(ASK + ";", user=role)
        assert answers["first"] in said and "can't be read and is built again" in said and (named in said) == told, said
        assert os.stat(path).st_mode & 0o400, "it is as it was"
        expect_same_answer()
    assert server_log().count("could not write into") >= 2, "the log does not say why"
    sql("DROP OWNED BY asker; DROP ROLE asker")


def what_a_session_activated_answers_it():
    """Though its snapshot has to be built first; what it took back never stands in for anything."""
    who, active, session = "SELECT seqrec_recommend_info('u1')->>'model_id';", sql(ACTIVE), Session()
    other = copy_version(active)
    assert session.run(who) == active
    session.run(f"BEGIN; SELECT seqrec_activate({other});")
    assert session.run(who) == other
    session.run("ROLLBACK;")
    os.unlink(snapshot_file())
    assert session.run(who) == active
    session.close()
    sql(f"SELECT seqrec_drop({other})")
    expect_same_answer()


def server_restarted():
    before = read(stamp_file())
    pg_ctl("restart", os.environ["PGDATA"], "-m", "fast")
    expect_same_answer()
    assert read(stamp_file()) != before, "a restarted server trusts what an earlier one read"


def preloaded_for_all_connections():
    """A connection has the library's settings before it calls anything, and follows versions as others do."""
    sql("ALTER SYSTEM SET shared_preload_libraries = 'seqrec'")
    pg_ctl("restart", os.environ["PGDATA"], "-m", "fast")
    assert sql("SHOW seqrec.exact") == "off"
    new_connections_agree()
    who, active, session = "SELECT seqrec_recommend_info('u1')->>'model_id';", sql(ACTIVE), Session()
    for version in (active, copy_version(active), active):
        sql(f"SELECT seqrec_activate({version})")
        wait_for(lambda: session.run(who) == version, "the version whose snapshot is being built")
    session.close()
    sql("SELECT seqrec_drop(max(model_id)) FROM seqrec_models WHERE model = 'default'")
    sql("ALTER SYSTEM RESET shared_preload_libraries")
    pg_ctl("restart", os.environ["PGDATA"], "-m", "fast")
    expect_same_answer()


def scores_of_all(exact):
    rows = script(f"SET seqrec.exact = {exact};\n" + ALL_SCORES)
    return {item: float(score) for item, score in (line.split("|") for line in rows.split())}


def instruction_sets_agree():
    """Another CPU's kernels, over a snapshot packed for this one: the same scores but for rounding."""
    expected = {exact: scores_of_all(exact) for exact in ("on", "off")}
    assert len(expected["on"]) == 60, expected
    for isa in ("avx512", "avx2", "portable"):
        pg_ctl("restart", os.environ["PGDATA"], "-m", "fast", SEQREC_ISA=isa)
        for exact, allowed in (("on", 1e-5), ("off", 2e-2)):  # without bfloat16 "off" is float32, too
            found = scores_of_all(exact)
            assert found.keys() == expected[exact].keys()
            if isa == "avx512" and exact == "off" and "avx512_bf16" in open("/proc/cpuinfo", encoding="ascii").read():
                assert found != expected[exact], "SEQREC_ISA made no difference"
            furthest = max(abs(found[item] - score) for item, score in expected[exact].items())
            assert furthest < allowed, (isa, exact, furthest)
    pg_ctl("restart", os.environ["PGDATA"], "-m", "fast")
    assert scores_of_all("off") == expected["off"]
    expect_same_answer()


def server_crashed():
    os.unlink(snapshot_file())
    pg_ctl("restart", os.environ["PGDATA"], "-m", "immediate")
    expect_same_answer()


def crash_while_building(ask, path):
    """Stops the server as soon as a build begins; whether it was in time."""
    os.unlink(path)
    builder = subprocess.Popen(["psql", "-Xqc", ask], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: glob.glob(path + ".tmp.*") or os.path.exists(path), "the build's begin", poll=0.0002)
    postmaster = int(read(os.path.join(os.environ["PGDATA"], "postmaster.pid")).split()[0])
    os.kill(postmaster, signal.SIGQUIT)  # what pg_ctl stop -m immediate does, without its milliseconds
    builder.wait(30)
    wait_for(lambda: not os.path.exists(f"/proc/{postmaster}"), "the server's end")
    in_time = bool(glob.glob(path + ".tmp.*")) and not os.path.exists(path)
    pg_ctl("start", os.environ["PGDATA"])
    if not in_time:
        sql(ask)
    return in_time


def stopped_during_a_build():
    """The server dies while a file is being built: nothing half is served, nothing is left."""
    make_ratings("large", users=20000, items=20000, length=3)
    number = sql("""SELECT seqrec_train('large', 'large', options => '{"epochs": 1, "members": 1, "dim": 32, "holdout": "keep"}')""")
    sql(f"CALL seqrec_wait({number})")
    version = sql("SELECT version FROM seqrec_models WHERE model = 'large'")
    path = os.path.join(os.path.dirname(snapshot_file()), version + ".safetensors")
    ask = ASK.replace("20)", "20, 'large')")
    answer, whole = sql(ask), read(path)
    assert any(crash_while_building(ask, path) for _ in range(10)), "every build was over before the crash"
    assert sql(ask) == answer
    assert read(path) == whole
    assert not glob.glob(path + ".tmp.*"), "the dead builder's file is still there"
    sql("SELECT seqrec_drop(model_id) FROM seqrec_models WHERE model = 'large'; DROP TABLE large")
    assert not glob.glob(path + "*"), "a dropped version left a file"


def job_interrupted_by_crash():
    options = """'{"max_seconds": 300, "epochs": 100000, "patience": 100000}'"""
    number = sql(f"SELECT seqrec_train('ratings', options => {options})")
    wait_for(lambda: sql(f"SELECT state FROM seqrec_jobs WHERE job_id = {number}") == "training", "the training")
    path = f"{job_uuid(number)}/job.json"
    trainers = wait_for(lambda: subprocess.run(["pgrep", "-f", path], capture_output=True, text=True).stdout.split(), "the trainer")
    pg_ctl("restart", os.environ["PGDATA"], "-m", "immediate")
    wait_for(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in trainers), "the trainer's end")
    assert sql(f"SELECT state FROM seqrec_jobs WHERE job_id = {number}") == "interrupted"
    expect_same_answer()
    again = sql(f"SELECT seqrec_train('ratings', options => {OPTIONS})")
    sql(f"CALL seqrec_wait({again})")
    assert sql(f"SELECT state FROM seqrec.jobs WHERE job_id = {number}") == "interrupted"
    folder = os.path.dirname(snapshot_file())
    wait_for(lambda: not glob.glob(os.path.join(folder, "job-*")), "the dead job's folder to go")
    answers["first"] = sql(ASK)


def interrupt(options):
    """Crashes the server under a training that has a checkpoint; returns the job and its folder."""
    number = sql(f"SELECT seqrec_train('ratings', 'resumed', options => {options})")
    folder = os.path.join(os.path.dirname(snapshot_file()), f"job-{job_uuid(number)}")
    wait_for(lambda: os.path.exists(os.path.join(folder, "checkpoint.0")), "the checkpoint")
    assert sql(f"SELECT state FROM seqrec_jobs WHERE job_id = {number}") == "training"
    pg_ctl("restart", os.environ["PGDATA"], "-m", "immediate")
    row = sql(f"SELECT state, hint FROM seqrec_jobs WHERE job_id = {number}")
    assert row.startswith("interrupted|") and f"seqrec_resume({number})" in row, row
    return number, folder


def resumed_and_rolled_back(number):
    """Its worker has waited for the order, found it rolled back, and is gone."""
    workers = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'seqrec worker'"
    session = Session()
    session.run("BEGIN;")
    session.run(f"SELECT seqrec_resume({number});")
    wait_for(lambda: sql(workers + " AND query LIKE '%waiting for the transaction%'") == "1", "the worker")
    session.run("ROLLBACK;")
    session.close()
    wait_for(lambda: sql(workers) == "0", "the worker's end")
    assert sql(f"SELECT state FROM seqrec_jobs WHERE job_id = {number}") == "interrupted"


def job_resumed_after_crash():
    options = """'{"epochs": 250, "patience": 100000, "dim": 16, "members": 2, "max_len": 20, "threads": 2}'"""
    metrics = "SELECT metrics - '{%s}'::text[] FROM seqrec_models WHERE active AND model = '%s'"
    times = "export_seconds,export_rows_per_s,publish_seconds,publish_rows_per_s,train_seconds,labels_per_s,gflops"
    whole = sql(f"SELECT seqrec_train('ratings', 'whole', options => {options})")
    sql(f"CALL seqrec_wait({whole})")
    number, folder = interrupt(options)
    resumed_and_rolled_back(number)
    assert os.path.exists(os.path.join(folder, "checkpoint.0")), "a rolled back order took the checkpoint away"
    sql(f"SELECT seqrec_resume({number})")
    sql(f"CALL seqrec_wait({number})")
    said = sql(f"SELECT warnings FROM seqrec_jobs WHERE job_id = {number}")
    assert "went on after epoch" in said, said
    for answer in (metrics, "SELECT config FROM seqrec_models WHERE active AND '%s' <> '' AND model = '%s'"):
        assert sql(answer % (times, "resumed")) == sql(answer % (times, "whole")), "another end than without interruption"
    ask = "SELECT array_agg(r) FROM seqrec_recommend('u1', ARRAY['i1', 'i9'], 9, '%s') r"
    assert sql(ask % "resumed") == sql(ask % "whole")
    wait_for(lambda: not os.path.exists(folder), "the job's folder to go")
    said = script(f"SELECT seqrec_resume({number});")
    assert "is not interrupted but done" in said and "55000" in said, said


def interrupted_job_given_up():
    number, folder = interrupt("""'{"epochs": 100000, "patience": 100000, "dim": 16}'""")
    assert os.path.exists(folder)
    assert sql(f"SELECT seqrec_cancel({number})") == "t"
    assert sql(f"SELECT state FROM seqrec_jobs WHERE job_id = {number}") == "cancelled"
    assert not os.path.exists(folder)
    assert "cancelled" in script(f"SELECT seqrec_resume({number});")


def dumped_and_restored():
    dump = os.path.join(os.environ["PGHOST"], "dump")
    subprocess.run(["pg_dump", "-Fc", "-f", dump], check=True)
    subprocess.run(["createdb", "restored"], check=True)
    subprocess.run(["pg_restore", "--exit-on-error", "-d", "restored", dump], check=True)
    assert sql(ASK, database="restored") == answers["first"], "restored, but another answer"
    number = sql(f"SELECT seqrec_train('ratings', options => {OPTIONS})", database="restored")
    sql(f"CALL seqrec_wait({number})", database="restored")
    assert sql("SELECT count(*) = count(DISTINCT model_id) FROM seqrec.models", database="restored") == "t"
    assert int(number) > int(sql("SELECT max(job_id) FROM seqrec.jobs")), "the jobs' numbers started again"
    subprocess.run(["dropdb", "restored"], check=True)


def dropped_database_leaves_nothing():
    subprocess.run(["createdb", "dropped", "-T", os.environ["PGDATABASE"]], check=True)
    assert sql(ASK, database="dropped") == answers["first"]
    subprocess.run(["dropdb", "dropped"], check=True)
    number = sql(f"SELECT seqrec_train('ratings', options => {OPTIONS})")
    sql(f"CALL seqrec_wait({number})")
    folders = os.path.join(os.environ["PGDATA"], "seqrec")
    wait_for(lambda: len([name for name in os.listdir(folders) if name.isdigit()]) == 1, "the folder of the dropped database to go")
    answers["first"] = sql(ASK)


def standby_serves_and_follows():
    folder = os.path.join(os.environ["PGHOST"], "standby")
    data = os.path.join(folder, "data")
    os.mkdir(folder, 0o700)
    owner = os.stat(os.environ["PGDATA"])
    os.chown(folder, owner.st_uid, owner.st_gid)
    server_program("pg_basebackup", "-h", os.environ["PGHOST"], "-U", "postgres", "-D", data, "-R", "-c", "fast")
    shutil.rmtree(os.path.join(data, "seqrec"))
    with open(os.path.join(data, "postgresql.conf"), "a", encoding="utf-8") as file:
        file.write(f"unix_socket_directories = '{folder}'\n")
    pg_ctl("start", data)
    try:
        def ask(statement):
            done = psql("-h", folder, "-c", statement)
            assert done.returncode == 0, done.stderr
            return done.stdout.strip()

        assert ask("SELECT pg_is_in_recovery()") == "t"
        assert ask(ASK) == answers["first"], "the standby answers otherwise"
        refused = psql("-h", folder, "-c", "SELECT seqrec_train('ratings')")
        assert "during recovery" in refused.stderr and "25006" in refused.stderr, refused.stderr
        assert int(ask("SELECT seqrec_prewarm()")) > 0
        which = "SELECT seqrec_recommend_info('u1', ARRAY['i1'])->>'model_id'"
        before, older = ask(which), another_version()
        assert before != older
        sql(f"SELECT seqrec_activate({older})")
        wait_for(lambda: ask(which) == older, "the standby to follow an activation")
        sql(f"SELECT seqrec_activate({before})")
        wait_for(lambda: ask(which) == before, "the standby to follow back")
    finally:
        pg_ctl("stop", data, "-m", "fast")


@contextlib.contextmanager
def read_only(folder):
    os.chmod(folder, 0o500)
    try:
        yield
    finally:
        os.chmod(folder, 0o700)


def folder_not_writable():
    """Sessions make snapshots of their own, with a warning, and no answer is wrong."""
    path, whole = snapshot_file(), read(snapshot_file())
    session = Session()
    for damage in (None, flipped(whole, len(whole) // 2)):
        if damage:
            write_in_place(path, damage)
        else:
            os.unlink(path)
        with read_only(os.path.dirname(path)):
            said = session.run(ASK + ";")
            assert answers["first"] in said and "makes a snapshot of its own" in said, said
            assert session.run(ASK + ";") == answers["first"], "one copy is enough"
            said = script(ASK + ";")
            assert answers["first"] in said and "makes a snapshot of its own" in said, said
        assert not glob.glob(os.path.join(os.environ["PGDATA"], "base", "pgsql_tmp", "*seqrec*"))
        said = script(ASK + ";")
        assert answers["first"] in said and (DAMAGED in said) == bool(damage), said
        assert read(path) == whole
        assert session.run(ASK + ";") == answers["first"]
    with read_only(os.path.dirname(path)):  # nobody can leave a stamp, everybody verifies
        os.utime(path)
        for _ in range(2):
            assert script(ASK + ";").strip() == answers["first"]
        assert session.run(ASK + ";") == answers["first"]
    session.close()


def folder_is_no_folder():
    path = snapshot_file()
    folder = os.path.dirname(path)
    os.rename(folder, folder + ".away")
    with open(folder, "w", encoding="utf-8"):
        pass
    try:
        said = script(ASK + ";")
        assert answers["first"] in said and "makes a snapshot of its own" in said, said
    finally:
        os.unlink(folder)
        os.rename(folder + ".away", folder)
    expect_same_answer()


def another_version():
    """The id of a version that is not active and answers otherwise."""
    if sql(f"SELECT count(*) FROM seqrec_models WHERE model_id = {answers.get('other', 0)}") == "0":  # none yet, or pruned
        active = sql(ACTIVE)
        number = sql("""SELECT seqrec_train('ratings', options => '{"epochs": 1, "dim": 24}')""")
        sql(f"CALL seqrec_wait({number})")
        answers["other"] = sql(ACTIVE)
        sql(f"SELECT seqrec_activate({active})")
    return answers["other"]


def past_versions_answer():
    """REPEATABLE READ keeps its version, activated away and dropped, mapped before or not."""
    active, first = sql(ACTIVE), answers["first"]
    older = another_version()
    mapped, unmapped = Session(), Session()
    sql(f"SELECT seqrec_activate({copy_version(active)})")
    for session in (mapped, unmapped):
        session.run("BEGIN ISOLATION LEVEL REPEATABLE READ;")
        session.run("SELECT count(*) FROM seqrec_models;")
    assert mapped.run(ASK + ";") == first
    dropped = sql(ACTIVE)
    sql(f"SELECT seqrec_activate({older})")
    other = sql(ASK)
    assert other != first
    assert mapped.run(ASK + ";") == first
    sql(f"SELECT seqrec_drop({dropped})")
    for _ in range(3):
        assert mapped.run(ASK + ";") == first, "the transaction's version changed"
        assert unmapped.run(ASK + ";") == first, "the transaction's version changed"
    for session in (mapped, unmapped):
        session.run("COMMIT;")
        assert session.run(ASK + ";") == other, "the past was remembered"
        session.close()
    sql(f"SELECT seqrec_activate({active})")


def switched_under_load():
    """Versions come, answer and go while four sessions ask: no error, and always one version's answer."""
    old = sql(ACTIVE)
    other = another_version()
    sql(f"SELECT seqrec_activate({other})")
    expected = {answers["first"], sql(ASK)}
    assert len(expected) == 2
    got, stop = [], threading.Event()

    def keep_asking():
        session = Session()
        while not stop.is_set():
            got.append(session.run(ASK + ";"))
            time.sleep(0.001)
        session.close()

    threads = [threading.Thread(target=keep_asking) for _ in range(4)]
    for thread in threads:
        thread.start()
    previous, until = None, time.monotonic() + 3
    while time.monotonic() < until:
        for source in (old, other):
            copy = copy_version(source)
            sql(f"SELECT seqrec_activate({copy})")
            if previous:
                sql(f"SELECT seqrec_drop({previous})")
            previous = copy
    sql(f"SELECT seqrec_activate({old}); SELECT seqrec_drop({previous})")
    stop.set()
    for thread in threads:
        thread.join()
    assert set(got) == expected, [answer for answer in got if answer not in expected][:3]
    expect_same_answer()
    versions = sql("SELECT version FROM seqrec_models").split()
    left = [os.path.basename(path) for path in glob.glob(os.path.join(os.path.dirname(snapshot_file()), "*safetensors*"))]
    assert all(name.split(".")[0] in versions for name in left), "files of dropped versions are left"


def no_shared_memory_taken():
    """A container's 64 MB of /dev/shm are none of seqrec's business: a session maps nothing there."""
    session = Session()
    pid = session.run("SELECT pg_backend_pid();")

    def mapped_there():
        return [line.split()[-1] for line in read(f"/proc/{pid}/maps").decode().splitlines() if "/dev/shm" in line]

    before = mapped_there()
    assert session.run(ASK + ";") == answers["first"]
    assert session.run("SELECT seqrec_prewarm();")
    assert mapped_there() == before
    session.close()


if __name__ == "__main__":
    signal.alarm(500)
    sql("CREATE EXTENSION seqrec")
    make_ratings()
    train()
    main(
        published_warm,
        new_connections_agree,
        file_deleted,
        file_damaged,
        bits_flipped,
        damaged_under_a_connection,
        verified_once,
        prewarmed,
        snapshot_of_another_version,
        many_build_at_once,
        built_by_a_parallel_worker,
        built_by_many_parallel_workers,
        built_in_spite_of_a_timeout,
        a_broken_model_costs_one_worker,
        why_a_build_failed_is_for_who_may_know,
        where_files_lie_is_for_who_may_know,
        what_a_session_activated_answers_it,
        server_restarted,
        preloaded_for_all_connections,
        instruction_sets_agree,
        server_crashed,
        stopped_during_a_build,
        job_interrupted_by_crash,
        job_resumed_after_crash,
        interrupted_job_given_up,
        dumped_and_restored,
        dropped_database_leaves_nothing,
        standby_serves_and_follows,
        folder_not_writable,
        folder_is_no_folder,
        past_versions_answer,
        switched_under_load,
        no_shared_memory_taken,
    )
