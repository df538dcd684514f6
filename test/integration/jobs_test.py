#!/usr/bin/python3
"""Jobs: whatever happens to a training happens to its job only."""

import json
import os
import signal

from testing import Session, main, make_ratings, refused, script, server_log, sql, wait_for, with_trainer

LONG = """'{"max_seconds": 300, "epochs": 100000, "patience": 100000}'"""
SHORT = """'{"epochs": 2, "dim": 16, "max_len": 20}'"""


def job(number, column="state"):
    return sql(f"SELECT {column} FROM seqrec_jobs WHERE job_id = {number}")


def wait_for_state(number, state):
    wait_for(lambda: job(number) == state, f"job {number} to be {state}, not {job(number)}: {job(number, 'error')}")


def train(table="ratings", model="default", options=SHORT):
    return int(sql(f"SELECT seqrec_train('{table}', model => '{model}', options => {options})"))


def children(parent):
    """Pids of the processes that a process started."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", encoding="utf-8") as status:
                    fields = status.read().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == parent:
                found.append(int(entry))
    return found


def worker_pid(number):
    return int(
        wait_for(
            lambda: sql(
                "SELECT pid FROM pg_stat_activity WHERE backend_type = 'seqrec worker' "
                f"AND query LIKE 'seqrec job {number}:%'"
            ),
            "the worker",
        )
    )


def trainer_pid(number):
    """The running trainer of a job, once it really trains."""
    wait_for_state(number, "training")
    worker = worker_pid(number)
    return wait_for(lambda: children(worker), "the trainer")[0]


def versions(count):
    """Ids of at least so many versions of the default model, the oldest first."""
    while int(sql("SELECT count(*) FROM seqrec_models WHERE model = 'default'")) < count:
        sql(f"CALL seqrec_wait({train()})")
    return sql("SELECT model_id FROM seqrec_models WHERE model = 'default' ORDER BY model_id").split()


def train_and_wait():
    number = train()
    sql(f"CALL seqrec_wait({number})")
    assert job(number) == "done", job(number, "error")
    metrics = json.loads(job(number, "metrics"))
    for key in (
        "hr@10 ndcg@10 popularity_hr@10 popularity_ndcg@10 markov_hr@10 markov_ndcg@10 personal_hr@10 personal_ndcg@10 repeat_share best_epoch labels labels_per_s "
        "train_seconds export_seconds export_rows_per_s publish_seconds users items interactions users_evaluated protocol"
    ).split():
        assert key in metrics, key
    assert metrics["users"] == 300 and metrics["items"] == 60, metrics
    assert sql("SELECT count(*) FROM seqrec_recommend('u1', ARRAY['i1','i2'], 10)") == "10"


def told_whose_an_epoch_is():
    """A validation starts from nothing again with each network, so it says which one that is."""

    def told(number):
        """Of whom the last epochs are."""
        return sql(f"""SELECT string_agg(concat_ws(' ', last, who), ', ' ORDER BY last) FROM (
                           SELECT concat_ws(' ', stage, member, members) AS who, max(epoch) AS last
                           FROM seqrec_job_log WHERE job_id = {number} GROUP BY who) AS of""")

    number = train(options="""'{"epochs": 2, "dim": 16, "max_len": 20, "members": 2, "students": 1}'""")
    sql(f"CALL seqrec_wait({number})")
    assert told(number) == "2 1 2, 4 2 2, 6 student 1 1", told(number)
    assert job(number, "concat_ws(' ', stage, member, members)") == "student 1 1", "of the last"
    assert "stage" not in sql(f"SELECT string_agg(metrics::text, ' ') FROM seqrec_job_log WHERE job_id = {number}")
    number = int(sql("""SELECT seqrec_train('ratings', model => 'stages', kind => 'p5', options => '{"epochs": 1, "dim": 16, "layers": 1, "max_len": 12}')"""))
    sql(f"CALL seqrec_wait({number})")
    assert told(number) == "1 pretrain, 2 prompt, 3 tune", told(number)


def trainer_killed():
    number = train(options=LONG)
    pid = trainer_pid(number)
    other = Session()
    other.run("BEGIN; SELECT 1;")
    os.kill(pid, signal.SIGKILL)
    wait_for_state(number, "failed")
    assert "signal 9" in job(number, "error"), job(number, "error")
    assert job(number, "hint"), "no hint"
    assert other.run("SELECT 2; COMMIT;") == "2", "another session was touched"
    other.close()
    refused(f"CALL seqrec_wait({number})", "signal 9", "53200")


def trainer_crashes():
    number = train(options=LONG)
    os.kill(trainer_pid(number), signal.SIGSEGV)
    wait_for_state(number, "failed")
    assert "signal 11" in job(number, "error"), job(number, "error")


def cancelled():
    number = train(options=LONG)
    pid = trainer_pid(number)
    assert sql(f"SELECT seqrec_cancel({number})") == "t"
    wait_for_state(number, "cancelled")
    wait_for(lambda: not os.path.exists(f"/proc/{pid}"), "the trainer's end")
    assert sql(f"SELECT seqrec_cancel({number})") == "f", "cancelled twice"
    refused(f"CALL seqrec_wait({number})", "cancelled", "57014")


def worker_terminated():
    number = train(options=LONG)
    pid = trainer_pid(number)
    sql(f"SELECT pg_terminate_backend({worker_pid(number)})")
    wait_for(lambda: not os.path.exists(f"/proc/{pid}"), "the trainer's end")
    wait_for_state(number, "interrupted")
    assert "seqrec_train" in job(number, "hint")
    again = train()
    sql(f"CALL seqrec_wait({again})")


def rolled_back():
    before = sql("SELECT count(*) FROM seqrec.models")
    session = Session()
    session.run("BEGIN;")
    number = int(session.run(f"SELECT seqrec_train('ratings', options => {SHORT});"))
    assert "COMMIT first" in session.run(f"CALL seqrec_wait({number});")
    session.run("ROLLBACK;")
    session.close()
    wait_for(
        lambda: sql("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'seqrec worker'") == "0",
        "the worker to leave",
    )
    assert job(number) == "", "a rolled back job is there"
    assert sql("SELECT count(*) FROM seqrec.models") == before


def starts_after_commit():
    session = Session()
    session.run("BEGIN;")
    number = int(session.run(f"SELECT seqrec_train('ratings', options => {SHORT});"))
    waiting = f"SELECT count(*) FROM pg_stat_activity WHERE query = 'seqrec job {number}: waiting for the transaction that asked for it'"
    wait_for(lambda: sql(waiting) == "1", "the worker to wait")
    assert job(number) == "", "others see it"
    session.run("COMMIT;")
    session.close()
    sql(f"CALL seqrec_wait({number})")


def nothing_held_while_training():
    number = train(options=LONG)
    trainer_pid(number)
    pid = worker_pid(number)
    look = f"SELECT backend_xid, backend_xmin, xact_start FROM pg_stat_activity WHERE pid = {pid}"
    for _ in range(20):  # a line of the trainer is stored in a transaction of about a millisecond, which a look may meet
        wait_for(lambda: sql(look) == "||", "the worker to hold no transaction")
    assert job(number) == "training"
    sql(f"SELECT seqrec_cancel({number})")
    wait_for_state(number, "cancelled")


def no_old_snapshot_while_training():
    number = train(options=LONG)
    trainer_pid(number)
    pid = worker_pid(number)
    for _ in range(20):
        horizon = int(sql("SELECT pg_current_xact_id()"))

        def has_let_go():
            xmin = sql(f"SELECT backend_xmin FROM pg_stat_activity WHERE pid = {pid}")
            return xmin == "" or int(xmin) >= horizon

        wait_for(has_let_go, f"the worker to see no more what was before {horizon}")
    assert job(number) == "training"
    sql(f"SELECT seqrec_cancel({number})")
    wait_for_state(number, "cancelled")


def two_trainings_of_one_model():
    number = train(options=LONG)
    refused("SELECT seqrec_train('ratings')", f"is being trained by job {number}", "55006", "seqrec_cancel")
    second = train(model="second")
    sql(f"CALL seqrec_wait({second})")
    assert job(number) == "training"
    assert sql("SELECT count(*) FROM seqrec_recommend('u1', ARRAY['i1'], 5, 'second')") == "5"
    sql(f"SELECT seqrec_cancel({number})")
    wait_for_state(number, "cancelled")


def older_version_activated():
    older, *_, active = versions(2)
    sql(f"SELECT seqrec_activate({active})")
    session = Session()
    which = "SELECT seqrec_recommend_info('u1', ARRAY['i1'])->>'model_id';"
    assert session.run(which) == active
    sql(f"SELECT seqrec_activate({older})")
    assert session.run(which) == older, "an open session did not switch"
    session.run("BEGIN;")
    session.run(f"SELECT seqrec_activate({active});")
    assert session.run(which) == active, "the own transaction does not see its activation"
    assert sql(which.rstrip(";")) == older, "others see what was not committed"
    session.run("ROLLBACK;")
    assert session.run(which) == older, "a rolled back activation stuck"
    session.run("BEGIN ISOLATION LEVEL REPEATABLE READ;")
    assert session.run(which) == older
    sql(f"SELECT seqrec_activate({active})")
    assert session.run(which) == older, "REPEATABLE READ saw another version"
    session.run("COMMIT;")
    assert session.run(which) == active, "the past was remembered"
    session.close()


def started_from_an_earlier_model():
    make_ratings("growing", users=200, length=8)
    number = train("growing", "nightly", """'{"epochs": 30, "dim": 24, "heads": 2, "max_len": 20}'""")
    sql(f"CALL seqrec_wait({number})")
    version = sql("SELECT version FROM seqrec_models WHERE model = 'nightly'")
    sql(
        """INSERT INTO growing SELECT 'u' || u, 'i' || (u * 7 + g) % 70, timestamptz '2027-01-01' + make_interval(hours => u + g)
           FROM generate_series(150, 220) u, generate_series(9, 12) g"""
    )
    again = train("growing", "nightly", """'{"init_from": "nightly"}'""")
    sql(f"CALL seqrec_wait({again})")
    assert json.loads(job(again, "options"))["init_from"] == version
    config = json.loads(sql("SELECT config FROM seqrec_models WHERE model = 'nightly' AND active"))
    assert (config["dim"], config["heads"], config["max_len"]) == (24, 2, 20), config
    assert config["epochs"] < 30, config
    # users 150 to 220 have two items that the earlier model does not know, and only they are evaluated
    assert json.loads(job(again, "metrics"))["users_evaluated"] == 71, job(again, "metrics")
    said = job(again, "warnings[1]")
    assert "knows 60 of 66 items and 200 of 220 users; 71 of" in said, said
    for options, message, code in (
        ({"init_from": version, "dim": 64}, '"dim" differs', "22023"),
        ({"init_from": "nobody"}, "no model", "42704"),
        ({"init_from": 7}, "wrong type", "22023"),
    ):
        refused(f"SELECT seqrec_train('growing', options => '{json.dumps(options)}')", message, code)


def version_dropped():
    older, *_, active = versions(2)
    sql(f"SELECT seqrec_activate({active})")
    version = sql(f"SELECT version FROM seqrec_models WHERE model_id = {older}")
    sql(f"SELECT seqrec_drop({older})")
    for table in ("models", "weights", "items", "users"):
        assert sql(f"SELECT count(*) FROM seqrec.{table} WHERE model_id = {older}") == "0", table
    folder = os.path.join(os.environ["PGDATA"], "seqrec")
    files = [name for _, _, names in os.walk(folder) for name in names]
    assert f"{version}.safetensors" not in files, files
    refused(f"SELECT seqrec_activate({older})", "does not exist", "42704")


def misbehaving_trainers():
    cases = (
        ("echo 'not json'\nsleep 60\n", "no event"),
        ("exit 3\n", "exit status 3"),
        ("echo oops >&2\nexit 4\n", "exit status 4"),
        ("exit 0\n", "without a result"),
        ("kill -ABRT $$\n", "signal 6"),
        ("""echo '{"event":"error","sqlstate":"22023","message":"no way","hint":"Try another."}'\nexit 1\n""", "no way"),
        ("""echo '{"event":"done"}'\n""", "wrote no model of this job"),
        ("head -c 3000000 /dev/zero | tr '\\0' x\n", "too long"),
    )
    for body, expected in cases:

        def act():
            number = train()
            wait_for_state(number, "failed")
            assert expected in job(number, "error"), f"{expected!r} not in {job(number, 'error')!r}"

        with_trainer(body, {}, act)


def a_trainer_says_bytes_that_are_no_text():
    """They are told with the job, in a row that is valid text."""

    def act():
        number = train()
        wait_for_state(number, "failed")
        assert job(number, "detail").endswith("?? oops"), job(number, "detail")

    for body in ("printf '\\377\\303 oops' >&2\nexit 4\n", "printf '\\377\\303 oops\\n'\nsleep 60\n"):
        with_trainer(body, {}, act)


def silent_trainer_cancelled():
    """One that closes its output and hangs still hears a cancel."""

    def act():
        number = train()
        trainer = trainer_pid(number)
        wait_for(lambda: not os.path.exists(f"/proc/{trainer}/fd/1"), "the trainer to close its output")
        assert sql(f"SELECT seqrec_cancel({number})") == "t"
        wait_for_state(number, "cancelled")

    with_trainer("exec >&-\nsleep 60\n", {}, act)


def memory_limited():
    def act():
        number = train()
        wait_for_state(number, "failed")
        assert job(number, "sqlstate") == "53200", job(number, "error")
        assert job(number, "hint"), "no hint"

    with_trainer("", {"seqrec.trainer_memory": "64MB"}, act)


def trainer_niced():
    def act():
        number = train(options=LONG)
        assert os.getpriority(os.PRIO_PROCESS, trainer_pid(number)) == min(19, os.getpriority(os.PRIO_PROCESS, worker_pid(number)) + 3)
        sql(f"SELECT seqrec_cancel({number})")
        wait_for_state(number, "cancelled")

    with_trainer("", {"seqrec.trainer_nice": "3"}, act)


def threads_limited():
    """The server's bound holds whatever a training asks for, and the job's row and the model say how many threads there were."""

    def trained(options):
        said = script(f"SELECT 'job', seqrec_train('ratings', 'threads', options => '{json.dumps(options)}');")
        number = int(said.split("job|")[1].split()[0])
        sql(f"CALL seqrec_wait({number})")
        told = job(number, "options->'threads'"), sql(f"SELECT config->'threads' FROM seqrec_models WHERE model_id = {job(number, 'model_id')}")
        return told, "seqrec.trainer_threads allows no more" in said

    few = {"epochs": 1, "dim": 16, "max_len": 20, "members": 1, "students": 0}
    assert trained({**few, "threads": 2}) == (("2", "2"), False)

    def act():
        for options, is_told in ((few, False), ({**few, "threads": 2}, True), ({**few, "threads": 1}, False)):
            assert trained(options) == (("1", "1"), is_told), options

    with_trainer("", {"seqrec.trainer_threads": "1"}, act)


def wait_in_subtransaction():
    """A job inserted by a subtransaction of the waiting transaction can't start: an error, not a wait for ever."""
    said = script(
        f"BEGIN;\nSAVEPOINT a;\nSELECT seqrec_train('ratings', options => {SHORT}) AS job \\gset\n"
        "RELEASE a;\nCALL seqrec_wait(:job);\nROLLBACK;"
    )
    assert "COMMIT first" in said, said


def no_trainer():
    with_trainer("", {"seqrec.trainer": "/nonexistent"}, lambda: refused("SELECT seqrec_train('ratings')", "could not run the trainer", "58P01", "HINT"))


def role_without_login():
    """Before PostgreSQL 17 a worker can't run as such a role; that is said when seqrec_train is called."""
    sql("CREATE ROLE no_login; GRANT EXECUTE ON FUNCTION seqrec_train TO no_login; GRANT SELECT ON ratings TO no_login")
    call = f"SET ROLE no_login; SELECT seqrec_train('ratings', model => 'no_login', options => {SHORT})"
    if int(sql("SHOW server_version_num")) < 170000:
        refused(call, "not permitted to log in", "28000", "HINT")
    else:
        sql(f"CALL seqrec_wait({sql(call)})")


def nothing_left_behind():
    folder = os.path.join(os.environ["PGDATA"], "seqrec")
    left = [name for _, folders, names in os.walk(folder) for name in folders + names]
    assert not [name for name in left if name.startswith(("job-", "spool")) or ".tmp." in name], left


def server_never_restarted():
    log = server_log()
    for sign in ("terminating any other active server processes", "was terminated by signal", "PANIC"):
        lines = [line for line in log.splitlines() if sign in line and "the trainer was terminated" not in line]
        assert not lines, lines


if __name__ == "__main__":
    sql("CREATE EXTENSION seqrec")
    make_ratings()
    main(
        train_and_wait,
        told_whose_an_epoch_is,
        trainer_killed,
        trainer_crashes,
        cancelled,
        worker_terminated,
        rolled_back,
        starts_after_commit,
        nothing_held_while_training,
        no_old_snapshot_while_training,
        two_trainings_of_one_model,
        older_version_activated,
        started_from_an_earlier_model,
        version_dropped,
        misbehaving_trainers,
        a_trainer_says_bytes_that_are_no_text,
        silent_trainer_cancelled,
        memory_limited,
        trainer_niced,
        threads_limited,
        wait_in_subtransaction,
        no_trainer,
        role_without_login,
        nothing_left_behind,
        server_never_restarted,
    )
