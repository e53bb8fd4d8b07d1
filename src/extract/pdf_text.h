#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "extract/child_process.h"

namespace weft {

inline constexpr int max_pdf_pages = 5000;  // what comes after them is not read

// The text of a PDF file, by poppler's pdftotext. invalid_request when it is none, is protected or exceeds the memory or
// processor time of the limits; too_large, timeout; not_implemented when the program is not there. Waits. Thread: any.
[[nodiscard]] Result<std::string> pdf_text(std::string_view pdf, const ChildLimits& limits);

}  // namespace weft
