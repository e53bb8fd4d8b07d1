#pragma once

#include <string>

#include "services/pipelines/pipeline.h"

namespace weft {

// What the stages of all pipelines counted, in the text format of Prometheus. docs/metrics.md lists the names.
[[nodiscard]] std::string pipeline_metrics_text(const Pipelines& pipelines);

}  // namespace weft
