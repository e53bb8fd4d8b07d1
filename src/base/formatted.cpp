#include "base/formatted.h"

namespace weft {

std::string format_args_to_text(std::string_view text, std::format_args args) { return std::vformat(text, args); }

}  // namespace weft
