#!/usr/bin/python3
"""Whose a model, a job, a folder or a file is: nothing is taken for one's own, and nothing that is not is removed."""

import contextlib
import glob
import json
import os
import re
import shutil
import stat
import subprocess

from testing import Session, main, psql, refused, script, sql, wait_for

OPTIONS = """'{"epochs": 1, "dim": 16, "max_len": 10, "members": 1}'"""
LONG = """'{"max_seconds": 300, "epochs": 100000, "patience": 100000}'"""
DATA = os.environ["PGDATA"]


def rows_of(prefix):
    return f"SELECT '{prefix}u' || u AS user_id, '{prefix}i' || (u + g) % 20 AS item_id, g AS timestamp FROM generate_series(1, 40) u, generate_series(1, 6) g"


def make_table(name, prefix="", owner="postgres"):
    sql(f"DROP TABLE IF EXISTS {name}; CREATE TABLE {name} AS {rows_of(prefix)}; ALTER TABLE {name} OWNER TO {owner}")


def train(table="ratings", model="default", user=None, database=None, options=OPTIONS):
    number = int(sql(f"SELECT seqrec_train('{table}', model => '{model}', options => {options})", user=user, database=database))
    if options == OPTIONS:
        sql(f"CALL seqrec_wait({number})", database=database)
    return number


def state(number):
    return sql(f"SELECT state FROM seqrec_jobs WHERE job_id = {number}")


def server_program(name, *arguments, **environment):
    command = [shutil.which(name), *arguments]
    if os.geteuid() == 0:
        command = ["runuser", "-u", "postgres", "--", *command]
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd="/", timeout=120, env=os.environ | environment)


def give(path):
    """A path that this test made becomes the server's."""
    owner = os.stat(DATA)
    for folder, folders, names in os.walk(path):
        for name in (folder, *(os.path.join(folder, entry) for entry in folders + names)):
            os.chown(name, owner.st_uid, owner.st_gid)


def files(database="seqrec_test", directory=os.path.join(DATA, "seqrec")):
    """The snapshots and job folders of a database."""
    oid = sql(f"SELECT oid FROM pg_database WHERE datname = '{database}'")
    return sorted(os.path.basename(path) for path in glob.glob(os.path.join(directory, oid, "*")) if "seqrec-folder" not in path)


@contextlib.contextmanager
def setting(name, value):
    def change(what):
        script(f"LOAD 'seqrec';\nALTER SYSTEM {what};\nSELECT pg_reload_conf();")
        wanted = value if what.startswith("SET") else None
        wait_for(lambda: wanted in (None, script(f"LOAD 'seqrec';\nSHOW {name};").strip()), "the setting")

    change(f"SET {name} = '{value}'")
    try:
        yield
    finally:
        change(f"RESET {name}")


# --- owners ---


def an_owner_is_a_role_and_not_a_name():
    make_table("hers", owner="tr")
    train("hers", "hers", user="tr")
    sql("ALTER ROLE tr RENAME TO tr2; CREATE ROLE tr LOGIN; GRANT trainers TO tr")
    version = sql("SELECT model_id FROM seqrec_models WHERE model = 'hers'")
    assert sql("SELECT count(*) FROM seqrec_recommend('u1', NULL, 5, 'hers')", user="tr2") == "5"
    assert sql("SELECT owner FROM seqrec_models WHERE model = 'hers'") == "tr2"
    assert sql("SELECT count(*) FROM seqrec_jobs WHERE model = 'hers'", user="tr2") == "1"
    assert sql("SELECT count(*) FROM seqrec_jobs WHERE model = 'hers'", user="tr") == "0"
    refused(f"SELECT seqrec_drop({version})", "tr2", "42501", user="tr")
    refused(f"SELECT seqrec_activate({version})", "tr2", "42501", user="tr")
    refused("SELECT seqrec_train('ratings', model => 'hers')", "42501", user="tr")
    train("hers", "hers", user="tr2")


def a_dropped_owner_leaves_a_way_out():
    sql("DROP ROLE IF EXISTS heir; CREATE ROLE leaving LOGIN; GRANT trainers TO leaving; CREATE ROLE heir LOGIN; GRANT trainers TO heir")
    make_table("left_rows", owner="leaving")
    train("left_rows", "left_behind", user="leaving")
    sql("GRANT SELECT ON left_rows TO heir; REASSIGN OWNED BY leaving TO heir; DROP OWNED BY leaving; DROP ROLE leaving")
    assert sql("SELECT count(*) FROM seqrec_recommend('u1', ARRAY['i1'], 5, 'left_behind')") == "5"
    refused("SELECT count(*) FROM seqrec_recommend('u1', NULL, 5, 'left_behind')", "dropped", "seqrec_set_owner", "42704")
    refused("SELECT seqrec_train('left_rows', model => 'left_behind')", "seqrec_set_owner", "42501", user="heir")
    refused("SELECT seqrec_set_owner('left_behind', 'heir')", "42501", user="heir")
    sql("SELECT seqrec_set_owner('left_behind', 'heir')")
    assert sql("SELECT count(*) FROM seqrec_recommend('u1', NULL, 5, 'left_behind')") == "5"
    assert sql("SELECT count(*) FROM seqrec_jobs WHERE model = 'left_behind'", user="heir") == "1"
    train("left_rows", "left_behind", user="heir")


def giving_away_needs_both_roles():
    refused("SELECT seqrec_set_owner('hers', 'tr')", "42501", user="tr")
    refused("SELECT seqrec_set_owner('hers', 'postgres')", "must be member", "42501", user="tr2")
    refused("SELECT seqrec_set_owner('nobody', 'tr')", "42704")
    refused("SELECT seqrec_set_owner('hers', 'no_such_role')", "42704")
    sql("GRANT tr TO tr2")
    sql("SELECT seqrec_set_owner('hers', 'tr')", user="tr2")
    assert sql("SELECT DISTINCT owner FROM seqrec_models WHERE model = 'hers'") == "tr"


def weights_given_away_are_not_trained_on():
    """Whose the model to start from is counts when the training takes it, not only when it was asked for."""
    make_table("before", owner="tr2")
    train("before", "given", user="tr2")
    wish = OPTIONS.replace("{", '{"init_from": "given", ')
    told = script(f"""
BEGIN;
SET ROLE tr2;
SELECT seqrec_train('before', model => 'taken', options => {wish}) AS job \\gset
RESET ROLE;
SELECT seqrec_set_owner('given', 'heir');
COMMIT;
SELECT :job;
""")
    job = told.split()[-1]
    refused(f"CALL seqrec_wait({job})", "does not belong to role", "42501")
    assert sql("SELECT count(*) FROM seqrec_models WHERE model = 'taken'") == "0"


def an_owner_and_a_name_change_while_training():
    """A first training has no version yet: what is published has the owner and the table's name of now."""
    make_table("passing", owner="tr2")
    number = int(sql(f"SELECT seqrec_train('passing', model => 'passing', options => {LONG.replace('300', '3')})", user="tr2"))
    wait_for(lambda: state(number) == "training", "the training")
    sql("SELECT seqrec_set_owner('passing', 'heir'); ALTER TABLE passing RENAME TO passed; GRANT SELECT ON passed TO heir")
    sql(f"CALL seqrec_wait({number})")
    assert sql("SELECT owner, source->>'relation' FROM seqrec_models WHERE model = 'passing'") == "heir|public.passed"


def an_owner_is_dropped_while_training():
    """The model is not lost: a superuser gives it to somebody, and it is published."""
    sql("CREATE ROLE hasty LOGIN; GRANT trainers TO hasty")
    make_table("hasty_rows", owner="hasty")
    train("hasty_rows", "hasty", user="hasty")
    first = sql("SELECT model_id FROM seqrec_models WHERE model = 'hasty'")
    session = Session()
    session.run(f"BEGIN; SELECT seqrec_activate({first});")  # so that the publish waits for the name
    number = int(sql(f"SELECT seqrec_train('hasty_rows', model => 'hasty', options => {OPTIONS})", user="hasty"))
    wait_for(lambda: state(number) == "publishing", "the publish")
    sql("REASSIGN OWNED BY hasty TO postgres; DROP OWNED BY hasty; DROP ROLE hasty")
    session.run("COMMIT;")
    session.close()
    wait_for(lambda: state(number) == "failed", "the publish to fail")
    assert "is kept" in sql(f"SELECT hint FROM seqrec_jobs WHERE job_id = {number}")
    refused(f"SELECT seqrec_resume({number})", "dropped", "seqrec_set_owner")
    sql("SELECT seqrec_set_owner('hasty', 'postgres')")
    sql(f"SELECT seqrec_resume({number})")
    sql(f"CALL seqrec_wait({number})")
    assert sql("SELECT DISTINCT owner FROM seqrec_models WHERE model = 'hasty'") == "postgres"
    assert sql("SELECT model_id FROM seqrec_models WHERE model = 'hasty' AND active") != first


def owners_travel_with_a_dump():
    dump = os.path.join(os.environ["PGHOST"], "owners.dump")
    subprocess.run(["pg_dump", "-Fc", "-f", dump], check=True)
    subprocess.run(["createdb", "moved_here"], check=True)
    subprocess.run(["pg_restore", "--exit-on-error", "-d", "moved_here", dump], check=True)
    assert sql("SELECT owner FROM seqrec_models WHERE model = 'hers' AND active", database="moved_here") == "tr"
    # A restored model reads the table of its name here, and from then on that table alone.
    history = "SELECT count(*) FROM seqrec_recommend('u1', NULL, 5, 'left_behind')"
    assert sql(history, database="moved_here") == "5"
    sql("ALTER TABLE left_rows RENAME TO elsewhere", database="moved_here")
    assert sql(history, database="moved_here") == "5"
    sql("DROP TABLE elsewhere; CREATE TABLE left_rows AS SELECT * FROM hasty_rows", database="moved_here")
    said = psql("-d", "moved_here", "-c", history).stderr
    assert "42P01" in said and "does not exist" in said, said
    subprocess.run(["dropdb", "moved_here"], check=True)


def a_restored_model_reads_the_table_of_its_name_then():
    """Restored over itself, after a rename, by a template, and where its table is not."""
    history = "SELECT string_agg(item_id, ' ' ORDER BY rank) FROM seqrec_history('u1', 3, 'bound')"
    make_table("bound")
    train("bound", "bound")
    expected = sql(history)
    sql(f"ALTER TABLE bound RENAME TO unbound; CREATE TABLE bound AS {rows_of('strangers')}; INSERT INTO bound VALUES ('u1', 'strange', 1)")
    assert sql(history) == expected
    assert sql("SELECT source->>'relation' FROM seqrec_models WHERE model = 'bound'") == "public.unbound"
    dump = os.path.join(os.environ["PGHOST"], "bound.dump")
    subprocess.run(["pg_dump", "-Fc", "-f", dump], check=True)
    subprocess.run(["createdb", "restored"], check=True)
    subprocess.run(["pg_restore", "--exit-on-error", "-d", "restored", dump], check=True)
    assert sql(history, database="restored") == expected
    subprocess.run(["pg_restore", "--clean", "--if-exists", "-d", "restored", dump], check=True, capture_output=True)
    assert sql(history, database="restored") == expected, "restored over itself"
    sql("CREATE DATABASE copied TEMPLATE restored", database="postgres")
    assert sql(history, database="copied") == expected
    sql(f"ALTER TABLE unbound RENAME TO again; CREATE TABLE unbound AS {rows_of('strangers')}; INSERT INTO unbound VALUES ('u1', 'strange', 1)", database="copied")
    assert sql(history, database="copied") == expected, "renamed in the copy"
    # Without its table, a table that comes later is not taken for it.
    subprocess.run(["dropdb", "copied"], check=True)
    subprocess.run(["createdb", "copied"], check=True)
    listing = subprocess.run(["pg_restore", "-l", dump], check=True, capture_output=True, text=True).stdout
    wanted = os.path.join(os.environ["PGHOST"], "list")
    with open(wanted, "w", encoding="utf-8") as file:
        file.writelines(line + "\n" for line in listing.splitlines() if "unbound" not in line)
    subprocess.run(["pg_restore", "-d", "copied", "-L", wanted, dump], check=True)
    sql("CREATE TABLE unbound AS SELECT * FROM bound", database="copied")
    said = psql("-d", "copied", "-c", history).stderr
    assert "42P01" in said, said
    for name in ("restored", "copied"):
        subprocess.run(["dropdb", name], check=True)


# --- folders ---


def somebodys_files_stay():
    """A folder with photos is no place for snapshots, and nothing in it goes."""
    place = os.path.join(os.environ["PGHOST"], "srv")
    photo = os.path.join(place, "2024", "photo.jpg")
    os.makedirs(os.path.dirname(photo))
    with open(photo, "w", encoding="utf-8") as file:
        file.write("smile")
    give(place)
    with setting("seqrec.directory", place):
        refused(f"SELECT seqrec_train('ratings', options => {OPTIONS})", "was not made by seqrec", "55000", "HINT")
        said = script("SELECT count(*) FROM seqrec_recommend('u1', ARRAY['i1'], 5);")
        assert "makes a snapshot of its own" in said and "5" in said, said
        assert sorted(os.listdir(place)) == ["2024"] and os.path.exists(photo)
    # In a folder of seqrec's own somebody else's files stay, too.
    own = os.path.join(os.environ["PGHOST"], "own")
    with setting("seqrec.directory", own):
        train()
        os.makedirs(os.path.join(own, "2024"))
        shutil.copy(photo, os.path.join(own, "2024"))
        shutil.copy(photo, os.path.join(own, sql("SELECT oid FROM pg_database WHERE datname = 'seqrec_test'")))
        give(own)
        train()
        assert os.path.exists(os.path.join(own, "2024", "photo.jpg"))
        assert files(directory=own).count("photo.jpg") == 1
        # Names that only begin like one of seqrec's are not its own either.
        version = sql("SELECT version FROM seqrec_models WHERE active AND model = 'default'")
        folder = os.path.join(own, sql("SELECT oid FROM pg_database WHERE datname = 'seqrec_test'"))
        strange = [f"{version[:-4]}0000.safetensors.bak", f"{version[:-4]}0000.safetensors-notes.txt", "job-2024", "job-12345678-1234-1234-1234-123456789abcd"]
        for name in strange:
            with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                file.write("mine")
        give(own)
        train()
        assert all(os.path.exists(os.path.join(folder, name)) for name in strange)


def a_path_that_is_no_folder_of_ours():
    for value, why in (("base", "was not made by seqrec"), ("/etc", "was not made by seqrec"), ("/proc/nowhere", "could not create")):
        with setting("seqrec.directory", value):
            refused(f"SELECT seqrec_train('ratings', options => {OPTIONS})", why, "55000", "HINT")


def two_servers_share_no_folder():
    """The second one is refused, and the first one's files stay."""
    shared = os.path.join(os.environ["PGHOST"], "shared")
    second = os.path.join(os.environ["PGHOST"], "second")
    with setting("seqrec.directory", shared):
        train()
        before = files(directory=shared)
        server_program("initdb", "-D", second, "-U", "postgres", "-A", "trust", "--no-sync")
        with open(os.path.join(second, "postgresql.conf"), "a", encoding="utf-8") as file:
            file.write(f"listen_addresses = ''\nunix_socket_directories = '{second}'\nfsync = off\nseqrec.directory = '{shared}'\n")
        server_program("pg_ctl", "start", "-D", second, "-w", "-l", os.path.join(second, "log"))
        try:
            for statement in ("CREATE EXTENSION seqrec", f"CREATE TABLE ratings AS {rows_of('')}"):
                assert psql("-h", second, "-d", "postgres", "-c", statement).returncode == 0
            said = psql("-h", second, "-d", "postgres", "-c", f"SELECT seqrec_train('ratings', options => {OPTIONS})").stderr
            assert "belongs to another server" in said and "HINT" in said, said
        finally:
            server_program("pg_ctl", "stop", "-D", second, "-m", "fast")
            shutil.rmtree(second)
        assert files(directory=shared) == before


def a_copy_of_the_server_shares_no_folder_either():
    """The same system identifier, and a relative path that leaves the data directory; or a link that does."""
    second = os.path.join(os.environ["PGHOST"], "copy")
    with setting("seqrec.directory", "../beside"):
        train()
        server_program("pg_basebackup", "-h", os.environ["PGHOST"], "-U", "postgres", "-D", second, "-c", "fast")
        with open(os.path.join(second, "postgresql.conf"), "a", encoding="utf-8") as file:
            file.write(f"unix_socket_directories = '{second}'\n")
        server_program("pg_ctl", "start", "-D", second, "-w", "-l", os.path.join(os.environ["PGHOST"], "copy.log"))
        try:
            said = psql("-h", second, "-c", f"SELECT seqrec_train('ratings', options => {OPTIONS})").stderr
            assert "belongs to another server" in said, said
        finally:
            server_program("pg_ctl", "stop", "-D", second, "-m", "fast")
            shutil.rmtree(second)


def own_folder():
    return os.path.join(DATA, "seqrec", sql("SELECT oid FROM pg_database WHERE datname = 'seqrec_test'"))


def everything():
    """Each file of this database with when it was written, its mark aside."""
    paths = (os.path.join(folder, name) for folder, _, names in os.walk(own_folder()) for name in names)
    return {path: os.stat(path).st_mtime_ns for path in paths if "seqrec-folder" not in path}


@contextlib.contextmanager
def marks_of_another_server(*folders):
    """In the folders named, which are this database's and the one around it when none is."""
    marks = [os.path.join(folder, "seqrec-folder") for folder in folders or (own_folder(), os.path.dirname(own_folder()))]
    texts = {}
    for mark in marks:
        with open(mark, encoding="utf-8") as file:
            texts[mark] = file.read()

    def write(change):
        for mark, text in texts.items():
            with open(mark, "w", encoding="utf-8") as file:
                file.write(change(text))

    write(lambda text: re.sub("server .*", "server 12345", text, count=1))
    try:
        yield
    finally:
        write(lambda text: text)


def interrupted(model):
    """A job with files whose worker is gone."""
    number = train(model=model, options=LONG)
    wait_for(lambda: sql(f"SELECT phase FROM seqrec_jobs WHERE job_id = {number}") == "training", "the training")
    sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'seqrec worker'")
    wait_for(lambda: state(number) == "interrupted", "the worker's end")
    wait_for(lambda: subprocess.run(["pgrep", "-f", job_folder(number)], capture_output=True).returncode != 0, "the trainer's end")
    return number


def job_folder(number):
    return "job-" + sql(f"SELECT uuid FROM seqrec.jobs WHERE job_id = {number}")


def another_servers_files_stay():
    """The marks name another server, as in a copy with the same absolute path: whatever is asked for, no file of its goes or changes."""
    train(model="theirs")
    version, model_id = sql("SELECT version, model_id FROM seqrec_models WHERE model = 'theirs'").split("|")
    number = interrupted("their_job")
    snapshot = os.path.join(own_folder(), f"{version}.safetensors")
    os.unlink(snapshot + ".verified")  # so that sessions look at the file
    with open(snapshot + ".failed", "wb") as file:
        file.write(b"50\0XX000\0their trouble\0\0\0")
    give(own_folder())
    before = everything()
    with marks_of_another_server():
        said = script("SELECT count(*) FROM seqrec_recommend('u1', ARRAY['i1'], 5, 'theirs');")
        assert "makes a snapshot of its own" in said and "5" in said and "their trouble" not in said, said
        assert "makes a snapshot of its own" in script("SELECT seqrec_prewarm('theirs');")
        assert everything() == before, "asked"
        refused(f"SELECT seqrec_resume({number})", "belongs to another server", "55000", "HINT")
        assert state(number) == "interrupted" and everything() == before, "resumed"
        said = script(f"SELECT seqrec_drop({model_id});")
        assert "is not removed" in said and "whose it is" in said and "belongs to" not in said, said
        assert everything() == before, "dropped"
        said = script(f"SELECT seqrec_cancel({number});")
        assert "is not removed" in said and "whose it is" in said and "belongs to" not in said, said
        assert state(number) == "cancelled" and everything() == before, "cancelled"
    train()  # which sweeps what is this server's again
    wait_for(lambda: not [name for name in files() if name.startswith(version) or name == job_folder(number)], "the sweep")


@contextlib.contextmanager
def out_of_reach(path):
    mode = stat.S_IMODE(os.stat(path).st_mode)
    os.chmod(path, 0)
    try:
        yield
    finally:
        os.chmod(path, mode)


def a_job_kept_out_of_its_folder_goes_on_later():
    """Something keeps it out after seqrec_resume has looked: the worker leaves the job as it was, whatever it is."""
    number = interrupted("kept_out")
    dataset = os.path.join(own_folder(), job_folder(number), "dataset.safetensors")
    for obstacle, told in (
        (marks_of_another_server(), "another server"),
        (out_of_reach(own_folder()), "Permission denied"),
        (out_of_reach(os.path.dirname(dataset)), "Permission denied"),
        (out_of_reach(dataset), "Permission denied"),
    ):
        session = Session()
        session.run(f"BEGIN; SELECT seqrec_resume({number});")
        before = everything()
        with obstacle:
            session.run("COMMIT;")
            wait_for(lambda: told in sql(f"SELECT error || coalesce(detail, '') FROM seqrec_jobs WHERE job_id = {number}"), f"the worker's end: {told}")
            assert state(number) == "interrupted", (told, sql(f"SELECT state, phase, error, sqlstate, hint FROM seqrec_jobs WHERE job_id = {number}"))
        assert everything() == before, told
        session.close()
        assert f"seqrec_resume({number})" in sql(f"SELECT hint FROM seqrec_jobs WHERE job_id = {number}")
    sql(f"SELECT seqrec_resume({number})")
    wait_for(lambda: state(number) == "training", "the job to go on")
    sql(f"SELECT seqrec_cancel({number})")
    wait_for(lambda: job_folder(number) not in files(), "its folder to go")


# --- files and rows ---


def a_trainer_that_does_not_begin_costs_no_checkpoint():
    """Nor does a folder that is full, or may not be written, while there is one."""
    number = interrupted("kept_out")
    folder = os.path.join(own_folder(), job_folder(number))
    wait_for(lambda: state(number) == "interrupted", "its end")

    def resume(told):
        sql(f"SELECT seqrec_resume({number})")
        wait_for(lambda: told in sql(f"SELECT error FROM seqrec_jobs WHERE job_id = {number}"), told)
        wait_for(lambda: state(number) == "interrupted", f"{told}: not {state(number)}")
        assert os.path.exists(os.path.join(folder, "dataset.safetensors")), told

    sql(f"SELECT seqrec_resume({number})")
    wait_for(lambda: os.path.exists(os.path.join(folder, "checkpoint.0")), "a checkpoint", seconds=120)
    mode = stat.S_IMODE(os.stat(folder).st_mode)
    os.chmod(folder, 0o500)
    try:
        wait_for(lambda: state(number) == "interrupted", f"the next checkpoint: {state(number)}", seconds=120)
    finally:
        os.chmod(folder, mode)
    with setting("seqrec.trainer", shutil.which("false")):
        resume("exit status")
    assert os.path.exists(os.path.join(folder, "checkpoint.0"))
    sql(f"SELECT seqrec_resume({number})")
    wait_for(lambda: state(number) == "training", "the job to go on")
    sql(f"SELECT seqrec_cancel({number})")
    wait_for(lambda: job_folder(number) not in files(), "its folder to go")


def another_job_of_the_same_number_has_its_own_files():
    """DROP EXTENSION during a job, CREATE EXTENSION, a training of another table as job 1."""
    subprocess.run(["createdb", "again"], check=True)
    sql(f"CREATE EXTENSION seqrec; CREATE TABLE old_rows AS {rows_of('old')}; CREATE TABLE new_rows AS {rows_of('new')}", database="again")
    first = train("old_rows", database="again", options=LONG)
    wait_for(lambda: sql(f"SELECT phase FROM seqrec_jobs WHERE job_id = {first}", database="again") == "training", "the training")
    sql("DROP EXTENSION seqrec CASCADE", database="again")
    sql("CREATE EXTENSION seqrec", database="again")
    second = train("new_rows", database="again")
    assert (first, second) == (1, 1)
    assert sql("SELECT state, model FROM seqrec_jobs", database="again") == "done|default"
    assert sql("SELECT count(*) FROM seqrec.items WHERE item_id LIKE 'new%'", database="again") == "20"
    assert sql("SELECT count(*) FROM seqrec.items WHERE item_id NOT LIKE 'new%'", database="again") == "0"
    workers = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'seqrec worker'"
    wait_for(lambda: sql(workers) == "0", "the first job's worker to notice that its row is gone")
    assert not [name for name in files("again") if name.startswith("job-")], files("again")
    sql("DROP EXTENSION seqrec CASCADE", database="again")
    subprocess.run(["dropdb", "again"], check=True)


def a_number_given_again_has_files_of_its_own():
    """Job N is interrupted, its row is gone as after an earlier dump was restored, and N is given again, to another table."""
    subprocess.run(["createdb", "earlier"], check=True)
    sql(f"CREATE EXTENSION seqrec; CREATE TABLE old_rows AS {rows_of('old')}; CREATE TABLE new_rows AS {rows_of('new')}", database="earlier")
    number = train("old_rows", database="earlier", options=LONG)
    wait_for(lambda: sql(f"SELECT phase FROM seqrec_jobs WHERE job_id = {number}", database="earlier") == "training", "the training")
    sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'seqrec worker'")
    wait_for(lambda: sql(f"SELECT state FROM seqrec_jobs WHERE job_id = {number}", database="earlier") == "interrupted", "the end")
    assert [name for name in files("earlier") if name.startswith("job-")]
    sql("TRUNCATE seqrec.jobs, seqrec.job_log; ALTER SEQUENCE seqrec.jobs_job_id_seq RESTART", database="earlier")
    assert train("new_rows", database="earlier") == number
    assert sql("SELECT count(*) FROM seqrec.items WHERE item_id NOT LIKE 'new%'", database="earlier") == "0"
    wait_for(lambda: not [name for name in files("earlier") if name.startswith("job-")], "the folder that nobody owns to go")
    subprocess.run(["dropdb", "earlier"], check=True)


def interrupted_training(options):
    """A job whose worker has gone, the name of its folder, and the path of its dataset."""
    number = train(options=options)
    wait_for(lambda: sql(f"SELECT phase FROM seqrec_jobs WHERE job_id = {number}") == "training", "the training")
    sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'seqrec worker'")
    wait_for(lambda: state(number) == "interrupted", "the worker's end")
    (folder,) = [name for name in files() if name.startswith("job-")]
    path = os.path.join(DATA, "seqrec", sql("SELECT oid FROM pg_database WHERE datname = 'seqrec_test'"), folder, "dataset.safetensors")
    return number, folder, path


def files_of_another_job_are_thrown_away():
    """A dataset in the job's own folder that names another job is exported anew."""
    number, folder, path = interrupted_training(LONG)
    with open(path, "rb") as file:
        whole = file.read()
    uuid = folder.removeprefix("job-").encode()
    assert whole.count(uuid) == 1
    with open(path, "r+b") as file:
        file.write(whole.replace(uuid, b"00000000-0000-0000-0000-000000000000"))
    sql(f"""UPDATE seqrec.jobs SET options = options || '{{"epochs": 2, "max_seconds": 60}}' WHERE job_id = {number}""")
    sql(f"SELECT seqrec_resume({number})")
    sql(f"CALL seqrec_wait({number})")
    assert state(number) == "done"


def a_damaged_dataset_is_exported_anew():
    """Of the job's own, a page of it lost: item numbers that are none, which a training would refuse."""
    number, _, path = interrupted_training("""'{"max_seconds": 8, "epochs": 100000, "patience": 100000}'""")
    with open(path, "r+b") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        begin, end = header["event.item"]["data_offsets"]
        file.seek(-(header["checksum"]["data_offsets"][1] - begin), os.SEEK_END)
        file.write(b"\xff" * (end - begin))
    sql(f"SELECT seqrec_resume({number})")
    sql(f"CALL seqrec_wait({number})")
    assert state(number) == "done"


def a_savepoint_takes_a_drop_back():
    train(model="saved")
    version, model_id = sql("SELECT version, model_id FROM seqrec_models WHERE model = 'saved'").split("|")
    script(
        f"BEGIN;\nSAVEPOINT a;\nSELECT seqrec_drop({model_id});\nROLLBACK TO a;\nSAVEPOINT b;\nSAVEPOINT c;\nSELECT 1;\nRELEASE c;\nRELEASE b;\nCOMMIT;"
    )
    assert f"{version}.safetensors" in files()
    script(f"BEGIN;\nSAVEPOINT a;\nSELECT seqrec_drop({model_id});\nRELEASE a;\nROLLBACK;")
    assert f"{version}.safetensors" in files()
    script(f"BEGIN;\nSAVEPOINT a;\nSAVEPOINT b;\nSELECT seqrec_drop({model_id});\nRELEASE b;\nROLLBACK TO a;\nCOMMIT;")
    assert f"{version}.safetensors" in files()
    script(f"BEGIN;\nSAVEPOINT a;\nSELECT seqrec_drop({model_id});\nRELEASE a;\nCOMMIT;")
    assert f"{version}.safetensors" not in files()


def a_cancel_taken_back_keeps_the_jobs_folder():
    number = interrupted("taken_back")
    before = everything()
    for statements in (
        f"SELECT seqrec_cancel({number});\nROLLBACK;",
        f"SAVEPOINT a;\nSELECT seqrec_cancel({number});\nROLLBACK TO a;\nCOMMIT;",
        f"SAVEPOINT a;\nSAVEPOINT b;\nSELECT seqrec_cancel({number});\nRELEASE b;\nROLLBACK TO a;\nCOMMIT;",
        f"SAVEPOINT a;\nSELECT seqrec_cancel({number});\nRELEASE a;\nROLLBACK;",
    ):
        assert script("BEGIN;\n" + statements).strip() == "t"
        assert everything() == before and state(number) == "interrupted", statements
    script(f"BEGIN;\nSAVEPOINT a;\nSELECT seqrec_cancel({number});\nRELEASE a;\nCOMMIT;")
    assert job_folder(number) not in files() and state(number) == "cancelled"
    number = interrupted("taken_back")
    script(f"BEGIN;\nSELECT seqrec_resume({number});\nSELECT seqrec_cancel({number});\nCOMMIT;")
    assert job_folder(number) not in files() and state(number) == "cancelled"


def a_prepared_drop_takes_its_file_along():
    if sql("SHOW max_prepared_transactions") == "0":
        sql("ALTER SYSTEM SET max_prepared_transactions = 4")
        server_program("pg_ctl", "restart", "-D", DATA, "-w", "-m", "fast", "-l", os.path.join(os.environ["PGHOST"], "server.log"))
    train(model="prepared")
    version, model_id = sql("SELECT version, model_id FROM seqrec_models WHERE model = 'prepared'").split("|")
    script(f"BEGIN;\nSELECT seqrec_drop({model_id});\nPREPARE TRANSACTION 'p';")
    assert f"{version}.safetensors" in files()
    sql("ROLLBACK PREPARED 'p'")
    wait_for(lambda: sql("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'seqrec sweeper'") == "0", "the sweeper")
    assert f"{version}.safetensors" in files()
    script(f"BEGIN;\nSELECT seqrec_drop({model_id});\nPREPARE TRANSACTION 'p';")
    sql("COMMIT PREPARED 'p'")
    wait_for(lambda: f"{version}.safetensors" not in files(), "the file to go")
    number = interrupted("prepared")
    script(f"BEGIN;\nSELECT seqrec_cancel({number});\nPREPARE TRANSACTION 'p';")
    assert job_folder(number) in files()
    sql("COMMIT PREPARED 'p'")
    wait_for(lambda: job_folder(number) not in files(), "the job's folder to go")


def a_dropped_extension_leaves_no_files():
    subprocess.run(["createdb", "short"], check=True)
    sql(f"CREATE EXTENSION seqrec; CREATE TABLE ratings AS {rows_of('')}", database="short")
    train(database="short")
    oid = sql("SELECT oid FROM pg_database WHERE datname = 'short'")
    assert files("short")
    psql("-d", "short", "-f", "-", input="BEGIN;\nDROP EXTENSION seqrec;\nROLLBACK;")
    assert files("short"), "a rolled back drop removed files"
    sql("DROP EXTENSION seqrec", database="short")
    assert not os.path.exists(os.path.join(DATA, "seqrec", oid))
    subprocess.run(["dropdb", "short"], check=True)


def a_dropped_extension_leaves_another_servers_files():
    """The folder around the database's is another server's: what is below it stays too."""
    subprocess.run(["createdb", "below"], check=True)
    sql(f"CREATE EXTENSION seqrec; CREATE TABLE ratings AS {rows_of('')}", database="below")
    train(database="below")
    before = files("below")
    with marks_of_another_server(os.path.join(DATA, "seqrec")):
        sql("DROP EXTENSION seqrec", database="below")
        assert before and files("below") == before
    subprocess.run(["dropdb", "below"], check=True)


def rows_deleted_by_hand_take_their_file_along():
    train(model="by_hand")
    version = sql("SELECT version FROM seqrec_models WHERE model = 'by_hand'")
    sql("DELETE FROM seqrec.models WHERE name = 'by_hand'")
    train()
    wait_for(lambda: not [name for name in files() if name.startswith(version)], "the file of a version that is gone")


if __name__ == "__main__":
    sql(
        """CREATE EXTENSION seqrec; CREATE ROLE trainers; CREATE ROLE tr LOGIN; GRANT trainers TO tr; GRANT CREATE ON SCHEMA public TO trainers;
           GRANT EXECUTE ON FUNCTION seqrec_train, seqrec_cancel, seqrec_resume, seqrec_activate, seqrec_drop, seqrec_set_owner TO trainers;
           GRANT EXECUTE ON FUNCTION seqrec_recommend TO trainers"""
    )
    make_table("ratings")
    train()
    main(
        an_owner_is_a_role_and_not_a_name,
        a_dropped_owner_leaves_a_way_out,
        giving_away_needs_both_roles, weights_given_away_are_not_trained_on,
        an_owner_and_a_name_change_while_training,
        an_owner_is_dropped_while_training,
        owners_travel_with_a_dump,
        a_restored_model_reads_the_table_of_its_name_then,
        somebodys_files_stay,
        a_path_that_is_no_folder_of_ours,
        two_servers_share_no_folder,
        a_copy_of_the_server_shares_no_folder_either,
        another_servers_files_stay, a_job_kept_out_of_its_folder_goes_on_later,
        a_trainer_that_does_not_begin_costs_no_checkpoint,
        another_job_of_the_same_number_has_its_own_files,
        a_number_given_again_has_files_of_its_own,
        files_of_another_job_are_thrown_away,
        a_damaged_dataset_is_exported_anew,
        a_savepoint_takes_a_drop_back,
        a_cancel_taken_back_keeps_the_jobs_folder,
        a_prepared_drop_takes_its_file_along,
        a_dropped_extension_leaves_no_files, a_dropped_extension_leaves_another_servers_files,
        rows_deleted_by_hand_take_their_file_along,
    )
