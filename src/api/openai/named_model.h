#pragma once

#include <string>

#include "api/json_reader.h"
#include "api/openai/services.h"

namespace weft::api::openai {

// The model that a request of another server's API means: the one it names, else the one that is loaded, else the only
// one there is. missing_field when that leaves a choice.
[[nodiscard]] Result<std::string> named_or_only_model(const Services& services, const JsonReader& name);

}  // namespace weft::api::openai
