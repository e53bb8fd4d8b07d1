#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

namespace weft {

// Inclusive.
struct CodePointRange {
    char32_t first;
    char32_t last;
    bool operator==(const CodePointRange&) const = default;
};

inline constexpr char32_t last_code_point = 0x10FFFF;

// Characters: sorted, disjoint ranges without surrogates, which are no characters.
class CodePointSet {
  public:
    CodePointSet() = default;
    CodePointSet(std::initializer_list<CodePointRange> ranges);
    [[nodiscard]] static CodePointSet all() { return {{0, last_code_point}}; }

    void add(CodePointRange range);
    void add(const CodePointSet& other);
    void add_all(const std::vector<CodePointRange>& ranges);
    void remove(CodePointRange range);
    [[nodiscard]] CodePointSet complement() const;
    [[nodiscard]] bool contains(char32_t c) const;
    // Whether any character of [first, last] is in it.
    [[nodiscard]] bool overlaps(char32_t first, char32_t last) const;
    [[nodiscard]] bool empty() const { return ranges_.empty(); }
    [[nodiscard]] std::uint32_t size() const;
    [[nodiscard]] const std::vector<CodePointRange>& ranges() const { return ranges_; }
    bool operator==(const CodePointSet&) const = default;

    // As a GBNF character class: "[a-z\x2D]". Not for an empty set, which GBNF cannot say.
    [[nodiscard]] std::string gbnf() const;

  private:
    void normalise();
    std::vector<CodePointRange> ranges_;
};

}  // namespace weft
