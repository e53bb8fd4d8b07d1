#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weft {

// Looks for stop strings in text that arrives in pieces, across their borders, and lets through what can be sent:
// nothing of a stop string is ever sent and then withdrawn.
//
// The stop string whose last byte comes first ends the text; of several that end at the same byte the longest, that is
// the one that begins first. Empty stop strings are ignored. Pieces of whole UTF-8 give output of whole UTF-8.
// Linear in the text whatever the stop strings are (Aho and Corasick, 1975). Thread: one at a time. Copy one matcher
// for the choices of a request.
class StopMatcher {
  public:
    explicit StopMatcher(std::span<const std::string> stop_strings);

    // The text that can be sent now. Once a stop string has matched: nothing.
    [[nodiscard]] std::string feed(std::string_view text);
    // At the end of the text: what was held back because it might have become a stop string.
    [[nodiscard]] std::string finish();

    // The stop string that ended the text, if one did.
    [[nodiscard]] const std::optional<std::string>& matched() const { return matched_; }
    [[nodiscard]] std::size_t held_back() const { return held_.size(); }

  private:
    using Node = std::uint32_t;  // a prefix of stop strings; 0 is the empty one, and "none" in links
    struct Prefix {
        std::string::value_type byte = 0;  // the last of it
        Node first_child = 0;
        Node next_sibling = 0;
        Node fallback = 0;              // its longest proper suffix that is a prefix of a stop string too
        std::uint32_t length = 0;
        std::uint32_t stop_length = 0;  // of the longest stop string that it ends with; 0: it ends with none
    };

    void add(std::string_view stop);
    void link();
    [[nodiscard]] Node child(Node parent, char byte) const;
    [[nodiscard]] Node next(Node from, char byte) const;

    std::vector<Prefix> prefixes_;
    std::array<Node, 256> first_;  // children of the empty prefix: nearly all text stays there
    Node at_ = 0;                  // the longest prefix that the text so far ends with
    std::string held_;             // that prefix: not sent yet
    std::optional<std::string> matched_;
};

}  // namespace weft
