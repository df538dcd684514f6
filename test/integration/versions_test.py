#!/usr/bin/python3
"""Which version of a model is served after a training: activate, pin, and what the job's row says of it."""

import contextlib
import json
import os

from clusters import in_server
from testing import Session, main, make_ratings, refused, sql, wait_for, with_trainer

OPTIONS = {"epochs": 1, "dim": 8, "max_len": 5}


def start(user=None, **options):
    return int(sql(f"SELECT seqrec_train('ratings', options => '{json.dumps(OPTIONS | options)}')", user=user))


def train(user=None, **options):
    """The version that a training made."""
    number = start(user, **options)
    sql(f"CALL seqrec_wait({number})")
    return int(sql(f"SELECT model_id FROM seqrec_jobs WHERE job_id = {number}"))


def active():
    return int(sql("SELECT model_id FROM seqrec_models WHERE active") or 0)


def pinned():
    return int(sql("SELECT model_id FROM seqrec_models WHERE pinned") or 0)


def said(version):
    """What the job's row says: whether it activated the version, and the last warning about that."""
    row = sql(f"""SELECT json_build_array((metrics->>'activated')::boolean,
                                          (SELECT w FROM unnest(warnings) w WHERE w LIKE 'the version was%' LIMIT 1))
                  FROM seqrec_jobs WHERE model_id = {version} ORDER BY job_id DESC LIMIT 1""")
    return json.loads(row)


def expect_kept(version, before, why):
    assert active() == before, f"{active()} is active, not {before}"
    activated, warning = said(version)
    assert activated is False and why in warning and f"seqrec_activate({version})" in warning, (activated, warning)


def expect_activated(version, why=None):
    assert active() == version, f"{active()} is active, not {version}"
    activated, warning = said(version)
    assert activated is True and (warning is None if why is None else why in warning), (activated, warning)


@contextlib.contextmanager
def ranked(difference, error):
    """As if the trainer had found this when it ranked the held-out rows with both versions."""
    sql(f"""CREATE FUNCTION as_ranked() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                NEW.metrics := NEW.metrics || jsonb_build_object('ndcg@10_difference', {difference}, 'ndcg@10_standard_error', {error}, 'rows', random());  -- other data
                RETURN NEW;
            END $$;
            CREATE TRIGGER as_ranked BEFORE INSERT OR UPDATE OF metrics ON seqrec.models FOR EACH ROW EXECUTE FUNCTION as_ranked()""")
    try:
        yield
    finally:
        sql("DROP TRIGGER as_ranked ON seqrec.models; DROP FUNCTION as_ranked()")


def never_activates_nothing():
    version = train(activate="never")
    expect_kept(version, 0, '"never"')
    sql(f"SELECT seqrec_activate({version})")
    later = train(activate="never")
    expect_kept(later, version, '"never"')


def always_is_the_default():
    expect_activated(train())
    expect_activated(train(activate="always"))


def a_pinned_version_stays():
    kept, newer = active(), train()
    sql(f"SELECT seqrec_activate({kept}); SELECT seqrec_pin('default')")
    assert pinned() == kept
    for how in ("always", "better", "never"):
        version = train(activate=how)
        expect_kept(version, kept, "is pinned" if how != "never" else '"never"')
    assert pinned() == kept
    sql(f"SELECT seqrec_activate({newer})")
    assert active() == newer and not pinned()
    expect_activated(train())
    sql("SELECT seqrec_pin()")
    sql(f"SELECT seqrec_activate({active()})")
    assert not pinned(), "activating the active version does not unpin it"


def a_pin_that_waits_for_its_commit_counts():
    session, kept = Session(), active()
    session.run("BEGIN;")
    session.run("SELECT seqrec_pin();")
    number = start()
    wait_for(lambda: sql(f"SELECT state FROM seqrec_jobs WHERE job_id = {number}") == "publishing", "the publish")
    session.run("COMMIT;")
    session.close()
    sql(f"CALL seqrec_wait({number})")
    assert active() == pinned() == kept
    sql(f"SELECT seqrec_activate({kept})")


def pinning_is_for_the_owner():
    sql("CREATE ROLE other LOGIN; GRANT EXECUTE ON FUNCTION seqrec_pin, seqrec_activate TO other")
    refused("SELECT seqrec_pin()", "42501", 'permission denied for model "default"', user="other")
    refused("SELECT seqrec_pin('no such')", "42704", "has no active version", "HINT", user="other")
    sql("REVOKE EXECUTE ON FUNCTION seqrec_pin FROM other")
    refused("SELECT seqrec_pin()", "42501", "permission denied for function", user="other")


def without_an_active_version_the_best_there_is_serves():
    sql("SELECT seqrec_pin()")
    sql(f"SELECT seqrec_drop({active()})")
    assert active() == 0
    refused("SELECT seqrec_pin()", "42704", "seqrec_activate")
    expect_activated(train(activate="better"), "there was none to compare it with")


def better_is_within_one_standard_error():
    for difference, error, is_activated in ((0.1, 0.01, True), (-0.0099, 0.01, True), (-0.0101, 0.01, False), (-0.5, 0.1, False), (0, 0, True)):
        before = active()
        with ranked(difference, error):
            version = train(activate="better")
        if is_activated:
            expect_activated(version)
        else:
            expect_kept(version, before, f"{-difference:.4f} lower")


def other_kinds_of_activation_compare_nothing():
    with ranked(-1, 0):
        expect_activated(train())


def metrics_of(version):
    return json.loads(sql(f"SELECT metrics FROM seqrec.models WHERE model_id = {version}"))


GOOD, WEAK = {"epochs": 40, "dim": 16}, {"epochs": 1, "dim": 8, "learning_rate": 1e-7}


def on_the_same_data_what_was_measured_decides():
    good = train(**GOOD)
    expect_activated(good)
    weak = train(activate="better", **WEAK)
    assert metrics_of(weak)["ndcg@10"] < metrics_of(good)["ndcg@10"] - 0.2, "the test's own premise"
    expect_kept(weak, good, "lower than that of version")
    again = train(activate="better", **GOOD)
    expect_activated(again)


def on_new_rows_both_versions_are_ranked():
    good = active()
    sql("""INSERT INTO ratings SELECT user_id, 'i' || (substr(item_id, 2)::int + 1) % 30, timestamp + interval '1 h'
           FROM (SELECT DISTINCT ON (user_id) * FROM ratings ORDER BY user_id, timestamp DESC) latest WHERE substr(user_id, 2)::int <= 60""")
    weak = train(activate="better", **WEAK)
    found = metrics_of(weak)
    assert found["compared_rows"] == 60 and found["ndcg@10_difference"] < -found["ndcg@10_standard_error"] < 0, found
    assert found["active_ndcg@10"] > 0.5, found
    expect_kept(weak, good, "lower than that of version")
    better = train(activate="better", **GOOD)
    found = metrics_of(better)
    assert found["compared_rows"] == 60 and found["ndcg@10_difference"] >= -found["ndcg@10_standard_error"], found
    expect_activated(better)


def what_can_not_be_compared_is_kept_and_said():
    sql("INSERT INTO ratings VALUES ('stranger', 'i1', '2025-01-01')")  # nobody's held-out row, but other data
    with ranked("NULL::real", "NULL::real"):
        before = active()
        expect_kept(train(activate="better"), before, "could not be compared")


def a_version_activated_meanwhile_is_not_replaced():
    older, newer = active(), train()
    with ranked(1, 0):
        number = start(activate="better", epochs=100000, max_seconds=3, patience=100000)
        wait_for(lambda: sql(f"SELECT metrics ? 'compared_version' FROM seqrec_jobs WHERE job_id = {number}") == "t", "the training")
        assert sql(f"SELECT model_id FROM seqrec_models WHERE version::text = (SELECT metrics->>'compared_version' FROM seqrec_jobs WHERE job_id = {number})") == str(newer)
        sql(f"SELECT seqrec_activate({older})")
        sql(f"CALL seqrec_wait({number})")
    expect_kept(int(sql(f"SELECT model_id FROM seqrec_jobs WHERE job_id = {number}")), older, f"version {older} has been activated")


def the_trainer_is_given_the_active_versions_snapshot():
    seen = os.path.join(os.environ["PGHOST"], "seen.json")
    real = os.path.join(sql("SELECT setting FROM pg_config WHERE name = 'BINDIR'"), "seqrec-trainer")

    def act():
        for how, is_given in (("better", True), ("always", False), ("never", False)):
            version = sql("SELECT version FROM seqrec_models WHERE active")
            train(activate=how)
            with open(seen, encoding="utf-8") as file:
                compare = json.load(file)["compare"]
            assert compare == "" if not is_given else version in compare and os.path.exists(in_server(compare)), (how, compare)

    with_trainer(f'rm -f "{seen}"\ncp "$2" "{seen}"\nchmod a+r "{seen}"\nexec "{real}" "$@"\n', {}, act)


def a_version_that_waits_is_kept():
    def versions():
        return [int(number) for number in sql("SELECT model_id FROM seqrec_models ORDER BY model_id").split()]

    def act():
        kept = active()
        for _ in range(2):
            waiting = train(activate="never")
            wait_for(lambda: versions() == [kept, waiting], f"{[kept, waiting]}, not {versions()}")
        newest = train()
        wait_for(lambda: versions() == [newest], f"{[newest]}, not {versions()}")

    with_trainer("", {"seqrec.keep_versions": "1"}, act)


if __name__ == "__main__":
    sql("CREATE EXTENSION seqrec")
    make_ratings(users=100, items=30, length=6)
    main(
        never_activates_nothing,
        always_is_the_default,
        a_pinned_version_stays,
        a_pin_that_waits_for_its_commit_counts,
        pinning_is_for_the_owner,
        without_an_active_version_the_best_there_is_serves,
        better_is_within_one_standard_error,
        other_kinds_of_activation_compare_nothing,
        on_the_same_data_what_was_measured_decides,
        on_new_rows_both_versions_are_ranked,
        what_can_not_be_compared_is_kept_and_said,
        a_version_activated_meanwhile_is_not_replaced,
        the_trainer_is_given_the_active_versions_snapshot,
        a_version_that_waits_is_kept,
    )
