-- A role without privileges, one that trains her own table, one that may only ask.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
DROP EXTENSION seqrec;
CREATE EXTENSION seqrec;
CREATE ROLE seqrec_alice LOGIN;
CREATE ROLE seqrec_bob LOGIN;
CREATE ROLE seqrec_asks LOGIN;
GRANT CREATE ON SCHEMA public TO seqrec_alice, seqrec_bob;
GRANT EXECUTE ON FUNCTION seqrec_train, seqrec_refresh_items, seqrec_cancel, seqrec_activate, seqrec_drop TO seqrec_alice, seqrec_bob;
GRANT EXECUTE ON FUNCTION seqrec_recommend TO seqrec_alice, seqrec_bob, seqrec_asks;
CREATE TABLE secret (user_id text, item_id text, timestamp int);
INSERT INTO secret VALUES ('u', 'i', 1), ('u', 'j', 2);

SET ROLE seqrec_asks;
SELECT seqrec_train('pg_class');
SELECT seqrec_cancel(1);
SELECT seqrec_refresh_items();
SELECT * FROM seqrec.models;
INSERT INTO seqrec.models DEFAULT VALUES;
RESET ROLE;

SET ROLE seqrec_alice;
SELECT seqrec_train('secret');
CREATE TABLE alices AS SELECT 'u' || u AS user_id, 'i' || (u + g) % 20 AS item_id, g AS timestamp
FROM generate_series(1, 50) u, generate_series(1, 6) g;
SELECT seqrec_train('alices', model => 'hers', options => '{"epochs": 1, "dim": 16}') AS job \gset
CALL seqrec_wait(:job);
SELECT model, state, owner FROM seqrec_jobs;
SELECT count(*) FROM seqrec_recommend('u1', ARRAY['i1'], 5, 'hers');
SELECT count(*) FROM seqrec_recommend('u1', NULL, 5, 'hers');
SELECT seqrec_refresh_items('hers');
RESET ROLE;

-- Another role sees neither her jobs nor her table, can't replace or drop her model, but may ask it when granted.
SET ROLE seqrec_bob;
SELECT count(*) FROM seqrec_jobs;
SELECT count(*) FROM seqrec_job_log;
SELECT count(*) FROM alices;
SELECT seqrec_resume(:job);
CREATE TABLE bobs AS SELECT 'u' AS user_id, 'i' AS item_id, 1 AS timestamp;
SELECT seqrec_train('bobs', model => 'hers');
SELECT seqrec_train('bobs', options => '{"init_from": "hers"}');
SELECT seqrec_refresh_items('hers');
SELECT seqrec_drop(model_id) FROM seqrec_models WHERE model = 'hers';
SELECT seqrec_activate(model_id) FROM seqrec_models WHERE model = 'hers';
CALL seqrec_wait(:job);
SELECT seqrec_cancel(:job);
RESET ROLE;
SET ROLE seqrec_asks;
SELECT count(*) FROM seqrec_recommend('u1', ARRAY['i1'], 5, 'hers');
SELECT count(*) FROM seqrec_recommend('u1', NULL, 5, 'hers');
-- What was not granted stays shut, each function on its own.
SELECT count(*) FROM seqrec.answers(ARRAY['u1'], ARRAY[1], ARRAY['i1'], 5, 'hers');
SELECT count(*) FROM seqrec_explain('u1', ARRAY['i1'], ARRAY['i2'], 'hers');
SELECT count(*) FROM seqrec_similar_items('i1', 5, 'hers');
SELECT seqrec_unknown_items(ARRAY['i1'], 'hers');
SELECT count(*) FROM seqrec_coefficients('hers');
RESET ROLE;
-- A role that asks, as that of packaging/roles.sql for seqrec-http: with the rights of the model's owner for a user's own rows, and no more.
CREATE ROLE seqrec_http LOGIN;
GRANT EXECUTE ON FUNCTION seqrec_recommend,
    seqrec.answers, seqrec_explain, seqrec_similar_items,
    seqrec_unknown_items TO seqrec_http;
SET ROLE seqrec_http;
-- Reading what users did is a right of its own: the asker without clicks has no answer, the other has.
SELECT cardinality(item_ids), source, problem FROM seqrec.answers(ARRAY['u1', 'u2'], ARRAY[1, NULL], ARRAY['i1'], 5, 'hers');
SELECT count(*) FROM seqrec_explain('u1', NULL, ARRAY['i2'], 'hers');
SELECT count(*) FROM seqrec_history('u1', 10, 'hers');
RESET ROLE;
GRANT EXECUTE ON FUNCTION seqrec_history TO seqrec_http;
SET ROLE seqrec_http;
SELECT cardinality(item_ids), source, problem FROM seqrec.answers(ARRAY['u1', 'u2'], ARRAY[1, NULL], ARRAY['i1'], 5, 'hers');
SELECT count(*) FROM seqrec_explain('u1', NULL, ARRAY['i2'], 'hers');
SELECT * FROM seqrec_history('u1', 3, 'hers');
SELECT count(*), seqrec_unknown_items(ARRAY['i1', 'never'], 'hers') FROM seqrec_similar_items('i1', 5, 'hers');
SELECT model, active, source FROM seqrec_models;
SELECT count(*) FROM seqrec_jobs;
SELECT count(*) FROM alices;
SELECT count(*) FROM seqrec.models;
SELECT seqrec_train('alices', model => 'hers');
SELECT seqrec_activate(1);
RESET ROLE;
-- Seeing all jobs is one, too, without what they read and were asked.
GRANT EXECUTE ON FUNCTION seqrec.sees_all_jobs TO seqrec_http;
SET ROLE seqrec_http;
SELECT model, state, owner, source, options, detail FROM seqrec_jobs;
RESET ROLE;

-- A condition of a query sees no row that its reader may not see.
CREATE FUNCTION public.spy(value text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS $$ BEGIN RAISE NOTICE 'saw %', value; RETURN true; END $$;
SET client_min_messages = notice;
SET ROLE seqrec_bob;
SELECT count(*) FROM seqrec_jobs WHERE public.spy(model);
SELECT count(*) FROM seqrec_job_log WHERE public.spy(job_id::text);
SELECT count(*) FROM seqrec_jobs WHERE (source::text)::int = 1;
RESET ROLE;
REVOKE EXECUTE ON FUNCTION seqrec_recommend FROM seqrec_bob;
SET ROLE seqrec_bob;
SELECT count(*) FROM seqrec_models WHERE public.spy(model);
RESET ROLE;
GRANT EXECUTE ON FUNCTION seqrec_recommend TO seqrec_bob;
SET client_min_messages = warning;
DROP FUNCTION public.spy;

-- A search_path of the caller's can't put functions into what runs as the extension's owner.
GRANT CREATE ON DATABASE :DBNAME TO seqrec_alice;
SET ROLE seqrec_alice;
CREATE SCHEMA evil;
CREATE FUNCTION evil.equals(text, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'running as %', current_user; END $$;
CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.equals);
SET search_path = evil, pg_catalog, public;
SELECT count(*) FROM seqrec_recommend('u1', ARRAY['i1'], 5, 'hers');
SELECT seqrec_cancel(:job);
RESET search_path;
DROP SCHEMA evil CASCADE;
SELECT seqrec_drop(model_id) FROM seqrec_models WHERE model = 'hers';
RESET ROLE;
DROP TABLE secret, alices, bobs;
DELETE FROM seqrec.jobs;
DELETE FROM seqrec.job_log;
DROP OWNED BY seqrec_alice, seqrec_bob, seqrec_asks, seqrec_http;
DROP ROLE seqrec_alice, seqrec_bob, seqrec_asks, seqrec_http;
