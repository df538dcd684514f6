-- Everything the extension makes is documented, and nothing is for everybody.
CREATE EXTENSION seqrec;
SELECT pg_describe_object(classid, objid, 0) AS without_comment
FROM pg_depend d
WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
  AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'seqrec')
  AND classid IN ('pg_proc'::regclass, 'pg_class'::regclass, 'pg_namespace'::regclass)
  AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = objid AND relkind IN ('S', 'i', 't'))
  AND obj_description(objid, classid::regclass::name) IS NULL;
-- What everybody may call: what the views need, waiting, titles with the caller's own rights, what triggers and the planner call, and the names by
-- which seqrec-http calls functions that are not for everybody.
SELECT p.oid::regprocedure AS for_everybody
FROM pg_depend d JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid
WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'seqrec')
  AND has_function_privilege('public', p.oid, 'EXECUTE')
ORDER BY p.oid::regprocedure::text COLLATE "C";
-- One function a name, so that no call depends on types; model comes after what is asked about and k, and before all else.
CREATE VIEW functions_of_seqrec AS
SELECT p.oid, p.proname, p.proargnames[1:p.pronargs] AS arguments, coalesce(p.proallargtypes[1:p.pronargs], p.proargtypes) AS types
FROM pg_depend d JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid
WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'seqrec');
SELECT proname AS ambiguous FROM functions_of_seqrec GROUP BY proname HAVING count(*) > 1;
SELECT oid::regprocedure AS misplaced FROM functions_of_seqrec
WHERE proname LIKE 'seqrec\_%' AND 'model' = ANY (arguments)
  AND NOT arguments[:array_position(arguments, 'model') - 1] <@ '{ratings,query,user_id,user_ids,clicks,item_id,item_ids,k}'::text[];
SELECT oid::regprocedure AS k_misplaced FROM functions_of_seqrec
WHERE proname LIKE 'seqrec\_%' AND proname <> 'seqrec_evaluate' AND 'k' = ANY (arguments) AND arguments[array_position(arguments, 'k') + 1] IS DISTINCT FROM 'model';
-- Ids are given as seqrec.id, but where a program or a document asks.
SELECT proname, argument, type::regtype FROM functions_of_seqrec, unnest(arguments, types) a(argument, type)
WHERE argument IN ('user_id', 'user_ids', 'clicks', 'item_id', 'item_ids', 'exclude', 'candidates') AND type::regtype::text NOT LIKE 'seqrec.id%'
ORDER BY proname COLLATE "C", argument COLLATE "C";
DROP VIEW functions_of_seqrec;
-- What seqrec-http calls is the function, or the view, of its name: the same parameters, all of them passed on, the same result and
-- what the planner is told.
CREATE VIEW called_by_http AS
SELECT h.oid, f.oid AS function, c.oid AS view,
       ARRAY[pg_get_function_identity_arguments(h.oid), pg_get_function_result(h.oid), h.provolatile::text, h.proparallel::text, h.prosrc] AS "is",
       CASE WHEN f.oid IS NULL THEN ARRAY['', format('SETOF %s', c.relname), 's', 'u', format('SELECT * FROM %s.%I', x.extnamespace::regnamespace, c.relname)]
            ELSE ARRAY[pg_get_function_identity_arguments(f.oid), pg_get_function_result(f.oid), f.provolatile::text, f.proparallel::text,
                       format('SELECT %s%s.%I(%s)', CASE WHEN f.proretset THEN '* FROM ' END, x.extnamespace::regnamespace, f.proname,
                              (SELECT string_agg('$' || i, ', ' ORDER BY i) FROM generate_series(1, f.pronargs) i))] END AS should_be
FROM pg_extension x JOIN pg_proc h ON x.extname = 'seqrec' AND h.pronamespace = 'seqrec'::regnamespace AND h.proname LIKE 'http\_%'
LEFT JOIN pg_proc f ON f.pronamespace = x.extnamespace AND f.proname = 'seqrec_' || substr(h.proname, 6)
LEFT JOIN pg_class c ON c.relnamespace = x.extnamespace AND c.relkind = 'v' AND c.relname = 'seqrec_' || substr(h.proname, 6);
SELECT count(function) AS functions, count(view) AS views FROM called_by_http;
SELECT oid::regprocedure AS drifted, difference."is", difference.should_be
FROM called_by_http, unnest("is", should_be) difference ("is", should_be) WHERE difference."is" IS DISTINCT FROM difference.should_be;
DROP VIEW called_by_http;
-- Whatever runs as its owner has a path of its own, and every view is a barrier.
SELECT p.oid::regprocedure AS without_path FROM pg_depend d JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid
WHERE d.deptype = 'e' AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'seqrec')
  AND p.prosecdef AND NOT coalesce(p.proconfig::text LIKE '%search_path%', false);
SELECT relname AS no_barrier FROM pg_class WHERE relkind = 'v' AND relname LIKE 'seqrec\_%' AND NOT coalesce(reloptions::text LIKE '%security_barrier%', false);
-- Every table and sequence travels with pg_dump.
SELECT c.relname AS not_dumped FROM pg_class c
WHERE relnamespace = 'seqrec'::regnamespace AND relkind IN ('r', 'S')
  AND NOT c.oid = ANY (SELECT unnest(extconfig) FROM pg_extension WHERE extname = 'seqrec');
-- A setting that doesn't exist is refused, once the library is there.
LOAD 'seqrec';
SET seqrec.no_such_setting = 1;
DROP EXTENSION seqrec;
CREATE EXTENSION seqrec;
