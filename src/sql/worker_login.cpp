#include "sql/worker_login.hpp"

#include "pg/catalog.hpp"

extern "C" {
#include "access/htup_details.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "utils/acl.h"
#include "utils/syscache.h"
}

namespace seqrec {
namespace {

#if PG_VERSION_NUM < 170000
bool can_login(Oid role) {
    HeapTuple tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(role));
    if (!HeapTupleIsValid(tuple)) return false;
    const bool can = ((Form_pg_authid)GETSTRUCT(tuple))->rolcanlogin;
    ReleaseSysCache(tuple);
    return can;
}
#endif

}  // namespace

void check_login(Oid role) {
    if (!role_exists(role))
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
                        errmsg("the role that the job belonged to has been dropped"),
                        errhint("Give its model to another role with seqrec_set_owner.")));
#if PG_VERSION_NUM < 170000
    if (!can_login(role))
        ereport(ERROR,
                (errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
                 errmsg("role \"%s\" is not permitted to log in", role_name(role)),
                 errhint("The job's background worker runs as this role. Call the function as a role with "
                         "LOGIN, or ALTER ROLE ... LOGIN.")));
#endif
#if PG_VERSION_NUM >= 160000
    const bool may_connect =
        object_aclcheck(DatabaseRelationId, MyDatabaseId, role, ACL_CONNECT) == ACLCHECK_OK;
#else
    const bool may_connect = pg_database_aclcheck(MyDatabaseId, role, ACL_CONNECT) == ACLCHECK_OK;
#endif
    if (!may_connect)
        ereport(
            ERROR,
            (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
             errmsg("role \"%s\" may not connect to this database", role_name(role)),
             errhint("The job's background worker connects as this role. Grant CONNECT on the database.")));
}

}  // namespace seqrec
