-- Everything the extension makes is documented, and nothing is for everybody.
CREATE EXTENSION seqrec;
SELECT pg_describe_object(classid, objid, 0) AS without_comment
FROM pg_depend d
WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
  AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'seqrec')
  AND classid IN ('pg_proc'::regclass, 'pg_class'::regclass, 'pg_namespace'::regclass)
  AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = objid AND relkind IN ('S', 'i', 't'))
  AND obj_description(objid, classid::regclass::name) IS NULL;
SELECT proname AS for_everybody FROM pg_proc
WHERE proname LIKE 'seqrec\_%' AND prokind = 'f' AND has_function_privilege('public', oid, 'EXECUTE');
-- Every table and sequence travels with pg_dump.
SELECT c.relname AS not_dumped FROM pg_class c
WHERE relnamespace = 'seqrec'::regnamespace AND relkind IN ('r', 'S')
  AND NOT c.oid = ANY (SELECT unnest(extconfig) FROM pg_extension WHERE extname = 'seqrec');
-- A setting that doesn't exist is refused, once the library is there.
LOAD 'seqrec';
SET seqrec.no_such_setting = 1;
DROP EXTENSION seqrec;
CREATE EXTENSION seqrec;
