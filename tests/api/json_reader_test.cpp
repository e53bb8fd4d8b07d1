#include "api/json_reader.h"

#include <catch2/catch_test_macros.hpp>

using namespace weft;
using namespace weft::api;

namespace {

bool parses(std::string_view text) { return parse_json(text).has_value(); }

std::string nested(int depth) {
    return std::string(static_cast<std::size_t>(depth), '[') + std::string(static_cast<std::size_t>(depth), ']');
}

std::string object_with(std::size_t members) {
    std::string text = "{";
    for (std::size_t i = 0; i < members; ++i) text += (i ? ",\"" : "\"") + std::to_string(i) + "\":1";
    return text + "}";
}

template <typename T>
Error error_of(const Result<T>& result) {
    REQUIRE_FALSE(result.has_value());
    return result.error();
}

}  // namespace

TEST_CASE("a body is JSON, with or without a byte order mark and white space around it") {
    CHECK(parses("{}"));
    CHECK(parses("\xEF\xBB\xBF{}"));
    CHECK(parses(" \r\n\t{} \n"));
}

TEST_CASE("text that is no JSON says where it stops being JSON") {
    const auto message = [](std::string_view text) { return parse_json(text).error().message; };
    CHECK(message("{\"a\":").ends_with("it ends too early"));
    CHECK(message("").ends_with("it ends too early"));
    CHECK(message("{\n  \"a\": nope\n}").contains("line 2, column "));
    CHECK(message("{\"a\":1} x").ends_with("line 1, column 9"));
}

TEST_CASE("what is not JSON is refused as malformed") {
    for (const std::string_view text : {"",           " ",          "nul",         "{",
                                        "[1,2",       "{} x",       "{'a':1}",     "{\"a\":1,}",
                                        "{\"a\" 1}",  "[1 2]",      "{\"a\":01}",  "{\"a\":.5}",
                                        "{\"a\":+5}", "{\"a\":1.}", "{\"a\":NaN}", "{\"a\":tru}",
                                        "\"abc",      "\"\\x\"",    "// c\n{}",    "{\"a\":\"x\ny\"}"}) {
        INFO(text);
        const auto error = error_of(parse_json(text));
        CHECK(error.code == ErrorCode::invalid_request);
        CHECK(error.reason == ErrorReason::malformed_json);
        CHECK(error.field.empty());
    }
}

TEST_CASE("text that is no UTF-8 and NUL bytes are refused") {
    CHECK_FALSE(parses("{\"a\":\"\xFF\"}"));
    CHECK_FALSE(parses("{\"\xC0\xAF\":1}"));
    CHECK_FALSE(parses(std::string_view("{}\0", 3)));
    CHECK_FALSE(parses(std::string_view("{}\0x", 4)));
    CHECK_FALSE(parses(std::string_view("{\"a\":\"\0\"}", 9)));
    CHECK(parses(R"({"a":"\ud83d\ude00\u0000"})"));
}

TEST_CASE("nesting is bounded, brackets inside strings do not count") {
    CHECK(parses(nested(max_json_depth)));
    CHECK_FALSE(parses(nested(max_json_depth + 1)));
    CHECK_FALSE(parses(std::string(1'000'000, '[')));
    CHECK(parses("\"" + std::string(1000, '[') + "\""));
    CHECK(parses("[\"\\\"" + std::string(1000, '{') + "\"]"));
}

TEST_CASE("the members of one object are bounded, those of many objects together are not") {
    CHECK(parses(object_with(max_json_members)));
    CHECK_FALSE(parses(object_with(max_json_members + 1)));
    CHECK(parses("[" + object_with(max_json_members) + "," + object_with(max_json_members) + "]"));
    CHECK(parses("{\"a\":\"" + std::string(5000, ':') + "\"}"));
    CHECK(parses("{\"a\":\"\\\"" + std::string(5000, ':') + "\\\\\"}"));
    CHECK(parse_json("{\"n\":1, \"bias\" : " + object_with(max_json_members + 1) + "}").error().field == "bias");
    CHECK(parse_json("[" + object_with(max_json_members + 1) + "]").error().field.empty());
}

TEST_CASE("the values of a text are bounded all together") {
    const auto numbers = [](std::size_t n) {
        std::string text = "{\"a\":[1";
        for (std::size_t i = 1; i < n; ++i) text += ",1";
        return text + "]}";
    };
    CHECK(parses(numbers(max_json_values)));
    CHECK_FALSE(parses(numbers(max_json_values + 1)));
    CHECK(parses("\"" + std::string(2 * max_json_values, ',') + "\""));
}

TEST_CASE("half a character that JavaScript left behind is a replacement character") {
    const auto text_of = [](const char* text) { return parse_json(text).value().get<std::string>(); };
    CHECK(text_of(R"("a\ud83d")") == "a\uFFFD");
    CHECK(text_of(R"("\ude00b\ud83dc")") == "\uFFFD" "b" "\uFFFD" "c");
    CHECK(text_of(R"("\ud83d\ude00 \ud83d\ud83d\ude00")") == "\U0001F600 \uFFFD\U0001F600");
    CHECK(text_of(R"("\\ud83d \ud800")") == "\\ud83d \uFFFD");
    CHECK_FALSE(parses(R"("\ud83")"));
}

TEST_CASE("the last of two equal keys wins and the order of keys is kept") {
    const auto json = parse_json(R"({"b":1,"a":2,"b":3})");
    REQUIRE(json);
    CHECK(JsonReader(*json)["b"].integer().value() == 3);
    CHECK(api::write_json(*parse_json(R"({"z":1,"a":{"y":2,"b":3}})")) == R"({"z":1,"a":{"y":2,"b":3}})");
}

TEST_CASE("what is written back parses again, control characters included") {
    const auto json = parse_json(R"({"a":"\u0000\u001f\n\"\\é"})");
    REQUIRE(json);
    const auto again = parse_json(api::write_json(*json));
    REQUIRE(again);
    CHECK(JsonReader(*again)["a"].string().value() == JsonReader(*json)["a"].string().value());
}

TEST_CASE("null is absent") {
    const auto json = parse_json(R"({"a":null})");
    const auto value = JsonReader(*json)["a"];
    CHECK(value.absent());
    CHECK_FALSE(value.string().value().has_value());
    CHECK_FALSE(value.integer().value().has_value());
    CHECK_FALSE(value.array().value().has_value());
    CHECK_FALSE(value.object().value().has_value());
    CHECK(value["b"].absent());
}

TEST_CASE("1 and 1.0 are both whole numbers, 1.5 is not") {
    const auto json = parse_json(R"([1, 1.0, -3, 1e3, 1.5, "1", 18446744073709551615, 1e400])");
    REQUIRE_FALSE(json.has_value());  // 1e400 is no number that a double can hold
    const auto numbers = parse_json(R"([1, 1.0, -3, 1e3, 1.5, "1", 18446744073709551615, -1e30])");
    const auto list = *JsonReader(*numbers).array().value();
    CHECK(list[0].integer().value() == 1);
    CHECK(list[1].integer().value() == 1);
    CHECK(list[2].integer().value() == -3);
    CHECK(list[3].integer().value() == 1000);
    CHECK(error_of(list[4].integer()).reason == ErrorReason::wrong_type);
    CHECK(error_of(list[5].integer()).reason == ErrorReason::wrong_type);
    CHECK(list[6].integer().value() == INT64_MAX);
    CHECK(list[7].integer().value() == INT64_MIN);
}

TEST_CASE("range errors say which bound and whether a fraction was allowed") {
    const auto json = parse_json(R"({"n":5,"x":2.5})");
    const JsonReader body(*json);
    CHECK(body["n"].integer(5, 5).value() == 5);
    CHECK(error_of(body["n"].integer(6, 9)).reason == ErrorReason::below_minimum);
    CHECK(error_of(body["n"].integer(1, 4)).reason == ErrorReason::above_maximum);
    CHECK(error_of(body["x"].number(3, 4)).reason == ErrorReason::decimal_below_minimum);
    CHECK(error_of(body["x"].number(1, 2)).reason == ErrorReason::decimal_above_maximum);
    CHECK(error_of(body["x"].number(1, 2)).message == "'x' must be at most 2");
}

TEST_CASE("an error names the path that led to the value") {
    const auto json = parse_json(R"({"messages":[{"role":"user"},{"content":[{"text":7}]}]})");
    const auto messages = *JsonReader(*json)["messages"].array().value();
    const auto parts = *messages[1]["content"].array().value();
    const auto error = error_of(parts[0]["text"].string());
    CHECK(error.field == "messages[1].content[0].text");
    CHECK(error.message == "'messages[1].content[0].text' must be a string, not a number");
    CHECK(messages[0]["content"].missing().error().field == "messages[0].content");
}

TEST_CASE("the first of several names that is there is taken") {
    const auto json = parse_json(R"({"b":2,"c":3})");
    CHECK(JsonReader(*json).first_of({"a", "b", "c"}).path() == "b");
    CHECK(JsonReader(*json).first_of({"x", "y"}).path() == "x");
}
