#!/usr/bin/python3
# Runs first: pg_cron's clock ticks once in a minute
"""Training every night: what docs/nightly.md says, run as it stands there by a server with pg_cron."""

import getpass
import os
import pwd
import re
import subprocess

from clusters import ROOT, in_server, restart_with
from testing import Session, SqlError, main, make_ratings, script, server_log, sql, wait_for

LONG = """'{"max_seconds": 300, "epochs": 100000, "patience": 100000, "dim": 16, "threads": 1}'"""
NIGHTLY = "'30 3 * * *'"
told = []  # what the listening session has printed


def boxes(page):
    """The code of a page: pairs of language and text."""
    with open(os.path.join(ROOT, "docs", page), encoding="utf-8") as file:
        return re.findall(r"^```(\w*)\n(.*?)^```$", file.read(), re.DOTALL | re.MULTILINE)


PAGE = boxes("nightly.md")
used = set()


def box(part):
    """The one box that a text stands in."""
    found = [text for _, text in PAGE if part in text]
    assert len(found) == 1, f"{len(found)} boxes have {part!r}"
    used.add(found[0])
    return found[0]


def configure():
    """The page's configuration, with this server's socket and the user that it belongs to."""
    server_user = pwd.getpwuid(os.stat(os.environ["PGDATA"]).st_uid).pw_name
    access, users = box("# pg_hba.conf").split("# pg_ident.conf\n")
    with open(in_server("pg_hba.conf"), "r+", encoding="utf-8") as file:
        rest = file.read()
        file.seek(0)
        file.write(access + rest)
    with open(in_server("pg_ident.conf"), "a", encoding="utf-8") as file:
        file.write(users.replace("postgres", server_user))
        if getpass.getuser() != server_user:
            file.write(users.replace("postgres", getpass.getuser()))  # so that this test may be the role too
    restart_with(box("# postgresql.conf").replace("/var/run/postgresql", os.environ["PGHOST"]))


def soon(command):
    """A schedule of the page, but at the next tick of pg_cron's clock instead of at night."""
    assert NIGHTLY in command, command
    version = [int(part) for part in re.findall(r"\d+", sql("SELECT extversion FROM pg_extension WHERE extname = 'pg_cron'"))]
    return command.replace(NIGHTLY, "'1 seconds'" if version >= [1, 5] else "'* * * * *'")


def schedule(name, command):
    return soon(f"SELECT cron.schedule('{name}', {NIGHTLY}, $cron${command}$cron$);")


def run_of(name):
    """The first run of a scheduled command: status, message, seconds, time of its end. It runs no second time."""
    row = wait_for(
        lambda: sql(
            "SELECT status, return_message, extract(epoch FROM end_time - start_time), end_time "
            f"FROM cron.job_run_details JOIN cron.job USING (jobid) WHERE jobname = '{name}' AND end_time IS NOT NULL "
            "ORDER BY runid LIMIT 1",
            user="shop_trainer",
        ),
        f"the run of {name!r}",
        seconds=100,
        poll=0.5,
    )
    sql(f"UPDATE cron.job SET active = false WHERE jobname = '{name}'")
    status, rest = row.split("|", 1)
    message, seconds, end = rest.rsplit("|", 2)
    return status, message, float(seconds), end


def job_of(model):
    """State, error and number of the first job of a model, once it is over."""
    query = "SELECT state, error, job_id FROM seqrec_jobs WHERE finished_at IS NOT NULL AND model = '%s' ORDER BY job_id LIMIT 1"
    return wait_for(lambda: sql(query % model, user="shop_trainer"), f"the job of {model}", poll=0.2).split("|")


def error_of(statement):
    try:
        sql(statement, user="shop_trainer")
    except SqlError as error:
        return str(error)
    raise AssertionError("no error")


def trains_and_publishes():
    status, message, seconds, end = run_of("train ratings")
    assert status == "succeeded", message
    assert seconds < 5, f"the command took {seconds} s"
    state, error, number = job_of("default")
    assert state == "done", error
    assert sql(f"SELECT finished_at > '{end}' FROM seqrec_jobs WHERE job_id = {number}") == "t", "pg_cron waited for the training"
    assert sql("SELECT model, owner FROM seqrec_models WHERE active AND model = 'default'") == "default|shop_trainer"
    assert sql("SELECT rolsuper FROM pg_roles WHERE rolname = 'shop_trainer'") == "f"


def skips_while_it_is_trained():
    status, message, *_ = run_of("skips")
    assert status == "succeeded", message
    again = script("\\set VERBOSITY default\nSELECT coalesce(seqrec_train('ratings', 'busy', if_running => 'skip'), -1);", user="shop_trainer")
    assert "-1" in again.split() and "NOTICE" in again and "is being trained already: this training is skipped" in again, again
    assert sql("SELECT count(*) FROM seqrec_jobs WHERE model = 'busy'") == "1", "another job"


def notice_of_a_skip_is_in_the_log():
    run_of("skips")
    wait_for(lambda: "this training is skipped" in server_log(), "the NOTICE")


def refused_while_it_is_trained():
    status, message, *_ = run_of("is refused")
    assert status == "failed" and 'model "busy"' in message, message
    assert "55006" in error_of("SELECT seqrec_train('ratings', 'busy')")
    assert sql("SELECT count(*) FROM seqrec_jobs WHERE model = 'busy'") == "1", "another job"


def skipping_keeps_nobody_out():
    """A transaction that was told to skip does not stand in the way of those that come when the model is free."""
    skipped = Session()
    skipped.run("BEGIN;")
    skipped.run("SELECT seqrec_train('ratings', 'busy', if_running => 'skip');")
    busy = sql("SELECT job_id FROM seqrec_jobs WHERE model = 'busy'")
    sql(f"SELECT seqrec_cancel({busy})")
    wait_for(lambda: sql(f"SELECT state FROM seqrec_jobs WHERE job_id = {busy}") == "cancelled", "the end of the training")
    number = sql("SELECT seqrec_train('ratings', 'busy', if_running => 'skip')", user="shop_trainer")
    skipped.run("COMMIT;")
    skipped.close()
    assert number, "skipped, though nobody trains the model"
    sql(f"SELECT seqrec_cancel({number})")


def failure_is_in_the_job():
    status, message, *_ = run_of("fails")
    assert status == "succeeded", message
    state, error, number = job_of("no times")
    assert state == "failed" and error == "no row has a user, an item and a time", error
    listed = sql(box("FROM seqrec_jobs"), user="shop_trainer")
    assert f"{number}|no times|failed|" in listed and error in listed, listed
    assert "|done|" not in listed, listed


def failure_is_notified():
    number = job_of("no times")[2]
    payload = f'{{"job_id": {number}, "state": "failed"}}'
    wait_for(lambda: told.append(listener.run("SELECT;")) or payload in "".join(told), "the notification")


def refusal_is_in_cron():
    status, message, *_ = run_of("is empty")
    assert status == "failed" and "there are no rows in" in message, message
    assert sql("SELECT count(*) FROM seqrec_jobs WHERE model = 'emptied'") == "0", "a job"
    listed = sql(box("WHERE status = 'failed'"), user="shop_trainer")
    assert "there are no rows in" in listed and "this training" not in listed, listed


def failure_is_in_cron_when_it_waits():
    status, message, *_ = run_of("train ratings and wait")
    assert status == "failed" and "no row has a user, an item and a time" in message, message
    assert job_of("waited for")[0] == "failed"


def success_is_in_cron_when_it_waits():
    status, message, _, end = run_of("waits")
    assert status == "succeeded", message
    state, error, number = job_of("waited for too")
    assert state == "done", error
    assert sql(f"SELECT finished_at <= '{end}' FROM seqrec_jobs WHERE job_id = {number}") == "t", "pg_cron did not wait"


def every_box_was_run():
    left = [text for language, text in PAGE if text not in used and language not in ("sh", "yaml")]
    assert not left, left
    assert "postgresql-15-cron" in "".join(text for language, text in PAGE if language == "sh")
    assert boxes("nightly.zh-CN.md") == PAGE, "the Chinese page has other boxes"


def prepare():
    """Tables, and all that is scheduled, in one transaction: it is run at one tick, which may be a minute away."""
    sql(box("CREATE ROLE"))
    make_ratings(users=60, items=20, length=6)
    sql(
        """CREATE TABLE "no times" (user_id text, item_id text, timestamp timestamptz);
           CREATE TABLE emptied (LIKE "no times");
           INSERT INTO "no times" VALUES ('u', 'i', NULL);
           ALTER TABLE ratings OWNER TO shop_trainer; ALTER TABLE emptied OWNER TO shop_trainer;
           ALTER TABLE "no times" OWNER TO shop_trainer"""
    )
    sql(f"SELECT seqrec_train('ratings', 'busy', options => {LONG})", user="shop_trainer")
    waiting = box("CALL seqrec_wait")
    scheduled = script(
        "\\set ON_ERROR_STOP on\nBEGIN;\n"
        + soon(box("if_running"))
        + soon(waiting).replace("seqrec_train('ratings')", """seqrec_train('"no times"', 'waited for')""")
        + soon(waiting).replace("train ratings and wait", "waits").replace("('ratings')", "('ratings', 'waited for too')")
        + schedule("skips", "SELECT seqrec_train('ratings', 'busy', if_running => 'skip')")
        + schedule("is refused", "SELECT seqrec_train('ratings', 'busy')")
        + schedule("fails", """SELECT seqrec_train('"no times"', 'no times', if_running => 'skip')""")
        + schedule("is empty", "SELECT seqrec_train('emptied', 'emptied', if_running => 'skip')")
        + "COMMIT;",
        user="shop_trainer",
    )
    assert "ERROR" not in scheduled, scheduled


def has_pg_cron():
    return sql("SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_cron'") == "1"


if __name__ == "__main__":
    if not has_pg_cron():  # ./dev test installs Debian's; for a server that was built by hand there is none
        debian = os.environ["PG_CONFIG"].startswith("/usr/lib/postgresql/")
        print("FAILED  pg_cron is not installed" if debian else "skipped: this server has no pg_cron")
        print("0 passed, 1 failed" if debian else "0 passed, 0 failed")
        raise SystemExit(debian)
    subprocess.run(["createdb", "shop"], check=True)
    os.environ["PGDATABASE"] = "shop"
    sql("CREATE EXTENSION seqrec")
    configure()
    listener = Session()
    listener.run(box("LISTEN"))
    prepare()
    main(
        trains_and_publishes,
        skips_while_it_is_trained,
        notice_of_a_skip_is_in_the_log,
        refused_while_it_is_trained,
        failure_is_in_the_job,
        failure_is_notified,
        refusal_is_in_cron,
        failure_is_in_cron_when_it_waits,
        success_is_in_cron_when_it_waits,
        skipping_keeps_nobody_out,
        every_box_was_run,
    )
