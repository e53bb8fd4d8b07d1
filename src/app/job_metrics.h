#pragma once

#include <string>

#include "services/jobs/job_metrics.h"
#include "store/group_commit.h"

namespace weft {

// What the job service and its store counted, in the text format of Prometheus. docs/metrics.md lists the names.
[[nodiscard]] std::string job_metrics_text(const JobMetrics& jobs, const GroupCommit::Counts& store);

}  // namespace weft
