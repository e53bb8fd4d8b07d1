#pragma once

#include "cli/cli.h"

namespace weft {

// `weft serve`: reads the configuration, reports everything that is wrong with it (exit status 2), then runs the gateway.
int serve(const cli::ServeOptions& options);

}  // namespace weft
