-- What can be known when seqrec_train is called is refused there, with a SQLSTATE and a hint.
\set SHOW_CONTEXT never
\set VERBOSITY default
CREATE TABLE ratings_errors (user_id text, item_id text, timestamp timestamptz, note text);
CREATE FUNCTION pg_temp.sqlstate_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
    RETURN sqlstate;
END $$;
SELECT seqrec_train('no_such_table');
SELECT seqrec_train('ratings_errors');
SELECT pg_temp.sqlstate_of($$ SELECT seqrec_train('ratings_errors') $$) AS empty_table;
INSERT INTO ratings_errors VALUES ('u', 'i', now(), '');
SELECT seqrec_train('ratings_errors', item_column => 'product');
SELECT seqrec_train('ratings_errors', time_column => 'note');
SELECT seqrec_train('ratings_errors', kind => 'magic');
SELECT seqrec_train('ratings_errors', model => '');
SELECT seqrec_train('ratings_errors', '{"epochs": 3}');
\set VERBOSITY terse
SELECT seqrec_train('ratings_errors', options => '{"dimension": 64}');
\set VERBOSITY default
SELECT seqrec_train('ratings_errors', options => '{"dim": 1000000}');
SELECT seqrec_train('ratings_errors', options => '{"dim": 1e400}');
SELECT seqrec_train('ratings_errors', options => '{"dim": "64"}');
SELECT seqrec_train('ratings_errors', options => '{"dim": 20, "heads": 3}');
SELECT seqrec_train('ratings_errors', options => '{"dropout": -0.1}');
SELECT seqrec_train('ratings_errors', options => '{"activate": "sometimes"}');
SELECT seqrec_pin('no such model');
SELECT seqrec_train('ratings_errors', options => '[]');
SELECT seqrec_train('ratings_errors', options => NULL);
SELECT seqrec_train(NULL);
SELECT seqrec_train('ratings_errors', items => 'ratings_errors', options => '{"item_text": ["title"]}');
SELECT seqrec_train('ratings_errors', items => 'ratings_errors', options => '{"item_text": ["item_id"]}');
SELECT seqrec_train('ratings_errors', items => 'ratings_errors', options => '{"item_text": []}');
SELECT seqrec_train('ratings_errors', items => 'ratings_errors', options => '{"item_text": "note"}');
SELECT seqrec_train('ratings_errors', items => 'ratings_errors', options => '{"item_vector": "note"}');
SELECT seqrec_train('ratings_errors', items => 'ratings_errors', options => '{"item_vector": "embedding"}');
SELECT seqrec_train('ratings_errors', options => '{"item_vector": "note"}');
SELECT seqrec_train('ratings_errors', options => '{"cold_share": 0.7}');
SELECT seqrec_refresh_items('no such model');
SELECT seqrec_train('ratings_errors', users => 'ratings_errors');
\set VERBOSITY terse
SELECT seqrec_train('ratings_errors', options => '{"item_features": ["note"]}');
SELECT seqrec_train('ratings_errors', options => '{"label": "note"}');
\set VERBOSITY default
CREATE SEQUENCE ratings_sequence;
SELECT seqrec_train('ratings_sequence');
SELECT seqrec_train('pg_class_oid_index');
BEGIN READ ONLY;
SELECT seqrec_train('ratings_errors');
ROLLBACK;
SELECT pg_temp.sqlstate_of($$ SELECT seqrec_train('ratings_errors', item_column => 'product') $$) AS missing_column,
       pg_temp.sqlstate_of($$ SELECT seqrec_train('ratings_errors', time_column => 'note') $$) AS no_time,
       pg_temp.sqlstate_of($$ SELECT seqrec_train('ratings_errors', options => '{"x": 1}') $$) AS unknown_option,
       pg_temp.sqlstate_of($$ SELECT seqrec_train('ratings_sequence') $$) AS not_a_table;
-- None of them left a job.
SELECT count(*) FROM seqrec_jobs;
-- What is known only later is in the job's row.
SELECT seqrec_train('ratings_errors') AS job \gset
CALL seqrec_wait(:job);
SELECT state, sqlstate, hint IS NOT NULL AS has_hint FROM seqrec_jobs WHERE job_id = :job;
CREATE TABLE ratings_one_each AS SELECT 'u' || g AS user_id, 'i' || g % 5 AS item_id, g AS timestamp FROM generate_series(1, 20) g;
SELECT seqrec_train('ratings_one_each') AS job \gset
CALL seqrec_wait(:job);
CREATE TABLE ratings_null (user_id text, item_id text, timestamp timestamptz);
INSERT INTO ratings_null VALUES (NULL, 'i', now()), ('u', NULL, now()), ('u', 'i', NULL), ('u', 'i', 'infinity');
SELECT seqrec_train('ratings_null') AS job \gset
CALL seqrec_wait(:job);
CALL seqrec_wait(987654321);
SELECT seqrec_cancel(987654321);
DROP TABLE ratings_errors, ratings_one_each, ratings_null;
DROP SEQUENCE ratings_sequence;
