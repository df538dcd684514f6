-- What is answered, against the definition computed in SQL.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE TABLE shop AS
SELECT 'u' || u AS user_id, 'i' || (u * 7 + g * g) % 300 AS item_id, g AS timestamp
FROM generate_series(1, 200) u, generate_series(1, 12) g;
SELECT seqrec_train('shop', 'shop', options => '{"epochs": 1, "dim": 32, "max_len": 10, "members": 2, "user_dropout": 0.5}') AS job \gset
CALL seqrec_wait(:job);

-- The k nearest by definition: every item's cosine with the user's vector, what the user has left out.
CREATE FUNCTION by_definition(u text, clicks text[], k int, left_out text[] DEFAULT '{}', allowed text[] DEFAULT NULL)
RETURNS TABLE (rank int, item_id text, score real) LANGUAGE sql AS $$
    WITH vector AS (SELECT seqrec_user_embedding(u, clicks, 'shop') AS v),
    model AS (SELECT model_id FROM seqrec.models WHERE name = 'shop' AND active),
    scored AS (
        SELECT i.idx, i.item_id,
               (SELECT sum(a::float8 * b::float8) FROM vector, unnest(v, i.embedding) AS pair (a, b))
               / (SELECT sqrt(sum(b::float8 * b::float8)) FROM unnest(i.embedding) AS b) AS score
        FROM seqrec.items i JOIN model USING (model_id)
        WHERE NOT i.item_id = ANY (left_out) AND (allowed IS NULL OR i.item_id = ANY (allowed)))
    SELECT row_number() OVER (ORDER BY score DESC, idx)::int, item_id, score::real
    FROM scored ORDER BY score DESC, idx LIMIT k
$$;
CREATE FUNCTION seen(u text) RETURNS text[] LANGUAGE sql AS
$$ SELECT coalesce(array_agg(DISTINCT item_id), '{}') FROM shop WHERE user_id = u $$;

-- Whether a recommendation is what the definition gives: items, order and scores.
CREATE FUNCTION agrees(u text, clicks text[], k int, left_out text[], allowed text[], exclude text[] DEFAULT NULL, exclude_seen boolean DEFAULT NULL)
RETURNS text LANGUAGE sql AS $$
    WITH a AS (SELECT * FROM seqrec_recommend(u, clicks, k, 'shop', exclude, exclude_seen, allowed)),
    b AS (SELECT * FROM by_definition(u, clicks, k, left_out, allowed))
    SELECT format('%s rows, %s wrong', greatest((SELECT count(*) FROM a), (SELECT count(*) FROM b)),
                  (SELECT count(*) FROM a FULL JOIN b USING (rank)
                   WHERE a.item_id IS DISTINCT FROM b.item_id OR abs(a.score - b.score) > 1e-5))
$$;

-- k from 1 to all there are, with every way to scan.
SELECT k, agrees('stranger', ARRAY['i1', 'i5', 'i9'], k, ARRAY['i1', 'i5', 'i9'], NULL) FROM unnest('{1,2,10,77,10000}'::int[]) k;
SET seqrec.exact = on;
SELECT k, agrees('stranger', ARRAY['i1', 'i5', 'i9'], k, ARRAY['i1', 'i5', 'i9'], NULL) FROM unnest('{1,2,10,77,10000}'::int[]) k;
RESET seqrec.exact;

-- A known user's own items are left out, unless asked for.
SELECT agrees('u7', ARRAY['i1'], 20, seen('u7') || 'i1'::text, NULL);
SELECT agrees('u7', ARRAY['i1'], 20, '{}', NULL, exclude_seen => false);
SELECT agrees('u7', '{}', 300, seen('u7'), NULL);

-- exclude and candidates; a short list and a long one, unknown ids among them.
SELECT agrees('x', ARRAY['i1'], 20, ARRAY['i1', 'i2', 'i3'], NULL, exclude => ARRAY['i2', 'i3', NULL, 'never']);
SELECT n, agrees('x', ARRAY['i1'], 20, ARRAY['i1'], list.ids)
FROM unnest('{1, 5, 50, 250}'::int[]) n,
     LATERAL (SELECT array_agg('i' || g) || 'never'::text AS ids FROM generate_series(0, n - 1) g) list;
SELECT count(*) FROM seqrec_recommend('x', ARRAY['i1'], 20, 'shop', candidates => '{}');
SELECT bool_and(score >= 0.3) AS good_enough, count(*) = (SELECT count(*) FROM by_definition('x', ARRAY['i1'], 300, ARRAY['i1']) WHERE score >= 0.3) AS all_of_them
FROM seqrec_recommend('x', ARRAY['i1'], 300, 'shop', min_score => 0.3);

-- Popular items pass the same filters.
SELECT count(*), count(*) FILTER (WHERE item_id IN ('i1', 'i2')) AS excluded
FROM seqrec_recommend('x', '{}', 1000, 'shop', exclude => ARRAY['i1', 'i2']);
SELECT item_id FROM seqrec_recommend('x', '{}', 5, 'shop', candidates => ARRAY['i3', 'nothing']);

-- Diversity: maximal marginal relevance among the best max(5 k, 50), by its definition in double precision.
CREATE FUNCTION diverse_by_definition(u text, clicks text[], k int, diversity float8, by_place boolean) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
    latest int := 1;
    chosen int[] := '{1}';
BEGIN
    CREATE TEMP TABLE pool AS
    SELECT r.rank, r.item_id, seqrec_item_embedding(r.item_id, 'shop')::float8[] AS direction, 0::float8 AS nearest,
           CASE WHEN by_place THEN (count(*) OVER () - r.rank)::float8 / (count(*) OVER () - 1)
                ELSE (r.score::float8 - min(r.score) OVER ()) / (max(r.score) OVER () - min(r.score) OVER ()) END AS relevance
    FROM seqrec_recommend(u, clicks, greatest(5 * k, 50), 'shop') r;
    WHILE cardinality(chosen) < k LOOP
        UPDATE pool SET nearest = greatest(nearest, (SELECT sum(a * b) FROM pool l, unnest(pool.direction, l.direction) AS pair (a, b) WHERE l.rank = latest));
        SELECT p.rank INTO latest FROM pool p WHERE NOT p.rank = ANY (chosen) ORDER BY (1 - diversity) * relevance - diversity * nearest DESC, p.rank LIMIT 1;
        chosen := chosen || latest;
    END LOOP;
    RETURN (SELECT array_agg(p.item_id ORDER BY c.place) FROM unnest(chosen) WITH ORDINALITY AS c (rank, place) JOIN pool p USING (rank));
END $$;
CREATE FUNCTION diverse(u text, clicks text[], k int, diversity real) RETURNS text[] LANGUAGE sql AS
$$ SELECT array_agg(item_id ORDER BY rank) FROM seqrec_recommend(u, clicks, k, 'shop', diversity => diversity) $$;
SET client_min_messages = error;
DO $$ BEGIN
    FOR n IN 1..3 LOOP
        FOR d IN 1..4 LOOP
            IF diverse('x', ARRAY['i1', 'i5'], 6 * n, d / 4.0) IS DISTINCT FROM diverse_by_definition('x', ARRAY['i1', 'i5'], 6 * n, d / 4.0, false) THEN
                RAISE 'k % with diversity % of clicks', 6 * n, d / 4.0;
            END IF;
            DROP TABLE pool;
            IF diverse('x', '{}', 6 * n, d / 4.0) IS DISTINCT FROM diverse_by_definition('x', '{}', 6 * n, d / 4.0, true) THEN
                RAISE 'k % with diversity % of popular items', 6 * n, d / 4.0;
            END IF;
            DROP TABLE pool;
        END LOOP;
    END LOOP;
END $$;
DROP FUNCTION diverse_by_definition;
SELECT diverse('x', ARRAY['i1'], 10, 0) = (SELECT array_agg(item_id ORDER BY rank) FROM seqrec_recommend('x', ARRAY['i1'], 10, 'shop')) AS none_is_plain,
       diverse('x', ARRAY['i1'], 10, NULL) = diverse('x', ARRAY['i1'], 10, 0) AS null_is_none,
       diverse('x', ARRAY['i1'], 10, 0.5) <> diverse('x', ARRAY['i1'], 10, 0) AS half_differs,
       (diverse('x', ARRAY['i1'], 10, 1))[1] = (diverse('x', ARRAY['i1'], 10, 0))[1] AS the_best_is_first,
       cardinality(diverse('x', ARRAY['i1'], 10000, 0.5)) AS all_there_are;
-- Filters come first, and scores stay the items' own.
SELECT count(*), bool_and(score >= 0.1) AS good_enough, bool_and(score = seqrec_score_item('x', ARRAY['i1'], item_id, 'shop')) AS own_scores, bool_or(item_id IN ('i2', 'i3')) AS excluded
FROM seqrec_recommend('x', ARRAY['i1'], 12, 'shop', exclude => ARRAY['i2', 'i3'], min_score => 0.1, diversity => 0.6);
SELECT array_agg(item_id ORDER BY item_id) FROM seqrec_recommend('x', ARRAY['i1'], 3, 'shop', candidates => ARRAY['i7', 'i8', 'i9', 'never'], diversity => 1);
-- Every form answers as single calls do.
SELECT request, array_agg(item_id ORDER BY rank) = diverse((ARRAY['u1', 'x', 'nobody'])[request], (ARRAY['{i1,i2}', '{i9}', '{}'])[request]::text[], 7, 0.5) AS batch
FROM seqrec_recommend_batch(ARRAY['u1', 'x', 'nobody'], '[["i1", "i2"], ["i9"], []]', 7, 'shop', diversity => 0.5) GROUP BY request ORDER BY request;
SELECT request, item_ids = diverse((ARRAY['u1', 'x', 'nobody'])[request], (ARRAY['{i1,i2}', '{i9}', '{}'])[request]::text[], 7, 0.5) AS answers
FROM seqrec.answers(ARRAY['u1', 'x', 'nobody'], ARRAY[2, 1, 0], ARRAY['i1', 'i2', 'i9'], 7, 'shop', diversity => 0.5)
     WITH ORDINALITY AS a (item_ids, scores, source, unknown_items, version, problem, unknown_context, probabilities, request) ORDER BY request;
SELECT count(*) AS users, bool_and(ids = diverse(user_id, NULL, 3, 0.5)) AS all_users
FROM (SELECT user_id, array_agg(item_id ORDER BY rank) AS ids FROM seqrec_recommend_all(3, 'shop', diversity => 0.5) GROUP BY user_id) a;
SELECT jsonb_path_query_array(seqrec_recommend_info('x', ARRAY['i1'], 7, 'shop', diversity => 0.5), '$.items[*].item_id') = to_jsonb(diverse('x', ARRAY['i1'], 7, 0.5)) AS info,
       (SELECT array_agg(item_id ORDER BY rank) FROM seqrec_recommend_explained('x', ARRAY['i1'], 7, 'shop', diversity => 0.5)) = diverse('x', ARRAY['i1'], 7, 0.5) AS explained;
-- What it costs and what it brings can be measured.
SELECT metric, d.value > p.value AS more FROM seqrec_evaluate('shop', baselines => false, diversity => 0.7) d JOIN seqrec_evaluate('shop', baselines => false) p USING (metric, k) WHERE metric = 'diversity';
SELECT count(*) AS same FROM seqrec_evaluate('shop', baselines => false, diversity => 0) d JOIN seqrec_evaluate('shop', baselines => false) p USING (metric, value);
SET client_min_messages = warning;
DROP FUNCTION diverse;
SELECT seqrec_recommend('x', '{}', 5, 'shop', diversity => 1.01);
SELECT seqrec_recommend('x', '{}', 5, 'shop', diversity => -0.1);
SELECT seqrec_recommend_info('x', '{}', 5, 'shop', diversity => 'NaN');
SELECT seqrec_recommend_explained('x', '{}', 5, 'shop', diversity => 'infinity');
SELECT seqrec_recommend_batch(ARRAY['x'], '[[]]', 5, 'shop', diversity => 2);
SELECT seqrec_recommend_all(5, 'shop', diversity => 2);
SELECT seqrec.answers(ARRAY['x'], ARRAY[0], '{}', 5, 'shop', diversity => 2);
SELECT seqrec_evaluate('shop', diversity => 2);

-- A batch answers as single calls do.
WITH single AS (
    SELECT asked.request, a.rank, a.item_id, a.score
    FROM (VALUES (1, 'u1', ARRAY['i1', 'i2']), (2, 'u2', NULL), (3, NULL, ARRAY['i9']), (4, 'nobody', '{}')) asked (request, u, clicks),
         LATERAL seqrec_recommend(u, clicks, 7, 'shop') a),
batch AS (
    SELECT request, rank, item_id, score
    FROM seqrec_recommend_batch(ARRAY['u1', 'u2', NULL, 'nobody'], '[["i1", "i2"], null, ["i9"], []]', 7, 'shop'))
SELECT (SELECT count(*) FROM single) AS single, (SELECT count(*) FROM batch) AS batch,
       (SELECT count(*) FROM (TABLE single EXCEPT TABLE batch) d) AS different;
SELECT DISTINCT request, user_id, source
FROM seqrec_recommend_batch(ARRAY['u1', 'u2', NULL, 'nobody', 'u3'], '[["i1", "i2"], null, ["i9"], [], []]', 2, 'shop')
ORDER BY request;
SELECT count(*) FROM seqrec_recommend_batch('{}', '[]', 7, 'shop');
SELECT count(*), count(DISTINCT user_id) AS users, bool_and(NOT item_id = ANY (seen(user_id))) AS nothing_seen
FROM seqrec_recommend_all(3, 'shop');
SELECT seqrec_recommend_batch(ARRAY['u1'], '[]', 7, 'shop');
SELECT seqrec_recommend_batch(ARRAY['u1'], '["i1"]', 7, 'shop');
SELECT seqrec_recommend_batch(ARRAY['u1'], '{}', 7, 'shop');
SELECT seqrec_recommend_batch(ARRAY['u1'], '[[{}]]', 7, 'shop');
SELECT seqrec_recommend_batch(NULL, '[]', 7, 'shop');

-- Scores are those of recommendations, whichever way they are asked for.
SELECT bool_and(a.score = s.score AND a.score = seqrec_score_item('u7', ARRAY['i1', 'i2'], a.item_id, 'shop')) AS same, count(*)
FROM seqrec_recommend('u7', ARRAY['i1', 'i2'], 300, 'shop') a,
     LATERAL (SELECT score FROM seqrec_score('u7', ARRAY['i1', 'i2'], ARRAY[a.item_id], 'shop')) s;
SELECT item_id, score IS NULL AS unknown, round(sum(probability) OVER ()::numeric, 3) AS probabilities
FROM seqrec_score('u7', ARRAY['i1'], ARRAY['i3', 'never'], 'shop');
SELECT bool_and(score <= before) AS best_first FROM (
    SELECT score, lag(score) OVER () AS before
    FROM seqrec_score('u7', ARRAY['i1'], (SELECT array_agg('i' || g) FROM generate_series(0, 99) g), 'shop')) s;
SELECT seqrec_score_item('u7', NULL, 'never', 'shop') IS NULL AS unknown, seqrec_score_item('u7', NULL, 'i3', 'shop') BETWEEN -1 AND 1 AS known,
       seqrec_score_item('nobody', '{}', 'i3', 'shop') BETWEEN 0 AND 1 AS share;
-- The kept vector follows the arguments.
SELECT count(DISTINCT seqrec_score_item('u' || u, ARRAY['i' || u], 'i299', 'shop')) AS different FROM generate_series(1, 50) u;

-- A reason is the click, or the user, that the score loses most without; of each the loss is computed again by seqrec_score_item.
CREATE FUNCTION explained(u text, clicks text[], user_known boolean) RETURNS text LANGUAGE sql AS $$
    WITH items AS (SELECT array_agg(item_id) AS ids FROM seqrec_recommend(u, clicks, 20, 'shop')),
    score AS (SELECT i.id, seqrec_score_item(u, clicks, i.id, 'shop') AS score FROM items, unnest(ids) AS i(id)),
    losses AS (
        SELECT id, c AS click, score - CASE WHEN user_known OR cardinality(array_remove(clicks, c)) > 0
                                            THEN seqrec_score_item(u, array_remove(clicks, c), id, 'shop') ELSE 0 END AS loss
        FROM score, unnest(clicks) AS c
        UNION ALL
        SELECT id, NULL, score - seqrec_score_item('stranger', clicks, id, 'shop') FROM score WHERE user_known),
    most AS (SELECT DISTINCT ON (id) id, click, loss FROM losses ORDER BY id, loss DESC),
    told AS (SELECT e.* FROM items, seqrec_explain(u, clicks, ids, 'shop') WITH ORDINALITY AS e (item_id, because_of, contribution, source, reason, place))
    SELECT format('%s told, %s wrong, in order: %s', count(*),
                  count(*) FILTER (WHERE most.id IS NULL OR abs(contribution - loss) > 1e-6
                                      OR because_of IS DISTINCT FROM CASE WHEN loss > 0 THEN click END
                                      OR source <> CASE WHEN click IS NULL THEN 'user' ELSE 'clicks' END),
                  array_agg(item_id ORDER BY told.place) = (SELECT ids FROM items))
    FROM told LEFT JOIN most ON most.id = told.item_id
$$;
SET seqrec.exact = on;
SELECT explained('stranger', ARRAY['i1', 'i5', 'i9', 'i20'], false);
SELECT explained('stranger', ARRAY['i1'], false);
SELECT explained('u7', ARRAY['i1', 'i5', 'i9'], true);
RESET seqrec.exact;
SELECT bool_and(because_of IS NULL AND source = 'user' AND contribution = seqrec_score_item('u7', '{}', item_id, 'shop')) AS user_alone
FROM seqrec_explain('u7', '{}', ARRAY['i1', 'i2'], 'shop');
SELECT bool_and(because_of IS NULL AND source = 'popular' AND contribution = seqrec_score_item('x', '{}', item_id, 'shop')) AS popular
FROM seqrec_explain('x', ARRAY['never'], ARRAY['i1', 'i2'], 'shop');
SELECT bool_and(because_of = ANY (seen('u8')) OR source = 'user') AS own_rows FROM seqrec_explain('u8', NULL, ARRAY['i1', 'i2', 'i3'], 'shop');
SELECT item_id, because_of IS NULL AND contribution IS NULL AND source IS NULL AS unknown
FROM seqrec_explain('x', ARRAY['i1'], ARRAY['never', 'i3', NULL, 'nothing'], 'shop');
SELECT count(*) FROM seqrec_explain('x', ARRAY['i1'], NULL, 'shop');
SELECT seqrec_explain('x', ARRAY['i1'], ARRAY['i2'], NULL);
DROP FUNCTION explained;

-- What seqrec-http asks: the same answers, a row an asker.
WITH asked AS (SELECT * FROM (VALUES (1, 'u1', ARRAY['i1', 'i2']), (2, 'u2', NULL), (3, 'x', ARRAY['i9', 'never', NULL]), (4, 'nobody', '{}')) v (request, u, clicks)),
single AS (SELECT request, array_agg(item_id ORDER BY rank) AS ids, array_agg(score ORDER BY rank) AS scores
           FROM asked, seqrec_recommend(u, clicks, 7, 'shop', ARRAY['i3'], false, NULL, 0) GROUP BY request)
SELECT a.request, a.item_ids = single.ids AND a.scores = single.scores AS same, a.source, unknown_items, a.version = m.version::text AS version
FROM seqrec.answers(ARRAY['u1', 'u2', 'x', 'nobody'], ARRAY[2, NULL, 3, 0], ARRAY['i1', 'i2', 'i9', 'never', NULL], 7, 'shop', ARRAY['i3'], false, NULL, 0)
     WITH ORDINALITY AS a (item_ids, scores, source, unknown_items, version, problem, unknown_context, probabilities, request)
     JOIN single USING (request), seqrec_models m WHERE m.model = 'shop' AND m.active ORDER BY request;
SELECT item_ids FROM seqrec.answers(ARRAY['x'], ARRAY[1], ARRAY['i1'], 7, 'shop', candidates => '{}');
SELECT count(*) FROM seqrec.answers('{}', '{}', '{}', 7, 'shop');
SELECT seqrec.answers(ARRAY['x', 'y'], ARRAY[1], ARRAY['i1'], 7, 'shop');
SELECT seqrec.answers(ARRAY['x'], ARRAY[2], ARRAY['i1'], 7, 'shop');
SELECT seqrec.answers(ARRAY['x'], ARRAY[-1], ARRAY['i1'], 7, 'shop');
SELECT seqrec.answers(ARRAY['x'], ARRAY[0], ARRAY['i1'], 7, 'shop');
SELECT seqrec.answers(ARRAY['x'], NULL, ARRAY['i1'], 7, 'shop');
SELECT seqrec.answers(ARRAY['x'], ARRAY[1], ARRAY['i1'], 0, 'shop');
-- One user's clicks are as many as seqrec_recommend takes, also where those of all may be more.
SELECT count(*) FROM seqrec.answers(ARRAY['x'], ARRAY[100000], array_fill('i1'::text, ARRAY[100000]), 5, 'shop');
SELECT count(*) FROM seqrec.answers(ARRAY['x', 'y'], ARRAY[100000, 1], array_fill('i1'::text, ARRAY[100001]), 5, 'shop');
SELECT count(*) FROM seqrec.answers(ARRAY['x', 'y'], ARRAY[1, 100001], array_fill('i1'::text, ARRAY[100002]), 5, 'shop');
\echo :SQLSTATE

-- Neighbours and vectors.
SELECT bool_and(n.score = s.score) AS same, bool_and(n.item_id <> 'i5') AS without_itself, count(*)
FROM seqrec_similar_items('i5', 10, 'shop') n,
     LATERAL (SELECT sum(a::float8 * b::float8)::real AS score
              FROM unnest(seqrec_item_embedding('i5', 'shop'), seqrec_item_embedding(n.item_id, 'shop')) AS pair (a, b)) exact,
     LATERAL (SELECT CASE WHEN abs(exact.score - n.score) < 1e-5 THEN n.score END AS score) s;
SELECT count(*) FROM seqrec_similar_items('never', 10, 'shop');
SELECT cardinality(seqrec_item_embedding('i5', 'shop')), seqrec_item_embedding('never', 'shop') IS NULL AS unknown,
       (SELECT bool_and(x = 0) FROM unnest(seqrec_user_embedding('nobody', '{}', 'shop')) x) AS zeros;
SELECT seqrec_unknown_items(ARRAY['i1', 'never', NULL, 'i2', 'nothing'], 'shop');

-- The planner knows k.
CREATE FUNCTION planned_rows(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    plan json;
BEGIN
    EXECUTE 'EXPLAIN (FORMAT json) ' || query INTO plan;
    RETURN plan->0->'Plan'->>'Plan Rows';
END $$;
SELECT planned_rows($$SELECT * FROM seqrec_recommend('x', '{}', 25, 'shop')$$) AS recommend,
       planned_rows($$SELECT * FROM seqrec_recommend(7, ARRAY[1], k => 25)$$) AS with_numbers,
       planned_rows($$SELECT * FROM seqrec_recommend('x')$$) AS by_default,
       planned_rows($$SELECT * FROM seqrec_similar_items('i1', 7 + 1)$$) AS similar;
DROP FUNCTION planned_rows;

-- Limits and mistakes.
SELECT seqrec_recommend('x', '{}', 0, 'shop');
SELECT seqrec_recommend('x', '{}', 10001, 'shop');
SELECT seqrec_recommend('x', '{}', NULL, 'shop');
SELECT seqrec_recommend('x', '{}', 5, NULL);
SELECT seqrec_recommend('x', '{}', 5, 'shop', min_score => 'NaN');
SELECT seqrec_recommend('x', '{}', 5, 'shop', exclude => '{{a,b},{c,d}}');
SELECT seqrec_score_item('x', '{}', 'i1', 'no such model');

-- What is known beyond clicks: a kind that uses nothing of it says so, and answers as without; probabilities are of kinds that have them.
SELECT i->'unknown_context' AS unknown_context, i - 'unknown_context' = w - 'unknown_context' AS same
FROM seqrec_recommend_info('u1', '{i1}', 5, 'shop', context => '{"device": "phone", "b": [1, {"c": null}]}') i,
     seqrec_recommend_info('u1', '{i1}', 5, 'shop') w;
SELECT count(*) FROM seqrec_recommend_batch(ARRAY['u1', 'u2'], '[["i1"], []]', 3, 'shop', context => '[{"a": 1}, null]');
SELECT count(*) FROM seqrec_recommend_batch(ARRAY['u1', 'u2'], '[["i1"], []]', 3, 'shop', context => '{"a": 1}');
SELECT unknown_context, probabilities FROM seqrec.answers(ARRAY['x', 'y'], ARRAY[1, 0], ARRAY['i1'], 3, 'shop', contexts => ARRAY['{"a": 1, "b": 2}', NULL]::jsonb[]);
SELECT seqrec_recommend('u1', '{i1}', 5, 'shop', context => '[]');
SELECT seqrec_recommend('u1', '{i1}', 5, 'shop', context => '1');
SELECT seqrec_recommend('u1', '{i1}', 5, 'shop', context => 'null');
SELECT seqrec_score('u1', '{i1}', '{i2}', 'shop', '"a"');
SELECT seqrec_score_item('u1', '{i1}', 'i2', 'shop', '[1]');
SELECT seqrec_explain('u1', '{i1}', '{i2}', 'shop', 'true');
SELECT seqrec_user_embedding('u1', '{i1}', 'shop', '[]');
SELECT seqrec_recommend('u1', '{i1}', 5, 'shop', context => '{"a": 1e400}');
SELECT seqrec_recommend('u1', '{i1}', 5, 'shop', context => (SELECT jsonb_object_agg(n, n) FROM generate_series(1, 65) n));
SELECT seqrec_recommend('u1', '{i1}', 5, 'shop', context => jsonb_build_object('a', repeat('x', 65537)));
SELECT seqrec_recommend_batch(ARRAY['u1', 'u2'], '[["i1"], []]', 3, 'shop', context => '[{"a": 1}]');
SELECT seqrec_recommend_batch(ARRAY['u1', 'u2'], '[["i1"], []]', 3, 'shop', context => '[{"a": 1}, []]');
SELECT seqrec_recommend_batch(ARRAY['u1', 'u2'], '[["i1"], []]', 3, 'shop', context => '[{"a": 1}, 2]');
SELECT seqrec_recommend_batch(ARRAY['u1', 'u2'], '[["i1"], []]', 3, 'shop', context => '7');
SELECT seqrec.answers(ARRAY['x', 'y'], ARRAY[1, 0], ARRAY['i1'], 3, 'shop', contexts => '{}');
SELECT seqrec_recommend('u1', '{i1}', 5, 'shop', min_probability => 0.5);
SELECT seqrec_recommend('u1', '{i1}', 5, 'shop', min_probability => 0);
SELECT seqrec_recommend_all(5, 'shop', min_probability => 0.5);
SELECT seqrec_recommend('u1', '{i1}', 5, 'shop', min_probability => 1.01);
SELECT seqrec_recommend('u1', '{i1}', 5, 'shop', min_probability => -0.5);
SELECT seqrec_recommend('u1', '{i1}', 5, 'shop', min_probability => 'NaN');
SELECT seqrec_coefficients('shop');
SELECT seqrec_coefficients(NULL);

-- Neighbours pass the filters of recommendations.
WITH free AS (SELECT * FROM seqrec_similar_items('i5', 300, 'shop')),
filtered AS (SELECT * FROM seqrec_similar_items('i5', 300, 'shop', exclude => ARRAY['i1', 'i2', 'never'],
                                                candidates => ARRAY['i1', 'i2', 'i3', 'i4', 'i5', 'i6', 'nothing'], min_score => -0.9))
SELECT array_agg(item_id ORDER BY rank) = (SELECT array_agg(item_id ORDER BY rank) FROM free WHERE item_id IN ('i3', 'i4', 'i6') AND score >= -0.9) AS same_items,
       bool_and(score IN (SELECT score FROM free f WHERE f.item_id = filtered.item_id)) AS same_scores FROM filtered;
SELECT count(*) = (SELECT count(*) FROM seqrec_similar_items('i5', 300, 'shop') WHERE score >= 0.2) AS good_enough
FROM seqrec_similar_items('i5', 300, 'shop', min_score => 0.2);
SELECT count(*) FROM seqrec_similar_items('i5', 10, 'shop', candidates => '{}');
SELECT seqrec_similar_items('i5', 10, 'shop', min_score => 'NaN');

-- Integer ids are asked with as they are, and answered as text.
CREATE TABLE numbers AS SELECT substr(user_id, 2)::bigint AS user_id, substr(item_id, 2)::bigint AS item_id, timestamp FROM shop;
SELECT seqrec_train('numbers', 'numbers', options => '{"epochs": 1, "dim": 16, "max_len": 10}') AS job \gset
CALL seqrec_wait(:job);
SELECT count(*), bool_and(score = seqrec_score_item(7, ARRAY[1, 2]::bigint[], item_id::bigint, 'numbers')) AS same_scores,
       bool_and(item_id::bigint IN (SELECT n.item_id FROM numbers n)) AS known
FROM seqrec_recommend(7, ARRAY[1, 2]::bigint[], 5, 'numbers', exclude => ARRAY[3]::bigint[]);
SELECT count(*) FROM seqrec_similar_items(5, 10, 'numbers');
SELECT bool_and(because_of IN ('1', '2')) AS clicked FROM seqrec_explain(0, ARRAY[1, 2]::bigint[], ARRAY[3, 4]::bigint[], 'numbers') WHERE because_of IS NOT NULL;
SELECT item_id, score IS NULL AS unknown FROM seqrec_score(7, NULL, ARRAY[1, 9999]::bigint[], 'numbers');

-- Parallel workers answer too.
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
ALTER TABLE shop SET (parallel_workers = 2);
SELECT count(*) > 0 AS some FROM shop WHERE seqrec_score_item(user_id, NULL, item_id, 'shop') > 0.1;
RESET ALL;

SELECT seqrec_drop(model_id) FROM seqrec_models WHERE model IN ('shop', 'numbers');
DROP TABLE shop, numbers;
DROP FUNCTION agrees, by_definition, seen;
DELETE FROM seqrec.jobs;
DELETE FROM seqrec.job_log;
