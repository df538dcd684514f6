#include "run/workers.hpp"

#include <dlfcn.h>
#include <malloc.h>

#include "torch.hpp"

namespace seqrec::trainer {
namespace {

/// OpenBLAS keeps threads of its own, which at::set_num_threads does not reach.
void use_one_blas_thread() {
    using Setter = void (*)(int);
    if (void* symbol = ::dlsym(RTLD_DEFAULT, "openblas_set_num_threads")) reinterpret_cast<Setter>(symbol)(1);
}

/// set_num_threads() starts and ends a pool of threads, and waits for ever when one can't start: where the
/// environment says 1, it is not called.
void compute_in_one_thread() {
    if (at::get_num_threads() != 1) at::set_num_threads(1);
}

/// Keeps the memory that a thread has freed, as keep_freed_memory() in main.cpp does. Heaps begin with their
/// padding, which counts against a limit of memory before anything is in it, so this comes when each thread
/// has its heap. Whose heap can't grow then takes from another's: to try for a new one fails as well, slowly,
/// each time.
void keep_heaps() {
#ifdef M_TOP_PAD
    mallopt(M_TOP_PAD, 64 << 20);
    mallopt(M_ARENA_MAX, 1);
#endif
}

}  // namespace

Workers::Workers(int count) : count_(count), busy_(count - 1) {
    compute_in_one_thread();
    use_one_blas_thread();
    try {
        for (int part = 1; part < count; ++part) threads_.emplace_back([this, part] { work(part); });
    } catch (...) {
        stop();  // those that run already; the destructor won't
        throw;
    }
    std::unique_lock lock(mutex_);
    finish_.wait(lock, [this] { return busy_ == 0; });
    keep_heaps();
}

Workers::~Workers() { stop(); }

void Workers::stop() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    start_.notify_all();
    for (std::thread& thread : threads_) thread.join();
}

void Workers::run(const std::function<void(int)>& job) {
    {
        const std::lock_guard lock(mutex_);
        job_ = &job;
        busy_ = count_ - 1;
        failure_ = nullptr;
        ++round_;
    }
    start_.notify_all();
    std::exception_ptr own;
    try {
        job(0);
    } catch (...) {
        own = std::current_exception();
    }
    std::unique_lock lock(mutex_);
    finish_.wait(lock, [this] { return busy_ == 0; });
    if (own) std::rethrow_exception(own);
    if (failure_) std::rethrow_exception(failure_);
}

void Workers::split(std::int64_t n, const std::function<void(std::int64_t, std::int64_t)>& job) {
    run([&](int part) {
        const std::int64_t begin = n * part / count_, end = n * (part + 1) / count_;
        if (begin < end) job(begin, end);
    });
}

void Workers::work(int part) {
    compute_in_one_thread();  // which takes the thread's first memory
    finish_part();
    std::uint64_t seen = 0;
    for (;;) {
        const std::function<void(int)>* job = nullptr;
        {
            std::unique_lock lock(mutex_);
            start_.wait(lock, [&] { return stopping_ || round_ != seen; });
            if (stopping_) return;
            seen = round_;
            job = job_;
        }
        std::exception_ptr failure;
        try {
            (*job)(part);
        } catch (...) {
            failure = std::current_exception();
        }
        finish_part(failure);
    }
}

void Workers::finish_part(const std::exception_ptr& failure) {
    const std::lock_guard lock(mutex_);
    if (failure && !failure_) failure_ = failure;
    if (--busy_ == 0) finish_.notify_one();
}

}  // namespace seqrec::trainer
