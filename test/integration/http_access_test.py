#!/usr/bin/python3
"""Who may use seqrec-http, and what it tells its operator: tokens, settings, metrics, logs. The database is a stub.

Prints a line a test and "N passed, N failed".
"""

import contextlib
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True

from http_support import (CLEAN, PROGRAM, expect, expect_problem, in_parallel, main, read_all, run_program, running_queries, sidecar,
                          wait_until)

READ = "read-token-0123456789"
ADMIN = "admin-token-0123456789"
JSON = {"Content-Type": "application/json"}


def bearer(token):
    return {"Authorization": "Bearer " + token}


def metrics(s, headers=None):
    """{name and labels: value} of /metrics, after checking that each line has the form it must have."""
    status, answer, body = s.request("GET", "/metrics", headers=headers)
    expect((status, answer["Content-Type"]), (200, "text/plain; version=0.0.4; charset=utf-8"))
    values, families = {}, set()
    for line in body.decode().splitlines():
        if line.startswith("#"):
            assert re.fullmatch(r"# (HELP|TYPE) [a-z_]+ .+", line), line
            if line.startswith("# TYPE"):
                assert line.split()[2] not in families, "twice: " + line
                families.add(line.split()[2])
            continue
        found = re.fullmatch(r'([a-z_0-9]+(?:\{(?:[a-z_]+="(?:[^"\\]|\\.)*",?)*\})?) (\S+)', line)
        assert found, line
        assert found[1] not in values, "twice: " + line
        values[found[1]] = float(found[2])
    return values


# --- tokens ---


def asks_for_the_read_token(db):
    with sidecar(db, SEQREC_READ_TOKEN=READ) as s:
        s.wait_ready()
        for path in ("/livez", "/readyz"):
            expect(s.request("GET", path)[0], 200, path)
        answer = s.recommend("u")
        expect_problem(answer, 401, "unauthorized")
        expect(answer[1]["WWW-Authenticate"], "Bearer")
        for wrong in (READ[:-1], READ + "x", READ[1:], READ.upper(), "", "x" * 5000, READ + " x"):
            expect_problem(s.recommend("u", headers=bearer(wrong)), 401, "unauthorized")
        for scheme in ("Basic ", "Bearer", ""):
            expect(s.recommend("u", headers={"Authorization": scheme + READ})[0], 401)
        for scheme in ("Bearer ", "bearer ", "BEARER   "):
            expect(s.recommend("u", headers={"Authorization": scheme + READ})[0], 200, scheme)
        expect(s.request("GET", "/metrics")[0], 401)
        expect(s.request("GET", "/metrics", headers=bearer(READ))[0], 200)
        expect_problem(s.request("POST", "/models/1/activate", headers=bearer(READ)), 404, "disabled")
        assert READ not in s.log() + str(s.access_lines())


def tells_admins_from_readers(db):
    with sidecar(db, SEQREC_READ_TOKEN=READ, SEQREC_ADMIN_TOKEN=ADMIN) as s:
        s.wait_ready()
        expect(s.recommend("u", headers=bearer(ADMIN))[0], 200)
        expect_problem(s.request("POST", "/models/1/activate"), 401, "unauthorized")
        expect_problem(s.request("POST", "/models/1/activate", headers=bearer("x" * 20)), 401, "unauthorized")
        expect_problem(s.request("POST", "/models/1/activate", headers=bearer(READ)), 403, "admin-only")
        assert s.request("POST", "/models/1/activate", headers=bearer(ADMIN))[0] not in (401, 403, 404)


def has_no_admin_routes_without_a_token(db):
    with sidecar(db) as s:
        s.wait_ready()
        expect(s.recommend("u")[0], 200)
        for path, body in (("/models/1/activate", None), ("/models/default/refresh", None), ("/train", "{}"), ("/jobs/1/cancel", None)):
            problem = expect_problem(s.request("POST", path, body, JSON), 404, "disabled")
            assert "SEQREC_ADMIN_TOKEN" in problem["hint"], problem
        problem = expect_problem(s.request("POST", "/events", "{}", JSON), 404, "disabled")
        assert "SEQREC_EVENTS_TABLE" in problem["hint"], problem


def takes_events_from_bearers_of_any_token(db):
    """With an admin token alone everybody may ask, and nobody else may write."""
    with sidecar(db, SEQREC_ADMIN_TOKEN=ADMIN, SEQREC_EVENTS_TABLE="models") as s:
        s.wait_ready()
        expect(s.recommend("u")[0], 200)
        expect_problem(s.request("POST", "/events", "{}", JSON), 401, "unauthorized")
        expect_problem(s.request("POST", "/events", "{}", {**JSON, **bearer(ADMIN)}), 400, "invalid-field")
    with sidecar(db, SEQREC_READ_TOKEN=READ, SEQREC_EVENTS_TABLE="models") as s:
        expect_problem(s.request("POST", "/events", "{}", JSON), 401, "unauthorized")
        expect_problem(s.request("POST", "/events", "{}", {**JSON, **bearer(READ)}), 400, "invalid-field")


def tells_of_users_and_trainings_to_bearers_of_any_token(db):
    """One token is enough to keep them in; asking stays open without a read token."""
    closed = ("/users", "/jobs", "/jobs/1", "/jobs/1/events", "/models/second/coefficients", "/metrics")
    with sidecar(db, SEQREC_ADMIN_TOKEN=ADMIN) as s:
        s.wait_ready()
        for path in closed:
            expect_problem(s.request("GET", path), 401, "unauthorized")
            expect_problem(s.request("GET", path, headers=bearer("x" * 20)), 401, "unauthorized")
        expect(s.request("GET", "/metrics", headers=bearer(ADMIN))[0], 200)
        expect(s.request("GET", "/models/second/coefficients", headers=bearer(ADMIN))[0], 200)
        expect(s.recommend("u")[0], 200)
        expect(s.request("GET", "/similar/a")[0], 200)
    with sidecar(db, SEQREC_READ_TOKEN=READ, SEQREC_ADMIN_TOKEN=ADMIN) as s:
        for path in closed:
            expect(s.request("GET", path)[0], 401, path)
        for token in (READ, ADMIN):
            expect(s.request("GET", "/metrics", headers=bearer(token))[0], 200)
    with sidecar(db) as s:
        expect(s.request("GET", "/metrics")[0], 200)


# --- names, other sites' pages ---


def answers_to_its_own_names_on_loopback(db):
    """A page whose name was made to stand for 127.0.0.1 (DNS rebinding) sends that name."""
    with sidecar(db) as s:
        s.wait_ready()
        for path in ("/users", "/metrics", "/readyz", "/", "/nowhere"):
            problem = expect_problem(s.request("GET", path, headers={"Host": f"attacker.example:{s.port}"}), 421, "unknown-host")
            assert "SEQREC_HOSTS" in problem["hint"], problem
        expect(s.recommend("u", headers={"Host": "attacker.example"})[0], 421)
        for name in ("localhost", f"localhost:{s.port}", "127.0.0.1:1", "[::1]:80"):
            expect(s.recommend("u", headers={"Host": name})[0], 200, name)
        assert s.raw(b"GET /livez HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200 ")
        connection = s.connect()  # goes on after a refusal
        for name, status in (("attacker.example", 421), ("localhost", 200)):
            expect(s.recommend("u", connection=connection, headers={"Host": name})[0], status)
        connection.close()
    with sidecar(db, SEQREC_HOSTS="recommend.example.org") as s:  # as a proxy may send it
        s.wait_ready()
        for name, status in (("recommend.example.org", 200), ("localhost", 200), ("attacker.example", 421)):
            expect(s.recommend("u", headers={"Host": name})[0], status, name)
    with sidecar(db, SEQREC_READ_TOKEN=READ) as s:
        s.wait_ready()
        expect(s.recommend("u", headers={"Host": "recommend.example.org", **bearer(READ)})[0], 200)


SHOP = "https://shop.example.org"
CORS_HEADERS = [f"Access-Control-{name}" for name in ("Allow-Origin", "Allow-Methods", "Allow-Headers", "Max-Age", "Expose-Headers", "Allow-Credentials")]


def preflight(s, path, origin, method="POST"):
    return s.request("OPTIONS", path, headers={"Origin": origin, "Access-Control-Request-Method": method,
                                               "Access-Control-Request-Headers": "authorization,content-type"})


def lets_pages_of_listed_sites_ask(db):
    with sidecar(db, SEQREC_CORS_ORIGINS=f"http://localhost:3000,{SHOP}", SEQREC_READ_TOKEN=READ) as s:
        s.wait_ready()
        status, headers, body = preflight(s, "/recommend", SHOP)
        expect((status, body, headers["Content-Length"], headers["Content-Type"]), (204, b"", None, None))
        expect([headers[name] for name in CORS_HEADERS[:2]] + [headers["Vary"]], [SHOP, "POST", "Origin"])
        assert {"authorization", "content-type"} <= set(headers["Access-Control-Allow-Headers"].lower().split(", ")), headers
        connection = s.connect()  # as browsers do: the request follows on the same connection
        for send, status in ((lambda: s.request("OPTIONS", "/recommend", connection=connection, headers={
                "Origin": SHOP, "Access-Control-Request-Method": "POST"}), 204),
                             (lambda: s.recommend("u", connection, {"Origin": SHOP, **bearer(READ)}), 200)):
            expect(send()[0], status)
        connection.close()
        for answer, status in ((s.recommend("u", headers={"Origin": SHOP, **bearer(READ)}), 200),
                               (s.recommend("u", headers={"Origin": SHOP}), 401),
                               (s.request("GET", "/nowhere", headers={"Origin": SHOP}), 404), (preflight(s, "/nowhere", SHOP), 404)):
            expect((answer[0], answer[1]["Access-Control-Allow-Origin"], answer[1]["Vary"]), (status, SHOP, "Origin"))
        for origin in ("https://attacker.example", "null", SHOP + ".attacker.example", SHOP + ":444", "http://shop.example.org", ""):
            for answer, status in ((preflight(s, "/recommend", origin), 405),
                                   (s.recommend("u", headers={"Origin": origin, **bearer(READ)}), 200)):
                expect((answer[0], [answer[1][name] for name in CORS_HEADERS], answer[1]["Vary"]), (status, [None] * 6, "Origin"), origin)
        expect(s.recommend("u", headers=bearer(READ))[1]["Vary"], "Origin")
        vary = s.request("GET", "/openapi.json", headers={"Origin": SHOP})[1].get_all("Vary")
        expect(sorted(vary), ["Accept-Encoding", "Origin"])
    with sidecar(db) as s:  # off
        s.wait_ready()
        expect(preflight(s, "/recommend", SHOP)[0], 405)
        headers = s.recommend("u", headers={"Origin": SHOP})[1]
        expect([headers[name] for name in (*CORS_HEADERS, "Vary")], [None] * 7)


# --- Unix sockets ---


@contextlib.contextmanager
def folder():
    path = tempfile.mkdtemp(prefix="seqrec-unix-")
    try:
        yield path
    finally:
        shutil.rmtree(path)


def listens_on_a_unix_socket(db):
    with folder() as place:
        path = os.path.join(place, "http.sock")
        for mode in ("0660", "0600", "0666"):
            with sidecar(db, SEQREC_LISTEN="unix:" + path, SEQREC_SOCKET_MODE=mode, SEQREC_EVENTS_TABLE="models") as s:
                s.wait_ready()
                expect(stat.S_IMODE(os.stat(path).st_mode), int(mode, 8))
                connection = s.connect()
                for _ in range(2):
                    expect(s.recommend("u", connection, {"Host": "recommend.example.org"})[0], 200)
                connection.close()
                expect(s.access_lines()[-1]["remote"], "unix")
                expect(s.stop(), 0)
            expect(os.listdir(place), [], "left behind")


def takes_over_what_a_dead_process_left(db):
    with folder() as place:
        path = os.path.join(place, "http.sock")
        with sidecar(db, SEQREC_LISTEN="unix:" + path) as s:
            second = run_program(SEQREC_LISTEN="unix:" + path, PGHOST="/nonexistent")
            expect(second.returncode, 1)
            assert path in second.stderr, second.stderr
            expect(s.request("GET", "/livez")[0], 200, "the first one goes on")
            s.process.kill()
            s.process.wait()
        assert stat.S_ISSOCK(os.stat(path).st_mode)
        with sidecar(db, SEQREC_LISTEN="unix:" + path) as s:
            expect(s.request("GET", "/livez")[0], 200)


def leaves_other_files_alone(db):
    """Whatever is at the path, also another program's socket that nobody listens on just now."""
    with folder() as place:
        paths = [os.path.join(place, name) for name in ("file", "socket", "folder", "link")]
        with open(paths[0], "w") as file:
            file.write("precious")
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(paths[1])
        os.mkdir(paths[2])
        os.symlink("nowhere", paths[3])
        before = [os.lstat(path) for path in paths]
        for path in paths:
            refused = run_program(SEQREC_LISTEN="unix:" + path, PGHOST="/nonexistent")
            expect(refused.returncode, 1, path)
            assert path in refused.stderr, refused.stderr
        expect([os.lstat(path)[:7] for path in paths], [status[:7] for status in before])
        missing = run_program(SEQREC_LISTEN=f"unix:{place}/none/http.sock", PGHOST="/nonexistent")
        expect(missing.returncode, 1)
        assert f"{place}/none" in missing.stderr, missing.stderr


def refuses_before_the_body_is_judged(db):
    with sidecar(db, SEQREC_READ_TOKEN=READ) as s:
        expect(s.request("POST", "/recommend", "x" * 1000, {"Content-Type": "text/plain"})[0], 401)
        expect(s.request("GET", "/recommend")[0], 405)
        head = b"POST /recommend HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 15\r\nConnection: close\r\n\r\n"
        assert s.raw(head).startswith(b"HTTP/1.1 401 "), "was asked to send its body"


def reads_tokens_from_files(db):
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(READ + "\n")
        file.flush()
        with sidecar(db, SEQREC_READ_TOKEN_FILE=file.name) as s:
            s.wait_ready()
            expect(s.recommend("u")[0], 401)
            expect(s.recommend("u", headers=bearer(READ))[0], 200)
        result = run_program(SEQREC_READ_TOKEN=READ, SEQREC_READ_TOKEN_FILE=file.name)
        expect(result.returncode, 2)
        assert "twice" in result.stderr and READ not in result.stderr, result.stderr


def refuses_bad_tokens(db):
    with tempfile.NamedTemporaryFile("w") as file:
        file.write("s3cret\n")
        file.flush()
        cases = [{"SEQREC_READ_TOKEN": "s3cret"}, {"SEQREC_ADMIN_TOKEN": "s3cret s3cret s3cret"}, {"SEQREC_ADMIN_TOKEN": "s3cret" * 100},
                 {"SEQREC_READ_TOKEN": "s3cret-schlüssel-0123456789"}, {"SEQREC_ADMIN_TOKEN_FILE": file.name},
                 {"SEQREC_ADMIN_TOKEN_FILE": "/nonexistent/token"}, {"SEQREC_READ_TOKEN_FILE": "/dev/zero"}, {"SEQREC_READ_TOKEN_FILE": "/"},
                 {"SEQREC_READ_TOKEN_FILE": "/dev/null"}]
        for case in cases:
            result = run_program(**case)
            expect((result.returncode, result.stderr.count("\n")), (2, 1), f"{case} {result.stderr}")
            assert list(case)[0] in result.stderr and "s3cret" not in result.stderr, result.stderr


def masks_tokens(db):
    shown = run_program("--print-config", SEQREC_READ_TOKEN=READ, SEQREC_ADMIN_TOKEN=ADMIN, SEQREC_DSN="host=a password=hunter2",
                        SEQREC_ADMIN_DSN="host=b user=boss password=hunter3").stdout
    for secret in (READ, ADMIN, "hunter"):
        assert secret not in shown, shown
    for line in ("SEQREC_READ_TOKEN=********", "SEQREC_ADMIN_TOKEN=********", "  host=a", "  host=b", "  user=boss"):
        assert line in shown.splitlines(), shown
    assert "SEQREC_READ_TOKEN=\n" in run_program("--print-config").stdout


def refuses_to_stand_open(db):
    world = {"SEQREC_LISTEN": "0.0.0.0:0", "SEQREC_EVENTS_TABLE": "ratings"}
    for address in ("0.0.0.0:0", "[::]:0", "192.0.2.1:80"):
        result = run_program("--print-config", **{**world, "SEQREC_LISTEN": address})
        expect(result.returncode, 2)
        assert "SEQREC_EVENTS_TABLE" in result.stderr, result.stderr
    for fine in ({"SEQREC_READ_TOKEN": READ}, {"SEQREC_ADMIN_TOKEN": ADMIN}, {"SEQREC_LISTEN": "127.0.0.5:0"}, {"SEQREC_LISTEN": "[::1]:0"},
                 {"SEQREC_EVENTS_TABLE": ""}):
        expect(run_program("--print-config", **{**world, **fine}).returncode, 0, str(fine))


# --- metrics ---


def counts_requests(db):
    with sidecar(db, SEQREC_POOL=2) as s:
        s.wait_ready()
        before = metrics(s)
        for _ in range(3):
            s.recommend("u")
        s.recommend("sleep:0.2")
        s.recommend("error:XX000")
        s.recommend("u", top_k=0)
        for i in range(20):
            s.request("GET", f"/secret-{i}")
            s.request(f"METHOD{i}", "/recommend")
        s.raw(b"nonsense\r\n\r\n")
        after = metrics(s)
        grown = {key: value - before.get(key, 0) for key, value in after.items() if value != before.get(key, 0)}
        requests = 'seqrec_http_requests_total{route="/recommend",method="POST",code="%d"}'
        expect([grown.get(requests % code) for code in (200, 400, 500)], [4, 1, 1])
        expect(grown['seqrec_http_requests_total{route="none",method="none",code="404"}'], 20)
        expect(grown['seqrec_http_requests_total{route="none",method="none",code="400"}'] +
               grown.get('seqrec_http_requests_total{route="none",method="none",code="405"}', 0), 21)
        seconds = 'seqrec_http_request_duration_seconds_%s{route="/recommend",method="POST",code_class="%s"%s}'
        expect(grown[seconds % ("count", "2xx", "")], 4)
        expect(grown[seconds % ("count", "5xx", "")], 1)
        expect(grown[seconds % ("bucket", "2xx", ',le="+Inf"')], 4)
        expect(grown[seconds % ("bucket", "2xx", ',le="0.1"')], 3)
        assert 0.2 <= grown[seconds % ("sum", "2xx", "")] < 0.5, grown
        expect(grown['seqrec_db_query_duration_seconds_count{pool="read"}'] >= 5, True)
        assert "secret" not in str(after) and "METHOD" not in str(after)
        expect(after["seqrec_http_in_flight"], 1)
        expect([after[f'seqrec_db_pool_{name}{{pool="read"}}'] for name in ("max", "open", "available", "waiting")], [2, 2, 2, 0])
        expect([after[f'seqrec_db_pool_{name}{{pool="write"}}'] for name in ("max", "open")], [1, 0])


def counts_what_answers_hold(db):
    with sidecar(db) as s:
        s.wait_ready()
        s.recommend("nobody", recent_clicks=["unknown1", "unknown2", "known"])
        in_parallel(8, lambda i: s.recommend("sleep:0.1", recent_clicks=["a"]))
        s.recommend("lost")
        s.request("POST", "/recommend/batch", '{"requests":[{"user_id":"lost"},{"user_id":"u"},{"user_id":"lost"}]}', JSON)
        seen = metrics(s)
        expect((seen["seqrec_recommend_fallback_total"], seen["seqrec_unknown_item_ids_total"]), (1, 2))
        expect(seen["seqrec_history_unavailable_total"], 3)
        expect(seen["seqrec_batch_size_sum"], 10, "requests in all batches, who reads her own rows among them")
        assert 1 < seen["seqrec_batch_size_count"] <= 10, seen


def counts_what_goes_wrong(db):
    with sidecar(db, SEQREC_POOL=1, SEQREC_PIPELINE=1, SEQREC_QUEUE=1, SEQREC_DEADLINE_MS=300) as s:
        s.wait_ready()
        in_parallel(5, lambda i: s.recommend("sleep:0.2"))
        s.recommend("sleep:5")
        wait_until(lambda: running_queries(db) == 0, "the query was not cancelled")
        s.recommend("exit")
        s.wait_ready()
        seen = metrics(s)
        assert seen['seqrec_db_pool_overflows_total{pool="read"}'] >= 1, seen
        assert seen['seqrec_db_pool_timeouts_total{pool="read"}'] >= 1, seen
        expect(seen['seqrec_db_connections_lost_total{pool="read"}'], 2, "a read is asked once more, and ended that session, too")
        expect(seen['seqrec_db_reconnects_total{pool="read"}'], 2)


def knows_its_process(db):
    with sidecar(db) as s:
        idle = [socket.create_connection((s.host, s.port)) for _ in range(10)]
        seen = metrics(s)
        assert 10 < seen["process_open_fds"] <= len(os.listdir(f"/proc/{s.process.pid}/fd")) + 2, seen
        assert 1e6 < seen["process_resident_memory_bytes"] < 1e9, seen
        assert seen["process_start_time_seconds"] > 1.7e9
        assert any(key.startswith('seqrec_build_info{version="') for key in seen)
        for client in idle:
            client.close()


def tells_where_the_time_went(db):
    with sidecar(db) as s:
        s.wait_ready()
        timing = s.recommend("sleep:0.1")[1]["Server-Timing"]
        total, database = map(float, re.fullmatch(r"total;dur=([0-9.]+), queue;dur=[0-9.]+, db;dur=([0-9.]+)", timing).groups())
        assert 100 <= database <= total < 400, timing
        assert "Server-Timing" in s.recommend("error:XX000")[1], "also of a failure"
        assert "Server-Timing" not in s.request("GET", "/livez")[1]
        s.recommend("u")
        line = s.access_lines()[-1]
        assert 0 < line["db_ms"] <= line["ms"], line


# --- systemd ---


def tells_systemd(db):
    """A fake of systemd's side: a datagram socket that hears what the service says."""
    folder = tempfile.mkdtemp(prefix="seqrec-notify-")
    for address in (os.path.join(folder, "notify"), f"@seqrec-test-{os.getpid()}"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(address.replace("@", "\0"))
            manager.settimeout(3)
            with sidecar(db, NOTIFY_SOCKET=address, WATCHDOG_USEC=200000, SEQREC_DRAIN_MS=0) as s:
                heard = [manager.recv(100) for _ in range(4)]
                expect(heard, [b"READY=1"] + [b"WATCHDOG=1"] * 3)
                expect(s.request("GET", "/livez")[0], 200, "READY means that it listens")
                s.process.send_signal(signal.SIGTERM)
                wait_until(lambda: manager.recv(100) == b"STOPPING=1", "no STOPPING=1")
                expect(s.process.wait(3), 0)
    shutil.rmtree(folder)
    with sidecar(db, NOTIFY_SOCKET="/nonexistent/notify") as s:
        expect(s.request("GET", "/livez")[0], 200)


def start_with_listener(listener, **settings):
    """Runs seqrec-http as systemd would with a socket: as descriptor 3, its own process id in LISTEN_PID."""
    script = 'export LISTEN_PID=$$ LISTEN_FDS=${FDS:-1}; exec "$0" 3<&"$FD"'
    environment = dict(CLEAN, FD=str(listener.fileno()), PGHOST="/nonexistent", **settings)
    return subprocess.Popen(["bash", "-c", script, PROGRAM], env=environment, pass_fds=[listener.fileno()], stdout=subprocess.DEVNULL,
                            stderr=subprocess.PIPE, text=True)


def takes_a_socket_from_systemd(db):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port), timeout=5) as client:  # comes before the service
            client.sendall(b"GET /livez HTTP/1.0\r\n\r\n")
            process = start_with_listener(listener, SEQREC_LISTEN="127.0.0.1:1")
            assert read_all(client).startswith(b"HTTP/1.1 200")
        assert f":{port}" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        expect(process.wait(3), 0)
        socket.create_connection(("127.0.0.1", port)).close()  # still systemd's
        process.stderr.close()
        process = start_with_listener(listener, SEQREC_LISTEN="127.0.0.1:1", FDS="2")
        expect(process.wait(3), 2)
        assert "LISTEN_FDS" in process.communicate()[1]
    with folder() as place, socket.socket(socket.AF_UNIX) as listener:
        path = os.path.join(place, "http.sock")
        listener.bind(path)
        listener.listen()
        process = start_with_listener(listener, SEQREC_EVENTS_TABLE="ratings")
        assert "unix:" + path in process.stderr.readline()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)
            client.sendall(b"GET /livez HTTP/1.1\r\nHost: shop.example.org\r\nConnection: close\r\n\r\n")
            assert read_all(client).startswith(b"HTTP/1.1 200")
        process.send_signal(signal.SIGINT)
        expect(process.wait(3), 0)
        process.stderr.close()
        expect(os.listdir(place), ["http.sock"], "systemd's")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        process = start_with_listener(other)
        expect(process.wait(3), 2)
        process.communicate()
    with socket.create_server(("0.0.0.0", 0)) as listener:
        process = start_with_listener(listener, SEQREC_EVENTS_TABLE="ratings")
        expect(process.wait(3), 2)
        assert "SEQREC_EVENTS_TABLE" in process.communicate()[1]
    with sidecar(db, LISTEN_PID=1, LISTEN_FDS=1) as s:  # meant for another process
        expect(s.request("GET", "/livez")[0], 200)


TESTS = [asks_for_the_read_token, tells_admins_from_readers, has_no_admin_routes_without_a_token, takes_events_from_bearers_of_any_token,
         tells_of_users_and_trainings_to_bearers_of_any_token, answers_to_its_own_names_on_loopback, lets_pages_of_listed_sites_ask,
         listens_on_a_unix_socket, takes_over_what_a_dead_process_left, leaves_other_files_alone,
         refuses_before_the_body_is_judged, reads_tokens_from_files, refuses_bad_tokens, masks_tokens, refuses_to_stand_open,
         counts_requests, counts_what_answers_hold, counts_what_goes_wrong, knows_its_process, tells_where_the_time_went, tells_systemd, takes_a_socket_from_systemd]


if __name__ == "__main__":
    main([], TESTS)
