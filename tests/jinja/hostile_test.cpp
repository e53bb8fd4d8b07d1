// Templates written to hurt: each has to end in an error, soon and in little memory, and nothing may crash.

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include "jinja/template.h"

namespace weft::jinja {
namespace {

constexpr Budget small{.steps = 60'000, .depth = 600, .output_bytes = 1u << 20, .work_bytes = 32u << 20};

std::string repeat(std::string_view text, int times) {
    std::string out;
    for (int i = 0; i < times; ++i) out += text;
    return out;
}

std::string error_of(const std::string& source) {
    const auto parsed = Template::parse(source);
    if (!parsed) return parsed.error().message;
    const auto text = parsed->render(Value::from_json("{}").value(), small);
    return text ? "no error" : text.error().message;
}

TEST_CASE("a template that runs for ever runs out of steps or bytes") {
    const char* body = GENERATE("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
                                "{% set ns = namespace(s='ab') %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
                                "{% set ns = namespace(s='ab') %}{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
                                "{% set ns = namespace(s=[1]) %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
                                "{{ 'x' * 10000000000 }}", "{{ [1] * 10000000000 }}", "{{ 10000000000 * [[]] }}",
                                "{{ range(99999) | join('x' * 100000) }}", "{{ ('x' * 100000).replace('', 'x' * 100000) }}",
                                "{% for i in range(99999) %}{{ ('a' * 500000).rfind('a' * 250000 ~ 'b') }}"
                                "{{ ('a' * 500000).find('a' * 250000 ~ 'b') }}{% endfor %}",
                                "{{ ('a' * 500000).rsplit('a' * 20, 99999) | length }}", "{{ 'x'.center(10000000000) }}", "{{ 'x' | indent(10000000000) }}", "{{ 'a\n' * 1000000 | indent(1000000) }}",
                                "{{ '%1000000000d' % 5 }}", "{{ '{:1000000000}'.format(5) }}", "{{ '\t'.expandtabs(1000000000) }}",
                                "{{ [1] | batch(10000000000, 'x') | list }}", "{{ [1] | slice(10000000000) | list }}",
                                "{% for i in range(99999) %}{{ 'x' * 1000 }}{% endfor %}",
                                "{% for i in range(99999) %}{{ i | tojson(indent=64) * 100 }}{% endfor %}");
    CAPTURE(body);
    const std::string error = error_of(body);
    CHECK(error != "no error");
}

TEST_CASE("recursion without end is stopped by depth") {
    CHECK(error_of("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}").contains("nested deeper"));
    CHECK(error_of("{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{{ a() }}").contains("nested deeper"));
    CHECK(error_of("{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}").contains("nested deeper"));
    CHECK(error_of("{% macro m(x=m()) %}{% endmacro %}{{ m() }}").contains("nested deeper"));
    CHECK(error_of("{% macro m() %}{% call m() %}{{ caller() }}{% endcall %}{% endmacro %}{{ m() }}").contains("nested deeper"));
}

TEST_CASE("a source nested deeply is a syntax error, not a stack overflow") {
    const std::string open = GENERATE("(", "[", "{1:", "-", "not ", "x[", "f(", "1 if ", "x|f(", "1 if 1 else ");
    CAPTURE(open);
    CHECK(error_of("{{ " + repeat(open, 20'000) + " }}") != "no error");
    CHECK(error_of(repeat("{% if x %}", 20'000)) != "no error");
    CHECK(error_of(repeat("{% for x in y %}", 20'000)) != "no error");
    CHECK(error_of("{% set " + repeat("(", 50'000)) != "no error");
}

TEST_CASE("a long chain of operators is an error, not a stack overflow") {
    const std::string link = GENERATE("+1", "~1", "*1", ".a", "[0]", "()", "|abs", " and 1", " or 1", " if 1", "**1", " is odd");
    CAPTURE(link);
    (void)error_of("{{ x" + repeat(link, 60'000) + " }}");
    (void)error_of("{{ 1" + repeat(link, 300) + " }}");
}

TEST_CASE("values nested by a loop stop at a depth") {
    CHECK(error_of("{% set ns = namespace(x=1) %}{% for i in range(99999) %}{% set ns.x = [ns.x] %}{% endfor %}").contains("deeply"));
    CHECK(error_of("{% set ns = namespace(x=1) %}{% for i in range(99999) %}{% set ns.x = {'a': ns.x} %}{% endfor %}").contains("deeply"));
    CHECK(error_of("{% set ns = namespace(x=[]) %}{% for i in range(99999) %}{% set ns.x = [ns.x.count] %}{% endfor %}").contains("deeply"));
    CHECK(error_of("{% set ns = namespace(x=[1]) %}{% for i in range(99999) %}{% set ns.x = [ns.x]|map('list') %}{% endfor %}").contains("deeply"));
    CHECK(error_of("{% set ns = namespace(x=[1]) %}{% for i in range(99999) %}{% for y in [ns.x] %}{% set ns.x = loop %}{% endfor %}{% endfor %}").contains("deeply"));
}

TEST_CASE("a small value that is endless when written out is not written out") {
    const std::string tree = "{% set ns = namespace(x=[1], y=[1]) %}{% for i in range(100) %}{% set ns.x = [ns.x, ns.x] %}"
                             "{% set ns.y = [ns.y, ns.y] %}{% endfor %}";
    const std::string use = GENERATE("{{ ns.x }}", "{{ ns.x | tojson }}", "{{ ns.x == ns.y }}", "{{ ns.x < ns.y }}", "{{ ns.x in [ns.y] }}",
                                     "{{ ns.x ~ 'a' }}", "{{ [ns.x, ns.y] | sort }}", "{{ [ns.y].count(ns.x) }}", "{{ '%s' % (ns.x,) }}",
                                     "{{ [ns.x] | join }}", "{{ [ns.x, ns.y] | max }}", "{{ (ns.x,) | select('eq', ns.y) | list }}");
    CAPTURE(use);
    CHECK(error_of(tree + use) != "no error");
}

TEST_CASE("namespaces and macros that hold each other are freed") {
    // The leak checker of the asan build is the judge.
    CHECK(error_of("{% set a = namespace() %}{% set b = namespace(a=a) %}{% set a.b = b %}{% set a.self = a %}"
                   "{% macro m() %}{% endmacro %}{% set a.m = m %}{% for x in [1] %}{% set a.loop = loop %}"
                   "{% macro n() %}{{ a }}{% endmacro %}{% set a.n = n %}{% endfor %}{{ a.n() and '' }}") == "no error");
    CHECK(error_of("{% set ns = namespace(x=none) %}{% for i in range(2999) %}{% set ns.x = namespace(x=ns.x) %}{% endfor %}") == "no error");
}

std::string mutated(std::string source, std::mt19937& random) {
    static const std::string pieces[] = {"{{", "}}", "{%", "%}", "{#", "#}", "-", "if ", "endif", "for x in ", "endfor", "macro m()", "(", ")",
                                         "[", "]", "|", ".", "is ", "'", "\"", "\\", "\n", "\xff", "*", "**", "loop", "recursive", "set x = "};
    const auto below = [&](std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n)(random); };
    for (std::size_t edits = 1 + below(4); edits > 0; --edits) {
        const std::size_t at = below(source.size()), length = std::min(below(12), source.size() - at);
        switch (below(3)) {
            case 0: source.erase(at, length); break;
            case 1: source.insert(at, pieces[below(std::size(pieces) - 1)]); break;
            case 2: source.insert(at, source.substr(below(source.size()), 20)); break;
            default: source.insert(at, 1, static_cast<char>(below(255)));
        }
    }
    return source;
}

std::vector<std::string> own_templates() {
    std::vector<std::string> sources;
    for (const auto& entry : std::filesystem::directory_iterator(WEFT_SOURCE_DIR "/tests/jinja/templates")) {
        std::ostringstream text;
        text << std::ifstream(entry.path()).rdbuf();
        sources.push_back(text.str());
    }
    return sources;
}

TEST_CASE("mutated templates and random bytes never crash") {
    std::mt19937 random(20260102);
    const auto sources = own_templates();
    REQUIRE(!sources.empty());
    const Value variables = Value::from_json(R"({"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "a",
        "tool_calls": [{"function": {"name": "f", "arguments": {"x": [1, null]}}}]}], "tools": [{"function": {"name": "f"}}]})").value();
    constexpr Budget tiny{.steps = 5'000, .depth = 600, .output_bytes = 1u << 18, .work_bytes = 4u << 20};
    for (int i = 0; i < 1500; ++i) {
        const auto parsed = Template::parse(mutated(sources[static_cast<std::size_t>(i) % sources.size()], random));
        if (parsed) (void)parsed->render(variables, tiny);
    }
    for (int i = 0; i < 1000; ++i) {
        std::string noise = "{{";
        for (int j = 0; j < 40; ++j) noise += static_cast<char>(random() & 0xff);
        if (const auto parsed = Template::parse(noise)) (void)parsed->render(variables, tiny);
    }
}

}  // namespace
}  // namespace weft::jinja
