// SIGTERM: at once, except while a file is being written, which is undone first.
#pragma once

namespace seqrec::trainer {

/// Makes SIGTERM and SIGINT end the process at once.
/// 使 SIGTERM 与 SIGINT 立即结束进程。
void stop_on_signals();

/// While one exists, a signal only makes check() throw, so that a half-written file can be removed.
/// 存在期间，信号仅使 check() 抛出异常，以便删除未写完的文件。
class WriteGuard {
  public:
    WriteGuard();
    ~WriteGuard();
    WriteGuard(const WriteGuard&) = delete;
    WriteGuard& operator=(const WriteGuard&) = delete;
    void check() const;
};

/// Thrown by WriteGuard::check: the process was told to stop.
struct Stopped {};

}  // namespace seqrec::trainer
