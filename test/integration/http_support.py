"""What the tests of seqrec-http stand on: a private PostgreSQL server with stubs, a running sidecar, checks."""

import contextlib
import http.client
import json
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback

from testing import end_when_told

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.environ.get("SEQREC_HTTP", os.path.join(ROOT, "build", "seqrec-http"))
CLEAN = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "SEQREC_"))}

end_when_told()

# The stub answers by the user's id, so that each test can ask for what it needs. An error or a wait of one user is that of
# all who are asked for with them, as it is in the extension.
STUB = r"""
CREATE SCHEMA seqrec;
CREATE DOMAIN seqrec.id AS text;
CREATE FUNCTION stub_items(user_id text, clicks text[], k int, model text, n int) RETURNS text[] LANGUAGE plpgsql AS $$
BEGIN
    CASE
        WHEN user_id = 'echo' THEN RETURN clicks;
        WHEN user_id = 'show' THEN RETURN ARRAY[coalesce(cardinality(clicks)::text, 'NULL') || ' clicks, model ' || model];
        WHEN user_id = 'backend' THEN RETURN ARRAY[pg_backend_pid()::text];
        WHEN user_id = 'together' THEN RETURN ARRAY[n::text];
        WHEN user_id = 'session' THEN RETURN ARRAY(SELECT current_setting(s) FROM unnest(clicks) AS s);
        WHEN user_id LIKE 'sleep:%' THEN
            PERFORM pg_sleep(substr(user_id, 7)::float);
            RETURN ARRAY['slept'];
        WHEN user_id LIKE 'error:%' THEN
            RAISE 'the secret message' USING ERRCODE = substr(user_id, 7), HINT = 'Try another id.';
        WHEN user_id LIKE 'lost%' THEN RETURN '{}';
        WHEN user_id = 'write' THEN CREATE TABLE written(); RETURN '{}';
        WHEN user_id = 'exit' THEN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN '{}';
        ELSE RETURN ARRAY(SELECT user_id || '-' || i FROM generate_series(1, k) AS i);
    END CASE;
END $$;
CREATE FUNCTION seqrec.answers(user_ids text[], click_counts int[], clicks text[], k int, model text, exclude text[],
                               exclude_seen boolean, candidates text[], min_score real, min_probability real, diversity real, contexts jsonb[] DEFAULT NULL,
                               ks int[] DEFAULT NULL, history_ms int DEFAULT NULL)
RETURNS TABLE(item_ids text[], scores real[], source text, unknown_items text[], version text, problem text, unknown_context text[],
              probabilities real[]) LANGUAGE plpgsql AS $$
DECLARE
    at int := 0;
    own text[];
BEGIN
    IF model NOT IN ('default', 'second') THEN
        RAISE 'model "%" does not exist', model USING ERRCODE = '42704', HINT = 'See seqrec_models.';
    END IF;
    FOR i IN 1 .. cardinality(user_ids) LOOP
        k := coalesce(ks[i], k);
        own := CASE WHEN click_counts[i] IS NOT NULL THEN clicks[at + 1 : at + click_counts[i]] END;
        at := at + coalesce(click_counts[i], 0);
        item_ids := stub_items(user_ids[i], own, k, model, cardinality(user_ids));
        IF user_ids[i] = 'wish' THEN
            item_ids := ARRAY[k::text, model, coalesce(exclude::text, 'NULL'), coalesce(exclude_seen::text, 'NULL'), coalesce(candidates::text, 'NULL'),
                              coalesce(min_score::text, 'NULL'), coalesce(min_probability::text, 'NULL'), coalesce(contexts[i]::text, 'NULL'), coalesce(diversity::text, 'NULL')];
        END IF;
        IF user_ids[i] = 'improbable' AND min_probability IS NOT NULL THEN
            RAISE 'model "%" gives no probability of single items', model USING ERRCODE = '0A000', HINT = 'Ask with min_score.';
        END IF;
        scores := ARRAY(SELECT (1.0 / j)::real FROM generate_series(1, cardinality(item_ids)) AS j);
        unknown_items := ARRAY(SELECT c FROM unnest(own) AS c WHERE c LIKE 'unknown%');
        probabilities := CASE WHEN user_ids[i] LIKE 'probable%' THEN scores END;
        unknown_context := ARRAY(SELECT c FROM jsonb_object_keys(contexts[i]) AS c WHERE c LIKE 'unknown%');
        source := CASE WHEN user_ids[i] LIKE 'nobody%' THEN 'popular' ELSE 'clicks' END;
        version := CASE WHEN user_ids[i] <> 'late' OR cardinality(user_ids) = 1 THEN 'f0478fd1-757c-4d65-9940-7e49e6e02e52' END;
        problem := NULL;
        IF user_ids[i] LIKE 'lost%' THEN
            item_ids := '{}'; scores := '{}'; unknown_items := '{}'; source := 'unavailable';
            problem := json_build_object('sqlstate', coalesce(nullif(substr(user_ids[i], 6), ''), '42501'), 'message', 'permission denied "here"',
                                         'hint', CASE WHEN user_ids[i] = 'lost' THEN 'Grant it.' END);
        END IF;
        RETURN NEXT;
    END LOOP;
END $$;
CREATE FUNCTION seqrec.http_explain(user_id text, clicks text[], item_ids text[], model text, context jsonb, language text, titles regclass, title_id_column name, title_column name)
RETURNS TABLE(item_id text, because_of text, contribution real, source text, reason text) LANGUAGE sql AS $$
    SELECT i, clicks[n], (1.0 / n)::real, CASE WHEN clicks[n] IS NULL THEN 'user' ELSE 'clicks' END,
           concat_ws(' ', coalesce(clicks[n], 'user'), coalesce(language, '-'), titles, title_id_column, title_column)
    FROM unnest(item_ids) WITH ORDINALITY AS u(i, n)
$$;
CREATE FUNCTION seqrec.http_similar_items(like_item text, k int, model text, exclude text[], candidates text[], min_score real)
RETURNS TABLE(rank int, item_id text, score real) LANGUAGE sql AS $$
    SELECT row_number() OVER ()::int, id, (1.0 / i)::real FROM (SELECT i, like_item || '~' || i AS id FROM generate_series(1, 2 * k) AS i) s
    WHERE like_item NOT LIKE 'unknown%' AND id <> ALL (coalesce(exclude, '{}')) AND (candidates IS NULL OR id = ANY (candidates))
      AND coalesce((1.0 / i)::real >= min_score, true) LIMIT k
$$;
CREATE FUNCTION seqrec.http_coefficients(model text) RETURNS TABLE(feature text, value text, coefficient real, standard_error real, rows bigint)
LANGUAGE plpgsql AS $$
BEGIN
    IF model <> 'second' THEN RAISE 'model "%" has no coefficients', model USING ERRCODE = '0A000', HINT = 'Other kinds have.'; END IF;
    RETURN QUERY VALUES ('bias', NULL, -0.5::real, NULL::real, 9::bigint), ('price', NULL, -2, 0.25, 8), ('device', 'phone', 1.5, 0.125, 7);
END $$;
CREATE FUNCTION seqrec.http_unknown_items(ids text[], model text) RETURNS text[]
LANGUAGE sql AS $$ SELECT ARRAY(SELECT i FROM unnest(ids) AS i WHERE i LIKE 'unknown%') $$;
CREATE TABLE models(model text, active boolean);
INSERT INTO models VALUES ('default', true), ('second', true);
CREATE VIEW seqrec_models AS TABLE models;
CREATE FUNCTION seqrec.http_models() RETURNS SETOF seqrec_models LANGUAGE sql STABLE AS 'SELECT * FROM seqrec_models';
"""


class Cluster:
    """A PostgreSQL server of its own: unix socket only, in a temporary folder."""

    def __init__(self):
        config = os.environ.get("PG_CONFIG") or shutil.which("pg_config") or "pg_config"
        self.bin = subprocess.check_output([config, "--bindir"], text=True).strip()
        self.user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        self.folder = tempfile.mkdtemp(prefix="seqrec-http-")
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres", "postgres")
        self.data = os.path.join(self.folder, "data")
        self.run("initdb", "-D", self.data, "-A", "trust", "-U", "postgres", "--no-sync", "-E", "UTF8", "--locale=C")
        with open(os.path.join(self.data, "postgresql.conf"), "a") as settings:
            settings.write(f"listen_addresses = ''\nunix_socket_directories = '{self.folder}'\nfsync = off\n"
                           "max_connections = 40\nshared_buffers = 16MB\n")
        self.start()
        self.sql("CREATE DATABASE shop", database="postgres")
        self.sql(STUB)

    def run(self, program, *arguments):
        command = [os.path.join(self.bin, program), *arguments]
        if os.geteuid() == 0:
            command = ["runuser", "-u", "postgres", "--", *command]
        # pg_ctl's server inherits its output, so a pipe would stay open as long as the server.
        with open(os.path.join(self.folder, "programs.log"), "a+") as output:
            subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=True, cwd="/")

    def start(self):
        self.run("pg_ctl", "-D", self.data, "-l", os.path.join(self.folder, "server.log"), "-w", "start")

    def stop(self):
        self.run("pg_ctl", "-D", self.data, "-m", "fast", "-w", "stop")

    def sql(self, text, database="shop"):
        command = [os.path.join(self.bin, "psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", self.folder, "-U", "postgres",
                   "-d", database, "-c", text]
        return subprocess.check_output(command, text=True, env=CLEAN, cwd="/").strip()

    def remove(self):
        with contextlib.suppress(Exception):
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Sidecar:
    """A running seqrec-http; its address is read from the line it writes when it listens."""

    document = None  # an openapi.Document that answers are held to

    def __init__(self, cluster, **settings):
        self.folder = tempfile.mkdtemp(prefix="seqrec-sidecar-")
        self.log_path = os.path.join(self.folder, "stderr")
        self.access_path = os.path.join(self.folder, "stdout")
        environment = dict(CLEAN, SEQREC_LISTEN="127.0.0.1:0", PGHOST=cluster.folder, PGUSER="postgres", PGDATABASE="shop")
        environment.update({name: str(value) for name, value in settings.items()})
        with open(self.log_path, "w") as log, open(self.access_path, "w") as access:
            self.process = subprocess.Popen([PROGRAM], env=environment, stdout=access, stderr=log, cwd="/")
        self.host, self.port = self.wait_for_address()

    def wait_for_address(self):
        for _ in range(3000):
            found = re.search(r"listening on (?:http://\[?([^\]\s]+?)\]?:(\d+)|unix:(.+?))\"", self.log())
            if found:
                return (found[3], None) if found[3] else (found[1], int(found[2]))
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise AssertionError("no listening line: " + self.log())

    def log(self):
        if not os.path.exists(self.log_path):
            return ""  # stopped already
        with open(self.log_path) as file:
            return file.read()

    def access_lines(self):
        time.sleep(0.3)  # written a few times a second
        with open(self.access_path) as file:
            return [json.loads(line) for line in file]

    def connect(self, timeout=10):
        if self.port is None:
            return UnixConnection(self.host, timeout)
        return http.client.HTTPConnection(self.host, self.port, timeout=timeout)

    def request(self, method, path, body=None, headers=None, connection=None):
        """(status, headers, body); JSON bodies are parsed."""
        own = connection or self.connect()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # answered before all of the body was sent
            own.request(method, path, body=body, headers=headers or {})
        response = own.getresponse()
        data = response.read()
        if not connection:
            own.close()
        if data and "json" in response.headers.get("Content-Type", ""):
            data = json.loads(data)
        if self.document and data:
            self.document.check_answer(method, path, response.status, response.headers["Content-Type"], data)
        return response.status, response.headers, data

    def recommend(self, user, connection=None, headers=None, **fields):
        body = json.dumps({"user_id": user, **fields})
        return self.request("POST", "/recommend", body, {"Content-Type": "application/json", **(headers or {})}, connection)

    def post(self, body, content_type="application/json"):
        return self.request("POST", "/recommend", body, {"Content-Type": content_type})

    def raw(self, data, timeout=5):
        """Sends bytes as they are and returns everything until the server closes."""
        with socket.create_connection((self.host, self.port), timeout=timeout) as client:
            client.sendall(data)
            return read_all(client)

    def wait_ready(self, seconds=60):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.request("GET", "/readyz")[0] == 200:
                return
            time.sleep(0.02)
        raise AssertionError("not ready: " + self.log())

    def stop(self, how=signal.SIGINT, seconds=60):
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            return self.process.wait(seconds)
        finally:
            self.process.kill()
            self.process.wait()
            shutil.rmtree(self.folder, ignore_errors=True)


def read_all(client):
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while chunk := client.recv(65536):
            data += chunk
    return data


def status_of(raw):
    return int(raw.split(b" ", 2)[1]) if raw.startswith(b"HTTP/1.1 ") else None


def expect(actual, wanted, what=""):
    assert actual == wanted, f"{what} expected {wanted!r}, got {actual!r}"


def expect_problem(answer, status, kind, **fields):
    expect(answer[0], status, f"status of {answer[2]}")
    expect(answer[1]["Content-Type"], "application/problem+json")
    body = answer[2]
    for name in ("type", "title", "status", "detail", "request_id"):
        assert name in body, f"{name} missing in {body}"
    expect(body["type"], "urn:seqrec:problem:" + kind)
    expect(body["status"], status)
    expect(body["request_id"], answer[1]["X-Request-Id"])
    for name, value in fields.items():
        expect(body.get(name), value, name)
    text = json.dumps(body)
    assert not re.search(r"SELECT .* FROM|seqrec_recommend\(", text), "SQL text in " + text
    return body


def in_parallel(count, call):
    results = [None] * count
    threads = [threading.Thread(target=lambda i=i: results.__setitem__(i, call(i))) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def wait_until(condition, message, seconds=2):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, message
        time.sleep(0.02)


def running_queries(db):
    return int(db.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'seqrec-http' AND state = 'active'"))


def attempt(s, user):
    """A request whose connection may be taken away."""
    with contextlib.suppress(Exception):
        s.recommend(user)


@contextlib.contextmanager
def sidecar(db, **settings):
    running = Sidecar(db, **settings)
    try:
        yield running
    finally:
        running.stop()


def run_program(*arguments, **environment):
    return subprocess.run([PROGRAM, *arguments], env=dict(CLEAN, **environment), capture_output=True, text=True, timeout=60)


class Report:
    def __init__(self, wanted):
        self.wanted, self.passed, self.failed = wanted, 0, 0

    def wants(self, name):
        return not self.wanted or any(word in name for word in self.wanted)

    def check(self, name, test, after=lambda: ""):
        begin = time.monotonic()
        try:
            test()
            self.passed += 1
            print(f"ok    {name} ({time.monotonic() - begin:.1f} s)", flush=True)
        except Exception:  # a failed test is reported, the others still run
            self.failed += 1
            print(f"FAIL  {name}\n{traceback.format_exc()}{after()[-2000:]}", flush=True)

    def run_group(self, group, db):
        """Every test of a class, with one sidecar that has its settings."""
        tests = [name for name in vars(group) if not name.startswith("_") and name != "settings"]
        tests = [name for name in tests if self.wants(f"{group.__name__}.{name}")]
        if not tests:
            return
        with sidecar(db, **group.settings) as s:
            s.wait_ready()
            for name in tests:
                self.check(f"{group.__name__}.{name}", lambda: getattr(group(), name)(s, db), s.log)
            self.check(f"{group.__name__}.ends_with_0", lambda: expect(s.stop(signal.SIGINT), 0))


class Here:
    """The server that cluster.sh started, in Cluster's place."""

    folder = os.environ.get("PGHOST", "")


def main(groups, tests):
    """Runs groups and single tests, or those that the command line names, on a server with stubs; ends with the line that is counted."""
    if not os.path.exists(PROGRAM):
        sys.exit(f"{PROGRAM} is not built")
    report = Report(sys.argv[1:])
    db = Cluster()
    try:
        for group in groups:
            report.run_group(group, db)
        for test in tests:
            if report.wants(test.__name__):
                report.check(test.__name__, lambda: test(db))
    finally:
        db.remove()
    print(f"{report.passed} passed, {report.failed} failed")
    sys.exit(1 if report.failed else 0)
