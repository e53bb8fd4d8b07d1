#pragma once

#include <string>
#include <string_view>

#include "api/json_reader.h"

namespace weft::api::anthropic {

inline constexpr std::size_t max_custom_id_characters = 64;
inline constexpr std::string_view batch_endpoint = "/v1/messages";

// The requests of a message batch, checked as far as the batch itself goes, one line each as BatchInputReader reads them.
struct BatchRequests {
    std::string lines{};
    std::int64_t count = 0;
};
[[nodiscard]] Result<BatchRequests> read_batch_requests(const JsonReader& body);

}  // namespace weft::api::anthropic
