// seqrec-trainer: commands and what the process is set up with.
#include <malloc.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

#include "kernels/step_kernels.hpp"
#include "kinds/transformer/bench_command.hpp"
#include "run/encode_command.hpp"
#include "run/job.hpp"
#include "run/refresh.hpp"
#include "run/stop.hpp"
#include "run/train.hpp"

namespace {

constexpr char kHelp[] =
    "usage: seqrec-trainer train JOB.json               train a model (see docs/architecture.md)\n"
    "       seqrec-trainer refresh JOB.json             the same weights over another table of items\n"
    "       seqrec-trainer encode MODEL REQUESTS.json   print users' vectors, for tests\n"
    "       seqrec-trainer bench THREADS                GFLOP/s of products and of the loss here\n"
    "       seqrec-trainer --version | --help\n";

/// Keeps freed memory: a step frees and takes the same large tensors again, and giving them back to the
/// system between costs more page faults than the arithmetic costs time.
void keep_freed_memory() {
#ifdef M_MMAP_THRESHOLD
    mallopt(M_MMAP_THRESHOLD, 1 << 30);
    mallopt(M_TRIM_THRESHOLD, 2047 << 20);
#endif
}

/// Keeps libtorch, OpenMP and BLAS from starting threads: Workers are all that compute, and what the others
/// take (OpenBLAS 130 MB for each processor) counts against a limit of memory; some wait for ever for one
/// that could not start. OpenBLAS starts its own while it is loaded, so the program is loaded once more.
void keep_libraries_to_one_thread(char** argv) {
    bool known = true;
    for (const char* name : {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"}) {
        const char* value = std::getenv(name);
        known = known && value && std::string_view(value) == "1";
        ::setenv(name, "1", 1);
    }
    std::error_code failed;
    const std::string program = std::filesystem::read_symlink("/proc/self/exe", failed).string();
    if (!known && !failed) ::execv(program.c_str(), argv);  // when that fails, it works nearly as well
}

}  // namespace

int main(int argc, char** argv) {
    keep_freed_memory();
    seqrec::trainer::stop_on_signals();
    const std::string command = argc > 1 ? argv[1] : "";
    if (command == "--version") {
        std::printf("seqrec-trainer %s (libtorch %s, %s kernels)\n", SEQREC_VERSION, SEQREC_TORCH_VERSION,
                    seqrec::kernels::table().name);
        return 0;
    }
    if (command == "--help") {
        std::fputs(kHelp, stdout);
        return 0;
    }
    if (command == "train" && argc == 3) {
        keep_libraries_to_one_thread(argv);
        return seqrec::trainer::run_job(argv[2], seqrec::trainer::train);
    }
    if (command == "refresh" && argc == 3) {
        keep_libraries_to_one_thread(argv);
        return seqrec::trainer::run_job(argv[2], seqrec::trainer::refresh);
    }
    if (command == "encode" && argc == 4) return seqrec::trainer::run_encode(argv[2], argv[3]);
    if (command == "bench" && argc == 3 && std::atoi(argv[2]) > 0)
        return seqrec::trainer::run_bench(std::atoi(argv[2]));
    std::fputs(kHelp, stderr);
    return 2;
}
