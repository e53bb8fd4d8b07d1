// weft-bench: sends load to an OpenAI- or Ollama-compatible server and says how well it was served.

#include <cstdio>
#include <fstream>
#include <iostream>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <sys/resource.h>

#include "idle_connections.h"
#include "load_run.h"
#include "report.h"

namespace {

using namespace weft;
using namespace weft::bench;

Result<Endpoint> resolve(const Url& url) {
    boost::asio::io_context io;
    boost::asio::ip::tcp::resolver resolver(io);
    boost::system::error_code error;
    const auto found = resolver.resolve(url.host, url.port, error);
    if (error || found.empty()) return fail(ErrorCode::not_found, "cannot resolve " + url.host + ": " + error.message());
    return found.begin()->endpoint();
}

// Every connection is a file: as many as the system allows.
void raise_file_limit() {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

Report measure(const Options& options, const Endpoint& server) {
    const auto rss_before = resident_kib(options.server_pid);
    Report report;
    if (options.idle_connections > 0) {
        const auto idle = hold_idle_connections(options, server);
        report = make_report(options, Measurement(options));
        report.idle = idle;
    } else {
        LoadRun run(options, server);
        report = make_report(options, run.run());
    }
    report.rss_before_kib = rss_before;
    report.rss_after_kib = resident_kib(options.server_pid);
    return report;
}

bool write_json(const Options& options, const Report& report) {
    if (options.json_path.empty()) return true;
    if (options.json_path == "-") {
        std::cout << to_json(report);
        return true;
    }
    std::ofstream file(options.json_path);
    file << to_json(report);
    file.close();
    if (!file) std::cerr << "weft-bench: cannot write " << options.json_path << "\n";
    return !file.fail();
}

}  // namespace

int main(int argc, char** argv) {
    const Options options = parse_options(argc, argv);
    raise_file_limit();
    const auto server = resolve(options.url);
    if (!server) {
        std::cerr << "weft-bench: " << server.error().message << "\n";
        return 2;
    }
    const Report report = measure(options, *server);
    if (options.json_path != "-") print_table(report);
    if (!write_json(options, report)) return 2;
    const bool nothing_worked = report.completed + report.left + report.cut_off == 0;
    return nothing_worked && !report.idle ? 1 : 0;
}
