#!/usr/bin/python3
"""seqrec-http behind PgBouncer in transaction mode: what docs/operations.md says, run as it stands there, in a database of another
time zone and with neighbours who leave settings behind. PGBOUNCER names another program than the one that is found."""

import json
import os
import pwd
import re
import shutil
import subprocess
import sys
import time

sys.dont_write_bytecode = True

from http_search_path_test import ADMIN, HEADERS, QUICK, ask_every_route, every_route_was_asked
from http_support import ROOT, Here, Sidecar, expect, expect_problem, in_parallel
from openapi import Document
from testing import Session, main, make_ratings, psql, sql, wait_for

PASSWORD = "long-and-random"


def boxes():
    """The code of the page, by the first line of each."""
    with open(os.path.join(ROOT, "docs", "operations.md"), encoding="utf-8") as file:
        found = re.findall(r"^```\w*\n(.*?)^```$", file.read(), re.DOTALL | re.MULTILINE)
    return {text.split("\n", 1)[0]: text for text in found}


def program():
    here = [os.environ.get("PGBOUNCER"), shutil.which("pgbouncer"), "/usr/sbin/pgbouncer", os.path.join(ROOT, "build", "pgbouncer", "usr", "sbin", "pgbouncer")]
    return next((path for path in here if path and os.path.exists(path)), None)


def version_of(path):
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
    return tuple(int(part) for part in re.search(r"PgBouncer (\d+)\.(\d+)", said).groups())


class Pooler:
    """PgBouncer as the page configures it, in the folder of the private server and with its socket; two connections to the database,
    so that those of seqrec-http meet one another and their neighbours there."""

    def __init__(self, prepared):
        self.folder = os.environ["PGHOST"]
        page = boxes()
        settings = page["; /etc/pgbouncer/pgbouncer.ini"].replace("/var/run/postgresql", self.folder).replace("/etc/pgbouncer", self.folder)
        settings = settings.replace("dbname=shop", "dbname=" + os.environ["PGDATABASE"]).replace("listen_addr = 127.0.0.1", "listen_addr =")
        settings += f"default_pool_size = 2\nunix_socket_dir = {self.folder}\n"
        if prepared:
            settings = settings.replace(";max_prepared_statements", "max_prepared_statements")
        self.write("pgbouncer.ini", settings)
        self.write("userlist.txt", page['"shop_api" "long-and-random"'])
        owner = pwd.getpwuid(os.stat(self.folder).st_uid)
        rights = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}
        self.log = open(os.path.join(self.folder, "pgbouncer.log"), "w", encoding="utf-8")
        shutil.copy(program(), os.path.join(self.folder, "pgbouncer"))  # where the server's user may come
        self.process = subprocess.Popen([os.path.join(self.folder, "pgbouncer"), os.path.join(self.folder, "pgbouncer.ini")], stdout=self.log, stderr=self.log, cwd="/", **rights)
        self.port = re.search(r"listen_port = (\d+)", settings).group(1)
        wait_for(lambda: os.path.exists(os.path.join(self.folder, f".s.PGSQL.{self.port}")) or self.process.poll() is not None, "PgBouncer")
        assert self.process.poll() is None, self.said()

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, 0o644)

    def said(self):
        with open(os.path.join(self.folder, "pgbouncer.log"), encoding="utf-8") as log:
            return log.read()[-3000:]

    def sql(self, *statements):
        """In one session of a neighbour, with the same role and so the same connections to the database."""
        done = psql("-p", self.port, "-U", "shop_api", "-d", "shop", "-f", "-", input=";\n".join(statements), env={**os.environ, "PGPASSWORD": PASSWORD})
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def stop(self):
        self.process.terminate()
        self.process.wait(30)
        self.log.close()


def start(**settings):
    """seqrec-http as the page starts it, but for the folder of the socket."""
    named = dict(re.findall(r"^(SEQREC_\w+)='?([^'\n]*)'?$", boxes()["SEQREC_DSN='host=127.0.0.1 port=6432 dbname=shop user=shop_api'"], re.MULTILINE))
    for name in ("SEQREC_DSN", "SEQREC_ADMIN_DSN"):
        named[name] = named[name].replace("127.0.0.1", os.environ["PGHOST"])
    usual = {"PGPASSWORD": PASSWORD, "SEQREC_POOL": 4, "SEQREC_ADMIN_TOKEN": ADMIN, "SEQREC_EVENTS_TABLE": "ratings", "SEQREC_TITLE_TABLE": "products",
             "SEQREC_TITLE_COLUMN": "title"}
    server = Sidecar(Here, **{**usual, **named, **settings})
    try:
        server.wait_ready()
    except AssertionError as error:
        server.stop()
        raise AssertionError(f"{error} {P.said()}") from error
    return server


def get(path):
    return S.request("GET", path, headers=HEADERS)


def post(path, body):
    return S.request("POST", path, json.dumps(body), HEADERS)


def every_route_answers():
    Sidecar.document = Document()
    try:
        ask_every_route(S)
        every_route_was_asked()
    finally:
        Sidecar.document = None


def stores_what_was_sent():
    """Whatever the time zone and the style of dates of the database, and of those who had the connection before."""
    expect(sql("SHOW TimeZone"), "Asia/Dubai")
    for n in range(6):
        P.sql("SET TimeZone = 'America/New_York'", "SET DateStyle = 'German'", "SELECT 1")
        expect(post("/events", {"user_id": f"t{n}", "item_id": "i1", "timestamp": "2026-02-03 12:00:00"})[2], {"inserted": 1})
        expect(post("/events", {"user_id": f"t{n}", "item_id": "i2", "timestamp": "2026-02-03T12:00:00Z"})[2], {"inserted": 1})
    expect(sql("SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SELECT DISTINCT timestamp FROM ratings WHERE user_id ~ '^t\\d$'"), "2026-02-03 12:00:00+00")
    at = get("/models")[2]["models"][0]["created_at"]
    assert at.endswith("+00:00"), at


def leaves_nothing_behind():
    in_parallel(8, lambda n: post("/recommend", {"user_id": f"u{n}", "recent_clicks": ["i1"]}))
    P.sql("RESET ALL")
    for _ in range(6):
        seen = P.sql("SHOW statement_timeout", "SHOW default_transaction_read_only", "SHOW plan_cache_mode", "SHOW client_min_messages").split()
        expect(seen, ["0", "off", "auto", "notice"])


def a_transaction_ends_in_time_and_changes_nothing():
    """The server itself ends what takes too long, and nothing earlier, whatever a neighbour left behind; what a route reads may not
    write, whoever wrote its view."""
    lock = Session()
    lock.run("BEGIN; LOCK products;")
    try:
        P.sql("SET statement_timeout = '300ms'", "SET default_transaction_read_only = off", "SELECT 1")
        begin = time.monotonic()
        expect_problem(get("/items?id=i1"), 504, "deadline-exceeded", sqlstate="57014")
        assert time.monotonic() - begin > 1.5
    finally:
        lock.close()
    P.sql("SET default_transaction_read_only = off", "SELECT 1")
    sql("""DROP TABLE IF EXISTS seen; DROP FUNCTION IF EXISTS see CASCADE;
           CREATE TABLE seen (item_id text); GRANT ALL ON seen TO shop_api;
           CREATE FUNCTION see(item_id text) RETURNS text LANGUAGE sql VOLATILE AS 'INSERT INTO public.seen VALUES ($1) RETURNING item_id';
           CREATE VIEW watched AS SELECT item_id, see(item_id) AS title FROM products; GRANT SELECT ON watched TO shop_api""")
    watched = start(SEQREC_TITLE_TABLE="watched", **PREPARE)
    try:
        expect_problem(watched.request("GET", "/items?id=i1", headers=HEADERS), 500, "database-error", sqlstate="25006")
    finally:
        watched.stop()
    expect(sql("SELECT count(*) FROM seen"), "0")


def writes_in_spite_of_the_roles_default():
    sql("ALTER ROLE shop_trainer SET default_transaction_read_only = on")
    sessions = "FROM pg_stat_activity WHERE usename = 'shop_trainer' AND backend_type = 'client backend'"
    sql(f"SELECT pg_terminate_backend(pid) {sessions}")
    wait_for(lambda: sql(f"SELECT count(*) {sessions}") == "0", "the end of its sessions")
    try:
        wait_for(lambda: post("/events", {"user_id": "w", "item_id": "i1"})[0] == 201, "a write")
    finally:
        sql("ALTER ROLE shop_trainer RESET default_transaction_read_only")


def answers_many_at_once():
    """More sessions and requests sent ahead than the pooler has connections: each gets its own answer."""
    def ask(n):
        return [len(post("/recommend", {"user_id": "stranger", "recent_clicks": ["i1"], "top_k": 1 + (n * 7 + m) % 40})[2]["recommended_item_ids"]) - (n * 7 + m) % 40
                for m in range(10)]

    for counts in in_parallel(16, ask):
        expect(counts, [1] * 10)


def behind(prepared):
    """All tests, with prepared statements or without, and what is around them."""
    def begins():
        global P, S, PREPARE
        PREPARE = {"SEQREC_PREPARE": "on"} if prepared else {}
        P = Pooler(prepared)
        S = start(**PREPARE)

    def ends():
        expect(S.stop(), 0)
        P.stop()

    begins.__name__ = "answers_with_prepared_statements" if prepared else "answers_without_prepared_statements"
    return (begins, every_route_answers, stores_what_was_sent, leaves_nothing_behind, a_transaction_ends_in_time_and_changes_nothing,
            writes_in_spite_of_the_roles_default, answers_many_at_once, ends)


def prepare():
    sql("CREATE EXTENSION seqrec")
    make_ratings()
    sql("CREATE TABLE products (item_id text PRIMARY KEY, title text); INSERT INTO products VALUES ('i1', 'Blue Tent')")
    made = psql("-v", "api=shop_api", "-v", "trainer=shop_trainer", "-v", "history=on", "-f", os.path.join(ROOT, "packaging", "roles.sql"))
    assert made.returncode == 0, made.stderr
    sql("GRANT SELECT ON products TO shop_api, shop_trainer; GRANT SELECT, INSERT ON ratings TO shop_trainer")
    job = sql(f"SELECT seqrec_train('ratings', options => '{json.dumps(QUICK)}')", user="shop_trainer")
    sql(f"CALL seqrec_wait({job})")
    sql(f"ALTER DATABASE {os.environ['PGDATABASE']} SET TimeZone = 'Asia/Dubai'; ALTER DATABASE {os.environ['PGDATABASE']} SET DateStyle = 'SQL, DMY'")


if __name__ == "__main__":
    if not program():
        print("PgBouncer is not here: nothing is tested")
        sys.exit(0)
    prepare()
    version = version_of(program())
    print("PgBouncer %d.%d" % version)
    main(*behind(False), *(behind(True) if version >= (1, 21) else ()))
