// The folder of seqrec's files: `seqrec.directory`, with one folder a database in it. Both carry a mark that
// says which server made them. What has no mark, or another server's, is never written to and never removed:
// every file and folder in them goes by remove_own(), which asks for the mark. PostgreSQL code: may ereport.
#pragma once

#include <cstddef>

#include "pg/boundary.hpp"

namespace seqrec {

/// The folder of this database's files, made and marked when it is missing; ERROR 55000 when it is not this
/// server's, with a hint.
/// 本数据库的文件目录，缺失时创建并标记；不属于本服务器则报错 55000 并给出提示。
const char* database_folder();
/// The same path, whatever is there.
/// 同一路径，不作检查。
const char* database_folder_path();
/// Why the folder can't be written, palloc'd, or null when it can.
/// 目录不可写的原因；可写则返回空指针。
const char* folder_problem();
/// Whose it is, when it is not this server's: not even to be read.
/// 目录属于他人（连读取也不可）时说明其所有者，否则为空。
const char* foreign_folder();

/// Whose the database's folder is that a path lies in, when it is not this server's; else null. Does not
/// ereport.
/// 路径所在的数据库目录属于他人时说明其所有者，否则为空；不报错。
const char* owner_of_path(const char* path);
/// Removes a file, or a job's folder with all that is in it, below a database's folder: nothing of another
/// server's. What is not there costs one look. Does not ereport; it may warn.
/// 删除数据库目录之下的文件或任务目录，绝不触及其他服务器的文件；不存在时仅查询一次。不报错，可能警告。
void remove_own(const char* path);

/// Removes the folders of databases that have been dropped: only those with this server's mark, and of what
/// is in them only seqrec's own files.
/// 删除已不存在的数据库的目录：仅限带有本服务器标记者，且仅删除 seqrec 自己的文件。
void remove_folders_of_dropped_databases();
/// The same of this database's folder, when the extension is gone. Does not ereport.
/// 扩展被删除后，同样处理本数据库的目录；不报错。
void remove_database_folder(const char* path);

/// Whether a text begins with a uuid in lower case.
/// 文本是否以小写 uuid 开头。
bool begins_with_uuid(const char* text);
/// Whether a name is of a file or folder that seqrec makes in a database's folder.
/// 名称是否属于 seqrec 在数据库目录中创建的文件或目录。
bool is_own_name(const char* name);

inline constexpr std::size_t kUuidLength = 36;
inline constexpr const char* kSnapshotSuffix = ".safetensors";
inline constexpr const char* kJobPrefix = "job-";  ///< and the job's uuid: its folder

}  // namespace seqrec
