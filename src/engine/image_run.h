#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <span>
#include <vector>

#include "runner/generation.h"

namespace weft {

// Rows of a prompt that are no words but a part of an image: each takes one KV cell, as a token does. Constant; any
// thread.
struct ImageRun {
    // One for each row, below 0, so that no vocabulary has them: they name what the image holds. Equal images have equal
    // names (a SHA-256 in pieces), so prompts are compared as if they were text.
    std::vector<Token> names;
    std::vector<float> embeddings;  // [names.size(), width]
    std::int32_t width = 0;
    std::int32_t positions = 0;     // that the rows take; fewer than rows where positions have two dimensions (M-RoPE)
    bool causal = true;             // false: rows see each other, so all of them are one decode call
    // M-RoPE: positions of all rows when the first one is at `at`: [4, rows], time, y, x, unused. Null: they follow each
    // other.
    std::function<void(std::int32_t at, std::span<std::int32_t> out)> decoder_positions{};

    [[nodiscard]] std::int32_t rows() const { return static_cast<std::int32_t>(names.size()); }
};

// Where a run lies in a prompt.
struct ImageSpan {
    std::int32_t begin = 0;     // index of its first row among the prompt's tokens
    std::int32_t position = 0;  // of its first row
    std::shared_ptr<const ImageRun> run;

    [[nodiscard]] std::int32_t end() const { return begin + run->rows(); }
};

[[nodiscard]] inline bool is_image(Token token) { return token < 0; }

// The prompt without its images.
[[nodiscard]] inline std::vector<Token> words_of(std::span<const Token> prompt) {
    std::vector<Token> words;
    std::ranges::copy_if(prompt, std::back_inserter(words), [](Token token) { return !is_image(token); });
    return words;
}

// How many tokens stand in front of the first image.
[[nodiscard]] inline std::size_t words_in_front(std::span<const Token> tokens) {
    return static_cast<std::size_t>(std::ranges::find_if(tokens, is_image) - tokens.begin());
}

// Position of the token at `index`, or of the one behind the last.
[[nodiscard]] inline std::int32_t position_of(std::int32_t index, std::span<const ImageSpan> images) {
    std::int32_t position = index;
    for (const auto& image : images)
        if (image.end() <= index) position -= image.run->rows() - image.run->positions;
    return position;
}

// The run that covers the token at `index`; null for text.
[[nodiscard]] inline const ImageSpan* image_at(std::int32_t index, std::span<const ImageSpan> images) {
    for (const auto& image : images)
        if (image.begin <= index && index < image.end()) return &image;
    return nullptr;
}

}  // namespace weft
