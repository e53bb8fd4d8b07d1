#pragma once

#include <functional>
#include <string>
#include <vector>

#include "http/router.h"
#include "registry/registry.h"

namespace weft {

// What all loaded models counted, in the text format of Prometheus. docs/metrics.md lists the names.
[[nodiscard]] std::string metrics_text(const std::vector<ResidentModel>& models, const std::vector<AwaitedModel>& awaited);

// Who runs and who waits for what, per loaded model, as JSON.
[[nodiscard]] std::string queue_json(const std::vector<ResidentModel>& models, const std::vector<AwaitedModel>& awaited);

// GET /metrics and GET /api/v1/queue. more: what else is to be told at /metrics, whole families.
void add_metrics_routes(http::Router& router, Registry& registry, std::function<std::string()> more);

}  // namespace weft
