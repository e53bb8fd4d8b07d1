#include "cli/session_parameters.h"

#include <catch2/catch_test_macros.hpp>

using namespace weft;
using namespace weft::cli;

namespace {

std::string parsed(std::string_view name, const std::vector<std::string>& values) {
    const auto json = parse_parameter(name, values);
    return json ? json->text : "error: " + json.error().message;
}

}  // namespace

TEST_CASE("parameters become JSON of their type") {
    CHECK(parsed("temperature", {"0.2"}) == "0.2");
    CHECK(parsed("temperature", {"1"}) == "1");
    CHECK(parsed("top_k", {"40"}) == "40");
    CHECK(parsed("seed", {"-1"}) == "-1");
    CHECK(parsed("use_mmap", {"false"}) == "false");
    CHECK(parsed("stop", {"a\"b", "</s>"}) == R"(["a\"b","</s>"])");
}

TEST_CASE("a parameter with a wrong value says what it wants") {
    CHECK(parsed("top_k", {"1.5"}) == "error: top_k has to be a whole number");
    CHECK(parsed("temperature", {"warm"}) == "error: temperature has to be a number");
    CHECK(parsed("temperature", {"nan"}) == "error: temperature has to be a number");
    CHECK(parsed("use_mmap", {"yes"}) == "error: use_mmap has to be true or false");
    CHECK(parsed("top_k", {"1", "2"}) == "error: top_k has to be followed by one value");
    CHECK(parsed("top_k", {}) == "error: top_k has to be followed by a value");
    CHECK(parsed("warmth", {"1"}).contains("no parameter 'warmth'"));
}

TEST_CASE("every name on offer is a parameter") {
    for (const auto& name : parameter_names()) CHECK_FALSE(parsed(name, {"1"}).contains("no parameter"));
}

TEST_CASE("keep-alive is seconds when it is a number, a duration otherwise") {
    CHECK(parse_keep_alive("-1").text == "-1");
    CHECK(parse_keep_alive("300").text == "300");
    CHECK(parse_keep_alive("5m").text == "\"5m\"");
}

TEST_CASE("think is a boolean or a level") {
    CHECK(parse_think("true")->text == "true");
    CHECK(parse_think("high")->text == "\"high\"");
    CHECK_FALSE(parse_think("hard"));
}

TEST_CASE("format is json or a schema") {
    CHECK(parse_format("json")->text == "\"json\"");
    CHECK(parse_format(R"({"type":"object"})")->text == R"({"type":"object"})");
    CHECK_FALSE(parse_format("{"));
    CHECK_FALSE(parse_format("[1]"));
    CHECK_FALSE(parse_format("xml"));
}
