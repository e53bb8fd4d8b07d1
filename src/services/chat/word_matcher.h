#pragma once

#include <bitset>
#include <string>
#include <string_view>
#include <vector>

namespace weft {

// Knows a few words (markers of a protocol) and whether text begins with one of them. Immutable.
class WordMatcher {
  public:
    explicit WordMatcher(std::vector<std::string> words) : words_(std::move(words)) {
        for (const auto& word : words_)
            if (!word.empty()) first_.set(static_cast<unsigned char>(word.front()));
    }

    struct Match {
        std::string_view word{};  // the longest that the text begins with; empty: none
        bool open = false;        // a longer one is still possible: more text decides
    };
    // Costs at most the length of the words, whatever the text is.
    [[nodiscard]] Match at(std::string_view text) const {
        Match match;
        if (text.empty() || !first_.test(static_cast<unsigned char>(text.front()))) return match;
        for (const std::string_view word : words_) {
            if (text.starts_with(word)) {
                if (word.size() > match.word.size()) match.word = word;
            } else if (word.size() > text.size() && word.starts_with(text)) {
                match.open = true;
            }
        }
        return match;
    }

  private:
    std::vector<std::string> words_;
    std::bitset<256> first_;
};

}  // namespace weft
