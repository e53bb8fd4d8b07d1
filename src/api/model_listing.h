#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "registry/registry.h"

// What lists of models have in common, whichever dialect they are in.
namespace weft::api {

using ModelList = std::vector<std::shared_ptr<const ModelInfo>>;

// By modification time, descending, then by name.
[[nodiscard]] ModelList newest_first(ModelList models);

// The window a client can count on, in tokens: that of the loaded runner, else the configured one, never more than the
// model was made for.
[[nodiscard]] std::uint32_t window_of(const ModelInfo& model, const std::vector<ResidentModel>& resident,
                                      std::uint32_t by_default);

}  // namespace weft::api
