#pragma once

#include <string>
#include <utility>
#include <vector>

#include "registry/model_info.h"

// Models as text: the Modelfile from which one could be made again, and the list of its parameters.
namespace weft::api::ollama {

// Name and JSON value, as in ModelInfo::parameters_text.
using ParameterList = std::vector<std::pair<std::string, std::string>>;

struct ModelfileParts {
    std::string from;             // a model's name
    std::string template_text{};  // only one that is not in the model's own file
    std::string system{};
    std::vector<std::string> adapters{};  // files' names
    ParameterList parameters{};
};

[[nodiscard]] std::string modelfile_of(const ModelfileParts& parts);

// One "name    value" per line, values from column 31; a list is one line per element. No line feed at the end.
[[nodiscard]] std::string parameters_text(const ParameterList& parameters);

}  // namespace weft::api::ollama
