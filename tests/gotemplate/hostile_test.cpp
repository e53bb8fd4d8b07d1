#include <catch2/catch_test_macros.hpp>
#include <random>
#include <string>

#include "gotemplate/template.h"

namespace weft::gotemplate {
namespace {

// A template that must end with an error about its budget.
std::string refused(const std::string& source, const Value& data = {}) {
    const auto parsed = Template::parse(source);
    if (!parsed) return parsed.error().message;
    const auto text = parsed->render(data);
    return text ? "rendered" : text.error().message;
}

std::string repeated(std::string_view text, int times) {
    std::string out;
    for (int i = 0; i < times; ++i) out += text;
    return out;
}

}  // namespace

TEST_CASE("endless loops end") {
    CHECK(refused("{{ range 9000000000 }}{{ end }}").contains("steps"));
    CHECK(refused("{{ range 100000 }}{{ range 100000 }}x{{ end }}{{ end }}").contains("took more than"));
}

TEST_CASE("endless recursion ends") {
    CHECK(refused("{{ define \"a\" }}{{ template \"a\" }}{{ end }}{{ template \"a\" }}").contains("levels"));
    CHECK(refused("{{ define \"a\" }}{{ template \"b\" }}{{ end }}{{ define \"b\" }}{{ template \"a\" }}{{ template \"a\" }}{{ end }}{{ template \"a\" }}").contains("levels"));
}

TEST_CASE("text that doubles itself ends") {
    CHECK(refused("{{ $x := \"xxxxxxxxxxxxxxxx\" }}{{ range 100 }}{{ $x = print $x $x }}{{ end }}").contains("took more than"));
    CHECK(refused("{{ $x := \"x\" }}{{ range 1000 }}{{ $x = printf \"%1000000s\" $x }}{{ end }}").contains("took more than"));
    CHECK(refused("{{ $x := \"<\" }}{{ range 100 }}{{ $x = json $x }}{{ end }}").contains("took more than"));
}

TEST_CASE("sources that nest without end are refused") {
    CHECK(refused("{{ " + repeated("(", 100'000) + "1" + repeated(")", 100'000) + " }}").contains("nested too deeply"));
    CHECK(refused(repeated("{{ if true }}", 40'000) + repeated("{{ end }}", 40'000)).contains("nested too deeply"));
    CHECK(refused("{{ if 0 }}" + repeated("{{ else if 0 }}", 50'000) + "{{ end }}").contains("nested too deeply"));
    CHECK(refused(std::string(max_template_bytes + 1, 'x')).contains("longer"));
}

TEST_CASE("a hundred alternatives are no nesting too deep") {
    CHECK(refused("{{ if 0 }}" + repeated("{{ else if 0 }}", 100) + "{{ end }}") == "rendered");
}

TEST_CASE("whatever a source is made of, it is refused or rendered") {
    constexpr std::string_view parts[] = {"{{", "}}", "-", " ", "\n", "if ", "else ", "end", "range ", "with ", "define ", "template ", "block ", "break", "continue",
                                          "$x", "$", ":=", "=", ",", ".", ".A", "(", ")", "|", "\"s\"", "`r`", "'c'", "'", "\"", "\\", "1", "0x", "1e", "len ", "index ",
                                          "printf ", "\"%*d\"", "and ", "nil", "/*", "*/", "\xff", "é", "{{ if .A }}", "{{ end }}", "{{ range 3 }}"};
    std::mt19937 random(7);
    std::uniform_int_distribution<std::size_t> part(0, std::size(parts) - 1);
    int rendered = 0;
    for (int round = 0; round < 20'000; ++round) {
        std::string source;
        for (int i = 0; i < 12; ++i) source += parts[part(random)];
        const auto parsed = Template::parse(source);
        if (parsed && parsed->render({}, {.budget = {.steps = 10'000}})) ++rendered;
    }
    CHECK(rendered > 0);
}

}  // namespace weft::gotemplate
