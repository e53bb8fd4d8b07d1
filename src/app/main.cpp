#include <unistd.h>

#include <filesystem>

#include "app/engine_main.h"
#include "app/gateway.h"
#include "cli/cli.h"

namespace {

weft::GatewayOptions options_of(const weft::cli::ServeOptions& given) {
    weft::GatewayOptions options;
    options.program = std::filesystem::read_symlink("/proc/self/exe").string();
    if (given.host) options.host = *given.host;
    if (given.port) options.port = *given.port;
    if (given.port_file) options.port_file = *given.port_file;
    for (const auto& folder : given.models_dirs) options.models.folders.emplace_back(folder);
    for (const auto& model : given.models) options.models.models.push_back({.name = "", .path = model});
    if (given.parallel) options.engine.slots = *given.parallel;
    if (given.threads) options.engine.threads = *given.threads;
    if (given.context_tokens) options.residency.context_tokens = *given.context_tokens;
    return options;
}

}  // namespace

int main(int argc, char** argv) {
    return weft::cli::run_cli(argc, argv,
                              {.serve = [](weft::cli::ServeOptions given) { return weft::run_gateway(options_of(given)); },
                               .engine = [](weft::cli::EngineOptions given) { return weft::run_engine(given.fd); }});
}
