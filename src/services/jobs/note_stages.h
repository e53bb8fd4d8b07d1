#pragma once

#include "services/pipelines/pipeline.h"
#include "store/job_store.h"

namespace weft {

// What a job's end says of its pipeline. record: null when it had none.
void note_stages(const PipelineRecord* record, JobEnd& end);

}  // namespace weft
