#!/usr/bin/python3
# Runs first: it takes two minutes
"""The dashboard: its files over HTTP, and its pages in a headless Chromium (test/browser/*.mjs)."""

import contextlib
import fcntl
import filecmp
import glob
import gzip
import http.server
import os
import re
import shutil
import subprocess
import sys
import threading

sys.dont_write_bytecode = True

from http_support import ROOT, Here, Sidecar, expect, expect_problem
from testing import psql, sql

ADMIN = "admin-token-0123456789"
READ = "read-token-0123456789"
HOSTILE_ID = "\"><script>hacked=1</script>'); --"
HOSTILE_TITLE = "Hostile <img src=x onerror=\"hacked=1\"> & Thing"
ROLES = os.path.join(ROOT, "packaging", "roles.sql")
SOURCES = os.path.join(ROOT, "test", "browser")
FOLDER = os.path.join(ROOT, "build", "browser")  # the sources once more, beside what npm installs
SCREENSHOTS = os.path.join(ROOT, "build", "screenshots")
QUICK = """'{"max_seconds": 4, "dim": 16, "max_len": 20}'"""

SHOP = f"""
CREATE EXTENSION seqrec;
INSERT INTO products (item_id, title, category, price)
    SELECT $id${HOSTILE_ID}$id$, $id${HOSTILE_TITLE}$id$, category, price FROM products LIMIT 1;
INSERT INTO ratings (user_id, item_id, timestamp)
    SELECT 'c' || n, $id${HOSTILE_ID}$id$, timestamptz '2020-01-01' + n * interval '1 hour' FROM generate_series(1, 40) AS n;
CREATE VIEW broken AS SELECT user_id || (1 / (length(item_id) - length(item_id)))::text AS user_id, item_id, timestamp FROM ratings;
"""
GRANTS = """
GRANT SELECT ON products TO shop_api, plain_api;
GRANT SELECT, INSERT ON ratings TO shop_trainer;
GRANT SELECT ON broken TO shop_trainer;
"""


class BelowAPath(http.server.BaseHTTPRequestHandler):
    """A proxy that passes on what is below /rec/, without that, to the server's `target`."""

    def pass_on(self):
        if not self.path.startswith("/rec/"):
            self.send_error(404)
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name: value for name, value in self.headers.items() if name not in ("Host", "Connection")}
        upstream = self.server.target.connect(timeout=60)
        upstream.request(self.command, self.path.removeprefix("/rec"), body, headers)
        answer = upstream.getresponse()
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name != "Connection":
                self.send_header(name, value)
        self.end_headers()
        with contextlib.suppress(OSError):  # the browser has left
            while part := answer.read1(65536):
                self.wfile.write(part)
                self.wfile.flush()
        upstream.close()

    do_GET = do_POST = pass_on

    def log_message(self, *arguments):
        pass


def start_proxy(target):
    proxy = http.server.ThreadingHTTPServer(("127.0.0.1", 0), BelowAPath)
    proxy.target, proxy.daemon_threads = target, True
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    return proxy


def start(**settings):
    usual = {"PGDATABASE": os.environ["PGDATABASE"], "PGUSER": "shop_api", "SEQREC_TITLE_TABLE": "products"}
    return Sidecar(Here, **{**usual, **settings})


def url(sidecar):
    return f"http://{sidecar.host}:{sidecar.port}"


# --- what the browser needs ---


def chromium():
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    raise SystemExit("chromium is missing: install Debian's package chromium\n0 passed, 1 failed")


def install_modules():
    """Puts the tests and what their lock file names into build/browser; npm runs only when the lock file is another one. Others may do
    the same meanwhile, or have a browser that reads there."""
    os.makedirs(FOLDER, exist_ok=True)
    with open(os.path.join(FOLDER, "in-use"), "w", encoding="utf-8") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        install_what_differs()


def is_copied(file, copy):
    return os.path.exists(copy) and filecmp.cmp(file, copy, shallow=False)


def install_what_differs():
    for file in glob.glob(os.path.join(SOURCES, "*")):
        if not is_copied(file, os.path.join(FOLDER, os.path.basename(file))):
            shutil.copy(file, FOLDER)
    lock, installed = os.path.join(SOURCES, "package-lock.json"), os.path.join(FOLDER, "installed.json")
    if is_copied(lock, installed):
        return
    if not shutil.which("npm"):
        raise SystemExit("npm is missing: install Debian's packages nodejs and npm\n0 passed, 1 failed")
    done = subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=FOLDER, capture_output=True, text=True, timeout=180)
    if done.returncode != 0:
        raise SystemExit(f"npm ci failed in {FOLDER}; the browser tests need what it installs\n{done.stdout}{done.stderr}\n0 passed, 1 failed")
    shutil.copy(lock, installed)


# --- the files ---


def get(path, headers=None, method="GET"):
    return SHOP_SERVER.request(method, path, headers=headers or {})


def asset_paths():
    """As they are below the root; in the page they are relative."""
    found = re.findall(r'(?:src|href)="([^"]+)"', get("/")[2].decode())
    assert all(re.match(r"assets/[0-9a-f]+/", path) for path in found), found
    return ["/" + path for path in found]


def page_is_closed_to_others():
    status, headers, body = get("/")
    expect(status, 200)
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "script-src 'self'" in policy and "unsafe" not in policy, policy
    expect(headers["X-Content-Type-Options"], "nosniff")
    assert b"@ASSETS@" not in body and b"<script>" not in body and b" style=" not in body and b"://" not in body, body
    expect(get("/", method="HEAD")[2], b"")
    expect(SHOP_SERVER.request("POST", "/")[0], 405)


def page_is_asked_for_again_and_files_are_kept():
    _, headers, _ = get("/")
    expect(headers["Cache-Control"], "no-cache")
    expect(get("/", {"If-None-Match": headers["ETag"]})[0], 304)
    assert len(asset_paths()) >= 4, asset_paths()
    for path in asset_paths():
        status, headers, plain = get(path)
        expect((status, headers["Cache-Control"]), (200, "public, max-age=31536000, immutable"), path)
        expect(get(path, {"If-None-Match": headers["ETag"]})[0], 304, path)
        _, packed_headers, packed = get(path, {"Accept-Encoding": "gzip"})
        expect((packed_headers["Content-Encoding"], gzip.decompress(packed)), ("gzip", plain), path)
        assert packed_headers["ETag"] != headers["ETag"], path


def has_no_other_files():
    good = asset_paths()[0]
    version = good.split("/")[2]
    for path in (good.replace(version, "0" * len(version)), f"/assets/{version}/index.html", f"/assets/{version}/..%2Fopenapi.json", f"/assets/{version}/none"):
        expect_problem(get(path), 404, "unknown-path")


def can_be_left_out():
    for value, status in (("on", 200), ("off", 404)):
        server = start(SEQREC_DASHBOARD=value)
        try:
            expect(server.request("GET", "/")[0], status, f"SEQREC_DASHBOARD={value}")
            expect(server.request("GET", asset_paths()[0])[0], status, f"SEQREC_DASHBOARD={value}")
        finally:
            server.stop()


# --- the whole ---


def prepare():
    install_modules()
    for arguments in (["-f", os.path.join(ROOT, "demo", "shop.sql")], ["-c", SHOP],
                      ["-v", "api=shop_api", "-v", "trainer=shop_trainer", "-v", "history=on", "-f", ROLES],
                      ["-v", "api=plain_api", "-v", "trainer=plain_trainer", "-f", ROLES], ["-c", GRANTS]):
        done = psql(*arguments)
        assert done.returncode == 0, done.stderr
    sql("CREATE DATABASE nothing")
    sql("CREATE EXTENSION seqrec", database="nothing")
    sql("GRANT EXECUTE ON FUNCTION seqrec_similar_items, seqrec_find_items, seqrec_find_users TO shop_api", database="nothing")
    job = sql(f"SELECT seqrec_train('ratings', options => {QUICK})", user="shop_trainer")
    sql(f"CALL seqrec_wait({job})")


def run_files():
    """(passed, failed) of the tests above."""
    passed = failed = 0
    for test in (page_is_closed_to_others, page_is_asked_for_again_and_files_are_kept, has_no_other_files, can_be_left_out):
        try:
            test()
            passed += 1
            print(f"ok      {test.__name__}", flush=True)
        except Exception as error:  # a test may fail in any way; the others still run
            failed += 1
            print(f"FAILED  {test.__name__}: {type(error).__name__}: {error}", flush=True)
    return passed, failed


def run_browser(script="dashboard.mjs", **settings):
    """(passed, failed) of the tests in the browser; a run that ends without its last line has failed."""
    counts = None
    with subprocess.Popen(["node", os.path.join(FOLDER, script)], env={**os.environ, **settings}, stdout=subprocess.PIPE, text=True) as process:
        try:
            for line in process.stdout:
                if found := re.fullmatch(r"(\d+) passed, (\d+) failed\n", line):
                    counts = int(found[1]), int(found[2])
                else:
                    print(line, end="", flush=True)
        except BaseException:
            process.terminate()  # and its browser with it
            raise
    if process.returncode != 0 and (not counts or counts[1] == 0):
        counts = (counts or (0, 0))[0], 1
    return counts or (0, 1)


if __name__ == "__main__":
    CHROMIUM = chromium()
    prepare()
    SHOP_SERVER = start(SEQREC_ADMIN_DSN="user=shop_trainer", SEQREC_ADMIN_TOKEN=ADMIN, SEQREC_EVENTS_TABLE="ratings")
    empty_server = start(PGDATABASE="nothing", SEQREC_TITLE_TABLE="")
    plain_server = start(PGUSER="plain_api")
    guarded_server = start(SEQREC_READ_TOKEN=READ)
    twice_guarded_server = start(SEQREC_READ_TOKEN=READ, SEQREC_ADMIN_TOKEN=ADMIN, SEQREC_ADMIN_DSN="user=shop_trainer")
    below = start_proxy(SHOP_SERVER)
    try:
        results = [run_files(),
                   run_browser(SHOP=url(SHOP_SERVER), BELOW=f"http://127.0.0.1:{below.server_port}/rec", EMPTY=url(empty_server), PLAIN=url(plain_server), GUARDED=url(guarded_server), TWICE_GUARDED=url(twice_guarded_server), ADMIN_TOKEN=ADMIN, READ_TOKEN=READ,
                               HOSTILE_ID=HOSTILE_ID, HOSTILE_TITLE=HOSTILE_TITLE, CHROMIUM=CHROMIUM, SCREENSHOTS=SCREENSHOTS)]
    finally:
        for server in (SHOP_SERVER, empty_server, plain_server, guarded_server, twice_guarded_server):
            server.stop()
    passed, failed = (sum(column) for column in zip(*results))
    print(f"{passed} passed, {failed} failed", flush=True)
    raise SystemExit(1 if failed else 0)
