-- Ids of any type: users and items of different types, with and without a type of their own in the call.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE TYPE shelf AS ENUM ('rope', 'tent', 'lamp', 'mat', 'stove');
CREATE DOMAIN good_shelf AS shelf CHECK (VALUE <> 'stove');
CREATE TABLE visits AS
SELECT u AS number, ('00000000-0000-0000-0000-' || lpad(u::text, 12, '0'))::uuid AS key, (u * 1.5)::numeric AS amount, 'u' || u AS name,
       ('c' || u)::char(8) AS code, date '2026-01-01' + u AS day, (enum_range(NULL::shelf))[1 + u % 4]::good_shelf AS kind, u % 2 = 0 AS even,
       (enum_range(NULL::shelf))[1 + (u + g * g) % 5] AS item, (u + g * g) % 5 AS item_number, g AS timestamp
FROM generate_series(1, 40) u, generate_series(1, 4) g;
-- Before a training there is no cast of such a type.
SELECT count(*) FROM seqrec_recommend('rope'::shelf);
CREATE TABLE trained_models (users name, items name);
INSERT INTO trained_models SELECT u, i FROM unnest('{number,key,amount,name,code,day,kind,even}'::name[]) u, unnest('{item,item_number}'::name[]) i
WHERE i = 'item' OR u = 'kind';
DO $$
DECLARE
    wanted record;
    job bigint;
BEGIN
    FOR wanted IN SELECT * FROM trained_models LOOP
        job := seqrec_train('visits', wanted.users || '-' || wanted.items, user_column => wanted.users, item_column => wanted.items,
                            options => '{"epochs": 1, "dim": 8, "max_len": 4, "members": 1}');
        COMMIT;
        CALL seqrec_wait(job);
    END LOOP;
END $$;
SELECT count(*) = (SELECT count(*) FROM trained_models) AS all_trained FROM seqrec_models WHERE active;
-- A cast for each type that had none: what seqrec_train has met, and no other.
SELECT castsource::regtype AS type, castcontext, castmethod FROM pg_cast
WHERE casttarget = 'seqrec.id'::regtype AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_cast'::regclass AND objid = pg_cast.oid AND deptype = 'e')
ORDER BY 1;
-- Every user is known by a value of the column's own type, and by its text.
CREATE FUNCTION known(users name, items name) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    by_value bigint;
    by_text bigint;
    all_of_them bigint;
BEGIN
    EXECUTE format('SELECT count(*) FILTER (WHERE (v->>''user_known'')::boolean), count(*) FILTER (WHERE (t->>''user_known'')::boolean), count(*)
                    FROM (SELECT DISTINCT %1$I AS id FROM visits) u, seqrec_recommend_info(u.id, ''{}'', model => %2$L) v, seqrec_recommend_info(u.id::text, ''{}'', model => %2$L) t',
                   users, users || '-' || items) INTO by_value, by_text, all_of_them;
    RETURN format('%s by value, %s by text, of %s', by_value, by_text, all_of_them);
END $$;
SELECT users, items, known(users, items) FROM trained_models ORDER BY users, items;
-- Arrays of ids as well, of whichever types.
SELECT count(*), bool_and(r.item_id::shelf <> 'tent') AS excluded FROM visits v, seqrec_recommend(v.kind, ARRAY[v.item], 3, 'kind-item', exclude => ARRAY['tent'::shelf], exclude_seen => false) r WHERE v.number < 4;
SELECT count(*), bool_and(item_id IN ('rope', 'mat')) AS allowed FROM seqrec_recommend('x', ARRAY['lamp'], 3, 'kind-item', candidates => '{rope,mat}'::shelf[]);
SELECT count(*) FROM seqrec_recommend_batch((SELECT array_agg(DISTINCT kind) FROM visits WHERE number < 3), NULL, 2, 'kind-item', exclude_seen => false);
SELECT count(*) FROM seqrec_recommend_batch(ARRAY[1, 2], NULL, 2, 'number-item', exclude_seen => false, candidates => ARRAY['rope', 'lamp']::shelf[]);
SELECT bool_and(s.score = seqrec_score_item(7, ARRAY[3::smallint], s.item_id::int, 'kind-item_number')) AS same, count(*)
FROM seqrec_score(7, ARRAY[3], ARRAY[0, 1, 2]::numeric[], 'kind-item_number') s;
SELECT count(*) FROM seqrec_explain('2026-01-05'::date, ARRAY['rope'::shelf], ARRAY['lamp'::shelf, 'mat'], 'day-item');
SELECT seqrec_unknown_items(ARRAY[1, 2, 77], 'kind-item_number');
SELECT count(*) FROM seqrec_similar_items('rope'::shelf, 3, 'kind-item', exclude => ARRAY['mat']);
SELECT cardinality(seqrec_item_embedding('rope'::shelf, 'kind-item')), cardinality(seqrec_user_embedding('rope'::good_shelf, ARRAY['mat'::shelf], 'kind-item'));
SELECT count(*) FROM seqrec_history(true, 4, 'even-item');
-- A date is the same one however the session writes it; blanks at the end of a char(n) are nothing.
SET DateStyle = 'SQL, DMY';
SELECT known('day', 'item');
RESET DateStyle;
SELECT (seqrec_recommend_info('c7'::char(40), '{}', model => 'code-item')->>'user_known')::boolean AS known;
-- Parameters without a type are ids, those with one too; names in any order.
PREPARE untyped AS SELECT count(*) FROM seqrec_recommend($1, $2, $3, 'number-item', $4, candidates => $5);
SELECT parameter_types FROM pg_prepared_statements WHERE name = 'untyped';
EXECUTE untyped('7', '{rope}', 3, '{mat}', '{lamp,tent,mat}');
PREPARE one AS SELECT seqrec_score_item($1, $2, $3, 'number-item') IS NOT NULL AS known;
EXECUTE one('7', '{rope}', 'mat');
SELECT count(*) FROM seqrec_recommend(model => 'number-item', k => 2, clicks => ARRAY['rope'::shelf], user_id => 7::bigint);
-- NULL clicks of any type are the user's own rows, an empty array is none.
SELECT clicks.what, i->>'source' AS source FROM (VALUES ('own', NULL::bigint[]), ('none', '{}')) clicks(what, ids),
       seqrec_recommend_info(7, clicks.ids, model => 'number-item') i;
-- Who may not use a type gets no cast of it, and the model all the same.
CREATE ROLE seqrec_carol LOGIN;
GRANT CREATE ON SCHEMA public TO seqrec_carol;
GRANT EXECUTE ON FUNCTION seqrec_train TO seqrec_carol;
CREATE TYPE hidden AS ENUM ('a', 'b');
CREATE TABLE hidden_visits AS SELECT (enum_range(NULL::hidden))[1 + u % 2] AS user_id, 'i' || u % 7 AS item_id, u AS timestamp FROM generate_series(1, 60) u;
GRANT SELECT ON hidden_visits TO seqrec_carol;
REVOKE USAGE ON TYPE hidden FROM PUBLIC;
SET ROLE seqrec_carol;
SELECT seqrec_train('hidden_visits', 'hidden', options => '{"epochs": 1, "dim": 8, "max_len": 4, "members": 1}') AS job \gset
CALL seqrec_wait(:job);
RESET ROLE;
SELECT count(*) AS casts FROM pg_cast WHERE castsource = 'hidden'::regtype;
GRANT USAGE ON TYPE hidden TO seqrec_carol;
SET ROLE seqrec_carol;
SELECT seqrec_train('hidden_visits', 'hidden', options => '{"epochs": 1, "dim": 8, "max_len": 4, "members": 1}') AS job \gset
CALL seqrec_wait(:job);
RESET ROLE;
SELECT count(*) AS casts FROM pg_cast WHERE castsource = 'hidden'::regtype;
-- A type goes without a word of its cast, and so does the extension.
SELECT count(seqrec_drop(model_id)) FROM seqrec_models;
DROP TABLE hidden_visits;
DROP TYPE hidden;
DROP OWNED BY seqrec_carol;
DROP ROLE seqrec_carol;
DROP EXTENSION seqrec;
CREATE EXTENSION seqrec;
SELECT count(*) AS casts FROM pg_cast WHERE castsource = 'shelf'::regtype;
DROP FUNCTION known;
DROP TABLE visits, trained_models;
DROP DOMAIN good_shelf;
DROP TYPE shelf;
