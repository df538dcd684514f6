#!/usr/bin/python3
"""The main job end to end on real data, beside the plain PyTorch/Flask service on the same file.

usage: bench/main_job.py RATINGS.csv[.gz] [--options JSON] [--reference DIR] [--reference-seconds S] [--load-seconds S]

RATINGS.csv has the header user_id,item_id,timestamp with integer ids. Starts a private PostgreSQL (the extension
must be installed), trains, measures SQL and HTTP, then the reference service (DIR holds train.py and app.py), each
alone on the machine, and prints one JSON object: figures, and ratios to the reference. Needs wrk and pgbench.
"""

import argparse
import gzip
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CLICKS = 20
sys.path.insert(0, str(ROOT / "test" / "integration"))


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))]


def unpack(path, folder):
    target = Path(folder) / "ratings.csv"
    source = gzip.open(path, "rb") if str(path).endswith(".gz") else open(path, "rb")
    with source, open(target, "wb") as out:
        shutil.copyfileobj(source, out)
    target.chmod(0o644)
    return target


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_http(url, seconds=60):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"no answer from {url}")


def wrk(port, connections, seconds, script):
    """requests/s, p50 and p99 in ms, errors."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(script), f"http://127.0.0.1:{port}"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    line = next(line for line in text.splitlines() if line.startswith("RESULT "))
    return json.loads(line[len("RESULT ") :])


WRK_SCRIPT = """
math.randomseed(1)
local bodies = {}
for line in io.lines(BODIES) do bodies[#bodies + 1] = line end
wrk.method = "POST"
wrk.path = "/recommend"
wrk.headers["Content-Type"] = "application/json"
request = function() return wrk.format(nil, nil, nil, bodies[math.random(#bodies)]) end
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('RESULT {"requests_per_s": %.1f, "p50_ms": %.3f, "p99_ms": %.3f, "errors": %d}\\n',
    summary.requests / (summary.duration / 1e6), latency:percentile(50) / 1000, latency:percentile(99) / 1000,
    e.connect + e.read + e.write + e.status + e.timeout))
end
"""


def write_bodies(csv, folder):
    """Requests of real users: their last clicks but one each; the same bodies for both services."""
    histories = {}
    with open(csv, encoding="utf-8") as rows:
        next(rows)
        for row in rows:
            user, item, _ = row.strip().split(",")
            histories.setdefault(user, []).append(item)
    bodies = Path(folder) / "bodies.txt"
    with open(bodies, "w", encoding="utf-8") as out:
        for user, items in list(histories.items())[:1000]:
            out.write(json.dumps({"user_id": user, "recent_clicks": items[-CLICKS - 1 : -1], "top_k": 10}) + "\n")
    script = Path(folder) / "recommend.lua"
    script.write_text(f'local BODIES = "{bodies}"\n' + WRK_SCRIPT)
    return script, histories


def pgbench(folder, statement, users, clients=1, seconds=10):
    """p50 and p99 in microseconds and calls/s of a prepared statement in warm backends."""
    script = Path(folder) / "call.sql"
    script.write_text("\\set user random(1, %d)\n%s\n" % (users, statement))
    prefix = Path(folder) / "pgbench"
    for old in Path(folder).glob("pgbench.*"):
        old.unlink()
    command = ["pgbench", "-n", "-M", "prepared", "-c", str(clients), "-j", "1", "-T", str(seconds), "-l"]
    done = subprocess.run(
        [*command, "--log-prefix", str(prefix), "-f", str(script)], capture_output=True, text=True, check=True, cwd=folder
    )
    rate = float(next(line for line in done.stdout.splitlines() if line.startswith("tps")).split()[2])
    times = [int(line.split()[2]) for log in Path(folder).glob("pgbench.*") for line in open(log, encoding="utf-8")]
    return {"p50_us": percentile(times, 0.5), "p99_us": percentile(times, 0.99), "calls_per_s": round(rate, 1)}


def first_calls(statement, count=20):
    """The first call of a new connection, connect excluded, beside the second one, in ms (medians)."""
    first, second = [], []
    for _ in range(count):
        text = f"\\timing on\n{statement}\n{statement}\n"
        done = subprocess.run(["psql", "-XqAt", "-f", "-"], input=text, capture_output=True, text=True, check=True)
        times = [float(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("Time:")]
        first.append(times[0])
        second.append(times[1])
    return {"first_ms": statistics.median(first), "second_ms": statistics.median(second)}


def memory_of(pid):
    """Resident memory in kB: all, and what no other process shares."""
    fields = {}
    with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as rollup:
        for line in rollup:
            name, _, rest = line.partition(":")
            if rest.strip().endswith("kB"):
                fields[name] = int(rest.split()[0])
    return {"resident_kb": fields["Rss"], "private_kb": fields["Private_Clean"] + fields["Private_Dirty"]}


def backend_memory(statement):
    from testing import Session

    session = Session()
    pid = int(session.run("SELECT pg_backend_pid();"))
    session.run("SELECT count(*) FROM pg_class;")
    before = memory_of(pid)
    for _ in range(10):
        session.run(statement)
    after = memory_of(pid)
    session.close()
    return {"before": before, "serving": after}


def train(csv, options):
    from testing import sql

    sql("CREATE EXTENSION seqrec; CREATE TABLE ratings (user_id int, item_id int, timestamp bigint)")
    subprocess.run(["psql", "-Xq", "-c", f"\\copy ratings FROM '{csv}' (FORMAT csv, HEADER)"], check=True)
    sql("CREATE INDEX ON ratings (user_id, timestamp); ANALYZE ratings")
    job = sql(f"SELECT seqrec_train('ratings', options => $${options}$$)")
    start = time.monotonic()
    while sql(f"SELECT state IN ('done', 'failed', 'cancelled', 'interrupted') FROM seqrec_jobs WHERE job_id = {job}") != "t":
        time.sleep(2)
        if int(time.monotonic() - start) % 60 < 2:
            progress = sql(f"SELECT state, percent, epoch, labels_per_s, metrics->'validation' FROM seqrec_jobs WHERE job_id = {job}")
            print(progress, file=sys.stderr, flush=True)
    row = sql(f"SELECT to_jsonb(j) FROM seqrec_jobs j WHERE job_id = {job}")
    row = json.loads(row)
    if row["state"] != "done":
        raise RuntimeError(row["error"])
    best = sql(f"SELECT extract(epoch FROM l.at - j.started_at) FROM seqrec_job_log l JOIN seqrec_jobs j USING (job_id) "
               f"WHERE job_id = {job} AND l.epoch = (j.metrics->>'best_epoch')::int")
    return row["metrics"] | {"seconds_to_best_epoch": float(best or 0)}


def measure_seqrec(csv, folder, options, seconds):
    script, histories = write_bodies(csv, folder)
    result = {"training": train(csv, options)}
    user, clicks = next((u, h[-CLICKS:]) for u, h in histories.items() if len(h) > CLICKS)
    array = "ARRAY[" + ",".join(f"'{c}'" for c in clicks) + "]"
    users = len(histories)
    with_clicks = f"SELECT * FROM seqrec_recommend(:user::text, {array}, 10);"
    result["sql_20_clicks"] = pgbench(folder, with_clicks, users, seconds=seconds)
    result["sql_20_clicks_2_clients"] = pgbench(folder, with_clicks, users, clients=2, seconds=seconds)
    result["sql_own_history"] = pgbench(folder, "SELECT * FROM seqrec_recommend(:user::text);", users, seconds=seconds)
    result["sql_nothing"] = pgbench(folder, "SELECT :user;", users, seconds=seconds)
    one = f"SELECT * FROM seqrec_recommend('{user}', {array}, 10);"
    result["new_connection"] = first_calls(one)
    result["backend_memory"] = backend_memory(one)
    port = free_port()
    environment = os.environ | {"SEQREC_LISTEN": f"127.0.0.1:{port}", "SEQREC_ACCESS_LOG": "off"}
    bindir = subprocess.run([os.environ.get("PG_CONFIG", "pg_config"), "--bindir"], capture_output=True, text=True, check=True)
    server = subprocess.Popen([f"{bindir.stdout.strip()}/seqrec-http"], env=environment, stdout=subprocess.DEVNULL)
    try:
        wait_for_http(f"http://127.0.0.1:{port}/readyz")
        for connections in (1, 4, 16):
            result[f"http_{connections}"] = wrk(port, connections, seconds, script)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=30)
    return result


def measure_reference(csv, folder, reference, train_seconds, seconds):
    out = Path(folder) / "reference"
    script, _ = write_bodies(csv, folder)
    command = ["/usr/bin/python3", str(reference / "train.py"), str(csv), str(out), "--epochs", "1", "--seconds", str(train_seconds)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    result = {"training": json.loads(lines[-1])}
    port = free_port()
    server = subprocess.Popen(
        ["/usr/bin/python3", str(reference / "app.py"), str(out), str(port)],
        env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    try:
        wait_for_http(f"http://127.0.0.1:{port}/")
        for connections in (1, 4, 16):
            result[f"http_{connections}"] = wrk(port, connections, seconds, script)
    finally:
        server.terminate()
        server.wait(timeout=30)
    return result


def ratios(ours, theirs):
    best = max(theirs[f"http_{c}"]["requests_per_s"] for c in (1, 4, 16))
    return {
        "labels_per_s": round(ours["training"]["labels_per_s"] / theirs["training"]["labels_per_s"], 1),
        "hr@10_difference": round(ours["training"]["hr@10"] - theirs["training"]["hr@10"], 4),
        "http_16_connections_to_their_best": round(ours["http_16"]["requests_per_s"] / best, 1),
        "http_1_connection": round(ours["http_1"]["requests_per_s"] / theirs["http_1"]["requests_per_s"], 1),
        "http_1_connection_p50": round(theirs["http_1"]["p50_ms"] / ours["http_1"]["p50_ms"], 1),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ratings")
    parser.add_argument("--options", default="{}")
    parser.add_argument("--reference", type=Path)
    parser.add_argument("--reference-seconds", type=float, default=60)
    parser.add_argument("--load-seconds", type=int, default=10)
    arguments = parser.parse_args()
    if "PGHOST" not in os.environ or not os.path.exists(os.path.join(os.environ["PGHOST"], "server.log")):
        os.execv(str(ROOT / "demo" / "cluster.sh"), ["cluster.sh", sys.executable, *[os.path.abspath(__file__)], *sys.argv[1:]])
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        csv = unpack(arguments.ratings, folder)
        result = {"seqrec": measure_seqrec(csv, folder, arguments.options, arguments.load_seconds)}
        if arguments.reference:
            result["reference"] = measure_reference(
                csv, folder, arguments.reference, arguments.reference_seconds, arguments.load_seconds
            )
            result["ratios"] = ratios(result["seqrec"], result["reference"])
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
