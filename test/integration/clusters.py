"""What tests need that the one private server of cluster.sh does not have: settings of its start, a second server."""

import contextlib
import os
import subprocess

from testing import end_when_told

FOLDER = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(FOLDER))

end_when_told()


def shell(commands, **environment):
    """Runs bash with the functions of cluster.sh."""
    script = f"set -euo pipefail; source {FOLDER}/../../demo/cluster.sh; {commands}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=120, env=os.environ | environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def in_server(name):
    """A file of the server's data folder."""
    return os.path.join(os.environ["PGDATA"], name)


def restart_with(settings):
    """Adds lines to the server's postgresql.conf and restarts it."""
    with open(in_server("postgresql.conf"), "a", encoding="utf-8") as file:
        file.write(settings + "\n")
    shell("cluster_pg_ctl restart", CLUSTER=os.environ["PGHOST"])


class Cluster:
    """A server of its own inside the folder of the first one, so that nothing is left when the test is killed."""

    def __init__(self, database, *settings):
        arguments = " ".join(f"'{setting}'" for setting in (database, *settings))
        folder, data = shell(f'cluster_start {arguments}; echo "$CLUSTER $PGDATA"', TMPDIR=os.environ["PGHOST"]).split()[-2:]
        self.environment = {"PGHOST": folder, "PGDATA": data, "PGDATABASE": database, "CLUSTER": folder}

    @contextlib.contextmanager
    def entered(self):
        """Inside it everything that testing.py does is done on this server."""
        before = {name: os.environ.get(name) for name in self.environment}
        os.environ.update(self.environment)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value

    def stop(self):
        shell("cluster_stop", **self.environment)
