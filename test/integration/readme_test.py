#!/usr/bin/python3
"""What README says to type about settings and dumps, typed as it stands there, in either language."""

import os
import re
import subprocess

from clusters import ROOT, restart_with
from testing import main, make_ratings, refused, script, sql, wait_for

READMES = {"README.md": ("**Settings**", "**Dump and restore.**"), "README.zh-CN.md": ("**设置**", "**备份与恢复。**")}
KNOWS = "LOAD 'seqrec';\n"
ASK = "SELECT string_agg(item_id || '=' || score, ' ' ORDER BY rank) FROM seqrec_recommend('u1', ARRAY['i1', 'i9'], 20)"


def section(readme, begin):
    """From a word in bold to the next one."""
    with open(os.path.join(ROOT, readme), encoding="utf-8") as file:
        return re.split(r"\n\*\*", file.read().split("\n" + begin, 1)[1], maxsplit=1)[0]


def statements(readme, begin):
    return re.search(r"```sql\n(.*?)```", section(readme, begin), re.DOTALL)[1]


def keep_versions():
    return script(KNOWS + "SHOW seqrec.keep_versions;").strip()


def reset(setting):
    script(KNOWS + f"ALTER SYSTEM RESET {setting};\nSELECT pg_reload_conf();")


def settings_are_set_as_it_says():
    """A server that has once read such a setting from its files knows its name from then on, until it is restarted."""
    restart_with("")
    if int(sql("SHOW server_version_num")) < 170000:
        refused("ALTER SYSTEM SET seqrec.keep_versions = 10", "42704", "unrecognized")
    for readme, (settings, _) in READMES.items():
        said = script(statements(readme, settings))
        assert "ERROR" not in said, f"{readme}: {said}"
        wait_for(lambda: keep_versions() == "10", f"what {readme} sets")
        reset("seqrec.keep_versions")
        wait_for(lambda: keep_versions() == "5", "the default")


def a_preloaded_library_needs_no_load():
    sql("ALTER SYSTEM SET session_preload_libraries = 'seqrec'")
    sql("SELECT pg_reload_conf()")
    wait_for(lambda: "ERROR" not in script("SHOW seqrec.keep_versions;"), "a session that has the library")
    sql("ALTER SYSTEM SET seqrec.keep_versions = 7")
    sql("SELECT pg_reload_conf()")
    wait_for(lambda: script("SHOW seqrec.keep_versions;").strip() == "7", "the setting")
    for setting in ("seqrec.keep_versions", "session_preload_libraries"):
        reset(setting)
    wait_for(lambda: sql("SHOW session_preload_libraries") == "", "sessions without the library")


def every_setting_is_told_with_its_default():
    there = dict(line.split("|") for line in script(KNOWS + r"SELECT name, boot_val FROM pg_settings WHERE name LIKE 'seqrec.%';").split())
    assert len(there) > 5, there
    for readme, (settings, _) in READMES.items():
        told = dict(re.findall(r"^\| `(seqrec\.\w+)` \| *`?([^|` ]*)[^|]*\|", section(readme, settings), re.MULTILINE))
        assert told == there, f"{readme}: {set(told.items()) ^ set(there.items())}"


def dump_as_owner(file):
    return subprocess.run(["pg_dump", "-Fc", "-U", "shop_owner", "-f", file], capture_output=True, text=True, timeout=120)


def the_databases_owner_dumps_it():
    """Who is no superuser, with models of others in the database; what is restored answers as before."""
    sql("CREATE ROLE shop_owner LOGIN; CREATE ROLE other LOGIN; ALTER DATABASE seqrec_test OWNER TO shop_owner; ALTER TABLE ratings OWNER TO shop_owner")
    sql("GRANT EXECUTE ON FUNCTION seqrec_train TO other; GRANT SELECT ON ratings TO other")
    number = sql("""SELECT seqrec_train('ratings', options => '{"epochs": 2, "dim": 16, "max_len": 20}')""", user="other")
    sql(f"CALL seqrec_wait({number})")
    expected, file = sql(ASK), os.path.join(os.environ["PGHOST"], "owner.dump")
    for readme, (_, dumps) in READMES.items():
        done = dump_as_owner(file)
        assert done.returncode != 0 and "permission denied" in done.stderr, done.stderr
        script("BEGIN;\n" + statements(readme, dumps) + "COMMIT;")
        done = dump_as_owner(file)
        assert done.returncode == 0, f"{readme}: {done.stderr}"
        sql("REVOKE SELECT ON ALL TABLES IN SCHEMA seqrec FROM shop_owner; REVOKE SELECT ON ALL SEQUENCES IN SCHEMA seqrec FROM shop_owner")
    sql("GRANT pg_read_all_data TO shop_owner")
    done = dump_as_owner(file)
    assert done.returncode == 0, done.stderr
    subprocess.run(["createdb", "restored"], check=True)
    subprocess.run(["pg_restore", "--exit-on-error", "-d", "restored", file], check=True)
    assert sql(ASK, database="restored") == expected
    number = sql("""SELECT seqrec_train('ratings', 'more', options => '{"epochs": 1, "dim": 16}')""", database="restored")
    assert int(number) > int(sql("SELECT max(job_id) FROM seqrec.jobs")), "the sequences were not dumped"
    sql(f"CALL seqrec_wait({number})", database="restored")


if __name__ == "__main__":
    sql("CREATE EXTENSION seqrec")
    make_ratings()
    main(settings_are_set_as_it_says, a_preloaded_library_needs_no_load, every_setting_is_told_with_its_default, the_databases_owner_dumps_it)
