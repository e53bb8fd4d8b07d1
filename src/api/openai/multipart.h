#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace weft::api::openai {

inline constexpr std::size_t max_form_parts = 32;
inline constexpr std::size_t max_part_head_bytes = 8 * 1024;

// A field of a form (RFC 7578). The content is borrowed from the body.
struct FormPart {
    std::string name;
    std::string filename{};  // empty: not a file
    std::string_view content;
};

// invalid_request for a body that is not a whole form, or has too many or too large parts.
[[nodiscard]] Result<std::vector<FormPart>> read_form(std::string_view content_type, std::string_view body);

}  // namespace weft::api::openai
