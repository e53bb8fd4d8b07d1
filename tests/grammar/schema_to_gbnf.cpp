// Reads one JSON Schema per line and writes one JSON list per line: texts that its grammar allows, drawn byte by byte at
// random, or {"error": ..}. With --gbnf it writes the grammar instead. For schema_samples.py, which asks an
// independent validator about them.

#include <iostream>
#include <random>
#include <string>

#include "grammar/gbnf_builder.h"
#include "grammar/grammar.h"
#include "grammar/matcher.h"
#include "grammar/schema_json.h"

namespace {

constexpr std::size_t longest_sample = 20'000;

std::string json_string(const std::string& text) {
    weft::SchemaJson json;
    json.data = text;
    return weft::compact_json(json);
}

weft::Result<std::string> grammar_of(const std::string& schema) {
    weft::GbnfBuilder builder;
    WEFT_TRY(const auto rule, builder.add_schema(schema));
    return std::move(builder).finish(rule);
}

// Ends soon: closing characters are preferred more and more. Empty when it did not.
std::string sample(weft::GrammarMatcher matcher, const weft::TokenOrder& bytes, std::mt19937& random) {
    std::string text;
    std::vector<unsigned char> allowed;
    while (!matcher.ended() && text.size() < longest_sample) {
        if (matcher.can_end() && random() % 3 == 0) return text;
        allowed.clear();
        matcher.for_each_allowed(bytes, [&](std::int32_t byte) { allowed.push_back(static_cast<unsigned char>(byte)); });
        if (allowed.empty()) return "nothing is allowed";
        unsigned char byte = allowed[random() % allowed.size()];
        const bool hurry = random() % 100 < 20 + text.size() / 20;
        std::erase_if(allowed, [](unsigned char c) { return c != '"' && c != ']' && c != '}'; });
        if (hurry && !allowed.empty()) byte = allowed[random() % allowed.size()];
        if (!matcher.accept(std::string(1, static_cast<char>(byte)))) return "allowed, then refused";
        text += static_cast<char>(byte);
    }
    return matcher.can_end() ? text : "";
}

}  // namespace

int main(int argc, char** argv) {
    const bool show = argc > 1 && std::string(argv[1]) == "--gbnf";
    const int n = !show && argc > 1 ? std::stoi(argv[1]) : 10;
    std::mt19937 random(argc > 2 ? static_cast<unsigned>(std::stoul(argv[2])) : 1U);
    std::vector<std::string> all;
    for (int c = 0; c < 256; ++c) all.emplace_back(1, static_cast<char>(c));
    const weft::TokenOrder bytes({all.begin(), all.end()});
    for (std::string schema; std::getline(std::cin, schema);) {
        const auto gbnf = grammar_of(schema);
        if (show && gbnf) std::cout << *gbnf;
        const auto grammar = gbnf ? weft::Grammar::parse(*gbnf) : weft::Result<std::shared_ptr<const weft::Grammar>>(std::unexpected(gbnf.error()));
        if (!grammar) {
            std::cout << "{\"error\":" << json_string(grammar.error().message) << "}" << std::endl;
            continue;
        }
        if (show) continue;
        std::cout << "[";
        for (int i = 0; i < n; ++i) std::cout << (i ? "," : "") << json_string(sample(weft::GrammarMatcher(*grammar), bytes, random));
        std::cout << "]" << std::endl;
    }
}
