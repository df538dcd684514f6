"""What the integration tests share: SQL through psql, waiting, counting."""

import os
import signal
import stat
import subprocess
import sys
import time


def end_when_told():
    """From here on a signal ends the test by an exception, so that servers it started are stopped too; once, for that takes a moment."""

    def told(number, _):
        signal.signal(number, signal.SIG_IGN)
        sys.exit(128 + number)

    signal.signal(signal.SIGTERM, told)


class SqlError(Exception):
    """A failed statement; str() holds psql's whole message, SQLSTATE included."""


def psql(*arguments, **options):
    command = ["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=verbose", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, **options)


def sql(statement, user=None, database=None):
    """Runs a statement in a connection of its own and returns its output, stripped."""
    arguments = ["-c", statement]
    if user:
        arguments += ["-U", user]
    if database:
        arguments += ["-d", database]
    done = psql(*arguments)
    if done.returncode != 0:
        raise SqlError(done.stderr)
    return done.stdout.strip()


def refused(statement, *parts, user=None, database=None):
    """Expects an error whose text, SQLSTATE and hint included, has all of the parts."""
    try:
        said = sql(statement, user=user, database=database)
    except SqlError as error:
        for part in parts:
            assert part in str(error), f"no {part!r} in: {error}"
        return
    raise AssertionError(f"no error but {said!r}: {statement}")


def script(text, user=None):
    """Runs several statements in one connection, notices included in what it returns."""
    done = psql(*(["-U", user] if user else []), "-f", "-", input=text)
    return done.stdout + done.stderr


class Session:
    """A connection that stays open, for transactions that overlap with others."""

    def __init__(self):
        self.process = subprocess.Popen(
            ["psql", "-XqAt"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def run(self, statement):
        """Runs a statement and returns its output, once it is there."""
        self.process.stdin.write(statement + "\n\\echo --end--\n")
        self.process.stdin.flush()
        lines = []
        for line in self.process.stdout:
            if line == "--end--\n":
                return "".join(lines).strip()
            lines.append(line)
        raise SqlError("connection lost: " + "".join(lines))

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=30)


def wait_for(condition, what, seconds=60, poll=0.05):
    """Polls until condition() is true and returns what it gave."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found = condition()
        if found:
            return found
        time.sleep(poll)
    raise AssertionError(f"waited {seconds} s in vain for {what}")


def server_log():
    with open(os.path.join(os.environ["PGHOST"], "server.log"), encoding="utf-8", errors="replace") as log:
        return log.read()


def with_trainer(body, setting, act):
    """Calls act() while trainings are done by a shell script, or with other settings when it is empty."""
    path = os.path.join(os.environ["PGHOST"], "fake-trainer")
    with open(path, "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\n" + body)
    os.chmod(path, stat.S_IRWXU | stat.S_IRGRP | stat.S_IXGRP | stat.S_IROTH | stat.S_IXOTH)
    names = {**({"seqrec.trainer": path} if body else {}), **setting}

    def shown(name):
        return script(f"LOAD 'seqrec';\nSHOW {name};").strip()

    before = {name: shown(name) for name in names}
    script("LOAD 'seqrec';\n" + "".join(f"ALTER SYSTEM SET {name} = '{value}';\n" for name, value in names.items()) + "SELECT pg_reload_conf();")
    try:
        for name, value in names.items():
            wait_for(lambda: shown(name) == value, name)
        act()
    finally:
        script("LOAD 'seqrec';\n" + "".join(f"ALTER SYSTEM RESET {name};\n" for name in names) + "SELECT pg_reload_conf();")
        for name, value in before.items():
            wait_for(lambda: shown(name) == value, f"{name} of before")


def make_ratings(name="ratings", users=300, items=60, length=12):
    """A table with a cycle in it: item i is mostly followed by item i + 1."""
    sql(
        f"""CREATE TABLE {name} (user_id text, item_id text, timestamp timestamptz);
            INSERT INTO {name}
            SELECT 'u' || u, 'i' || (u * 7 + g + CASE WHEN (u * 31 + g * 17) % 11 = 0 THEN 5 ELSE 0 END) % {items},
                   timestamptz '2026-01-01' + make_interval(hours => u + g)
            FROM generate_series(1, {users}) u, generate_series(1, {length}) g"""
    )


def after(*earlier):
    """Marks a test that stands on what others have left: named alone it runs after them."""

    def mark(test):
        test.after = earlier
        return test

    return mark


def with_earlier(tests):
    """The tests, those that they stand on before them, each once."""
    found = {}
    for test in tests:
        found |= dict.fromkeys([*with_earlier(getattr(test, "after", ())), test])
    return list(found)


def main(*tests):
    """Runs the tests in order, or those named on the command line in theirs, and prints a line for each, then the line that the runner
    counts."""
    named = {test.__name__: test for test in tests}
    tests = with_earlier([named[name] for name in sys.argv[1:]] or tests)
    failed = 0
    for test in tests:
        start = time.monotonic()
        try:
            test()
            print(f"ok      {test.__name__} ({time.monotonic() - start:.1f} s)", flush=True)
        except Exception as error:  # a test may fail in any way; the others still run
            failed += 1
            print(f"FAILED  {test.__name__}: {type(error).__name__}: {error}", flush=True)
    print(f"{len(tests) - failed} passed, {failed} failed", flush=True)
    raise SystemExit(1 if failed else 0)
