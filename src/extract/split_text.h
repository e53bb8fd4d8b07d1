#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace weft {

struct PassageLimits {
    std::size_t bytes = 1200;   // of a passage
    std::size_t overlap = 200;  // of a passage with the one before it, at most; less than half of `bytes`
    std::size_t most = 8192;    // passages of one text
};

struct TextPassage {
    std::size_t start = 0;  // in the text, in bytes
    std::string_view text;  // borrowed; no blanks at its ends
};

enum class TextKind { plain, markdown };

// A UTF-8 text in passages that end with a paragraph or, where that would leave them short, with a sentence; sentences
// that are too long are cut between words. In Markdown, no passage goes on beyond a heading. What is cut apart overlaps
// by whole sentences. Every character but blanks is in some passage. too_large beyond `most`. Linear in the text.
[[nodiscard]] Result<std::vector<TextPassage>> split_text(std::string_view text, TextKind kind, const PassageLimits& limits);

}  // namespace weft
