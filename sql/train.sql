-- Tables of every kind, columns of every type.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
\set options '{"epochs": 2, "dim": 16, "max_len": 10}'
CREATE TABLE clicks AS
SELECT u AS user_id, (u * 7 + g) % 40 AS item_id, g * 60 AS at FROM generate_series(1, 120) u, generate_series(1, 8) g;

CREATE PROCEDURE train_and_show(what regclass, OUT result text) LANGUAGE plpgsql AS $$
DECLARE
    job bigint;
BEGIN
    job := seqrec_train(what, model => what::text, options => '{"epochs": 1, "dim": 16, "max_len": 10, "members": 1}');
    COMMIT;
    CALL seqrec_wait(job);
    SELECT format('%s: %s, %s users, %s items, %s interactions, %s skipped', j.model, state, metrics->>'users',
                  metrics->>'items', metrics->>'interactions', metrics->>'skipped_rows')
    INTO result FROM seqrec_jobs j WHERE job_id = job;
END $$;

CREATE TABLE as_text AS SELECT 'u' || user_id AS user_id, 'i' || item_id AS item_id, now() + at * interval '1 s' AS timestamp FROM clicks;
CREATE TABLE as_varchar AS SELECT ('u' || user_id)::varchar(20) AS user_id, ('i' || item_id)::char(8) AS item_id, (now() + at * interval '1 s')::timestamp AS timestamp FROM clicks;
CREATE TABLE as_bigint AS SELECT user_id::bigint, item_id::bigint, at::bigint AS timestamp FROM clicks;
CREATE TABLE as_smallint AS SELECT user_id::smallint, item_id::integer, at::integer AS timestamp FROM clicks;
CREATE TABLE as_uuid AS SELECT md5('u' || user_id)::uuid AS user_id, md5('i' || item_id)::uuid AS item_id, at::float8 AS timestamp FROM clicks;
CREATE TABLE as_numeric AS SELECT user_id::numeric, item_id::numeric, at::numeric AS timestamp FROM clicks;
CREATE TABLE as_date AS SELECT user_id, item_id, date '2026-01-01' + at / 60 AS timestamp FROM clicks;
CREATE TABLE as_real AS SELECT user_id, item_id, at::real AS timestamp FROM clicks;
-- The lowest and the highest id of a type stand for 1 and 2.
CREATE TABLE extreme_bigint AS
SELECT CASE user_id WHEN 1 THEN -9223372036854775808 WHEN 2 THEN 9223372036854775807 ELSE -user_id END AS user_id,
       CASE item_id WHEN 1 THEN -9223372036854775808 WHEN 2 THEN 9223372036854775807 ELSE -item_id END AS item_id, at AS timestamp FROM clicks;
CREATE TABLE extreme_integer AS
SELECT CASE user_id WHEN 1 THEN -2147483648 WHEN 2 THEN 2147483647 ELSE -user_id END::integer AS user_id,
       CASE item_id WHEN 1 THEN -2147483648 WHEN 2 THEN 2147483647 ELSE -item_id END::integer AS item_id, at AS timestamp FROM clicks;
CREATE TABLE extreme_smallint AS
SELECT CASE user_id WHEN 1 THEN -32768 WHEN 2 THEN 32767 ELSE -user_id END::smallint AS user_id,
       CASE item_id WHEN 1 THEN -32768 WHEN 2 THEN 32767 ELSE -item_id END::smallint AS item_id, at AS timestamp FROM clicks;
CREATE TABLE extreme_uuid AS
SELECT CASE user_id WHEN 1 THEN repeat('0', 32) WHEN 2 THEN repeat('f', 32) ELSE md5(user_id::text) END::uuid AS user_id,
       CASE item_id WHEN 1 THEN repeat('0', 32) WHEN 2 THEN repeat('f', 32) ELSE md5(item_id::text) END::uuid AS item_id, at AS timestamp FROM clicks;
CREATE TABLE with_nulls AS SELECT * FROM as_text;
INSERT INTO with_nulls VALUES (NULL, 'i1', now()), ('u1', NULL, now()), ('u1', 'i1', NULL);
CREATE TABLE "Odd ""name" AS SELECT * FROM as_text;
CREATE TABLE partitioned (user_id int, item_id int, timestamp bigint) PARTITION BY HASH (user_id);
CREATE TABLE partitioned_0 PARTITION OF partitioned FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE partitioned_1 PARTITION OF partitioned FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO partitioned SELECT user_id, item_id, at FROM clicks;
CREATE VIEW a_view AS SELECT user_id, item_id, at AS timestamp FROM clicks;
CREATE MATERIALIZED VIEW a_matview AS SELECT user_id, item_id, at AS timestamp FROM clicks;

CALL train_and_show('as_text', NULL);
CALL train_and_show('as_varchar', NULL);
CALL train_and_show('as_bigint', NULL);
CALL train_and_show('as_smallint', NULL);
CALL train_and_show('as_uuid', NULL);
CALL train_and_show('as_numeric', NULL);
CALL train_and_show('as_date', NULL);
CALL train_and_show('as_real', NULL);
CALL train_and_show('extreme_bigint', NULL);
CALL train_and_show('extreme_integer', NULL);
CALL train_and_show('extreme_smallint', NULL);
CALL train_and_show('extreme_uuid', NULL);
CALL train_and_show('with_nulls', NULL);
CALL train_and_show('"Odd ""name"', NULL);
CALL train_and_show('partitioned', NULL);
CALL train_and_show('a_view', NULL);
CALL train_and_show('a_matview', NULL);

-- Ids are the text that the type writes, and each has the interactions of its own.
CREATE PROCEDURE compare_ids(relation regclass) LANGUAGE plpgsql AS $$
DECLARE
    model bigint := (SELECT model_id FROM seqrec_models m WHERE m.model = relation::text);
    different bigint;
BEGIN
    EXECUTE format('SELECT count(*) FROM (SELECT item_id::text, count(*) AS interactions FROM %s GROUP BY item_id) t
                    FULL JOIN (SELECT item_id, popularity FROM seqrec.items WHERE model_id = %s) m USING (item_id)
                    WHERE t IS NULL OR m IS NULL OR NOT popularity BETWEEN 0.001 * interactions AND 2 * interactions', relation, model) INTO different;
    RAISE NOTICE '%: % items differ', relation, different;
    EXECUTE format('SELECT count(*) FROM (SELECT DISTINCT user_id::text FROM %s) t
                    FULL JOIN (SELECT user_id FROM seqrec.users WHERE model_id = %s) m USING (user_id)
                    WHERE t IS NULL OR m IS NULL', relation, model) INTO different;
    RAISE NOTICE '%: % users differ', relation, different;
END $$;
SET client_min_messages = notice;
CALL compare_ids('as_text');
CALL compare_ids('as_bigint');
CALL compare_ids('as_smallint');
CALL compare_ids('as_uuid');
CALL compare_ids('as_numeric');
CALL compare_ids('extreme_bigint');
CALL compare_ids('extreme_integer');
CALL compare_ids('extreme_smallint');
CALL compare_ids('extreme_uuid');
SET client_min_messages = warning;
SELECT model, seqrec_recommend_info(user_id, model => model)->>'source' AS source
FROM (VALUES ('extreme_bigint', '-9223372036854775808'), ('extreme_bigint', '9223372036854775807'),
             ('extreme_integer', '-2147483648'), ('extreme_smallint', '32767'),
             ('extreme_uuid', 'ffffffff-ffff-ffff-ffff-ffffffffffff')) t(model, user_id);
-- What each user has seen: where repeats are many, all of it as it happened; else each item once, in the order of the last
-- interaction with it.
CREATE TABLE repeated AS
SELECT u AS user_id, (u * 7 + g * g) % 12 AS item_id, g AS timestamp FROM generate_series(1, 120) u, generate_series(1, 8) g;
CALL train_and_show('repeated', NULL);
SELECT seqrec_train('repeated', model => 'repeated_first', options => '{"epochs": 1, "dim": 16, "max_len": 10, "repeats": "first"}') AS job \gset
CALL seqrec_wait(:job);
WITH expected AS (
    SELECT 'repeated' AS model, user_id::text, array_agg(item_id::text ORDER BY timestamp) AS items FROM repeated GROUP BY user_id
    UNION ALL
    SELECT 'repeated_first', user_id::text, array_agg(item_id::text ORDER BY last)
    FROM (SELECT user_id, item_id, max(timestamp) AS last FROM repeated GROUP BY user_id, item_id) latest GROUP BY user_id
), stored AS (
    SELECT m.model, u.user_id, (SELECT array_agg(i.item_id ORDER BY s.place) FROM unnest(u.seen) WITH ORDINALITY s(idx, place)
                                JOIN seqrec.items i USING (idx) WHERE i.model_id = u.model_id) AS items
    FROM seqrec.users u JOIN seqrec_models m USING (model_id) WHERE m.model LIKE 'repeated%'
)
SELECT model, count(*) AS users, count(*) FILTER (WHERE e.items = s.items) AS same, min(cardinality(s.items)) AS items
FROM expected e FULL JOIN stored s USING (model, user_id) GROUP BY model ORDER BY model;
SELECT model, config->>'repeats' AS repeats, round((metrics->>'repeat_share')::numeric, 2) AS repeat_share FROM seqrec_models WHERE model LIKE 'repeated%' ORDER BY model;
-- An index: every item is in one of its lists; without one, none is.
SELECT seqrec_train('as_text', model => 'indexed', options => '{"epochs": 1, "dim": 16, "max_len": 10, "index": "ivf"}') AS job \gset
CALL seqrec_wait(:job);
SELECT model, config->>'lists' AS lists, count(*) AS items, count(list) AS listed,
       coalesce(bool_and(list BETWEEN 0 AND (config->>'lists')::integer - 1) FILTER (WHERE list IS NOT NULL), true) AS in_range,
       (SELECT count(*) FROM seqrec.weights w WHERE w.model_id = m.model_id AND w.name = 'list.centroid') AS centroids,
       metrics ? 'index_recall@10' AS measured
FROM seqrec.items i JOIN seqrec_models m ON m.model_id = i.model_id WHERE model IN ('as_text', 'indexed')
GROUP BY model, m.model_id, config, metrics ORDER BY model;
SELECT count(*) FROM seqrec_recommend('u1', ARRAY['i1'], 5, 'indexed');
-- What an answer looks like.
SELECT count(*) AS rows, count(DISTINCT rank) AS ranks, min(rank), max(rank), bool_and(score BETWEEN -1 AND 1) AS cosine,
       bool_and(item_id NOT IN ('i1', 'i2')) AS not_clicked
FROM seqrec_recommend('u1', ARRAY['i1', 'i2'], 10, 'as_text');
-- Best first, each item once, as many as there are.
SELECT count(*), count(DISTINCT item_id), bool_and(score <= previous) AS sorted
FROM (SELECT item_id, score, lag(score, 1, 2) OVER (ORDER BY rank) AS previous
      FROM seqrec_recommend('u1', ARRAY['i1'], 1000, 'as_text')) answer;
-- A shorter list is the beginning of a longer one.
WITH answer AS (SELECT * FROM seqrec_recommend('u1', ARRAY['i1', 'i2'], 1000, 'as_text')),
     again AS (SELECT * FROM seqrec_recommend('u1', ARRAY['i1', 'i2'], 5, 'as_text'))
SELECT count(*) AS same FROM answer JOIN again USING (rank, item_id, score);
-- Own history: NULL clicks are the user's own latest rows.
SELECT count(*) AS same
FROM seqrec_recommend('u1', NULL, 10, 'as_text') a
JOIN seqrec_recommend('u1', (SELECT array_agg(item_id ORDER BY timestamp) FROM as_text WHERE user_id = 'u1'), 10, 'as_text') b
USING (rank, item_id, score);
SELECT seqrec_recommend_info('u1', model => 'as_text')->>'source' AS own_history,
       seqrec_recommend_info('u1', '{}', model => 'as_text')->>'source' AS no_clicks,
       seqrec_recommend_info('nobody', ARRAY['i1'], model => 'as_text')->>'source' AS unknown_user,
       seqrec_recommend_info('nobody', model => 'as_text')->>'source' AS nobody,
       seqrec_recommend_info(NULL, ARRAY['i1'], model => 'as_text')->>'source' AS null_user,
       seqrec_recommend_info('u1', ARRAY['i1', 'new', NULL, 'i2', 'newer'], model => 'as_text')->>'unknown_items' AS unknown_items;
-- Other id types have histories too; ids of the wrong form are unknown, not errors.
SELECT model, seqrec_recommend_info(user_id, model => model)->>'source' AS source
FROM (VALUES ('as_bigint', '1'), ('as_bigint', 'x'), ('as_bigint', '99999999999999999999'), ('as_smallint', '1'),
             ('as_smallint', '70000'), ('as_uuid', md5('u1')::uuid::text), ('as_uuid', 'x'), ('as_numeric', '1'),
             ('as_varchar', 'u1'), ('"Odd ""name"', 'u1'), ('partitioned', '1'), ('a_view', '1'), ('a_matview', '1')) t(model, user_id)
ORDER BY model COLLATE "C", source;
-- Integer ids.
SELECT count(*), bool_and(item_id::int BETWEEN 0 AND 39) AS known FROM seqrec_recommend(1, ARRAY[1, 2], 10, 'as_bigint');
SELECT count(*) FROM seqrec_recommend(1::bigint, k => 5, model => 'as_bigint');
-- Lateral over a table of users.
SELECT count(*) FROM (SELECT DISTINCT user_id FROM as_text) u, seqrec_recommend(u.user_id, NULL, 3, 'as_text');
-- A fallback is told.
SET client_min_messages = notice;
SELECT count(*) FROM seqrec_recommend('nobody', '{}', 3, 'as_text');
SET client_min_messages = warning;
-- Errors.
SELECT * FROM seqrec_recommend('u1', '{}', 10, 'no such model');
SELECT * FROM seqrec_recommend('u1', '{}', 0, 'as_text');
SELECT * FROM seqrec_recommend('u1', '{}', 10001, 'as_text');
SELECT * FROM seqrec_recommend('u1', '{{a,b},{c,d}}', 10, 'as_text');
SELECT * FROM seqrec_recommend('u1', '{}', NULL, 'as_text');
-- Dropping the table leaves a model that serves clicks.
DROP VIEW a_view;
SELECT count(*) FROM seqrec_recommend('1', ARRAY['1'], 5, 'a_view');
SELECT * FROM seqrec_recommend('1', NULL, 5, 'a_view');
-- Versions.
SELECT seqrec_drop(model_id) FROM seqrec_models WHERE model <> 'as_text';
SELECT model, kind, active, dim, n_users, n_items FROM seqrec_models;
SELECT count(*) FILTER (WHERE model_id NOT IN (SELECT model_id FROM seqrec_models)) AS orphans FROM seqrec.items;
SELECT seqrec_drop(model_id) FROM seqrec_models;
SELECT * FROM seqrec_recommend('u1', '{}', 10, 'as_text');
DROP MATERIALIZED VIEW a_matview;
DROP TABLE clicks, as_text, as_varchar, as_bigint, as_smallint, as_uuid, as_numeric, as_date, as_real, with_nulls,
    "Odd ""name", partitioned, extreme_bigint, extreme_integer, extreme_smallint, extreme_uuid;
DROP PROCEDURE train_and_show;
DROP PROCEDURE compare_ids;
