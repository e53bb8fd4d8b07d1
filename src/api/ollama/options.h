#pragma once

#include "api/json_reader.h"
#include "services/chat/chat_service.h"

namespace weft::api::ollama {

// The `options` object of a request (or of a Modelfile: the keys are the same). Unknown and retired keys are ignored, null
// is absent, whole numbers may be written as 4096.0. Of the options that say how to load a model num_ctx, num_gpu,
// num_thread, num_batch and use_mmap have an effect, the others are checked for their type. invalid_request `option "K" must be of type T` otherwise.
[[nodiscard]] Result<SamplingOverrides> parse_options(const JsonReader& options);

}  // namespace weft::api::ollama
