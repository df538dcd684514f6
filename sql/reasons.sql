-- Why, in words. In ASCII, since this runs in databases of other encodings too; what is Chinese is compared by its bytes in UTF-8.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET lc_messages = 'C';
CREATE TABLE visits AS
SELECT 'u' || u AS user_id, 'i' || (u * 7 + g * g) % 40 AS item_id, g AS timestamp FROM generate_series(1, 100) u, generate_series(1, 8) g;
CREATE TABLE goods AS SELECT 'i' || g AS item_id, 'Thing number ' || g AS title FROM generate_series(0, 39) g;
UPDATE goods SET title = 'Northfold Tent' WHERE item_id = 'i1';
-- the table of items as a kind that reads one has it in its source
CREATE FUNCTION with_items(name text, relation text) RETURNS void LANGUAGE sql AS
$$ UPDATE seqrec.models m SET source = source || jsonb_build_object('items', jsonb_build_object('relation', $2, 'id_column', 'item_id')) WHERE m.name = $1 AND active $$;
SELECT seqrec_train('visits', 'words', options => '{"epochs": 1, "dim": 16, "user_dropout": 0.5}') AS job \gset
CALL seqrec_wait(:job);
SELECT with_items('words', 'public.goods');

-- Each source has its sentence.
SELECT DISTINCT reason, because_item_id, source FROM seqrec_recommend_explained('x', ARRAY['i1'], 3, 'words');
SELECT DISTINCT reason, because_item_id, source FROM seqrec_recommend_explained('u1', '{}', 3, 'words');
SELECT DISTINCT reason, because_item_id, source FROM seqrec_recommend_explained('x', '{}', 3, 'words');
SELECT item_id, reason FROM seqrec_explain('x', ARRAY['i1'], ARRAY['i1', 'never'], 'words');

-- The rows are those of seqrec_recommend, the reasons those of seqrec_explain, and without the click the score is lower by as much.
WITH told AS (SELECT * FROM seqrec_recommend_explained('u3', ARRAY['i1', 'i2', 'i3', 'i1'], 10, 'words')),
plain AS (SELECT * FROM seqrec_recommend('u3', ARRAY['i1', 'i2', 'i3', 'i1'], 10, 'words')),
why AS (SELECT e.* FROM (SELECT array_agg(item_id ORDER BY rank) AS ids FROM plain) i, seqrec_explain('u3', ARRAY['i1', 'i2', 'i3', 'i1'], ids, 'words') e)
SELECT count(*), bool_and(told.score = plain.score), bool_and((told.because_item_id, told.contribution, told.source, told.reason) IS NOT DISTINCT FROM (why.because_of, why.contribution, why.source, why.reason)),
       bool_and(told.because_item_id IS NULL OR told.score - seqrec_score_item('u3', array_remove(ARRAY['i1', 'i2', 'i3', 'i1'], told.because_item_id), told.item_id, 'words') BETWEEN told.contribution - 0.02 AND told.contribution + 0.02) AS lower
FROM told JOIN plain USING (rank, item_id) JOIN why USING (item_id);

-- Languages: Chinese where the database can write it, English else.
CREATE FUNCTION reason(click text DEFAULT 'i1', language text DEFAULT NULL) RETURNS text LANGUAGE sql AS
$$ SELECT reason FROM seqrec_recommend_explained('x', ARRAY[click], 1, 'words', language => language) $$;
CREATE FUNCTION writes_chinese() RETURNS boolean LANGUAGE sql AS $$ SELECT getdatabaseencoding() IN ('UTF8', 'EUC_CN', 'SQL_ASCII') $$;
SELECT l, CASE WHEN writes_chinese() THEN encode(convert_to(reason('i1', l), 'UTF8'), 'hex') = 'e59ba0e4b8bae682a8e69c80e8bf91e6b58fe8a788e4ba86' || encode('Northfold Tent', 'hex')
               ELSE reason('i1', l) = 'because you viewed Northfold Tent' END AS chinese
FROM unnest('{zh,zh_CN.UTF-8,zh-Hant-TW,ZH}'::text[]) l;
SELECT l, reason('i1', l) FROM unnest('{en,en-GB,fr,C,"",klingon; DROP TABLE goods}'::text[]) l;

-- Templates are data; rows of the table come first, and may be in other languages.
SELECT kind, template FROM seqrec.default_reason_templates() WHERE language = 'en';
INSERT INTO seqrec.reason_templates VALUES ('en', 'click', 'you saw {title} ({item}, {titel}, %s, $1, {{words}})'), ('fr', 'click', 'vu : {title}'), ('en', 'popular', 'hot'), ('de', 'again', '');
SELECT reason(), reason('i1', 'fr'), reason('i1', 'de');
SELECT DISTINCT reason FROM seqrec_recommend_explained('x', '{}', 3, 'words');
SELECT reason FROM seqrec_explain('x', ARRAY['i1'], ARRAY['i1'], 'words', language => 'de');
INSERT INTO seqrec.reason_templates VALUES ('en', 'latest_click', 'you just saw {title}');
SELECT DISTINCT reason FROM seqrec_explain('x', ARRAY['i2', 'i1'], (SELECT array_agg(item_id) FROM goods WHERE item_id NOT IN ('i1', 'i2')), 'words') WHERE because_of = 'i1';
SELECT DISTINCT reason FROM seqrec_explain('x', ARRAY['i1', 'i2'], (SELECT array_agg(item_id) FROM goods WHERE item_id NOT IN ('i1', 'i2')), 'words') WHERE because_of = 'i1';
INSERT INTO seqrec.reason_templates VALUES ('en', 'clicked', 'x');
INSERT INTO seqrec.reason_templates VALUES ('EN''; --', 'click', 'x');
INSERT INTO seqrec.reason_templates VALUES ('it', 'click', repeat('x', 1001));
DELETE FROM seqrec.reason_templates;

-- {words}: what both titles have.
INSERT INTO seqrec.reason_templates VALUES ('en', 'click', '{words}');
SELECT reason('i2');
DELETE FROM seqrec.reason_templates;

-- Titles are text, in one line, and not too long; several of one item are no matter.
UPDATE goods SET title = '''; DROP TABLE goods; -- {words}{item} <script>' WHERE item_id = 'i2';
UPDATE goods SET title = E'two\n\tlines' WHERE item_id = 'i3';
UPDATE goods SET title = repeat('very long ', 1000) || 'title' WHERE item_id = 'i4';
UPDATE goods SET title = NULL WHERE item_id = 'i5';
UPDATE goods SET title = '' WHERE item_id = 'i6';
DELETE FROM goods WHERE item_id = 'i7';
INSERT INTO goods VALUES ('i8', 'A first one'), ('i8', NULL);
SELECT i, reason(i) FROM unnest('{i2,i3,i5,i6,i7,i8}'::text[]) i;
SELECT reason('i4') LIKE 'because you viewed very long very long %very long_%' AS begins, length(reason('i4')) <= 99 AS short;

-- Another table, whose ids are of another type, and other columns.
CREATE TABLE numbered AS SELECT u AS user_id, (u * 7 + g * g) % 30 AS item_id, g AS timestamp FROM generate_series(1, 60) u, generate_series(1, 8) g;
CREATE TABLE labels (sku bigint PRIMARY KEY, label varchar(30));
INSERT INTO labels SELECT g, 'Label ' || g FROM generate_series(0, 29) g;
SELECT seqrec_train('numbered', 'numbered', options => '{"epochs": 1, "dim": 16}') AS job \gset
CALL seqrec_wait(:job);
SELECT reason FROM seqrec_recommend_explained('x', ARRAY['5'], 1, 'numbered');
SELECT reason FROM seqrec_recommend_explained('x', ARRAY['5'], 1, 'numbered', titles => 'labels', title_id_column => 'sku', title_column => 'label');
SELECT reason FROM seqrec_recommend_explained('x', ARRAY['5'], 1, 'numbered', titles => 'labels', title_id_column => 'sku');
SELECT reason FROM seqrec_recommend_explained('x', ARRAY['5'], 1, 'numbered', titles => 'labels', title_column => 'label');
SELECT reason FROM seqrec_recommend_explained('x', ARRAY['5'], 1, 'numbered', titles => 'labels', title_id_column => 'sku', title_column => 'nothing');
SELECT reason FROM seqrec_recommend_explained('x', ARRAY['5'], 1, 'numbered', titles => 'labels_pkey', title_id_column => 'sku', title_column => 'sku');
SELECT reason FROM seqrec_recommend_explained('x', ARRAY['i1'], 1, 'words', titles => 'labels', title_id_column => 'sku', title_column => 'label');
SELECT reason FROM seqrec_recommend_explained('x', ARRAY['i1'], 1, 'words', title_column => 'item_id');

-- Who may not read titles gets ids; who may read the columns alone, titles. Templates are for who was granted them.
CREATE ROLE seqrec_reads LOGIN;
GRANT EXECUTE ON FUNCTION seqrec_explain, seqrec_recommend_explained TO seqrec_reads;
SET ROLE seqrec_reads;
SELECT reason();
SELECT reason FROM seqrec_recommend_explained('x', ARRAY['i1'], 1, 'words', titles => 'goods');
INSERT INTO seqrec.reason_templates VALUES ('en', 'click', 'mine');
SELECT count(*) FROM seqrec.reason_templates;
RESET ROLE;
GRANT SELECT (item_id, title) ON goods TO seqrec_reads;
GRANT INSERT, DELETE ON seqrec.reason_templates TO seqrec_reads;
SET ROLE seqrec_reads;
SELECT reason();
INSERT INTO seqrec.reason_templates VALUES ('en', 'click', 'mine');
SELECT reason();
RESET ROLE;
DELETE FROM seqrec.reason_templates;

-- nor does a view tell what its owner may no longer read
GRANT CREATE ON SCHEMA public TO seqrec_reads;
SET ROLE seqrec_reads;
CREATE VIEW sealed AS SELECT item_id, title FROM goods;
SELECT reason FROM seqrec_recommend_explained('x', ARRAY['i1'], 1, 'words', titles => 'sealed');
RESET ROLE;
REVOKE SELECT (item_id, title) ON goods FROM seqrec_reads;
SET ROLE seqrec_reads;
SELECT reason FROM seqrec_recommend_explained('x', ARRAY['i1'], 1, 'words', titles => 'sealed');
DROP VIEW sealed;
RESET ROLE;
REVOKE CREATE ON SCHEMA public FROM seqrec_reads;

-- Nobody's code runs but the caller's own: a view that somebody else's model was trained with is not read, unless the caller names it.
CREATE ROLE seqrec_mallory LOGIN;
GRANT CREATE ON SCHEMA public TO seqrec_mallory;
GRANT EXECUTE ON FUNCTION seqrec_train, seqrec_explain, seqrec_recommend_explained TO seqrec_mallory;
SET ROLE seqrec_mallory;
CREATE TABLE steps AS SELECT 'u' || u AS user_id, 'i' || (u * 7 + g * g) % 40 AS item_id, g AS timestamp FROM generate_series(1, 100) u, generate_series(1, 8) g;
CREATE FUNCTION trap(title text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN title || ' of ' || current_user; END $$;
CREATE VIEW trapped AS SELECT 'i' || g AS item_id, trap('Title') AS title FROM generate_series(0, 39) g;
GRANT SELECT ON trapped TO PUBLIC;
SELECT seqrec_train('steps', 'hers', options => '{"epochs": 1, "dim": 16}') AS job \gset
CALL seqrec_wait(:job);
RESET ROLE;
SELECT with_items('hers', 'public.trapped');
SET ROLE seqrec_mallory;
SELECT reason FROM seqrec_recommend_explained('x', ARRAY['i1'], 1, 'hers');
RESET ROLE;
SELECT reason FROM seqrec_recommend_explained('x', ARRAY['i1'], 1, 'hers');
SELECT reason FROM seqrec_recommend_explained('x', ARRAY['i1'], 1, 'hers', titles => 'trapped');
-- nor is her table while a policy of hers decides which rows there are
SET ROLE seqrec_mallory;
DROP VIEW trapped;
CREATE TABLE trapped AS SELECT 'i' || g AS item_id, 'Title ' || g AS title FROM generate_series(0, 39) g;
GRANT SELECT ON trapped TO PUBLIC;
RESET ROLE;
SELECT with_items('hers', 'public.trapped');
\c -
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET lc_messages = 'C';
SET ROLE seqrec_reads;
SELECT reason FROM seqrec_recommend_explained('x', ARRAY['i1'], 1, 'hers');
RESET ROLE;
SET ROLE seqrec_mallory;
ALTER TABLE trapped ENABLE ROW LEVEL SECURITY;
CREATE POLICY all_rows ON trapped USING (true);
RESET ROLE;
SET ROLE seqrec_reads;
SELECT reason FROM seqrec_recommend_explained('x', ARRAY['i1'], 1, 'hers');
SELECT reason FROM seqrec_recommend_explained('x', ARRAY['i1'], 1, 'hers', titles => 'trapped');
RESET ROLE;
-- an index whose expression is hers is planned with, too
SET ROLE seqrec_mallory;
ALTER TABLE trapped DISABLE ROW LEVEL SECURITY;
CREATE FUNCTION trap_index(text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
CREATE INDEX ON trapped (item_id) WHERE trap_index('x');
RESET ROLE;
SET ROLE seqrec_reads;
SELECT reason FROM seqrec_recommend_explained('x', ARRAY['i1'], 1, 'hers');
RESET ROLE;

-- A table of items that is gone, or has another's name, leaves ids.
ALTER TABLE goods RENAME TO wares;
CREATE TABLE goods AS SELECT item_id, 'not these' AS title FROM wares;
SELECT reason();
DROP TABLE wares;
SELECT reason();

SELECT seqrec_drop(model_id) FROM seqrec_models WHERE model IN ('words', 'numbered', 'hers');
DROP FUNCTION reason, writes_chinese, with_items;
DROP TABLE visits, goods, numbered, labels, trapped, steps;
DROP FUNCTION trap, trap_index;
REVOKE ALL ON FUNCTION seqrec_train, seqrec_explain, seqrec_recommend_explained FROM seqrec_mallory, seqrec_reads;
REVOKE ALL ON seqrec.reason_templates FROM seqrec_reads;
REVOKE CREATE ON SCHEMA public FROM seqrec_mallory;
DROP ROLE seqrec_reads, seqrec_mallory;
