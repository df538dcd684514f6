#!/usr/bin/python3
"""Logical replication: a server that subscribes to the tables of seqrec serves what its publisher trains."""

import glob
import os

from clusters import Cluster, restart_with
from testing import Session, main, make_ratings, sql, wait_for

SHORT = """'{"epochs": 2, "dim": 16, "max_len": 20}'"""
ASK = "SELECT string_agg(item_id || '=' || score, ' ' ORDER BY rank) FROM seqrec_recommend('u1', ARRAY['i1', 'i9', 'i4'], 20, '%s')"
WHICH = "SELECT seqrec_recommend_info('u1', ARRAY['i1'])->>'model_id'"
ACTIVE = "SELECT model_id FROM seqrec_models WHERE model = 'default' AND active"
TRAINER = "Shop Trainer"  # a name that has to be quoted wherever it is written
SLOTS = ("max_worker_processes=30", "max_logical_replication_workers=15", "wal_retrieve_retry_interval=200ms")
servers = {}


def train(model="default", table="ratings"):
    number = sql(f"SELECT seqrec_train('{table}', '{model}', options => {SHORT})", user=TRAINER)
    sql(f"CALL seqrec_wait({number})")
    return int(number)


def there(statement, database=None):
    """Runs a statement on the subscriber."""
    with servers["subscriber"].entered():
        return sql(statement, database=database)


def session_there():
    with servers["subscriber"].entered():
        session = Session()
    session.run("\\set VERBOSITY verbose")
    return session


def prepare(database=None):
    """What a database needs before rows of models can come: the extension, the roles, the table."""
    sql("CREATE EXTENSION seqrec", database=database)
    sql("CREATE TABLE ratings (user_id text, item_id text, timestamp timestamptz)", database=database)
    sql(f'GRANT ALL ON ratings TO "{TRAINER}"; GRANT EXECUTE ON FUNCTION seqrec_train TO "{TRAINER}"', database=database)


def subscribe(name, publication, database=None):
    source = f"host={os.environ['PGHOST']} port={os.environ['PGPORT']} user=postgres dbname={os.environ['PGDATABASE']}"
    there(f"CREATE SUBSCRIPTION {name} CONNECTION '{source}' PUBLICATION {publication}", database)


def in_step(database=None):
    """Waits until the subscriber has what the publisher has, and returns it."""
    rows = (
        "SELECT (SELECT array_agg((model_id, version, active, owner) ORDER BY model_id) FROM seqrec.models), "
        "(SELECT array_agg((job_id, uuid, state, owner) ORDER BY job_id) FROM seqrec.jobs), "
        "(SELECT count(*) FROM seqrec.items), (SELECT count(*) FROM seqrec.users), (SELECT count(*) FROM seqrec.weights), "
        "(SELECT count(*) FROM ratings)"
    )
    here = sql(rows)
    wait_for(lambda: there(rows, database) == here, f"the rows of the publisher: {here}")
    return here


def model_arrives():
    train()
    train()
    in_step()
    assert there(ASK % "default") == sql(ASK % "default")
    assert there("SELECT DISTINCT owner FROM seqrec_models") == TRAINER
    assert there("SELECT DISTINCT owner || state FROM seqrec_jobs") == TRAINER + "done"


def source_is_bound_to_the_table_there():
    bound = (
        "SELECT bool_and(source->>'system' = (SELECT system_identifier::text FROM pg_control_system()) "
        "AND (source->>'relation_id')::oid = 'ratings'::regclass) FROM seqrec.{}"
    )
    for table in ("models", "jobs"):
        assert sql(bound.format(table)) == "t", table
        assert there(bound.format(table)) == "t", table
    assert sql("SELECT system_identifier FROM pg_control_system()") != there("SELECT system_identifier FROM pg_control_system()")


def own_history_is_that_of_the_table_there():
    latest = "SELECT item_id FROM seqrec_history('u1', 1)"
    assert there(latest) == sql(latest)
    there("INSERT INTO ratings VALUES ('u1', 'only there', now())")
    assert there(latest) == "only there"
    assert sql(latest) != "only there"
    assert there("SELECT seqrec_recommend_info('u1')->>'unknown_items'") == '["only there"]'
    there("DELETE FROM ratings WHERE item_id = 'only there'")


def changed_rows_stay_bound():
    """A changed row comes with the publisher's source again; the table that another now has the name of is still meant."""
    there("ALTER TABLE ratings RENAME TO trained_on; CREATE TABLE ratings (LIKE trained_on)")
    sql("UPDATE seqrec.models SET metrics = metrics || '{\"changed\": true}', source = source")
    wait_for(lambda: there("SELECT bool_and(metrics ? 'changed') FROM seqrec.models") == "t", "the change")
    assert there("SELECT bool_and((source->>'relation_id')::oid = 'trained_on'::regclass) FROM seqrec.models") == "t"
    assert there("SELECT count(*) > 0 FROM seqrec_history('u1')") == "t", "the new table's history"
    there("DROP TABLE ratings; ALTER TABLE trained_on RENAME TO ratings")


def open_session_follows_an_activation():
    older, active = sql("SELECT min(model_id) FROM seqrec_models"), sql(ACTIVE)
    assert older != active
    session = session_there()
    assert session.run(WHICH + ";") == active
    sql(f"SELECT seqrec_activate({older})")
    wait_for(lambda: session.run(WHICH + ";") == older, "the session to follow", 10)
    sql(f"SELECT seqrec_activate({active})")
    wait_for(lambda: session.run(WHICH + ";") == active, "the session to follow back", 10)
    session.close()


def half_a_model_is_refused():
    """Tables that are subscribed to one by one: nothing is answered from a part, and all is when all is there."""
    with servers["subscriber"].entered():
        sql("CREATE DATABASE halves")
        prepare("halves")
        session = Session()
        session.run("\\connect halves")
        session.run("\\set VERBOSITY verbose")
    for table in ("models", "users", "items", "weights"):
        said = session.run(ASK % "default" + ";")
        if table == "models":
            assert "42704" in said, said
        else:
            assert "55000" in said and "are missing" in said and "HINT:  Where the tables" in said, f"before {table}: {said}"
        sql(f"CREATE PUBLICATION only_{table} FOR TABLE seqrec.{table}")
        subscribe(f"halves_{table}", f"only_{table}", "halves")
        count = f"SELECT count(*) FROM seqrec.{table}"
        wait_for(lambda: there(count, "halves") == sql(count), f"the rows of {table}")
    wait_for(lambda: session.run(ASK % "default" + ";") == sql(ASK % "default"), "the next attempt at the snapshot", 10)
    folder = os.path.join(servers["subscriber"].environment["PGDATA"], "seqrec")
    assert not glob.glob(os.path.join(folder, "*", "*.tmp.*")), "a refused build left a file"
    session.close()


def both_train_when_the_numbers_are_apart():
    """Sequences are not replicated: a subscriber that trains too takes its numbers from elsewhere."""
    there("SELECT setval('seqrec.jobs_job_id_seq', 1000000), setval('seqrec.models_model_id_seq', 1000000)", "halves")
    there("INSERT INTO ratings SELECT 'u' || g % 50, 'i' || g % 20, now() + g * interval '1 s' FROM generate_series(1, 500) g", "halves")
    number = there(f"SELECT seqrec_train('ratings', 'own', options => {SHORT})", "halves")
    there(f"CALL seqrec_wait({number})", "halves")
    assert there("SELECT min(model_id) > 1000000 FROM seqrec_models WHERE model = 'own'", "halves") == "t"
    train()
    active = sql(ACTIVE)
    wait_for(lambda: there(ACTIVE, "halves") == active, "the publisher's next version", 20)
    assert there(ASK % "default", "halves") == sql(ASK % "default")
    assert there("SELECT count(*) FROM seqrec_recommend('u1', ARRAY['i1'], 5, 'own')", "halves") == "5"


def halves_go():
    for table in ("models", "users", "items", "weights"):
        there(f"DROP SUBSCRIPTION halves_{table}", "halves")
        sql(f"DROP PUBLICATION only_{table}")
    there("DROP DATABASE halves")


def files_of_dropped_versions_go():
    """Who only serves never sweeps after a training; files go when the next version is opened."""
    folder = os.path.join(servers["subscriber"].environment["PGDATA"], "seqrec", there("SELECT oid FROM pg_database WHERE datname = current_database()"))
    in_step()
    older = sql("SELECT min(model_id) FROM seqrec_models")
    version = sql(f"SELECT version FROM seqrec_models WHERE model_id = {older}")
    path = os.path.join(folder, f"{version}.safetensors")
    assert os.path.exists(path), "the version was never served"
    sql(f"SELECT seqrec_drop({older})")
    train()
    in_step()
    assert there(WHICH) == sql(ACTIVE)
    assert not os.path.exists(path), os.listdir(folder)


def subscriber_trains_too():
    """Its numbers are those after the highest that has come, whatever its own sequences say."""
    highest = "SELECT greatest((SELECT max(job_id) FROM seqrec.jobs), (SELECT max(model_id) FROM seqrec.models))"
    in_step()
    most = int(sql(highest))
    with servers["subscriber"].entered():
        number = train("own")
        assert sql(f"SELECT state FROM seqrec_jobs WHERE job_id = {number}") == "done"
        assert number > int(sql("SELECT max(job_id) FROM seqrec.jobs WHERE model = 'default'"))
        assert sql(ASK % "own")
        assert sql("SELECT last_value FROM seqrec.models_model_id_seq") == sql("SELECT max(model_id) FROM seqrec.models")
    assert int(sql(highest)) == most, "it came to the publisher"


def open_session_follows_the_last_drop():
    session = session_there()
    assert session.run(WHICH + ";") == sql(ACTIVE)
    sql("SELECT seqrec_drop(model_id) FROM seqrec_models")
    wait_for(lambda: "42704" in (said := session.run(WHICH + ";")) and "does not exist" in said, "the model's end", 10)
    assert session.run("SELECT count(*) FROM seqrec_recommend('u1', ARRAY['i1'], 5, 'own');") == "5", "its own model went too"
    session.close()


if __name__ == "__main__":
    restart_with("wal_level = logical\nmax_wal_senders = 20\nmax_replication_slots = 20")
    servers["subscriber"] = Cluster(os.environ["PGDATABASE"], *SLOTS)
    try:
        for run in (sql, there):
            run(f'CREATE ROLE "{TRAINER}" LOGIN')
        with servers["subscriber"].entered():
            prepare()
        sql("CREATE EXTENSION seqrec")
        make_ratings()
        sql(f'GRANT SELECT ON ratings TO "{TRAINER}"; GRANT EXECUTE ON FUNCTION seqrec_train TO "{TRAINER}"')
        sql("CREATE PUBLICATION everything FOR TABLES IN SCHEMA seqrec, TABLE ratings")
        subscribe("everything", "everything")
        main(
            model_arrives,
            source_is_bound_to_the_table_there,
            own_history_is_that_of_the_table_there,
            changed_rows_stay_bound,
            open_session_follows_an_activation,
            half_a_model_is_refused,
            both_train_when_the_numbers_are_apart,
            halves_go,
            files_of_dropped_versions_go,
            subscriber_trains_too,
            open_session_follows_the_last_drop,
        )
    finally:
        servers["subscriber"].stop()
