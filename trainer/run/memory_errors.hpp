// Which exceptions mean that memory ran out.
#pragma once

#include <exception>

namespace seqrec::trainer {

/// Whether an exception of the standard library, of libtorch or of core/ says that memory ran out, on the
/// machine or on the GPU, or that a thread could not be started, which needs memory too.
/// 判断标准库、libtorch 或 core/ 的异常是否表示内存（或显存）不足，或因此无法启动线程。
bool is_out_of_memory(const std::exception& error);

}  // namespace seqrec::trainer
