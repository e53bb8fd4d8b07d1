#pragma once

#include "api/jobs/services.h"
#include "http/router.h"

namespace weft::api::jobs {

// /api/v1/...
void add_routes(http::Router& router, const Services& services);

}  // namespace weft::api::jobs
