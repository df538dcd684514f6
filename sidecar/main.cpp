// seqrec-http: puts the rooms together and runs the event loop.
#include <sys/resource.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <string_view>
#include <thread>

#include "api/routes.hpp"
#include "api/settings_check.hpp"
#include "config.hpp"
#include "counters.hpp"
#include "db/blocking_tasks.hpp"
#include "db/pool.hpp"
#include "http/server.hpp"
#include "log.hpp"
#include "service_manager.hpp"

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

/// All rooms of one process, and the order in which they open and close.
class Service {
  public:
    explicit Service(const Config& config)
        : config_(config),
          tasks_(loop_),
          reading_(loop_, tasks_, reading_pool(config)),
          writing_(loop_, tasks_, writing_pool(config)),
          manager_(loop_),
          signals_(loop_, SIGTERM, SIGINT),
          router_(
              make_router({config, reading_, writing_, counters_, [this] { return server_.is_draining(); }})),
          server_(loop_, config, router_, counters_, [this] { stop(); }) {}

    void run(const std::optional<InheritedListener>& inherited) {
        server_.start(inherited);
        reading_.start();
        check_tables(reading_, config_);
        await_signals();
        manager_.ready();
        loop_.run();
        leave();
    }

  private:
    /// SIGTERM waits for balancers to look away, SIGINT (a person at a terminal) does not, a second signal
    /// ends at once.
    void await_signals() {
        signals_.async_wait([this](boost::system::error_code error, int signal) {
            if (error) return;
            if (server_.is_draining()) stop_pools();
            manager_.stopping();
            server_.drain(signal == SIGTERM ? config_.drain : std::chrono::milliseconds(0));
            await_signals();
        });
    }

    void stop_pools() {
        reading_.stop();
        writing_.stop();
    }

    void stop() {
        stop_pools();
        signals_.cancel();
        manager_.stop();
    }

    /// A cancel on its way to a host that does not answer may block its thread for minutes; nobody needs it
    /// any more.
    void leave() {
        for (int i = 0; i < 100 && !tasks_.idle(); ++i)
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        if (!tasks_.idle()) std::_Exit(EXIT_SUCCESS);
    }

    const Config& config_;
    asio::io_context loop_{1};
    BlockingTasks tasks_;
    Counters counters_;
    Pool reading_;  // answers
    Pool writing_;  // opened when the first route that writes needs it
    ServiceManager manager_;
    asio::signal_set signals_;
    const Router router_;
    Server server_;
};

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
    const auto inherited = inherited_listener();
    if (inherited) refuse_exposure(config, inherited->address);
    raise_file_limit(config);
    std::signal(SIGPIPE, SIG_IGN);
    for (const auto& name : unknown_variables())
        log_event("warning", name + " is not a setting of seqrec-http");
    Service(config).run(inherited);
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
