#pragma once

#include <string>
#include <string_view>

#include "api/json_reader.h"
#include "services/chat/chat_service.h"

namespace weft::api::anthropic {

// `thinking` and `output_config.effort`. False when the thinking itself is not to be shown (`display`: "omitted").
[[nodiscard]] Result<bool> read_thinking(const JsonReader& body, GenerateRequest& generate);

// What a thinking block is signed with: typed clients refuse one without. A checksum in base64, the same for the same
// text; what comes back from a client is not checked, as nothing depends on it.
[[nodiscard]] std::string signature_of(std::string_view thinking);

}  // namespace weft::api::anthropic
