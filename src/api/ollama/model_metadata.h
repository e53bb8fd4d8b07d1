#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "api/json_reader.h"
#include "registry/gguf.h"

namespace weft::api::ollama {

// Metadata of a model's file as clients read it (`model_info`): every key but general.name and the chat template. Arrays
// that are long or hold the vocabulary are null unless verbose, which reads them from the file. model_load_failed when
// the file has changed meanwhile. Thread: any; verbose blocks on the disk.
[[nodiscard]] Result<Json> model_info_json(const GgufHeader& header, bool verbose);

struct TensorView {
    std::string name;
    std::string type;
    std::vector<std::uint64_t> shape;
};
[[nodiscard]] std::vector<TensorView> tensors_of(const GgufHeader& header);

}  // namespace weft::api::ollama
