// The trainer: a program of its own, so that whatever happens to it happens to its job only.
// PostgreSQL code: may ereport.
#pragma once

#include "pg/boundary.hpp"

namespace seqrec {

/// The trainer's path by the settings; ERROR 58P01 with a hint when it can't be run.
/// 按设置得到训练器路径；无法运行时报错 58P01 并给出提示。
const char* trainer_path();

/// Starts the trainer with a command, `train` or `refresh`, on a job file; its standard error goes to `log_path`. One at a time a process; it dies
/// with this process, by whatever way that ends.
/// 以命令（train 或 refresh）和任务文件启动训练器，标准错误写入 log_path。每个进程同时只有一个；本进程无论如何结束，它都会随之结束。
void start_trainer(const char* command, const char* job_path, const char* log_path);

/// Waits for the next line the trainer prints (in `line`, valid until the next call) and returns true; false
/// once its output has ended. Interrupts are served while waiting.
/// 等待训练器输出的下一行；输出结束时返回 false。等待期间响应中断。
bool next_trainer_line(const char** line);

/// Waits for the trainer's end; ERROR with what happened unless it exited with 0.
/// 等待训练器结束；若非正常退出则报错说明原因。
void finish_trainer(const char* log_path);

/// Ends a trainer that may still run. Safe to call at any time.
/// 结束可能仍在运行的训练器；随时可调用。
void kill_trainer();

}  // namespace seqrec
