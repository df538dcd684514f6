-- Everything the extension makes is documented, and nothing is for everybody.
CREATE EXTENSION seqrec;
SELECT pg_describe_object(classid, objid, 0) AS without_comment
FROM pg_depend d
WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
  AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'seqrec')
  AND classid IN ('pg_proc'::regclass, 'pg_class'::regclass, 'pg_namespace'::regclass)
  AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = objid AND relkind IN ('S', 'i', 't'))
  AND obj_description(objid, classid::regclass::name) IS NULL;
-- What everybody may call: what the views need, waiting, titles with the caller's own rights, and what triggers and the planner call.
SELECT p.oid::regprocedure AS for_everybody
FROM pg_depend d JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid
WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'seqrec')
  AND has_function_privilege('public', p.oid, 'EXECUTE')
ORDER BY p.oid::regprocedure::text COLLATE "C";
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
