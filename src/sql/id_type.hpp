// seqrec.id: the text of an id, which values of other types become by themselves. PostgreSQL code: may
// ereport.
#pragma once

#include "pg/boundary.hpp"

namespace seqrec {

/// Makes an implicit cast to seqrec.id for a type that has none (an enum, citext), so that its values can be
/// given as ids like any others. Nothing happens, and nothing fails, when the caller may not use the type or
/// somebody else is making it.
/// 为没有到 seqrec.id 转换的类型（枚举、citext 等）创建隐式转换，使其值可直接作为 id 传入。
/// 调用者无权使用该类型或他人正在创建时，什么也不做，也不报错。
void ensure_id_cast(Oid type);

}  // namespace seqrec
