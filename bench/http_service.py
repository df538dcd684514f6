#!/usr/bin/python3
"""seqrec-http held against the plain service, the SQL call beneath it, a steady load, and a database that restarts.

usage: bench/http_service.py [--part NAME,...] [--reference DIR] [--data FOLDER] [--items N] [--seconds S] [--gap-seconds S] [--before PROGRAM]
                             [--before-commit COMMIT] [--rounds N]

Sidecar, PostgreSQL (a private one; the extension must be installed) and load share this machine. Prints one JSON object.
NAME, in this order:
  reference  requests/s at 1, 4, 16 and 64 connections on MovieLens-1M (FOLDER/ml-1m), for a model of the default shape and
             one with serving fast (two layers, as the plain service has), against that service's best (DIR holds its train.py and app.py)
  added      p50 at one connection against p50 of the same call over SQL, same questions
  steady     1,000 requests/s for S seconds on N (1,000,000) items, without an index and as the defaults are, started on time whatever the answers do; times count
             from when a request was due
  mixes      requests/s at 16 connections of requests that differ (top_k, own rows, explain), against each asked alone
             (SEQREC_BATCH=1) and against those of PROGRAM, another seqrec-http, in turns
  restart    500 connections for a minute, the database gone for G seconds in the middle: status codes, time to recover,
             memory and open files before and after
  paired     requests/s of this seqrec-http held against PROGRAM's, or against one that is built of COMMIT in build/before/, on one database in
             turns: N (10) rounds of two seconds each, at 1 and 16 connections, 20 clicks and own rows. For each the medians, and the median of the
             paired ratios with its 95 % interval; above 1 this one does more in a second, or takes less time (p50_us, and cpu_us of the sidecar
             and its backends a request)
  given_up   S seconds of requests of 130 kB that are answered with 504, by a database of stubs: memory every ten seconds; fails when it grows by
             more than it says
Needs wrk and pgbench; `reference` needs PyTorch and Flask for Debian's Python.
"""

import argparse
import asyncio
import collections
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import serving
import two_builds
from main_job import free_port, percentile, unpack, wait_for_http, wrk, write_bodies
from serving import note, rows_of, sql
from stand_in import ROOT, make_table, set_trainer

RATE = 1000
CONNECTIONS = 500


def installed(program):
    bindir = subprocess.check_output([os.environ.get("PG_CONFIG", "pg_config"), "--bindir"], text=True).strip()
    return os.path.join(bindir, program)


class Sidecar:
    """A running seqrec-http for one model."""

    def __init__(self, model, program=None, **settings):
        self.port = free_port()
        program = program or installed("seqrec-http")
        environment = {"SEQREC_LISTEN": f"127.0.0.1:{self.port}", "SEQREC_MODEL": model, "SEQREC_ACCESS_LOG": "off"} | settings
        self.process = subprocess.Popen([program], env=os.environ | environment, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        if wait_for_http(f"http://127.0.0.1:{self.port}/readyz") != 200:
            raise RuntimeError("seqrec-http is not ready")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout=30)
        if status != 0:
            raise RuntimeError(f"seqrec-http ended with status {status}")

    def resident_kb(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            return int(next(line for line in status if line.startswith("VmRSS")).split()[1])

    def open_files(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def open(self, body):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/recommend", body.encode(), {"Content-Type": "application/json"})
        return urllib.request.urlopen(request, timeout=5)

    def text(self, body):
        with self.open(body) as answer:
            return answer.read()

    def ask(self, body):
        """The status of one request on a connection of its own; 0 when there is no answer."""
        try:
            with self.open(body) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0


def movielens(arguments, folder):
    """The ratings as a file and a table, and a model of each shape, trained for one epoch: speed depends on the shape."""
    csv = unpack(arguments.data / "ml-1m" / "ratings.csv.gz", folder)
    serving.publish_movielens(arguments)
    if sql("SELECT count(*) FROM seqrec_models WHERE model = 'fast'") == "0":
        note("the same with serving fast")
        set_trainer("")
        serving.train("movielens_ratings", "fast", {"serving": "fast", "epochs": 1, "holdout": "keep"})
    return csv


def measure_reference(arguments):
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        csv = movielens(arguments, folder)
        script, _ = write_bodies(csv, folder)
        theirs = reference_rates(arguments, csv, Path(folder) / "reference", script)
        best = max(at["requests_per_s"] for at in theirs.values())
        result = {"reference": theirs, "reference_best": best, "target": 25}
        for model in ("movielens", "fast"):
            note(f"seqrec-http, model {model}")
            with Sidecar(model) as sidecar:
                ours = {c: wrk(sidecar.port, c, arguments.seconds, script) for c in (1, 4, 16, 64)}
            result[model] = {"config": serving.config_of(model), "at": ours,
                             "ratio_at_16": round(ours[16]["requests_per_s"] / best, 1)}
    return result


def reference_rates(arguments, csv, out, script):
    note("the plain service")
    train = ["/usr/bin/python3", str(arguments.reference / "train.py"), str(csv), str(out), "--epochs", "1", "--seconds", "10"]
    subprocess.run(train, check=True, stdout=subprocess.DEVNULL)
    port = free_port()
    server = subprocess.Popen(["/usr/bin/python3", str(arguments.reference / "app.py"), str(out), str(port)],
                              env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for_http(f"http://127.0.0.1:{port}/")
        return {c: wrk(port, c, arguments.seconds, script) for c in (1, 4, 8, 16)}
    finally:
        server.terminate()
        server.wait(timeout=30)


def questions_as_bodies(questions, folder):
    """The questions of a table as the bodies that wrk sends."""
    rows = rows_of(f"SELECT json_build_object('user_id', user_id::text, 'recent_clicks', clicks::text[], 'top_k', 10) FROM {questions}")
    bodies = [row[0] for row in rows]
    (Path(folder) / "bodies.txt").write_text("\n".join(bodies) + "\n", encoding="utf-8")
    return bodies


def measure_added(arguments):
    """In turns, so that both meet the same neighbours."""
    result = {"target_us": 150}
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        csv = movielens(arguments, folder)
        for model in ("movielens", "fast"):
            script, _ = write_bodies(csv, folder)
            serving.make_questions(f"{model}_20", model, 20)
            questions_as_bodies(f"{model}_20", folder)
            calls = serving.recommend_calls(f"{model}_20", model)
            over_sql, over_http = [], []
            with Sidecar(model) as sidecar:
                for _ in range(serving.ROUNDS):
                    over_sql.append(calls.run(seconds=arguments.seconds)[0]["p50_us"])
                    over_http.append(round(1000 * wrk(sidecar.port, 1, arguments.seconds, script)["p50_ms"]))
            result[model] = {"sql_p50_us": over_sql, "http_p50_us": over_http,
                             "added_us": round(statistics.median(over_http) - statistics.median(over_sql))}
    return result


async def steady_load(port, bodies, seconds):
    """RATE requests a second over as many connections as it takes; (milliseconds since due, status) of each."""
    free, results, running = [], [], set()

    async def send(number, due):
        reader, writer = free.pop() if free else await asyncio.open_connection("127.0.0.1", port)
        body = bodies[number % len(bodies)].encode()
        writer.write(b"POST /recommend HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")).split(b":")[1])
        await reader.readexactly(length)
        results.append((1000 * (time.monotonic() - due), int(head.split(b" ", 2)[1])))
        free.append((reader, writer))

    start = time.monotonic() + 0.1
    for number in range(RATE * seconds):
        due = start + number / RATE
        if (wait := due - time.monotonic()) > 0:
            await asyncio.sleep(wait)
        task = asyncio.ensure_future(send(number, due))
        running.add(task)
        task.add_done_callback(running.discard)
    await asyncio.wait_for(asyncio.gather(*running), 30)
    for _, writer in free:
        writer.close()
    return results, len(free)


def measure_steady(arguments):
    serving.need_scan_questions(arguments)
    if sql("SELECT count(*) FROM seqrec_models WHERE model = 'shipped'") == "0":
        note("the same items with the index that the defaults choose")
        serving.use_large_model()
        start = time.monotonic()
        serving.train("default_ratings", "shipped", {name: value for name, value in serving.LARGE.items() if name != "index"})
        note(f"made in {time.monotonic() - start:.0f} s")
    metrics = json.loads(sql(f"SELECT metrics FROM seqrec.models WHERE model_id = {serving.active('shipped')}"))
    result = {"items": arguments.items, "rate": RATE, "target_p90_ms": 10, "shipped_index": metrics}
    with tempfile.TemporaryDirectory() as folder:
        bodies = questions_as_bodies("scan_questions", folder)
        for model, what in (("default", "without an index"), ("shipped", "as the defaults are")):
            note(f"{what}: {RATE} requests/s, model {model}")
            with Sidecar(model) as sidecar:
                asyncio.run(steady_load(sidecar.port, bodies, 2))
                answers, connections = asyncio.run(steady_load(sidecar.port, bodies, 2 * arguments.seconds))
            times = [spent for spent, _ in answers]
            result[model] = {f"p{p}_ms": round(percentile(times, p / 100), 2) for p in (50, 90, 99)} | {
                "max_ms": round(max(times), 2), "requests": len(answers), "connections": connections,
                "errors": sum(status != 200 for _, status in answers)}
    return result


def measure_mixes(arguments):
    """Requests that differ, at 16 connections: as they are joined, against each asked alone and against another program, in turns."""
    serving.publish_large("mixed", 400_000, 20_000, 20_000)
    sql("CREATE INDEX IF NOT EXISTS mixed_by_user ON mixed_ratings (user_id, timestamp)")
    serving.make_questions("mixed_questions", "mixed", 20)
    asked = rows_of("SELECT user_id, array_to_json(clicks::text[]) FROM mixed_questions")
    clicks = {user: json.loads(ids) for user, ids in asked}
    mixes = {
        "one top_k": lambda n, user: {"recent_clicks": clicks[user], "top_k": 10},
        "top_k 1 to 20": lambda n, user: {"recent_clicks": clicks[user], "top_k": 1 + n % 20},
        "own rows": lambda n, user: {"top_k": 10},
        "half own rows, top_k 1 to 20": lambda n, user: {"top_k": 1 + n % 20} | ({"recent_clicks": clicks[user]} if n % 2 else {}),
        "a tenth explained": lambda n, user: {"recent_clicks": clicks[user], "top_k": 10} | ({"explain": True} if n % 10 == 0 else {}),
    }
    result = {"config": serving.config_of("mixed"), "connections": 16}
    with Sidecar("mixed") as joined, Sidecar("mixed", SEQREC_BATCH="1") as alone, Sidecar("mixed", arguments.before) as before:
        for name, fields in mixes.items():
            note(name)
            with tempfile.TemporaryDirectory() as folder:
                os.chmod(folder, 0o755)
                bodies = [json.dumps({"user_id": user} | fields(n, user)) for n, user in enumerate(list(clicks) * 7)]
                (Path(folder) / "bodies.txt").write_text("\n".join(bodies) + "\n", encoding="utf-8")
                script = write_plain_script(folder)
                rates = {"joined": [], "alone": [], "before": []}
                for _ in range(2 * serving.ROUNDS + 1):
                    for which, server in (("joined", joined), ("alone", alone), ("before", before)):
                        rates[which].append(wrk(server.port, 16, max(1, arguments.seconds // 2), script)["requests_per_s"])
            result[name] = {"requests_per_s": {which: statistics.median(of) for which, of in rates.items()}} | {
                f"to_{which}": round(statistics.median(a / b for a, b in zip(rates["joined"], rates[which])), 2)
                for which in (("alone", "before") if arguments.before else ("alone",))}
    return result


COUNTING_SCRIPT = """
local bodies, threads = {}, {}
for line in io.lines(BODIES) do bodies[#bodies + 1] = line end
wrk.method = "POST"
wrk.path = "/recommend"
wrk.headers["Content-Type"] = "application/json"
counts = {}
setup = function(thread) threads[#threads + 1] = thread end
request = function() return wrk.format(nil, nil, nil, bodies[math.random(#bodies)]) end
response = function(status) counts[status] = (counts[status] or 0) + 1 end
done = function(summary)
  local codes = {}
  for _, thread in ipairs(threads) do
    for status, count in pairs(thread:get("counts")) do codes[#codes + 1] = string.format('"%d": %d', status, count) end
  end
  local e = summary.errors
  io.write(string.format('RESULT {"codes": {%s}, "connect": %d, "read": %d, "write": %d, "timeout": %d}\\n',
    table.concat(codes, ", "), e.connect, e.read, e.write, e.timeout))
end
"""


def pg_ctl(action):
    command = ["pg_ctl", action, "-D", os.environ["PGDATA"], "-w", "-m", "fast", "-l", os.environ["PGHOST"] + "/server.log"]
    as_owner = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    subprocess.run([*as_owner, *command], check=True, cwd="/", stdout=subprocess.DEVNULL)


class Watch(threading.Thread):
    """Asks 20 times a second and remembers when which status came."""

    def __init__(self, sidecar, body):
        super().__init__()
        self.sidecar, self.body, self.seen, self.stop = sidecar, body, [], threading.Event()

    def run(self):
        while not self.stop.wait(0.05):
            self.seen.append((time.monotonic(), self.sidecar.ask(self.body)))

    def first_good(self, after):
        return next((at - after for at, status in self.seen if at > after and status == 200), None)


def measure_restart(arguments):
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        movielens(arguments, folder)
        serving.make_questions("movielens_20", "movielens", 20)
        body = questions_as_bodies("movielens_20", folder)[0]
        script = Path(folder) / "count.lua"
        script.write_text(f'local BODIES = "{folder}/bodies.txt"\n' + COUNTING_SCRIPT)
        with Sidecar("movielens", SEQREC_QUEUE=str(2 * CONNECTIONS)) as sidecar:
            wrk(sidecar.port, CONNECTIONS, 5, write_plain_script(folder))
            before = {"resident_kb": sidecar.resident_kb(), "open_files": sidecar.open_files()}
            load = subprocess.Popen(["wrk", "-t1", f"-c{CONNECTIONS}", "-d60s", "-s", str(script), f"http://127.0.0.1:{sidecar.port}"],
                                    stdout=subprocess.PIPE, text=True)
            watch = Watch(sidecar, body)
            watch.start()
            time.sleep(25)
            pg_ctl("stop")
            time.sleep(arguments.gap_seconds)
            pg_ctl("start")
            back = time.monotonic()
            text = load.communicate()[0]
            watch.stop.set()
            watch.join()
            time.sleep(1)
            after = {"resident_kb": sidecar.resident_kb(), "open_files": sidecar.open_files()}
    counted = json.loads(next(line for line in text.splitlines() if line.startswith("RESULT "))[len("RESULT ") :])
    codes = collections.Counter(status for _, status in watch.seen)
    return {"connections": CONNECTIONS, "gap_seconds": arguments.gap_seconds, "load": counted, "single_requests": codes,
            "recovered_after_s": watch.first_good(back), "target_s": 2, "before": before, "after": after,
            "only_503": set(counted["codes"]) | {str(code) for code in codes} <= {"200", "503"}}


def built_of(commit):
    """seqrec-http of another commit, compiled in a clone that stays until build/ goes."""
    name = subprocess.check_output(["git", "-C", str(ROOT), "rev-parse", "--short=12", commit + "^{commit}"], text=True).strip()
    tree = ROOT / "build" / "before" / name
    program = tree / "build" / "seqrec-http"
    if not program.exists():
        note(f"compiling seqrec-http of {name}")
        cached = ["-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"] if shutil.which("ccache") else []
        for command in (["rm", "-rf", str(tree)], ["git", "clone", "-q", "--shared", "--no-checkout", str(ROOT), str(tree)], ["git", "-C", str(tree), "checkout", "-q", name],
                        ["cmake", "-S", str(tree), "-B", str(tree / "build" / "cmake"), "-DCMAKE_BUILD_TYPE=Release", *cached],
                        ["cmake", "--build", str(tree / "build" / "cmake"), "--parallel", "--target", "seqrec-http"]):
            subprocess.run(command, check=True, stdout=sys.stderr)
    return str(program)


def served_ns(sidecar):
    """CPU time of a sidecar and of all backends."""
    backends = sql("SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()").split()
    return sum(two_builds.cpu_ns(pid) for pid in [sidecar.process.pid, *backends])


def small_model():
    """Small, so that what the sidecar does is not lost in what the encoder does."""
    if sql("SELECT count(*) FROM seqrec_models WHERE model = 'paired'") != "0":
        return
    note("a small model")
    make_table(sql, 60_000, 3_000, 2_000)
    sql("ALTER TABLE ratings RENAME TO paired_ratings; CREATE INDEX ON paired_ratings (user_id, timestamp)")
    set_trainer("")
    serving.train("paired_ratings", "paired", {"epochs": 1, "members": 1, "layers": 2, "dim": 32, "max_len": 20, "index": "none", "holdout": "keep", "seed": 1})


def measure_paired(arguments):
    program = arguments.before or built_of(arguments.before_commit)
    small_model()
    serving.make_questions("paired_questions", "paired", 20)
    asked = [(user, json.loads(clicks)) for user, clicks in rows_of("SELECT user_id, array_to_json(clicks::text[]) FROM paired_questions")]
    questions = {"20 clicks": [{"user_id": user, "recent_clicks": clicks} for user, clicks in asked], "own rows": [{"user_id": user} for user, _ in asked]}
    result = {"before": arguments.before or arguments.before_commit, "config": serving.config_of("paired")}
    with tempfile.TemporaryDirectory() as folder, Sidecar("paired", program) as before, Sidecar("paired") as after:
        os.chmod(folder, 0o755)
        script = write_plain_script(folder)
        for name, connections in (("20 clicks", 1), ("20 clicks", 16), ("own rows", 16)):
            bodies = [json.dumps(question) for question in questions[name]]
            (Path(folder) / "bodies.txt").write_text("\n".join(bodies) + "\n", encoding="utf-8")
            for body in bodies[:10]:
                was, now = (json.loads(server.text(body))["recommended_item_ids"] for server in (before, after))
                assert was == now, (body, was, now)

            def turn(which, connections=connections):
                server = (before, after)[which]
                start = served_ns(server)
                found = wrk(server.port, connections, 2, script)
                assert found["errors"] == 0, found
                return {"requests_per_s": found["requests_per_s"], "p50_us": 1000 * found["p50_ms"],
                        "cpu_us": (served_ns(server) - start) / 1000 / (2 * found["requests_per_s"])}

            two_builds.in_turns(1, turn)
            result[f"{name}, {connections} connections"] = two_builds.summary(two_builds.in_turns(arguments.rounds, turn))
            note(json.dumps(result[f"{name}, {connections} connections"]))
    return result


def measure_given_up(arguments):
    import given_up
    from http_support import Cluster

    begin = None

    def seconds(_):
        """Since the first answer."""
        nonlocal begin
        begin = begin or time.monotonic()
        return time.monotonic() - begin

    db = Cluster()
    try:
        found = given_up.hold_requests(db, 500, seconds, arguments.seconds, min(10, arguments.seconds / 4), lambda way, memory: note(f"{way}: {memory[-1]} kB"))
    finally:
        db.remove()
    return found | {"seconds": arguments.seconds, "faults": given_up.faults(found)}


def write_plain_script(folder):
    from main_job import WRK_SCRIPT

    script = Path(folder) / "warm.lua"
    script.write_text(f'local BODIES = "{folder}/bodies.txt"\n' + WRK_SCRIPT)
    return script


PARTS = {"reference": measure_reference, "added": measure_added, "steady": measure_steady, "mixes": measure_mixes, "restart": measure_restart,
         "paired": measure_paired, "given_up": measure_given_up}
WITHOUT_SERVER = {"given_up"}  # parts that have one of their own


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", default=",".join(PARTS))
    parser.add_argument("--reference", type=Path)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--before", help="another seqrec-http, for the parts mixes and paired")
    parser.add_argument("--before-commit", help="in its place, for the part paired")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--gap-seconds", type=int, default=5)
    arguments = parser.parse_args()
    report = {"benchmark": "http_service", "load_before": os.getloadavg()[0]}
    parts = arguments.part.split(",")
    if not set(parts) <= WITHOUT_SERVER:
        start_server()
    for name in parts:
        note(name)
        needed = {"reference": arguments.reference, "paired": arguments.before or arguments.before_commit}
        if name in needed and needed[name] is None:
            report[name] = {"left_out": "no --reference" if name == "reference" else "no --before, no --before-commit"}
            continue
        report[name] = PARTS[name](arguments)
        note(json.dumps(report[name]))
    report["load_after"] = os.getloadavg()[0]
    print(json.dumps(report, indent=1))
    if any(isinstance(part, dict) and part.get("faults") for part in report.values()):
        sys.exit("memory grew, or something was not answered with 504")


def start_server():
    """All of this again inside of a private server, or on in it."""
    if "PGHOST" not in os.environ or not os.path.exists(os.path.join(os.environ["PGHOST"], "server.log")):
        os.execv(str(ROOT / "demo" / "cluster.sh"),
                 ["cluster.sh", sys.executable, os.path.abspath(__file__), *sys.argv[1:]])
    sql("CREATE EXTENSION IF NOT EXISTS seqrec")
    serving.restart_with(shared_buffers="3GB", max_wal_size="8GB")


if __name__ == "__main__":
    main()
