"""The kind of test/fixtures/ in a server of its own, for the tests that need a kind with what others lack."""

import os
import shutil
import subprocess

from clusters import ROOT, restart_with
from testing import make_ratings, sql

KIND = "category_popularity"
FIXTURE = os.path.join(os.environ["PGHOST"], "fixture")


def libraries(path, database=None):
    sql(f"UPDATE pg_proc SET probin = '{path}' WHERE probin IN ('seqrec', '$libdir/seqrec')", database=database)


def install_fixture():
    """The extension and the trainer with one kind more, in a folder of this server's; others go on with the installed ones."""
    os.mkdir(FIXTURE)
    for name in ("seqrec.so", "seqrec-trainer"):
        shutil.copy(os.path.join(ROOT, "build", "fixture", name), FIXTURE)
    subprocess.run(["chmod", "-R", "a+rX", FIXTURE], check=True)
    restart_with(f"dynamic_library_path = '{FIXTURE}:$libdir'\nseqrec.trainer = '{FIXTURE}/seqrec-trainer'")
    sql("CREATE EXTENSION seqrec")
    libraries("seqrec")
    make_ratings()
