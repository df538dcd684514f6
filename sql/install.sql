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
