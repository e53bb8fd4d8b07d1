#include "app/engine_main.h"
#include "app/serve.h"
#include "cli/cli.h"

int main(int argc, char** argv) {
    return weft::cli::run_cli(argc, argv,
                              {.serve = [](weft::cli::ServeOptions options) { return weft::serve(options); },
                               .engine = [](weft::cli::EngineOptions options) { return weft::run_engine(options.fd); }});
}
