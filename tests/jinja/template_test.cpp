#include "jinja/template.h"

#include <catch2/catch_test_macros.hpp>
#include <thread>

namespace weft::jinja {
namespace {

Value json(std::string_view text) { return Value::from_json(text).value(); }

std::string rendered(std::string_view source, std::string_view variables = "{}") {
    const auto parsed = Template::parse(source);
    if (!parsed) return "parse error: " + parsed.error().message;
    auto text = parsed->render(json(variables), {.now = std::chrono::system_clock::time_point(std::chrono::seconds(0))});
    return text ? *text : "error: " + text.error().message;
}

TEST_CASE("a template writes its text and its variables") {
    CHECK(rendered("Hello {{ name }}!", R"({"name": "you"})") == "Hello you!");
    CHECK(rendered("{{ [1, 2.0, 'a', none, true] }}") == "[1, 2.0, 'a', None, True]");
    CHECK(rendered("") == "");
}

TEST_CASE("an error names the line it happened in") {
    CHECK(rendered("a\nb\n{{ x.y }}") == "error: prompt template, line 3: 'x' is undefined");
    CHECK(rendered("a\n{% if x %}\n{{ 1 + }}") == "parse error: prompt template, line 3: unexpected '}}'");
    CHECK(rendered("{% macro m() %}\nx\n{% endmacro %}\n\n{{ m() + 1 }}") ==
          "error: prompt template, line 5: can only concatenate str (not \"int\") to str");
}

TEST_CASE("raise_exception gives the template's own words to the client") {
    CHECK(rendered("{{ raise_exception('Roles must alternate') }}") == "error: Roles must alternate");
    const auto parsed = Template::parse("{{ raise_exception('no') }}");
    CHECK(parsed->render(json("{}")).error().code == ErrorCode::invalid_request);
}

TEST_CASE("block tags leave no line of their own") {
    CHECK(rendered("a\n  {% if true %}\nb\n  {% endif %}\nc\n") == "a\nb\nc");
    CHECK(rendered("a\n  {%- if true -%}  \n b \n{%- endif %}\nc") == "abc");
    CHECK(rendered("{% raw %}{{ x }}{% endraw %}{# gone #}") == "{{ x }}");
}

TEST_CASE("a loop knows where it is") {
    CHECK(rendered("{% for x in 'abc' %}{{ loop.index }}{{ x }}{{ ',' if not loop.last }}{% endfor %}") == "1a,2b,3c");
    CHECK(rendered("{% for x in [1, 2, 3] %}{% if x == 2 %}{% continue %}{% endif %}{{ x }}{% endfor %}") == "13");
    CHECK(rendered("{% for x in [] %}a{% else %}nothing{% endfor %}") == "nothing");
}

TEST_CASE("what a loop sets stays in the loop, except in a namespace") {
    CHECK(rendered("{% set x = 1 %}{% for i in [1] %}{% set x = 2 %}{% endfor %}{{ x }}") == "1");
    CHECK(rendered("{% set ns = namespace(x=1) %}{% for i in [1] %}{% set ns.x = 2 %}{% endfor %}{{ ns.x }}") == "2");
}

TEST_CASE("macros take defaults, keywords and a caller") {
    CHECK(rendered("{% macro hi(a, b='x') %}{{ a }}{{ b }}{% endmacro %}{{ hi(1) }} {{ hi(b=2, a=3) }}") == "1x 32");
    CHECK(rendered("{% macro box() %}[{{ caller() }}]{% endmacro %}{% call box() %}in{% endcall %}") == "[in]");
}

TEST_CASE("tojson writes what json.dumps writes") {
    CHECK(rendered("{{ x | tojson }}", R"({"x": {"b": [1, 2.0, null, true], "a": "é<"}})") ==
          R"({"b": [1, 2.0, null, true], "a": "é<"})");
    CHECK(rendered("{{ x | tojson(indent=2) }}", R"({"x": {"a": [1]}})") == "{\n  \"a\": [\n    1\n  ]\n}");
    CHECK(rendered("{{ 'é' | tojson(ensure_ascii=true) }}") == R"("\u00e9")");
}

TEST_CASE("lists and dicts cannot be changed") {
    CHECK(rendered("{% set l = [1] %}{{ l.append(2) }}").starts_with("error: "));
    CHECK(rendered("{% set d = {} %}{{ d.update({'a': 1}) }}").starts_with("error: "));
}

TEST_CASE("text is counted and cut by characters, not bytes") {
    CHECK(rendered("{{ x | length }}{{ x[1] }}{{ x[::-1] }}{{ x | upper }}", R"({"x": "aé漢"})") == "3é漢éaAÉ漢");
}

TEST_CASE("strftime_now shows the time it was given") { CHECK(rendered("{{ strftime_now('%Y') }}") == "1970"); }

TEST_CASE("an unknown filter is an error unless the template asks first") {
    CHECK(rendered("{{ 1 | nope }}") == "parse error: prompt template, line 1: No filter named 'nope'");
    CHECK(rendered("{% if 'nope' is filter %}{{ 1 | nope }}{% else %}without{% endif %}") == "without");
}

TEST_CASE("a template says which names it reads") {
    const auto parsed = Template::parse("{% if tools %}{{ m.content }}{{ m['reasoning_content'] }}{% endif %}"
                                        "{{ x.get('thinking') }}{% if 'tool_calls' in m %}{% endif %}{{ 'word' }}");
    REQUIRE(parsed);
    for (const auto name : {"tools", "m", "content", "reasoning_content", "thinking", "tool_calls"}) {
        CAPTURE(name);
        CHECK(parsed->mentions(name));
    }
    CHECK_FALSE(parsed->mentions("enable_thinking"));
    CHECK_FALSE(parsed->mentions("word"));
}

TEST_CASE("one template renders in several threads at once") {
    const auto parsed = Template::parse("{% macro m(x) %}{{ x }}{% endmacro %}{% for x in l %}{{ m(x) }}{{ d.k }}{% endfor %}");
    const Value variables = json(R"({"l": [1, 2, 3], "d": {"k": "v"}})");
    std::vector<std::string> texts(4);
    {
        std::vector<std::jthread> threads;
        for (auto& text : texts)
            threads.emplace_back([&] {
                for (int i = 0; i < 200; ++i) text = parsed->render(variables).value();
            });
    }
    for (const auto& text : texts) CHECK(text == "1v2v3v");
}

TEST_CASE("a source that is too long is refused") {
    CHECK_FALSE(Template::parse(std::string(max_template_bytes + 1, ' ')));
}

}  // namespace
}  // namespace weft::jinja
