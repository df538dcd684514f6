// seqrec-http: puts the rooms together and runs the event loop.
#include <sys/resource.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <string_view>
#include <thread>

#include "api/routes.hpp"
#include "api/settings_check.hpp"
#include "config.hpp"
#include "db/blocking_tasks.hpp"
#include "db/pool.hpp"
#include "http/server.hpp"
#include "log.hpp"

namespace {

using namespace seqrec::sidecar;
namespace asio = boost::asio;

constexpr int kCannotListen = 1;
constexpr int kBadSetting = 2;
constexpr rlim_t kOtherFiles = 128;  // standard streams, the loop's own, clients that are turned away

/// A connection needs a descriptor: better to say so now than to turn clients away at the busiest hour.
void raise_file_limit(const Config& config) {
    const rlim_t needed =
        static_cast<rlim_t>(config.max_connections) + static_cast<rlim_t>(config.pool) + kOtherFiles;
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= needed) return;
    if (limit.rlim_max < needed)
        throw ConfigError("SEQREC_MAX_CONNECTIONS: " + std::to_string(config.max_connections) + " needs " +
                          std::to_string(needed) + " open files, and the limit (ulimit -Hn) is " +
                          std::to_string(limit.rlim_max));
    limit.rlim_cur = needed;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/// SIGTERM waits for balancers to look away, SIGINT (a person at a terminal) does not, a second signal ends
/// at once.
void await_signals(asio::signal_set& signals, Server& server, const std::function<void()>& stop_pools,
                   const Config& config) {
    signals.async_wait([&](boost::system::error_code error, int signal) {
        if (error) return;
        if (server.is_draining()) stop_pools();
        server.drain(signal == SIGTERM ? config.drain : std::chrono::milliseconds(0));
        await_signals(signals, server, stop_pools, config);
    });
}

/// A cancel on its way to a host that does not answer may block its thread for minutes; nobody needs it any
/// more.
void leave(const BlockingTasks& tasks) {
    for (int i = 0; i < 100 && !tasks.idle(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    if (!tasks.idle()) std::_Exit(EXIT_SUCCESS);
}

void serve(const Config& config) {
    asio::io_context loop(1);
    BlockingTasks tasks(loop);
    Metrics metrics;
    Pool pool(loop, tasks, reading_pool(config));
    Pool writer(loop, tasks, writing_pool(config));
    asio::signal_set signals(loop, SIGTERM, SIGINT);
    Server* listening = nullptr;
    const Router router =
        make_router({config, pool, writer, metrics, [&] { return listening->is_draining(); }});
    const std::function<void()> stop_pools = [&] {
        pool.stop();
        writer.stop();
    };
    Server server(loop, config, router, metrics, [&] {
        stop_pools();
        signals.cancel();
    });
    listening = &server;
    server.start();
    pool.start();
    check_tables(pool, config);
    await_signals(signals, server, stop_pools, config);
    loop.run();
    leave(tasks);
}

int command(std::string_view name) {
    if (name == "--help")
        std::cout << help_text();
    else if (name == "--version")
        std::cout << "seqrec-http " SEQREC_VERSION "\n";
    else if (name == "--print-config")
        std::cout << effective_config();
    else
        throw ConfigError("unknown argument \"" + std::string(name) + "\"; see seqrec-http --help");
    return EXIT_SUCCESS;
}

int run(int argc, char** argv) {
    if (argc > 2) throw ConfigError("one argument at most; see seqrec-http --help");
    if (argc == 2) return command(argv[1]);
    const Config config = read_config();
    raise_file_limit(config);
    std::signal(SIGPIPE, SIG_IGN);
    for (const auto& name : unknown_variables())
        log_event("warning", name + " is not a setting of seqrec-http");
    serve(config);
    return EXIT_SUCCESS;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return run(argc, argv);
    } catch (const ConfigError& error) {
        std::cerr << "seqrec-http: " << error.what() << "\n";
        return kBadSetting;
    } catch (const std::exception& error) {
        std::cerr << "seqrec-http: " << error.what() << "\n";
        return kCannotListen;
    }
}
