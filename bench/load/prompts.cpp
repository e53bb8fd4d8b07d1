#include "prompts.h"

#include <array>
#include <string_view>

namespace weft::bench {
namespace {

// Short common words: each is one token in every large vocabulary.
constexpr std::array<std::string_view, 64> words{
    "time", "year",  "people", "way",   "day",   "man",   "thing", "woman", "life",  "child", "world", "school", "state",
    "family", "student", "group", "country", "problem", "hand", "part", "place", "case", "week", "company", "system",
    "program", "question", "work", "number", "night", "point", "home", "water", "room", "mother", "area", "money",
    "story", "fact", "month", "lot", "right", "study", "book", "eye", "job", "word", "business", "issue", "side", "kind",
    "head", "house", "service", "friend", "father", "power", "hour", "game", "line", "end", "member", "law", "car"};

}  // namespace

Prompts::Prompts(const Options& options) : options_(options), random_(options.seed) {
    prefix_ = piece(options_.shared_prefix_tokens);
}

std::string Prompts::next() {
    std::string inner = prefix_ + piece(options_.prompt_tokens - options_.shared_prefix_tokens);
    if (options_.prompt_kind == PromptKind::words) return "\"" + inner + "\"";
    if (inner.ends_with(',')) inner.pop_back();
    return "[" + inner + "]";
}

std::string Prompts::piece(std::uint32_t n) {
    std::string out;
    for (; n > 0; --n) {
        if (options_.prompt_kind == PromptKind::words)
            out.append(words[random_.next() % words.size()]).push_back(' ');
        else
            out += std::to_string(options_.first_token +
                                  random_.next() % (options_.last_token - options_.first_token + 1)) + ",";
    }
    return out;
}

}  // namespace weft::bench
