#pragma once

#include <vector>

#include "app/config_file.h"
#include "services/pipelines/pipeline_options.h"

namespace weft {

// What stands below `pipelines` in a file. A pipeline that was declared before is declared anew. Problems are added, one for
// each key that is unknown or wrong, templates and patterns included.
void bind_pipelines(const ConfigFile& file, const ConfigNode& value, PipelineMap& pipelines, std::vector<ConfigProblem>& problems);

}  // namespace weft
