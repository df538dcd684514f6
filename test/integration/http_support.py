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
import tempfile
import threading
import time
import traceback

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.environ.get("SEQREC_HTTP", os.path.join(ROOT, "build", "seqrec-http"))
CLEAN = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "SEQREC_"))}

# The stub answers by the user's id, so that each test can ask for what it needs.
STUB = r"""
CREATE FUNCTION seqrec_recommend(user_id text, clicks text[] DEFAULT NULL, k int DEFAULT 10, model text DEFAULT 'default')
RETURNS TABLE(rank int, item_id text, score real) LANGUAGE plpgsql AS $$
BEGIN
    IF model NOT IN ('default', 'second') THEN
        RAISE 'model "%" does not exist', model USING ERRCODE = '42704', HINT = 'See seqrec_models.';
    END IF;
    CASE
        WHEN user_id = 'echo' THEN
            RETURN QUERY SELECT i::int, c, 1.0::real FROM unnest(clicks) WITH ORDINALITY AS t(c, i) ORDER BY i DESC;
        WHEN user_id = 'show' THEN
            RETURN QUERY SELECT 1, coalesce(cardinality(clicks)::text, 'NULL') || ' clicks, model ' || model, 1.0::real;
        WHEN user_id = 'backend' THEN RETURN QUERY SELECT 1, pg_backend_pid()::text, 1.0::real;
        WHEN user_id = 'session' THEN
            RETURN QUERY SELECT 1, current_setting(s), 1.0::real FROM unnest(clicks) AS s;
        WHEN user_id LIKE 'sleep:%' THEN
            PERFORM pg_sleep(substr(user_id, 7)::float);
            RETURN QUERY SELECT 1, 'slept'::text, 1.0::real;
        WHEN user_id LIKE 'error:%' THEN
            RAISE 'the secret message' USING ERRCODE = substr(user_id, 7), HINT = 'Try another id.';
        WHEN user_id = 'write' THEN CREATE TABLE written();
        WHEN user_id = 'exit' THEN PERFORM pg_terminate_backend(pg_backend_pid());
        ELSE RETURN QUERY SELECT i, 'item' || i, (1.0 / i)::real FROM generate_series(1, k) AS i;
    END CASE;
END $$;
CREATE TABLE models(model text, active boolean);
INSERT INTO models VALUES ('default', true), ('second', true);
CREATE VIEW seqrec_models AS TABLE models;
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


class Sidecar:
    """A running seqrec-http; its address is read from the line it writes when it listens."""

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
        for _ in range(200):
            found = re.search(r"listening on http://\[?([^\]\s]+?)\]?:(\d+)\"", self.log())
            if found:
                return found.group(1), int(found.group(2))
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

    def wait_ready(self, seconds=5):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.request("GET", "/readyz")[0] == 200:
                return
            time.sleep(0.02)
        raise AssertionError("not ready: " + self.log())

    def stop(self, how=signal.SIGINT, seconds=5):
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
    assert "SELECT" not in text and "seqrec_recommend(" not in text, "SQL text in " + text
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
    return subprocess.run([PROGRAM, *arguments], env=dict(CLEAN, **environment), capture_output=True, text=True, timeout=5)


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
