#!/usr/bin/python3
"""packaging/nginx.conf in a real nginx: what the world may ask, what the operator may, and what is tried again. The database is a stub.

Says so, and passes, where there is no nginx. Prints a line a test and "N passed, N failed".
"""

import contextlib
import grp
import http.client
import json
import os
import random
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading

sys.dont_write_bytecode = True

from http_support import ROOT, expect, main, sidecar, wait_until

WORLD, OPERATOR = "127.0.0.2", "127.0.0.1"  # addresses that clients come from; the file knows the second
NAME = "recommend.example.org"
ADMIN = "admin-token-0123456789"
JSON = {"Content-Type": "application/json"}
ASK = '{"user_id": "u"}'

OUTSIDE = """
{user}
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
worker_processes 1;
events {{ worker_connections 128; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/conf.d/*.conf;
}}
"""
BELOW_A_PATH = """
server {{
    listen 127.0.0.1:{port};
    location /rec/ {{
        proxy_pass http://seqrec/;
        proxy_set_header Host localhost;
    }}
}}
"""


def program():
    """As found on the path, where packages have it, or where ./dev test unpacks it."""
    return shutil.which("nginx") or shutil.which("nginx", path=f"/usr/sbin:{ROOT}/build/nginx/usr/sbin")


def free_ports(count):
    """Ports that nobody gets who does not ask for them: those that the system gives lie above."""
    free = []
    for port in random.sample(range(20000, 30000), 1000):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            free.append(port)
        if len(free) == count:
            return free
    raise AssertionError("no port is free")


def replaced(text, old, new):
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in nginx.conf"
    return text.replace(old, new)


class Nginx:
    """The file as it is but for addresses, ports, and the certificate."""

    def __init__(self, *upstreams):
        self.folder = tempfile.mkdtemp(prefix="seqrec-nginx-")
        os.chmod(self.folder, 0o755)
        self.port, self.plain_port, self.path_port = free_ports(3)
        os.mkdir(os.path.join(self.folder, "conf.d"))
        self.make_certificate()
        self.write("conf.d/seqrec.conf", self.adapted(upstreams))
        self.write("conf.d/path.conf", BELOW_A_PATH.format(port=self.path_port))
        self.write("nginx.conf", OUTSIDE.format(folder=self.folder, user="user www-data;" if os.geteuid() == 0 else ""))
        self.command = [program(), "-p", self.folder, "-e", os.path.join(self.folder, "error.log"), "-c", os.path.join(self.folder, "nginx.conf")]
        tested = subprocess.run([*self.command, "-t"], capture_output=True, text=True)
        assert tested.returncode == 0, tested.stderr
        self.warnings = [line for line in tested.stderr.splitlines() if "[warn]" in line]
        self.process = subprocess.Popen(self.command, stderr=subprocess.DEVNULL)
        wait_until(self.answers, "nginx does not listen: " + self.log(), seconds=60)

    def make_certificate(self):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={NAME}", "-days", "1",
                        "-keyout", f"{self.folder}/key.pem", "-out", f"{self.folder}/cert.pem"], check=True, capture_output=True)

    def adapted(self, upstreams):
        with open(os.path.join(ROOT, "packaging", "nginx.conf"), encoding="utf-8") as file:
            text = file.read()
        servers = "".join(f"    server {upstream} max_fails=0;\n" for upstream in upstreams)
        text = replaced(text, "    server 127.0.0.1:8080;\n", servers)
        for old, new in (("    listen 443 ssl http2;", f"    listen 127.0.0.1:{self.port} ssl http2;"), ("    listen 80;", f"    listen 127.0.0.1:{self.plain_port};"),
                         ("    listen [::]:443 ssl http2;\n", ""), ("    listen [::]:80;\n", "")):
            text = replaced(text, old, new)
        for old, new in (("fullchain.pem", "cert.pem"), ("privkey.pem", "key.pem")):
            text = replaced(text, f"/etc/letsencrypt/live/{NAME}/{old}", f"{self.folder}/{new}")
        return text

    def write(self, name, text):
        with open(os.path.join(self.folder, name), "w", encoding="utf-8") as file:
            file.write(text)

    def log(self):
        with contextlib.suppress(FileNotFoundError), open(os.path.join(self.folder, "error.log"), encoding="utf-8") as file:
            return file.read()
        return ""

    def answers(self):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
            return True
        return False

    def request(self, method, path, body=None, headers=None, client=WORLD):
        context = ssl.create_default_context(cafile=f"{self.folder}/cert.pem")
        context.check_hostname = False
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=10, source_address=(client, 0), context=context)
        return self.answer(connection, method, path, body, {"Host": NAME, **(headers or {})})

    def plain(self, port, method, path, body=None, headers=None):
        return self.answer(http.client.HTTPConnection("127.0.0.1", port, timeout=10), method, path, body, headers or {})

    @staticmethod
    def answer(connection, method, path, body, headers):
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        answer = response.status, response.headers, response.read()
        connection.close()
        return answer

    def stop(self):
        self.process.terminate()
        self.process.wait(5)
        shutil.rmtree(self.folder)


@contextlib.contextmanager
def nginx(*upstreams):
    running = Nginx(*upstreams)
    try:
        yield running
    finally:
        running.stop()


def address(s):
    return f"127.0.0.1:{s.port}"


def the_world_asks_and_no_more(db):
    """Without any token: what is closed here is closed by nginx."""
    with sidecar(db, SEQREC_EVENTS_TABLE="models") as s, nginx(address(s)) as n:
        s.wait_ready()
        expect([line for line in n.warnings if "http2" not in line], [], "warnings")  # newer ones want another word for it
        status, headers, body = n.request("POST", "/recommend", ASK, JSON)
        expect((status, len(json.loads(body)["recommended_item_ids"])), (200, 10))
        assert re.fullmatch("[0-9a-f]{32}", headers["X-Request-Id"]), headers
        for method, path, body in (("POST", "/recommend/batch", '{"requests": []}'), ("GET", "/similar/a%2Fb?top_k=2", None), ("GET", "/openapi.json", None)):
            expect(n.request(method, path, body, JSON)[0], 200, path)
        every = ["/users", "/users?query=a", "/jobs", "/jobs/1", "/jobs/1/events", "/models", "/models/default/coefficients", "/kinds", "/metrics", "/livez",
                 "/readyz", "/", "/assets/0/app.js", "/nowhere"]
        around = ["//users", "/./users", "/x/../users", "/similar/../users", "/similar/%2e%2e/users", "/%75sers", "/users/../similar/a", "/jobs/..%2Fsimilar%2Fa",
                  "/models/..%2F..%2Fsimilar/coefficients", "/users?/recommend", "/similar/a/../../users", "/recommend/../users", "/users#/recommend"]
        for path in every:
            expect(n.request("GET", path)[0], 403, path)
        for path in around:
            status = n.request("GET", path)[0]
            assert status == 403 or (status == 400 and ".." in path), (path, status)  # nginx refuses what leaves the root
        for path in ("/train", "/events", "/models/1/activate", "/models/default/refresh", "/jobs/1/cancel"):
            expect(n.request("POST", path, "{}", JSON)[0], 403, path)
        for path in ("/metrics", "/models/second/coefficients", "/livez", "/readyz", "/"):
            expect(n.request("GET", path, client=OPERATOR)[0], 200, path)
        expect(n.request("POST", "/events", "{}", JSON, client=OPERATOR)[0], 400, "by seqrec-http")


def every_route_is_decided(db):
    """A route that is added is the operator's until somebody says otherwise, here and there."""
    with open(os.path.join(ROOT, "sidecar", "api", "openapi.json"), encoding="utf-8") as file:
        document = json.load(file)
    world = {"/recommend", "/recommend/batch", "/similar/{item_id}", "/items", "/openapi.json"}
    with sidecar(db) as s, nginx(address(s)) as n:
        for path, methods in document["paths"].items():
            for method in methods:
                status = n.request(method.upper(), re.sub(r"\{\w+\}", "1", path), "{}" if method == "post" else None, JSON)[0]
                expect(status == 403, path not in world, f"{method} {path}: {status}")


def customers_are_not_public_with_an_admin_token_alone(db):
    """Neither through nginx nor past it."""
    with sidecar(db, SEQREC_ADMIN_TOKEN=ADMIN) as s, nginx(address(s)) as n:
        for path in ("/users", "/jobs", "/metrics"):
            expect(n.request("GET", path)[0], 403, path)
            expect(n.request("GET", path, headers={"Authorization": "Bearer " + ADMIN})[0], 403, path)
            expect(n.request("GET", path, client=OPERATOR)[0], 401, path)
        expect(n.request("GET", "/metrics", headers={"Authorization": "Bearer " + ADMIN}, client=OPERATOR)[0], 200)


class Dropper:
    """A server that reads a request and ends the connection without an answer."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.lines = []
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                with self.listener.accept()[0] as client:
                    self.lines.append(client.recv(65536).split(b" HTTP")[0].decode())

    def asked(self, line):
        return self.lines.count(line)


def what_only_reads_is_tried_again(db):
    """Requests go to two servers in turn, one of which always breaks off."""
    dropper = Dropper()
    with sidecar(db) as s, nginx(address(s), f"127.0.0.1:{dropper.listener.getsockname()[1]}") as n:
        s.wait_ready()
        for method, path, body in (("POST", "/recommend", ASK), ("POST", "/recommend/batch", '{"requests": []}'), ("GET", "/similar/a", None)):
            for _ in range(6):
                expect(n.request(method, path, body, JSON)[0], 200, path)
            assert dropper.asked(f"{method} {path}") >= 2, dropper.lines
        got = sorted(n.request("POST", "/events", "{}", JSON, client=OPERATOR)[0] for _ in range(6))
        broken = dropper.asked("POST /events")
        assert broken >= 2, dropper.lines
        expect(got, [404] * (6 - broken) + [502] * broken, "a write that was sent is not repeated")
    dropper.listener.close()


def speaks_over_a_unix_socket(db):
    """nginx connects by its group; to a socket without the group's permission it can't."""
    place = tempfile.mkdtemp(prefix="seqrec-unix-")
    path = os.path.join(place, "http.sock")
    try:
        if os.geteuid() == 0:
            os.chown(place, 0, grp.getgrnam("www-data").gr_gid)
            os.chmod(place, 0o2750)  # what is made in it is of its group
        with sidecar(db, SEQREC_LISTEN="unix:" + path) as s, nginx("unix:" + path) as n:
            s.wait_ready()
            for _ in range(3):
                expect(n.request("POST", "/recommend", ASK, JSON)[0], 200)
            expect(n.request("GET", "/similar/a%2Fb")[0], 200)
            s.process.kill()
            s.process.wait()
            expect(n.request("POST", "/recommend", ASK, JSON)[0], 502)
            with sidecar(db, SEQREC_LISTEN="unix:" + path) as next_one:  # nginx finds it by its path
                next_one.wait_ready()
                expect(n.request("POST", "/recommend", ASK, JSON)[0], 200)
        if os.geteuid() == 0:
            with sidecar(db, SEQREC_LISTEN="unix:" + path, SEQREC_SOCKET_MODE="0600") as s, nginx("unix:" + path) as n:
                s.wait_ready()
                expect(n.request("POST", "/recommend", ASK, JSON)[0], 502)
    finally:
        shutil.rmtree(place)


def works_below_a_path(db):
    with sidecar(db) as s, nginx(address(s)) as n:
        s.wait_ready()
        status, headers, body = n.plain(n.path_port, "GET", "/rec/")
        expect(status, 200)
        paths = re.findall(r'(?:src|href)="([^"]+)"', body.decode())
        assert len(paths) >= 4, body
        for path in paths:
            expect(n.plain(n.path_port, "GET", "/rec/" + path)[0], 200, path)
        expect(n.plain(n.path_port, "POST", "/rec/recommend", ASK, JSON)[0], 200)
        status, headers, _ = n.plain(n.path_port, "GET", "/rec")
        expect((status, headers["Location"].rsplit(str(n.path_port))[1]), (301, "/rec/"))
        expect(n.plain(n.path_port, "GET", "/recommend")[0], 404)


def sends_everybody_to_tls(db):
    with nginx("127.0.0.1:1") as n:
        for host in (NAME, "attacker.example"):
            status, headers, _ = n.plain(n.plain_port, "GET", "/items?query=a", headers={"Host": host})
            expect((status, headers["Location"]), (301, f"https://{NAME}/items?query=a"))


if __name__ == "__main__":
    for needed, found in (("nginx", program()), ("openssl", shutil.which("openssl"))):
        if not found:
            print(f"{needed} is missing: packaging/nginx.conf is not tested\n0 passed, 0 failed")
            sys.exit(0)
    main([], [the_world_asks_and_no_more, every_route_is_decided, customers_are_not_public_with_an_admin_token_alone, what_only_reads_is_tried_again,
              speaks_over_a_unix_socket, works_below_a_path, sends_everybody_to_tls])
