// The `encode` command: what libtorch's forward pass gives, to hold core/kinds/ to.
#pragma once

#include <string>

namespace seqrec::trainer {

/// Reads a JSON array of {"clicks": [index, …], "user": index or -1}, prints a JSON array of unit vectors,
/// one a request. Returns the exit status.
/// 读取请求的 JSON 数组，逐个输出单位向量。
int run_encode(const std::string& model, const std::string& requests);

}  // namespace seqrec::trainer
