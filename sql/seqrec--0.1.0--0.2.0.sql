\echo Use "ALTER EXTENSION seqrec UPDATE" to load this file. \quit

-- Nothing but pg_catalog is looked up while this runs: who may create in the extension's schema could have put a closer match for
-- a function or an operator there before.
SET LOCAL search_path = pg_catalog, pg_temp;

-- A worker of the earlier library writes what the tables no longer take.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_locks WHERE locktype = 'advisory' AND objsubid = 1516 AND granted
               AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())) THEN
        RAISE EXCEPTION 'a training is running' USING ERRCODE = '55006', HINT = 'Wait for it or cancel it, then update.';
    END IF;
END $$;

-- Who may execute what is made anew, to be granted again at the end: who could call one of the functions that have become one.
SELECT set_config('seqrec_update.' || f.name, coalesce(string_agg(DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(r.rolname) END, ', '), ''), true)
FROM (VALUES ('train', '@extschema@.seqrec_train(regclass, text, text, name, name, name, regclass, regclass, jsonb)'),
             ('answers', 'seqrec.answers(text[], integer[], text[], integer, text, text[], boolean, text[], real)'),
             ('recommend', '@extschema@.seqrec_recommend(text, text[], integer, text, text[], boolean, text[], real)'),
             ('recommend', '@extschema@.seqrec_recommend(bigint, bigint[], integer, text, bigint[], boolean, bigint[], real)'),
             ('recommend_info', '@extschema@.seqrec_recommend_info(text, text[], integer, text, text[], boolean, text[], real)'),
             ('recommend_batch', '@extschema@.seqrec_recommend_batch(text[], jsonb, integer, text, text[], boolean, text[], real)'),
             ('recommend_all', '@extschema@.seqrec_recommend_all(integer, text, text[], boolean, text[], real)'),
             ('similar_items', '@extschema@.seqrec_similar_items(text, integer, text)'),
             ('similar_items', '@extschema@.seqrec_similar_items(bigint, integer, text)'),
             ('score', '@extschema@.seqrec_score(text, text[], text[], text)'),
             ('score', '@extschema@.seqrec_score(bigint, bigint[], bigint[], text)'),
             ('score_item', '@extschema@.seqrec_score(text, text[], text, text)'),
             ('score_item', '@extschema@.seqrec_score(bigint, bigint[], bigint, text)'),
             ('explain', '@extschema@.seqrec_explain(text, text[], text[], text)'),
             ('explain', '@extschema@.seqrec_explain(bigint, bigint[], bigint[], text)'),
             ('user_embedding', '@extschema@.seqrec_user_embedding(text, text[], text)'),
             ('item_embedding', '@extschema@.seqrec_item_embedding(text, text)'),
             ('unknown_items', '@extschema@.seqrec_unknown_items(text[], text)'),
             ('claim_event_key', 'seqrec.claim_event_key(text)')) f(name, signature)
    JOIN pg_proc p ON p.oid = f.signature::regprocedure
    LEFT JOIN (aclexplode(p.proacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee) ON a.grantee <> p.proowner AND (a.grantee = 0 OR r.rolname IS NOT NULL)
GROUP BY f.name;

SELECT set_config('seqrec_update.view_' || v.name, coalesce(string_agg(DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(r.rolname) END, ', '), ''), true)
FROM (VALUES ('jobs', '@extschema@.seqrec_jobs'), ('job_log', '@extschema@.seqrec_job_log'), ('models', '@extschema@.seqrec_models')) v(name, relation)
    JOIN pg_class c ON c.oid = v.relation::regclass
    LEFT JOIN (aclexplode(c.relacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee)
        ON a.privilege_type = 'SELECT' AND a.grantee <> c.relowner AND (a.grantee = 0 OR r.rolname IS NOT NULL)
GROUP BY v.name;

-- What is made anew below.
DROP VIEW @extschema@.seqrec_jobs, @extschema@.seqrec_job_log, @extschema@.seqrec_models;
DROP FUNCTION seqrec.current_state(seqrec.jobs), seqrec.worker_pid(bigint), seqrec.visible_to_me(name),
    @extschema@.seqrec_train(regclass, text, text, name, name, name, regclass, regclass, jsonb),
    seqrec.answers(text[], integer[], text[], integer, text, text[], boolean, text[], real),
    @extschema@.seqrec_recommend(text, text[], integer, text, text[], boolean, text[], real),
    @extschema@.seqrec_recommend(bigint, bigint[], integer, text, bigint[], boolean, bigint[], real),
    @extschema@.seqrec_recommend_info(text, text[], integer, text, text[], boolean, text[], real),
    @extschema@.seqrec_recommend_batch(text[], jsonb, integer, text, text[], boolean, text[], real),
    @extschema@.seqrec_recommend_all(integer, text, text[], boolean, text[], real),
    @extschema@.seqrec_similar_items(text, integer, text),
    @extschema@.seqrec_similar_items(bigint, integer, text),
    @extschema@.seqrec_score(text, text[], text[], text),
    @extschema@.seqrec_score(bigint, bigint[], bigint[], text),
    @extschema@.seqrec_score(text, text[], text, text),
    @extschema@.seqrec_score(bigint, bigint[], bigint, text),
    @extschema@.seqrec_explain(text, text[], text[], text),
    @extschema@.seqrec_explain(bigint, bigint[], bigint[], text),
    @extschema@.seqrec_user_embedding(text, text[], text),
    @extschema@.seqrec_item_embedding(text, text),
    @extschema@.seqrec_unknown_items(text[], text),
    seqrec.claim_event_key(text);

-- Owners are roles now. One that has been dropped since is nobody's: seqrec_set_owner.
DELETE FROM seqrec.event_keys WHERE pg_catalog.to_regrole(pg_catalog.quote_ident(owner)) IS NULL;
ALTER TABLE seqrec.models ALTER COLUMN owner TYPE regrole
    USING coalesce(pg_catalog.to_regrole(pg_catalog.quote_ident(owner)), 0::pg_catalog.regrole);
-- All models of 0.1.0 score by the cosine.
ALTER TABLE seqrec.models ADD COLUMN score jsonb NOT NULL DEFAULT '{"link": "cosine", "item_bias": false, "user_offset": false}';

ALTER TABLE seqrec.jobs ALTER COLUMN owner TYPE regrole
    USING coalesce(pg_catalog.to_regrole(pg_catalog.quote_ident(owner)), 0::pg_catalog.regrole);
ALTER TABLE seqrec.event_keys ALTER COLUMN owner TYPE regrole USING pg_catalog.to_regrole(pg_catalog.quote_ident(owner)), ADD COLUMN hash bytea;
ALTER TABLE seqrec.jobs ADD COLUMN uuid uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(), ADD COLUMN refreshes uuid,
    ADD COLUMN member integer, ADD COLUMN members integer, ADD COLUMN stage text;
ALTER TABLE seqrec.job_log ADD COLUMN member integer, ADD COLUMN members integer, ADD COLUMN stage text;
ALTER TABLE seqrec.models ADD COLUMN pinned boolean NOT NULL DEFAULT false;

CREATE TABLE seqrec.reason_templates (
    language text NOT NULL CHECK (language ~ '^[a-z]{2,8}$'),
    kind text NOT NULL CHECK (kind IN ('click', 'latest_click', 'again', 'clicks', 'words', 'user', 'features', 'context', 'popular')),
    template text NOT NULL CHECK (octet_length(template) <= 1000),
    PRIMARY KEY (language, kind)
);
COMMENT ON TABLE seqrec.reason_templates IS 'sentences of reasons in place of those that are built in (seqrec.default_reason_templates); {item}, {title} and {words} are filled in, and nothing else is done with them';
SELECT pg_catalog.pg_extension_config_dump('seqrec.reason_templates', '');

COMMENT ON SCHEMA seqrec IS 'models and training jobs of seqrec';

COMMENT ON TABLE seqrec.models IS 'one row a model version; at most one version of a name is active';

COMMENT ON TABLE seqrec.weights IS 'weights of the encoder, little-endian, in parts of at most 8 MiB';

COMMENT ON TABLE seqrec.items IS 'items of a model: id, index, interactions in training (older ones count less), embedding, list of the index (NULL without one)';

COMMENT ON TABLE seqrec.users IS 'users of a model: id, index, time of the latest interaction in training (seconds since 1970, or the number of the time column), embedding (empty where users have no vector of their own), indexes of the items in training, the latest last';

COMMENT ON TABLE seqrec.jobs IS 'one row a job: a training, or a refresh of a version''s items';

COMMENT ON TABLE seqrec.job_log IS 'one row a validation of a training job';

COMMENT ON TABLE seqrec.event_keys IS 'keys of calls of seqrec_add_events in the last day, so that a repeated call adds nothing, each with seqrec.events_hash of the call (NULL: one of 0.1.0)';

CREATE FUNCTION seqrec.models_changed() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'seqrec_models_changed';

COMMENT ON FUNCTION seqrec.models_changed IS 'makes all sessions look anew which versions are active';

CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE ON seqrec.models
    FOR EACH ROW EXECUTE FUNCTION seqrec.models_changed();

CREATE TRIGGER emptied AFTER TRUNCATE ON seqrec.models
    FOR EACH STATEMENT EXECUTE FUNCTION seqrec.models_changed();

ALTER TABLE seqrec.models ENABLE ALWAYS TRIGGER changed, ENABLE ALWAYS TRIGGER emptied;

-- A source is {relation, relation_id, system, database, ...}; those of the tables of items and users stand in it as such as well.

CREATE FUNCTION seqrec.named_source(source jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    named jsonb := source || coalesce((SELECT jsonb_build_object('relation', format('%I.%I', n.nspname, c.relname))
                                       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                                       WHERE c.oid = (source->>'relation_id')::oid), '{}');
    side text;
BEGIN
    FOREACH side IN ARRAY '{items,users}'::text[] LOOP
        IF jsonb_typeof(source->side) = 'object' THEN
            named := named || jsonb_build_object(side, seqrec.named_source(source->side));
        END IF;
    END LOOP;
    RETURN named;
END $$;

COMMENT ON FUNCTION seqrec.named_source IS 'a source with the names that its relations have now';

CREATE FUNCTION seqrec.bound_source(source jsonb, here jsonb, is_new boolean) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    bound jsonb := source;
    side text;
BEGIN
    IF NOT source @> here OR (is_new AND NOT EXISTS (SELECT FROM pg_class WHERE oid = (source->>'relation_id')::oid)) THEN
        bound := source || here
            || jsonb_build_object('relation_id', coalesce(to_regclass(source->>'relation')::oid::bigint, 0));
    END IF;
    FOREACH side IN ARRAY '{items,users}'::text[] LOOP
        IF jsonb_typeof(source->side) = 'object' THEN
            bound := bound || jsonb_build_object(side, seqrec.bound_source(source->side, here, is_new));
        END IF;
    END LOOP;
    RETURN bound;
END $$;

COMMENT ON FUNCTION seqrec.bound_source IS 'a source whose relations are those of this database; what comes from elsewhere is bound by name';

CREATE FUNCTION seqrec.source_arrives() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    here jsonb := jsonb_build_object('system', (SELECT system_identifier::text FROM pg_control_system()),
                                     'database', (SELECT oid::bigint FROM pg_database WHERE datname = current_database()));
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.source @> here AND NOT NEW.source @> here THEN
        NEW.source := OLD.source;  -- a source never changes; only its name does, where it is
    ELSE
        NEW.source := seqrec.bound_source(NEW.source, here, TG_OP = 'INSERT');
    END IF;
    RETURN NEW;
END $$;

COMMENT ON FUNCTION seqrec.source_arrives IS 'binds the table of a model or job from another database to the one of its name here';

CREATE TRIGGER arrives BEFORE INSERT OR UPDATE OF source ON seqrec.models FOR EACH ROW EXECUTE FUNCTION seqrec.source_arrives();

CREATE TRIGGER arrives BEFORE INSERT OR UPDATE OF source ON seqrec.jobs FOR EACH ROW EXECUTE FUNCTION seqrec.source_arrives();

ALTER TABLE seqrec.models ENABLE ALWAYS TRIGGER arrives;

ALTER TABLE seqrec.jobs ENABLE ALWAYS TRIGGER arrives;

-- The name is for people, and for a dump: it is the one that the relation has now.

CREATE FUNCTION seqrec.follow_renames() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    -- A row that somebody is changing is left for the next command: nobody's ALTER TABLE waits here, or fails. A job that runs
    -- looks itself when it publishes.
    WITH renamed AS (
        SELECT model_id FROM seqrec.models WHERE source <> seqrec.named_source(source) FOR NO KEY UPDATE SKIP LOCKED)
    UPDATE seqrec.models m SET source = seqrec.named_source(m.source) FROM renamed r WHERE r.model_id = m.model_id;
    WITH renamed AS (
        SELECT job_id FROM seqrec.jobs
        WHERE (state = 'interrupted' OR (state = 'failed' AND phase = 'publishing'))
          AND source <> seqrec.named_source(source) FOR NO KEY UPDATE SKIP LOCKED)
    UPDATE seqrec.jobs j SET source = seqrec.named_source(j.source) FROM renamed r WHERE r.job_id = j.job_id;
EXCEPTION WHEN serialization_failure OR deadlock_detected OR lock_not_available OR read_only_sql_transaction THEN
    NULL;
END $$;
COMMENT ON FUNCTION seqrec.follow_renames IS 'writes the new name of a relation into the models that were trained on it';
CREATE EVENT TRIGGER seqrec_follow_renames ON ddl_command_end
    WHEN TAG IN ('ALTER TABLE', 'ALTER VIEW', 'ALTER MATERIALIZED VIEW', 'ALTER FOREIGN TABLE', 'ALTER SCHEMA')
    EXECUTE FUNCTION seqrec.follow_renames();
COMMENT ON EVENT TRIGGER seqrec_follow_renames IS 'writes the new name of a relation into the models that were trained on it';
ALTER EVENT TRIGGER seqrec_follow_renames ENABLE ALWAYS;

-- Rows that came without the trigger (a template's, an upgraded server's) are bound before anything can be renamed.

CREATE FUNCTION seqrec.bind_sources() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    here jsonb := jsonb_build_object('system', (SELECT system_identifier::text FROM pg_control_system()),
                                     'database', (SELECT oid::bigint FROM pg_database WHERE datname = current_database()));
BEGIN
    UPDATE seqrec.models SET source = source
    WHERE model_id IN (SELECT model_id FROM seqrec.models WHERE NOT source @> here FOR NO KEY UPDATE SKIP LOCKED);
    UPDATE seqrec.jobs SET source = source
    WHERE job_id IN (SELECT job_id FROM seqrec.jobs WHERE (state = 'interrupted' OR (state = 'failed' AND phase = 'publishing'))
                         AND NOT source @> here FOR NO KEY UPDATE SKIP LOCKED);
EXCEPTION WHEN serialization_failure OR deadlock_detected OR lock_not_available OR read_only_sql_transaction THEN
    NULL;
END $$;
COMMENT ON FUNCTION seqrec.bind_sources IS 'binds the tables of models and jobs that came from another database to those of their names here';
CREATE EVENT TRIGGER seqrec_bind_sources ON ddl_command_start
    WHEN TAG IN ('ALTER TABLE', 'ALTER VIEW', 'ALTER MATERIALIZED VIEW', 'ALTER FOREIGN TABLE', 'ALTER SCHEMA', 'DROP TABLE', 'DROP VIEW',
                 'DROP MATERIALIZED VIEW', 'DROP FOREIGN TABLE', 'DROP SCHEMA', 'CREATE TABLE', 'CREATE VIEW', 'CREATE MATERIALIZED VIEW',
                 'CREATE TABLE AS', 'CREATE FOREIGN TABLE')
    EXECUTE FUNCTION seqrec.bind_sources();
COMMENT ON EVENT TRIGGER seqrec_bind_sources IS 'binds the tables of models and jobs that came from another database to those of their names here';
ALTER EVENT TRIGGER seqrec_bind_sources ENABLE ALWAYS;

CREATE FUNCTION seqrec.watch_drop() RETURNS event_trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'seqrec_watch_drop';

COMMENT ON FUNCTION seqrec.watch_drop IS 'removes the files of this database when the extension is dropped';

CREATE EVENT TRIGGER seqrec_watch_drop ON ddl_command_start
    WHEN TAG IN ('DROP EXTENSION', 'DROP SCHEMA', 'DROP OWNED') EXECUTE FUNCTION seqrec.watch_drop();

COMMENT ON EVENT TRIGGER seqrec_watch_drop IS 'removes the files of this database when the extension is dropped';
ALTER EVENT TRIGGER seqrec_watch_drop ENABLE ALWAYS;

-- Ids. Every id is its text, whatever the type of a table's column; users and items may be of different types. An argument of type
-- seqrec.id takes a literal, a parameter without a type, and values of the types below, of which the casts are implicit; for other
-- types, such as enums, seqrec_train makes a cast when it meets them. Ids of answers are text. They can't be of the arguments' type:
-- of a polymorphic function that returns rows PostgreSQL doesn't know the columns where the argument is left out or named.

CREATE TYPE seqrec.id;
CREATE FUNCTION seqrec.id_in(cstring) RETURNS seqrec.id
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'seqrec_id_in';
COMMENT ON FUNCTION seqrec.id_in IS 'I/O';
CREATE FUNCTION seqrec.id_out(seqrec.id) RETURNS cstring
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'seqrec_id_out';
COMMENT ON FUNCTION seqrec.id_out IS 'I/O';
CREATE FUNCTION seqrec.id_recv(internal) RETURNS seqrec.id
LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'seqrec_id_recv';
COMMENT ON FUNCTION seqrec.id_recv IS 'I/O';
CREATE FUNCTION seqrec.id_send(seqrec.id) RETURNS bytea
LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'seqrec_id_send';
COMMENT ON FUNCTION seqrec.id_send IS 'I/O';
CREATE TYPE seqrec.id (INPUT = seqrec.id_in, OUTPUT = seqrec.id_out, RECEIVE = seqrec.id_recv, SEND = seqrec.id_send, LIKE = text);
COMMENT ON TYPE seqrec.id IS 'an id of a user or an item, as an argument: the text of a value of any type';
CREATE FUNCTION seqrec.id_of_bpchar(character) RETURNS seqrec.id
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'seqrec_id_of_bpchar';
COMMENT ON FUNCTION seqrec.id_of_bpchar IS 'the text of a character(n), without the blanks that fill it up';
CREATE CAST (text AS seqrec.id) WITHOUT FUNCTION AS IMPLICIT;
CREATE CAST (varchar AS seqrec.id) WITHOUT FUNCTION AS IMPLICIT;
CREATE CAST (character AS seqrec.id) WITH FUNCTION seqrec.id_of_bpchar AS IMPLICIT;
CREATE CAST (name AS seqrec.id) WITH INOUT AS IMPLICIT;
CREATE CAST (int2 AS seqrec.id) WITH INOUT AS IMPLICIT;
CREATE CAST (int4 AS seqrec.id) WITH INOUT AS IMPLICIT;
CREATE CAST (int8 AS seqrec.id) WITH INOUT AS IMPLICIT;
CREATE CAST (numeric AS seqrec.id) WITH INOUT AS IMPLICIT;
CREATE CAST (uuid AS seqrec.id) WITH INOUT AS IMPLICIT;
CREATE CAST (seqrec.id AS text) WITHOUT FUNCTION AS ASSIGNMENT;
-- Arrays of whole numbers at once, which is ten times as fast. STABLE, so that the planner makes no texts of a constant: functions
-- that take many ids read the numbers themselves (seqrec.rows_from_k leaves the cast out).
CREATE FUNCTION seqrec.ids_of_bigint(bigint[]) RETURNS seqrec.id[]
LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'seqrec_ids_of_numbers';
COMMENT ON FUNCTION seqrec.ids_of_bigint(bigint[]) IS 'the texts of whole numbers';
CREATE CAST (bigint[] AS seqrec.id[]) WITH FUNCTION seqrec.ids_of_bigint(bigint[]) AS IMPLICIT;
CREATE FUNCTION seqrec.ids_of_integer(integer[]) RETURNS seqrec.id[]
LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'seqrec_ids_of_numbers';
COMMENT ON FUNCTION seqrec.ids_of_integer(integer[]) IS 'the texts of whole numbers';
CREATE CAST (integer[] AS seqrec.id[]) WITH FUNCTION seqrec.ids_of_integer(integer[]) AS IMPLICIT;
CREATE FUNCTION seqrec.ids_of_smallint(smallint[]) RETURNS seqrec.id[]
LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'seqrec_ids_of_numbers';
COMMENT ON FUNCTION seqrec.ids_of_smallint(smallint[]) IS 'the texts of whole numbers';
CREATE CAST (smallint[] AS seqrec.id[]) WITH FUNCTION seqrec.ids_of_smallint(smallint[]) AS IMPLICIT;

-- A cast to seqrec.id, one from a dump too, goes with the type and with the extension, without CASCADE.

CREATE FUNCTION seqrec.release_casts() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE pg_depend d SET deptype = 'a' FROM pg_event_trigger_ddl_commands() c, pg_cast k
    WHERE NOT c.in_extension AND k.oid = c.objid AND k.casttarget = 'seqrec.id'::regtype
      AND d.classid = 'pg_cast'::regclass AND d.objid = k.oid AND d.refclassid = 'pg_type'::regclass AND d.deptype = 'n';
END $$;
COMMENT ON FUNCTION seqrec.release_casts IS 'lets casts to seqrec.id go with their types and with the extension';
CREATE EVENT TRIGGER seqrec_release_casts ON ddl_command_end WHEN TAG IN ('CREATE CAST') EXECUTE FUNCTION seqrec.release_casts();
COMMENT ON EVENT TRIGGER seqrec_release_casts IS 'lets casts to seqrec.id go with their types and with the extension';
ALTER EVENT TRIGGER seqrec_release_casts ENABLE ALWAYS;

CREATE FUNCTION @extschema@.seqrec_train(
    ratings regclass,
    model text DEFAULT 'default',
    kind text DEFAULT 'transformer',
    user_column name DEFAULT 'user_id',
    item_column name DEFAULT 'item_id',
    time_column name DEFAULT 'timestamp',
    items regclass DEFAULT NULL,
    users regclass DEFAULT NULL,
    options jsonb DEFAULT '{}',
    if_running text DEFAULT 'error'
) RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME';

COMMENT ON FUNCTION @extschema@.seqrec_train IS
'starts training a model on a table of interactions in the background and returns the job''s id; the job begins when the calling transaction commits; while the model is being trained it is an error, or with if_running => ''skip'' a notice and NULL';

COMMENT ON FUNCTION @extschema@.seqrec_cancel IS
'stops a job at once, or gives up one that could be resumed; false when it was over already';

COMMENT ON FUNCTION @extschema@.seqrec_resume IS
'lets an interrupted job go on from its last checkpoint, and publishes a trained model whose publishing failed; runs as the job''s owner, and begins when the calling transaction commits';

COMMENT ON PROCEDURE @extschema@.seqrec_wait IS
'returns when a job is done; raises the job''s own error when it failed';

COMMENT ON FUNCTION seqrec.rows_from_k IS
'tells the planner how many rows a function that takes k returns, and that arrays of whole numbers need not become texts for it';

CREATE FUNCTION @extschema@.seqrec_recommend(
    user_id seqrec.id,
    clicks seqrec.id[] DEFAULT NULL,
    k integer DEFAULT 10,
    model text DEFAULT 'default',
    exclude seqrec.id[] DEFAULT NULL,
    exclude_seen boolean DEFAULT NULL,
    candidates seqrec.id[] DEFAULT NULL,
    min_score real DEFAULT NULL,
    min_probability real DEFAULT NULL,
    diversity real DEFAULT 0,
    context jsonb DEFAULT NULL
) RETURNS TABLE (rank integer, item_id text, score real)
LANGUAGE c STABLE PARALLEL SAFE ROWS 10 COST 1000 SUPPORT seqrec.rows_from_k AS 'MODULE_PATHNAME', 'seqrec_recommend';
COMMENT ON FUNCTION @extschema@.seqrec_recommend IS
'the k items a user is most likely to want next, given the latest clicks, oldest first; NULL clicks means the user''s own latest rows, read now, and an empty array that there are none: what is known of the user beside clicks answers, or popularity; items of exclude, and with exclude_seen those clicked or had in training, are left out (NULL: unless the model was trained with repeats); candidates, when given, are the only items answered; min_probability: of an item, where scores are logits; diversity: 0 to 1, how much the items shall differ from one another, chosen by maximal marginal relevance among the max(5 k, 50) best, in the order of choice; context: what is known beyond the clicks, columns and their values';

CREATE FUNCTION @extschema@.seqrec_recommend_info(
    user_id seqrec.id,
    clicks seqrec.id[] DEFAULT NULL,
    k integer DEFAULT 10,
    model text DEFAULT 'default',
    exclude seqrec.id[] DEFAULT NULL,
    exclude_seen boolean DEFAULT NULL,
    candidates seqrec.id[] DEFAULT NULL,
    min_score real DEFAULT NULL,
    min_probability real DEFAULT NULL,
    diversity real DEFAULT 0,
    context jsonb DEFAULT NULL
) RETURNS jsonb
LANGUAGE c STABLE PARALLEL SAFE COST 1000 AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.seqrec_recommend_info IS
'a recommendation with what it was computed from: source, model version, unknown ids and keys of context; with the probability of each item where scores are logits';

CREATE FUNCTION @extschema@.seqrec_history(user_id seqrec.id, k integer DEFAULT 100, model text DEFAULT 'default')
RETURNS TABLE (rank integer, item_id text)
LANGUAGE c STABLE PARALLEL SAFE ROWS 100 COST 1000 SUPPORT seqrec.rows_from_k AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.seqrec_history IS
'a user''s own latest rows in the table that a model was trained on, the latest first; who may execute it may leave out clicks in the functions that recommend, score and explain';

CREATE FUNCTION @extschema@.seqrec_recommend_batch(
    user_ids seqrec.id[],
    clicks jsonb DEFAULT NULL,
    k integer DEFAULT 10,
    model text DEFAULT 'default',
    exclude seqrec.id[] DEFAULT NULL,
    exclude_seen boolean DEFAULT NULL,
    candidates seqrec.id[] DEFAULT NULL,
    min_score real DEFAULT NULL,
    min_probability real DEFAULT NULL,
    diversity real DEFAULT 0,
    context jsonb DEFAULT NULL
) RETURNS TABLE (request integer, user_id text, rank integer, item_id text, score real, source text)
LANGUAGE c STABLE PARALLEL SAFE ROWS 1000 COST 100000 AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.seqrec_recommend_batch IS
'seqrec_recommend for many users in one pass over the items; clicks is an array with one array of ids for each user, or null for the user''s own latest rows; context is one object for all users, or an array with one or null for each; diversity as in seqrec_recommend, within each user''s items; request counts user_ids from 1';

CREATE FUNCTION seqrec.answers(
    user_ids text[],
    click_counts integer[],
    clicks text[],
    k integer DEFAULT 10,
    model text DEFAULT 'default',
    exclude text[] DEFAULT NULL,
    exclude_seen boolean DEFAULT NULL,
    candidates text[] DEFAULT NULL,
    min_score real DEFAULT NULL,
    min_probability real DEFAULT NULL,
    diversity real DEFAULT 0,
    contexts jsonb[] DEFAULT NULL,
    ks integer[] DEFAULT NULL,
    history_ms integer DEFAULT NULL
) RETURNS TABLE (item_ids text[], scores real[], source text, unknown_items text[], version text, problem text, unknown_context text[], probabilities real[])
LANGUAGE c STABLE PARALLEL SAFE ROWS 1 COST 1000 AS 'MODULE_PATHNAME', 'seqrec_answers';
COMMENT ON FUNCTION seqrec.answers IS
'what seqrec-http asks: seqrec_recommend for one user or many, one row each in their order; clicks are those of all users one after the other, click_counts how many are whose, NULL for the user''s own latest rows; where those can''t be read, problem is JSON with sqlstate, message and hint, and there are no items; contexts are one a user, or NULL; probabilities are NULL where scores are no logits; ks: k of each user; history_ms: with several users, how long reading own rows may take in all: who is not read by then, and all after, get a row of NULLs and are to be asked for again, the first of them alone';

CREATE FUNCTION @extschema@.seqrec_recommend_all(
    k integer DEFAULT 10,
    model text DEFAULT 'default',
    exclude seqrec.id[] DEFAULT NULL,
    exclude_seen boolean DEFAULT NULL,
    candidates seqrec.id[] DEFAULT NULL,
    min_score real DEFAULT NULL,
    min_probability real DEFAULT NULL,
    diversity real DEFAULT 0
) RETURNS TABLE (user_id text, rank integer, item_id text, score real)
LANGUAGE c STABLE PARALLEL RESTRICTED ROWS 100000 COST 10000000 AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.seqrec_recommend_all IS
'recommendations for every user of a model, from what each had when the model was trained; the filters and diversity are those of seqrec_recommend; users in the model''s order, each one''s items by rank; works in parallel, see max_parallel_workers_per_gather';

CREATE FUNCTION @extschema@.seqrec_similar_items(
    item_id seqrec.id,
    k integer DEFAULT 10,
    model text DEFAULT 'default',
    exclude seqrec.id[] DEFAULT NULL,
    candidates seqrec.id[] DEFAULT NULL,
    min_score real DEFAULT NULL
) RETURNS TABLE (rank integer, item_id text, score real)
LANGUAGE c STABLE PARALLEL SAFE ROWS 10 COST 1000 SUPPORT seqrec.rows_from_k AS 'MODULE_PATHNAME', 'seqrec_similar_items';
COMMENT ON FUNCTION @extschema@.seqrec_similar_items IS
'the k items nearest to an item by cosine, itself not among them; none when the model does not know it; exclude, candidates and min_score are those of seqrec_recommend';

CREATE FUNCTION @extschema@.seqrec_score(user_id seqrec.id, clicks seqrec.id[], item_ids seqrec.id[], model text DEFAULT 'default', context jsonb DEFAULT NULL)
RETURNS TABLE (item_id text, score real, probability real)
LANGUAGE c STABLE PARALLEL SAFE ROWS 100 COST 1000 AS 'MODULE_PATHNAME', 'seqrec_score';
COMMENT ON FUNCTION @extschema@.seqrec_score IS
'scores given items for a user, best first; clicks and context as in seqrec_recommend; probability: of the item alone where scores are logits, else of each when one of these items is taken next; NULL for items the model does not know';

CREATE FUNCTION @extschema@.seqrec_score_item(user_id seqrec.id, clicks seqrec.id[], item_id seqrec.id, model text DEFAULT 'default', context jsonb DEFAULT NULL)
RETURNS real
LANGUAGE c STABLE PARALLEL SAFE COST 10 AS 'MODULE_PATHNAME', 'seqrec_score_item';
COMMENT ON FUNCTION @extschema@.seqrec_score_item IS
'an item''s score for a user, for ORDER BY over any join or filter: the user''s vector is computed once a query; clicks and context as in seqrec_recommend; NULL for an item the model does not know';

CREATE FUNCTION @extschema@.seqrec_explain(
    user_id seqrec.id,
    clicks seqrec.id[],
    item_ids seqrec.id[],
    model text DEFAULT 'default',
    context jsonb DEFAULT NULL,
    language text DEFAULT NULL,
    titles regclass DEFAULT NULL,
    title_id_column name DEFAULT NULL,
    title_column name DEFAULT NULL
) RETURNS TABLE (item_id text, because_of text, contribution real, source text, reason text)
LANGUAGE c STABLE PARALLEL SAFE ROWS 10 COST 10000 AS 'MODULE_PATHNAME', 'seqrec_explain';
COMMENT ON FUNCTION @extschema@.seqrec_explain IS
'why each of the given items would be recommended, in their order: the click whose removal lowers its score most, and by how much; clicks and context as in seqrec_recommend; source is clicks, user (leaving out the user''s own vector and the context costs more than any click) or popular; because_of is NULL when no click helped, all is NULL for items the model does not know; reason says it in words: language en or zh (NULL: that of lc_messages; templates: seqrec.reason_templates), titles as far as the caller may read them from the given table, else from the model''s own table of items';

CREATE FUNCTION @extschema@.seqrec_recommend_explained(
    user_id seqrec.id,
    clicks seqrec.id[] DEFAULT NULL,
    k integer DEFAULT 10,
    model text DEFAULT 'default',
    exclude seqrec.id[] DEFAULT NULL,
    exclude_seen boolean DEFAULT NULL,
    candidates seqrec.id[] DEFAULT NULL,
    min_score real DEFAULT NULL,
    min_probability real DEFAULT NULL,
    diversity real DEFAULT 0,
    context jsonb DEFAULT NULL,
    language text DEFAULT NULL,
    titles regclass DEFAULT NULL,
    title_id_column name DEFAULT NULL,
    title_column name DEFAULT NULL
) RETURNS TABLE (rank integer, item_id text, score real, reason text, because_item_id text, contribution real, source text)
LANGUAGE c STABLE PARALLEL SAFE ROWS 10 COST 10000 SUPPORT seqrec.rows_from_k AS 'MODULE_PATHNAME', 'seqrec_recommend_explained';
COMMENT ON FUNCTION @extschema@.seqrec_recommend_explained IS
'seqrec_recommend with a reason for each item, in words, the click whose removal lowers its score most and by how much; language and titles as in seqrec_explain';

CREATE FUNCTION seqrec.default_reason_templates() RETURNS TABLE (language text, kind text, template text)
LANGUAGE c STABLE PARALLEL SAFE ROWS 16 AS 'MODULE_PATHNAME', 'seqrec_default_reason_templates';
COMMENT ON FUNCTION seqrec.default_reason_templates IS
'the sentences of reasons that are built in; rows of seqrec.reason_templates stand in their place';

CREATE FUNCTION @extschema@.seqrec_user_embedding(user_id seqrec.id, clicks seqrec.id[] DEFAULT NULL, model text DEFAULT 'default', context jsonb DEFAULT NULL)
RETURNS real[]
LANGUAGE c STABLE PARALLEL SAFE COST 1000 AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.seqrec_user_embedding IS
'the vector that items are scored with for a user, clicks and context, those as in seqrec_recommend';

CREATE FUNCTION @extschema@.seqrec_item_embedding(item_id seqrec.id, model text DEFAULT 'default') RETURNS real[]
LANGUAGE c STABLE STRICT PARALLEL SAFE COST 10 AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.seqrec_item_embedding IS
'an item''s vector; NULL when the model does not know it';

CREATE FUNCTION @extschema@.seqrec_coefficients(model text DEFAULT 'default')
RETURNS TABLE (feature text, value text, coefficient real, standard_error real, rows bigint)
LANGUAGE c STABLE PARALLEL SAFE ROWS 1000 COST 1000 AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.seqrec_coefficients IS
'what each value of each feature adds to a score, for kinds of models that have coefficients: value is NULL where a feature has no values, standard_error where it is not known; rows: of the training, that have the value';

CREATE FUNCTION @extschema@.seqrec_unknown_items(item_ids seqrec.id[], model text DEFAULT 'default') RETURNS text[]
LANGUAGE c STABLE STRICT PARALLEL SAFE COST 100 AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.seqrec_unknown_items IS
'which of the given items a model does not know';

COMMENT ON FUNCTION @extschema@.seqrec_prewarm IS
'reads the snapshot of a model into memory, checks every byte and returns how many there are; a missing or damaged one is built again';

COMMENT ON FUNCTION @extschema@.seqrec_find_items IS
'at most k items of a model whose ids begin with a text, in the order of their ids';

COMMENT ON FUNCTION @extschema@.seqrec_find_users IS
'at most k users of a model whose ids begin with a text, in the order of their ids';

CREATE FUNCTION seqrec.qualified_name(relation regclass) RETURNS text
LANGUAGE plpgsql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    name text := (SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = relation);
BEGIN
    IF name IS NULL THEN
        RAISE EXCEPTION 'there is no table with the oid %', relation::oid USING ERRCODE = '42P01', HINT = 'It may have been dropped.';
    END IF;
    RETURN name;
END $$;
COMMENT ON FUNCTION seqrec.qualified_name IS
'the name of a table with its schema, a temporary one''s too, which is the same on any path; as a regclass''s text is not';

CREATE FUNCTION seqrec.titles_statement(titles regclass, id_column name, title_column name, OUT form text, OUT statement text)
LANGUAGE plpgsql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    id_type regtype := (SELECT atttypid FROM pg_attribute WHERE attrelid = titles AND attname = id_column AND NOT attisdropped);
BEGIN
    form := CASE WHEN id_type = ANY ('{int2,int4,int8}'::regtype[]) THEN 'int8' WHEN id_type = 'uuid'::regtype THEN 'uuid' ELSE 'text' END;
    statement := format('SELECT t.%1$I::pg_catalog.text, t.%2$I::pg_catalog.text FROM %3$s t '
                        'WHERE t.%1$I%4$s OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.%5$s[])',
                        id_column, title_column, seqrec.qualified_name(titles), CASE form WHEN 'text' THEN '::pg_catalog.text' ELSE '' END, form);
END $$;

COMMENT ON FUNCTION seqrec.titles_statement IS 'the query of seqrec.titles_of, and the type that an id must be of for it';

CREATE OR REPLACE FUNCTION seqrec.titles_of(item_ids text[], titles regclass, id_column name, title_column name)
RETURNS TABLE (item_id text, title text)
LANGUAGE plpgsql STABLE STRICT AS $$
DECLARE
    form pg_catalog.text;
    statement pg_catalog.text;
BEGIN
    SELECT s.form, s.statement INTO form, statement FROM seqrec.titles_statement(titles, id_column, title_column) s;
    RETURN QUERY EXECUTE statement USING seqrec.ids_of_form(item_ids, form);
END $$;

COMMENT ON FUNCTION seqrec.titles_of IS 'titles of items, from a table of the caller''s';

CREATE FUNCTION seqrec.ids_of_form(item_ids text[], form text) RETURNS text[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT array_agg(id) FROM unnest(item_ids) id
    WHERE CASE WHEN form = 'uuid' THEN id ~ '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$'
               WHEN form <> 'int8' THEN true
               WHEN id ~ '^-?[0-9]{1,19}$' THEN id::numeric BETWEEN -9223372036854775808 AND 9223372036854775807
               ELSE false END
$$;

COMMENT ON FUNCTION seqrec.ids_of_form IS 'those of some ids that are of a type: int8, uuid or text';

CREATE FUNCTION seqrec.title_search(query text, titles regclass, id_column name, title_column name, OUT patterns text[], OUT statement text)
LANGUAGE plpgsql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    is_indexed boolean := EXISTS (
        SELECT FROM pg_index x JOIN pg_opclass o ON o.oid = x.indclass[0] AND o.opcname IN ('gin_trgm_ops', 'gist_trgm_ops')
            JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = x.indkey[0]
        WHERE x.indrelid = titles AND a.attname = title_column);
BEGIN
    patterns := coalesce((SELECT array_agg('%' || regexp_replace(word, '([\\%_])', '\\\1', 'g') || '%')
                          FROM regexp_split_to_table(query, '\s+') word WHERE word <> ''), '{}');
    statement := format('SELECT t.%1$I::pg_catalog.text, t.%2$I::pg_catalog.text FROM %3$s t '
                        'WHERE t.%2$I OPERATOR(pg_catalog.~~*) ALL ($1) LIMIT $2', id_column, title_column,
                        CASE WHEN is_indexed THEN seqrec.qualified_name(titles)
                             ELSE format('(SELECT %I, %I FROM %s LIMIT 100000)', id_column, title_column, seqrec.qualified_name(titles)) END);
END $$;

COMMENT ON FUNCTION seqrec.title_search IS 'the query of seqrec.find_titles, and its patterns';

CREATE OR REPLACE FUNCTION seqrec.find_titles(query text, k integer, titles regclass, id_column name, title_column name)
RETURNS TABLE (item_id text, title text)
LANGUAGE plpgsql STABLE STRICT AS $$
DECLARE
    patterns pg_catalog.text[];
    statement pg_catalog.text;
BEGIN
    SELECT s.patterns, s.statement INTO patterns, statement FROM seqrec.title_search(query, titles, id_column, title_column) s;
    RETURN QUERY EXECUTE statement USING patterns, k;
END $$;

COMMENT ON FUNCTION seqrec.find_titles IS
'at most k items of a table of the caller''s whose titles have all words of a text; without an index on the titles by gin_trgm_ops, of its first 100000 rows';

CREATE FUNCTION seqrec.refuse_restricted() RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'seqrec_refuse_restricted';
COMMENT ON FUNCTION seqrec.refuse_restricted IS
'an error where code runs inside a security-restricted operation, in the session of somebody who did not call it';

CREATE FUNCTION seqrec.claim_event_key(key text, hash bytea) RETURNS boolean
LANGUAGE plpgsql VOLATILE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '1s' AS $$
#variable_conflict use_column
DECLARE
    is_new boolean;
    earlier bytea;
BEGIN
    PERFORM seqrec.refuse_restricted();
    IF octet_length($1) NOT BETWEEN 1 AND 255 THEN
        RAISE EXCEPTION 'key has % bytes', octet_length($1) USING ERRCODE = '22023',
            HINT = 'It is a text of 1 to 255 bytes that no other call has; NULL for none.';
    END IF;
    BEGIN  -- by itself: below nothing is waited for but who writes the same key
        LOCK TABLE seqrec.event_keys IN ROW EXCLUSIVE MODE;
    EXCEPTION WHEN lock_not_available THEN
        RAISE EXCEPTION 'the table seqrec.event_keys is locked' USING ERRCODE = '55P03',
            HINT = 'pg_locks has who holds it. Call again with this key: what it stands for is added once.';
    END;
    BEGIN
        DELETE FROM seqrec.event_keys e
        WHERE e.owner = (SELECT oid FROM pg_roles WHERE rolname = session_user) AND e.key = $1 AND e.at < statement_timestamp() - interval '1 day';
        -- What another transaction removes already is left to it, and what may still come again is left alone: nobody waits for the end of
        -- one that has used another key.
        DELETE FROM seqrec.event_keys e USING (
            SELECT owner, key FROM seqrec.event_keys WHERE at < statement_timestamp() - interval '1 week' FOR UPDATE SKIP LOCKED) old
        WHERE e.owner = old.owner AND e.key = old.key;
        INSERT INTO seqrec.event_keys (owner, key, hash) VALUES ((SELECT oid FROM pg_roles WHERE rolname = session_user), $1, $2)
        ON CONFLICT (owner, key) DO NOTHING;
        is_new := FOUND;
    EXCEPTION WHEN lock_not_available THEN
        RAISE EXCEPTION 'a transaction that writes the same key has not ended yet' USING ERRCODE = '55P03',
            HINT = 'Call again with this key: what it stands for is added once, whichever of the calls commits first.';
    END;
    IF is_new THEN
        RETURN true;
    END IF;
    SELECT e.hash INTO earlier FROM seqrec.event_keys e
    WHERE e.owner = (SELECT oid FROM pg_roles WHERE rolname = session_user) AND e.key = $1;
    IF earlier <> $2 THEN
        RAISE EXCEPTION 'key "%" has been used for other events', $1 USING ERRCODE = '22KEY',
            HINT = 'Nothing was added. A call that is repeated has the events that it had; another one needs another key.';
    END IF;
    RETURN false;
END $$;

COMMENT ON FUNCTION seqrec.claim_event_key IS
'whether a key of the session''s user is new, or older than a day; an error where it stands for something of another hash; after a week it is removed';

CREATE FUNCTION seqrec.events_statement(events jsonb, ratings regclass, user_column name, item_column name, time_column name, OUT statement text, OUT at jsonb)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    place bigint;
    missing text;
    kind text;  -- of the times, as pg_type groups types
    columns text;
BEGIN
    IF ratings IS NULL OR user_column IS NULL OR item_column IS NULL OR time_column IS NULL THEN
        RAISE EXCEPTION 'the table and its columns must not be NULL' USING ERRCODE = '22004',
            HINT = 'Leave out what is not meant to be other than the default.';
    END IF;
    IF jsonb_typeof(events) IS DISTINCT FROM 'array' THEN
        RAISE EXCEPTION 'events must be an array of objects' USING ERRCODE = '22023',
            HINT = 'For example [{"user_id": "u42", "item_id": "tent"}].';
    END IF;
    SELECT e.place, f.field INTO place, missing
    FROM jsonb_array_elements(events) WITH ORDINALITY e(event, place), unnest('{user_id,item_id}'::text[]) f(field)
    WHERE coalesce(jsonb_typeof(e.event->f.field), 'null') NOT IN ('string', 'number') OR e.event->>f.field = '' ORDER BY 1 LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'event % has no %', place, missing USING ERRCODE = '22023',
            HINT = 'Every event is an object with user_id and item_id, a number or a string that is not empty each.';
    END IF;
    SELECT e.place, f.field INTO place, missing
    FROM jsonb_array_elements(events) WITH ORDINALITY e(event, place), unnest('{user_id,item_id}'::text[]) f(field)
    WHERE octet_length(e.event->>f.field) > 512 ORDER BY 1 LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'the % of event % has more than 512 bytes', missing, place USING ERRCODE = '54000',
            HINT = 'No model can be trained on a table with a longer id.';
    END IF;
    SELECT t.typcategory INTO kind FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
    WHERE a.attrelid = ratings AND a.attname = time_column AND NOT a.attisdropped;
    SELECT e.place INTO place FROM jsonb_array_elements(events) WITH ORDINALITY e(event, place)
    WHERE kind = 'D' AND jsonb_typeof(e.event->'timestamp') = 'number' ORDER BY 1 LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'the timestamp of event % is a number, and column "%" holds dates', place, time_column USING ERRCODE = '22007',
            HINT = 'Write it as a text such as "2026-01-31T12:00:00Z", or leave it out where now is meant.';
    END IF;
    -- Types of pg_catalog are written with it, or a type of that name on the caller's path would be taken.
    SELECT string_agg(format('%I %s', c.name, CASE
               WHEN t.oid IS NULL THEN 'pg_catalog.text'
               WHEN t.typnamespace = 'pg_catalog'::regnamespace
                   THEN format('pg_catalog.%I%s', t.typname, substring(format_type(t.oid, a.atttypmod) FROM '[(]\d+(?:,-?\d+)?[)]'))
               ELSE format_type(t.oid, a.atttypmod) END), ', ' ORDER BY c.place) INTO columns
    FROM unnest(ARRAY[user_column, item_column, time_column]) WITH ORDINALITY c(name, place)
    LEFT JOIN (pg_attribute a JOIN pg_type t ON t.oid = a.atttypid)
        ON a.attrelid = ratings AND a.attname = c.name AND a.attnum > 0 AND NOT a.attisdropped;
    at := CASE WHEN kind = 'N' THEN to_jsonb(floor(extract(epoch FROM now()))) ELSE to_jsonb(now()) END;
    statement := format(
        'INSERT INTO %1$s (%2$I, %3$I, %4$I) SELECT r.%2$I, r.%3$I, r.%4$I FROM pg_catalog.jsonb_array_elements($1) WITH ORDINALITY AS e(event, place), '
        'LATERAL pg_catalog.jsonb_to_record(pg_catalog.jsonb_build_object(%2$L::pg_catalog.text, pg_catalog.jsonb_object_field(e.event, ''user_id''), '
        '%3$L::pg_catalog.text, pg_catalog.jsonb_object_field(e.event, ''item_id''), '
        '%4$L::pg_catalog.text, coalesce(pg_catalog.jsonb_object_field(pg_catalog.jsonb_strip_nulls(e.event), ''timestamp''), $2))) AS r(%5$s) ORDER BY e.place',
        seqrec.qualified_name(ratings), user_column, item_column, time_column, columns);
END $$;

COMMENT ON FUNCTION seqrec.events_statement IS
'the statement of seqrec_add_events, and the time that events without one have';

CREATE FUNCTION seqrec.events_hash(events jsonb, ratings regclass, user_column name, item_column name, time_column name) RETURNS bytea
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    -- In the database's own encoding, which has every character of theirs. Each event by itself: a short number may have many digits.
    SELECT sha256(convert_to(jsonb_build_array(ratings::text, user_column, item_column, time_column)::text, getdatabaseencoding()) || coalesce((
        SELECT string_agg(sha256(convert_to(jsonb_build_array(e.event->'user_id', e.event->'item_id', e.event->'timestamp')::text, getdatabaseencoding())),
                          '' ORDER BY e.place)
        FROM jsonb_array_elements(events) WITH ORDINALITY e(event, place)), ''))
$$;
COMMENT ON FUNCTION seqrec.events_hash IS
'what a call of seqrec_add_events is to add, and where, as a SHA-256: the same for what jsonb writes the same way';

CREATE OR REPLACE FUNCTION @extschema@.seqrec_add_events(
    events jsonb,
    ratings regclass,
    user_column name DEFAULT 'user_id',
    item_column name DEFAULT 'item_id',
    time_column name DEFAULT 'timestamp',
    key text DEFAULT NULL
) RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    statement pg_catalog.text;
    at pg_catalog.jsonb;
    added pg_catalog.int8;
BEGIN
    SELECT s.statement, s.at INTO statement, at FROM seqrec.events_statement(events, ratings, user_column, item_column, time_column) s;
    IF key IS NOT NULL THEN  -- a condition of its own: without a key the right to claim one is not needed
        IF NOT seqrec.claim_event_key(key, seqrec.events_hash(events, ratings, user_column, item_column, time_column)) THEN
            RETURN NULL;
        END IF;
    END IF;
    EXECUTE statement USING events, at;
    GET DIAGNOSTICS added = ROW_COUNT;
    RETURN added;
END $$;

COMMENT ON FUNCTION @extschema@.seqrec_add_events IS
'adds an array of objects with user_id, item_id and, unless now is meant, timestamp to a table of interactions, with the caller''s rights, and returns how many; NULL, and nothing is added, when the key was used in the last day for the same';

COMMENT ON FUNCTION @extschema@.seqrec_activate IS
'makes a version the one that is served, and lets trainings replace it: nothing of its model is pinned any more; every session switches when the transaction commits';

CREATE FUNCTION @extschema@.seqrec_pin(model text DEFAULT 'default') RETURNS void
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.seqrec_pin IS
'keeps the active version of a model the active one, whatever is trained, until seqrec_activate is called for a version of the model';


COMMENT ON FUNCTION @extschema@.seqrec_drop IS
'removes a version and everything that belongs to it';

CREATE FUNCTION @extschema@.seqrec_set_owner(model text, owner regrole) RETURNS void
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME';

COMMENT ON FUNCTION @extschema@.seqrec_set_owner IS
'gives a model, all its versions and its jobs to another role; the way out when the role that trained it has been dropped';

CREATE FUNCTION @extschema@.seqrec_refresh_items(model text DEFAULT 'default') RETURNS bigint
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.seqrec_refresh_items IS
'starts making a new version of a model in the background, of the same weights and of the items that its table of items has by now, new and changed ones by their text and columns, and returns the job''s id; for the role that the model belongs to';

CREATE FUNCTION @extschema@.seqrec_evaluate(
    model text DEFAULT 'default',
    ratings regclass DEFAULT NULL,
    k integer[] DEFAULT '{10}',
    split text DEFAULT 'leave_one_out',
    user_column name DEFAULT NULL,
    item_column name DEFAULT NULL,
    time_column name DEFAULT NULL,
    max_users integer DEFAULT NULL,
    baselines boolean DEFAULT true,
    label name DEFAULT NULL,
    positive_from double precision DEFAULT NULL,
    diversity real DEFAULT 0
) RETURNS TABLE (metric text, k integer, value double precision)
LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 50 COST 10000000 AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.seqrec_evaluate IS
'how well a model, or a version by its uuid, ranks rows of a table (NULL: the one it was trained on) that are held out by split: leave_one_out, time, or held_out, whose rows are of users it was not trained on; read with the caller''s rights, for members of the model''s owner and who may execute seqrec_history; metrics at each k beside those of simple baselines, and with a column of labels those of the model''s probabilities; diversity as in seqrec_recommend';

CREATE FUNCTION @extschema@.seqrec_export(model text DEFAULT 'default') RETURNS TABLE (file text, content bytea)
LANGUAGE c STABLE PARALLEL UNSAFE ROWS 5 COST 1000000 AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.seqrec_export IS
'a model, or a version by its uuid, as files that other programs read: model.safetensors, item_embeddings.npy, item_map.json, user_map.json, config.json; for the role that the model belongs to';

CREATE FUNCTION @extschema@.seqrec_kinds() RETURNS TABLE (kind text, meaning text, score jsonb, options jsonb, learns_from text[])
LANGUAGE c STABLE PARALLEL SAFE ROWS 6 AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.seqrec_kinds() IS
'the kinds of models that can be trained here, the default first: what each is, the form of its scores, its options with type, range, default (null: decided from the data) and meaning, and what of seqrec_train''s arguments it learns from beside interactions: items, users, context';

CREATE FUNCTION seqrec.visible_to_me(owner regrole) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT FROM pg_roles r WHERE r.oid = owner::oid AND pg_has_role(r.oid, 'USAGE'))
$$;
COMMENT ON FUNCTION seqrec.visible_to_me IS
'whether the current user may see what a role owns';

CREATE FUNCTION seqrec.sees_all_jobs() RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS 'SELECT true';

COMMENT ON FUNCTION seqrec.sees_all_jobs IS
'who may execute this, as who is in pg_monitor, sees the jobs of all roles, but for their source, detail and options';

CREATE FUNCTION seqrec.worker_pid(job uuid) RETURNS integer
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    SELECT pid FROM pg_locks
    WHERE locktype = 'advisory' AND objsubid = 1516 AND granted
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND classid = ('x' || substr(job::text, 1, 8))::bit(32)::bigint::oid
      AND objid = ('x' || substr(job::text, 10, 4) || substr(job::text, 15, 4))::bit(32)::bigint::oid
$$;

COMMENT ON FUNCTION seqrec.worker_pid IS
'the process that runs a job, NULL when there is none';

CREATE FUNCTION seqrec.state_without_worker(job uuid) RETURNS text
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'seqrec_state_without_worker';

COMMENT ON FUNCTION seqrec.state_without_worker IS
'the state of a job that no process runs, read as it is now and not as the query''s snapshot has it';

CREATE FUNCTION seqrec.current_state(job seqrec.jobs) RETURNS text
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE
        WHEN job.state NOT IN ('queued', 'exporting', 'training', 'publishing') THEN job.state
        WHEN seqrec.worker_pid(job.uuid) IS NOT NULL THEN job.state
        WHEN job.state = 'queued' AND job.queued_at > clock_timestamp() - interval '10 seconds'
             AND job.queued_at > pg_postmaster_start_time() THEN job.state
        ELSE seqrec.state_without_worker(job.uuid)
    END
$$;

COMMENT ON FUNCTION seqrec.current_state IS
'the state of a job as it is now';

CREATE VIEW @extschema@.seqrec_jobs WITH (security_barrier) AS
SELECT j.job_id, j.model, j.kind, s.state, j.phase, j.percent, j.epoch, j.loss, j.labels_per_s, j.metrics,
       j.warnings,
       -- what a table's own code says may quote its rows
       CASE WHEN NOT o.own AND j.error IS NOT NULL AND j.phase = 'exporting' THEN format('reading the table failed with SQLSTATE %s', j.sqlstate)
            WHEN s.state = 'interrupted' THEN coalesce(j.error, 'the job''s worker is gone') ELSE j.error END AS error,
       j.sqlstate, CASE WHEN o.own THEN j.detail END AS detail,
       CASE WHEN s.state = 'interrupted' THEN coalesce(CASE WHEN o.own OR j.phase IS DISTINCT FROM 'exporting' THEN j.hint END, format('Let it go on with seqrec_resume(%s), or start again with %s.', j.job_id, CASE WHEN j.refreshes IS NULL THEN 'seqrec_train' ELSE 'seqrec_refresh_items' END))
            WHEN o.own OR j.phase IS DISTINCT FROM 'exporting' THEN j.hint END AS hint,
       j.queued_at, j.started_at, j.finished_at,
       CASE WHEN s.state IN ('exporting', 'training', 'publishing') THEN j.eta END AS eta,
       pg_get_userbyid(j.owner) AS owner, CASE WHEN o.own THEN j.source END AS source, CASE WHEN o.own THEN j.options END AS options, j.model_id, j.refreshes,
       j.member, j.members, j.stage
FROM seqrec.jobs j, LATERAL (SELECT seqrec.visible_to_me(j.owner) AS own OFFSET 0) o,
     LATERAL (SELECT seqrec.current_state(j) AS state OFFSET 0) s
WHERE o.own OR has_function_privilege('seqrec.sees_all_jobs()', 'EXECUTE') OR pg_has_role('pg_monitor', 'USAGE');

COMMENT ON VIEW @extschema@.seqrec_jobs IS 'jobs that the current user may see: trainings, and refreshes of the items of the version in refreshes; a training is at network member of members, or at a stage';

CREATE VIEW @extschema@.seqrec_job_log WITH (security_barrier) AS
SELECT l.job_id, l.at, l.epoch, l.step, l.loss, l.metrics, l.member, l.members, l.stage
FROM seqrec.job_log l JOIN seqrec.jobs j USING (job_id)
WHERE seqrec.visible_to_me(j.owner) OR has_function_privilege('seqrec.sees_all_jobs()', 'EXECUTE') OR pg_has_role('pg_monitor', 'USAGE');

COMMENT ON VIEW @extschema@.seqrec_job_log IS 'validations of the training jobs that the current user may see, each of network member of members, or of a stage';

CREATE VIEW @extschema@.seqrec_models WITH (security_barrier) AS
SELECT m.model_id, m.name AS model, m.kind, m.version, m.active, m.pinned, pg_get_userbyid(m.owner) AS owner, m.created_at, m.metrics, m.dim,
       m.n_users, m.n_items, m.config, CASE WHEN o.own THEN m.source END AS source
FROM seqrec.models m, LATERAL (SELECT seqrec.visible_to_me(m.owner) AS own OFFSET 0) o
WHERE o.own OR pg_has_role('pg_monitor', 'USAGE')
   OR has_function_privilege('@extschema@.seqrec_recommend'::regproc, 'EXECUTE');

COMMENT ON VIEW @extschema@.seqrec_models IS 'model versions that the current user may see';

CREATE FUNCTION seqrec.http_find_items(query text, k integer, model text) RETURNS TABLE (item_id text)
LANGUAGE sql STABLE PARALLEL SAFE AS 'SELECT * FROM @extschema@.seqrec_find_items($1, $2, $3)';
COMMENT ON FUNCTION seqrec.http_find_items IS 'seqrec_find_items, for seqrec-http';
CREATE FUNCTION seqrec.http_find_users(query text, k integer, model text) RETURNS TABLE (user_id text)
LANGUAGE sql STABLE PARALLEL SAFE AS 'SELECT * FROM @extschema@.seqrec_find_users($1, $2, $3)';
COMMENT ON FUNCTION seqrec.http_find_users IS 'seqrec_find_users, for seqrec-http';
CREATE FUNCTION seqrec.http_similar_items(item_id seqrec.id, k integer, model text, exclude seqrec.id[], candidates seqrec.id[], min_score real) RETURNS TABLE (rank integer, item_id text, score real)
LANGUAGE sql STABLE PARALLEL SAFE AS 'SELECT * FROM @extschema@.seqrec_similar_items($1, $2, $3, $4, $5, $6)';
COMMENT ON FUNCTION seqrec.http_similar_items IS 'seqrec_similar_items, for seqrec-http';
CREATE FUNCTION seqrec.http_unknown_items(item_ids seqrec.id[], model text) RETURNS text[]
LANGUAGE sql STABLE PARALLEL SAFE AS 'SELECT @extschema@.seqrec_unknown_items($1, $2)';
COMMENT ON FUNCTION seqrec.http_unknown_items IS 'seqrec_unknown_items, for seqrec-http';
CREATE FUNCTION seqrec.http_explain(user_id seqrec.id, clicks seqrec.id[], item_ids seqrec.id[], model text, context jsonb, language text, titles regclass,
    title_id_column name, title_column name) RETURNS TABLE (item_id text, because_of text, contribution real, source text, reason text)
LANGUAGE sql STABLE PARALLEL SAFE AS 'SELECT * FROM @extschema@.seqrec_explain($1, $2, $3, $4, $5, $6, $7, $8, $9)';
COMMENT ON FUNCTION seqrec.http_explain IS 'seqrec_explain, for seqrec-http';
CREATE FUNCTION seqrec.http_coefficients(model text) RETURNS TABLE (feature text, value text, coefficient real, standard_error real, rows bigint)
LANGUAGE sql STABLE PARALLEL SAFE AS 'SELECT * FROM @extschema@.seqrec_coefficients($1)';
COMMENT ON FUNCTION seqrec.http_coefficients IS 'seqrec_coefficients, for seqrec-http';
CREATE FUNCTION seqrec.http_kinds() RETURNS TABLE (kind text, meaning text, score jsonb, options jsonb, learns_from text[])
LANGUAGE sql STABLE PARALLEL SAFE AS 'SELECT * FROM @extschema@.seqrec_kinds()';
COMMENT ON FUNCTION seqrec.http_kinds IS 'seqrec_kinds, for seqrec-http';
CREATE FUNCTION seqrec.http_add_events(events jsonb, ratings regclass, user_column name, item_column name, time_column name, key text) RETURNS bigint
LANGUAGE sql VOLATILE AS 'SELECT @extschema@.seqrec_add_events($1, $2, $3, $4, $5, $6)';
COMMENT ON FUNCTION seqrec.http_add_events IS 'seqrec_add_events, for seqrec-http';
CREATE FUNCTION seqrec.http_train(ratings regclass, model text, kind text, user_column name, item_column name, time_column name, items regclass,
    users regclass, options jsonb, if_running text) RETURNS bigint
LANGUAGE sql VOLATILE AS 'SELECT @extschema@.seqrec_train($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)';
COMMENT ON FUNCTION seqrec.http_train IS 'seqrec_train, for seqrec-http';
CREATE FUNCTION seqrec.http_refresh_items(model text) RETURNS bigint
LANGUAGE sql VOLATILE AS 'SELECT @extschema@.seqrec_refresh_items($1)';
COMMENT ON FUNCTION seqrec.http_refresh_items IS 'seqrec_refresh_items, for seqrec-http';
CREATE FUNCTION seqrec.http_cancel(job bigint) RETURNS boolean
LANGUAGE sql VOLATILE AS 'SELECT @extschema@.seqrec_cancel($1)';
COMMENT ON FUNCTION seqrec.http_cancel IS 'seqrec_cancel, for seqrec-http';
CREATE FUNCTION seqrec.http_activate(model_id bigint) RETURNS void
LANGUAGE sql VOLATILE AS 'SELECT @extschema@.seqrec_activate($1)';
COMMENT ON FUNCTION seqrec.http_activate IS 'seqrec_activate, for seqrec-http';
CREATE FUNCTION seqrec.http_jobs() RETURNS SETOF @extschema@.seqrec_jobs LANGUAGE sql STABLE AS 'SELECT * FROM @extschema@.seqrec_jobs';
COMMENT ON FUNCTION seqrec.http_jobs IS 'seqrec_jobs, for seqrec-http';
CREATE FUNCTION seqrec.http_job_log() RETURNS SETOF @extschema@.seqrec_job_log LANGUAGE sql STABLE AS 'SELECT * FROM @extschema@.seqrec_job_log';
COMMENT ON FUNCTION seqrec.http_job_log IS 'seqrec_job_log, for seqrec-http';
CREATE FUNCTION seqrec.http_models() RETURNS SETOF @extschema@.seqrec_models LANGUAGE sql STABLE AS 'SELECT * FROM @extschema@.seqrec_models';
COMMENT ON FUNCTION seqrec.http_models IS 'seqrec_models, for seqrec-http';

-- What came before is bound to the tables of its names here.
UPDATE seqrec.models SET source = source
    || pg_catalog.jsonb_build_object('system', (SELECT system_identifier::text FROM pg_catalog.pg_control_system()),
                                     'database', (SELECT oid::bigint FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()),
                                     'relation_id', coalesce(pg_catalog.to_regclass(source->>'relation')::oid::bigint, 0));
UPDATE seqrec.jobs SET source = source
    || pg_catalog.jsonb_build_object('system', (SELECT system_identifier::text FROM pg_catalog.pg_control_system()),
                                     'database', (SELECT oid::bigint FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()),
                                     'relation_id', coalesce(pg_catalog.to_regclass(source->>'relation')::oid::bigint, 0));

REVOKE ALL ON FUNCTION @extschema@.seqrec_train, @extschema@.seqrec_refresh_items, @extschema@.seqrec_evaluate, @extschema@.seqrec_export, @extschema@.seqrec_pin, @extschema@.seqrec_set_owner, @extschema@.seqrec_history,
    @extschema@.seqrec_recommend, @extschema@.seqrec_recommend_info, @extschema@.seqrec_recommend_batch, @extschema@.seqrec_recommend_all,
    @extschema@.seqrec_similar_items, @extschema@.seqrec_score, @extschema@.seqrec_score_item, @extschema@.seqrec_explain, @extschema@.seqrec_recommend_explained,
    @extschema@.seqrec_user_embedding, @extschema@.seqrec_item_embedding, @extschema@.seqrec_coefficients, @extschema@.seqrec_unknown_items, seqrec.answers,
    seqrec.sees_all_jobs, seqrec.refuse_restricted, seqrec.claim_event_key FROM PUBLIC;
DO $$
DECLARE
    name text;
    grantees text;
BEGIN
    FOREACH name IN ARRAY '{train,recommend,recommend_info,recommend_batch,recommend_all,similar_items,score,score_item,explain,user_embedding,
                            item_embedding,unknown_items,answers,claim_event_key}'::text[] LOOP
        grantees := current_setting('seqrec_update.' || name);
        IF grantees <> '' THEN
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %s', CASE WHEN name IN ('answers', 'claim_event_key') THEN 'seqrec.' ELSE '@extschema@.seqrec_' END || name, grantees);
        END IF;
    END LOOP;
    FOREACH name IN ARRAY '{jobs,job_log,models}'::text[] LOOP
        grantees := current_setting('seqrec_update.view_' || name);
        IF grantees <> '' THEN
            EXECUTE format('GRANT SELECT ON @extschema@.seqrec_%s TO %s', name, grantees);
        END IF;
    END LOOP;
END $$;
