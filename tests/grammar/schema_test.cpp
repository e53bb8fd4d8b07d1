#include <string>

#include "matching.h"

using namespace weft;
using namespace weft::test;

TEST_CASE("types") {
    CHECK(allows(R"({"type":"boolean"})", "true"));
    CHECK(allows(R"({"type":"null"})", "null"));
    CHECK(allows(R"({"type":["string","null"]})", "null"));
    CHECK(allows(R"({"type":"string","nullable":true})", "null"));
    CHECK_FALSE(allows(R"({"type":"integer"})", "1.5"));
    CHECK_FALSE(allows(R"({"type":"integer"})", "007"));
    CHECK(allows(R"({"type":"number"})", "-1.5e10"));
    CHECK(allows("{}", R"({"a":[1,"x",null,{}]})"));
    CHECK(allows("true", "[]"));
    CHECK_FALSE(allows("{}", "nul"));
}

TEST_CASE("objects keep the schema's order and leave out any of the optional members") {
    const auto schema = R"({"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"integer"},"c":{"type":"integer"},
                            "d":{"type":"integer"}},"required":["c"]})";
    CHECK(allows(schema, R"({"c":1})"));
    CHECK(allows(schema, R"({"a":1,"c":1})"));
    CHECK(allows(schema, R"({"b":1,"c":1,"d":2})"));
    CHECK(allows(schema, R"({ "a": 1, "b": 2, "c": 3, "d": 4 })"));
    CHECK_FALSE(allows(schema, R"({"a":1})"));
    CHECK_FALSE(allows(schema, R"({"c":1,"a":1})"));
    CHECK_FALSE(allows(schema, R"({"c":1,"e":1})"));
    CHECK_FALSE(allows(schema, R"({"c":1,})"));
    CHECK(allows(R"({"type":"object","properties":{"a":{},"b":{}}})", "{}"));
    CHECK(allows(R"({"type":"object"})", R"({"x":1,"y":[]})"));
    CHECK(allows(R"({"type":"object","additionalProperties":false})", "{}"));
    CHECK_FALSE(allows(R"({"type":"object","additionalProperties":false})", R"({"x":1})"));
}

TEST_CASE("additional members never take a declared name") {
    const auto schema = R"({"type":"object","properties":{"name":{"type":"integer"}},"additionalProperties":{"type":"string"}})";
    CHECK(allows(schema, R"({"name":1,"nam":"x","names":"y","n":"z","":"e"})"));
    CHECK(allows(schema, R"({"x":"y"})"));
    CHECK_FALSE(allows(schema, R"({"name":"x"})"));
    CHECK_FALSE(allows(schema, R"({"x":"y","name":"z"})"));
    CHECK_FALSE(allows(schema, R"({"n\u0061me":"x"})"));
}

TEST_CASE("members by pattern") {
    const auto schema = R"({"type":"object","properties":{"id":{"type":"integer"},"x_a":{"minimum":3}},
                            "patternProperties":{"^x_":{"type":"integer"}},"additionalProperties":false})";
    CHECK(allows(schema, R"({"id":1,"x_a":3})"));
    CHECK_FALSE(allows(schema, R"({"x_a":2})"));
    CHECK_FALSE(allows(schema, R"({"x_a":"3"})"));
    const auto free = R"({"type":"object","properties":{"id":{"type":"integer"}},"patternProperties":{"^x_[a-z]+$":{"type":"boolean"}}})";
    CHECK(allows(free, R"({"id":1,"x_b":true,"x_c":false})"));
    CHECK_FALSE(allows(free, R"({"id":1,"y":true})"));
    CHECK_FALSE(allows(free, R"({"x_b":1})"));
}

TEST_CASE("counts of members") {
    CHECK_FALSE(allows(R"({"type":"object","minProperties":1})", "{}"));
    CHECK(allows(R"({"type":"object","maxProperties":2})", R"({"a":1,"b":2})"));
    CHECK_FALSE(allows(R"({"type":"object","maxProperties":2})", R"({"a":1,"b":2,"c":3})"));
    CHECK(refusal(R"({"type":"object","minProperties":2})") == "the keyword 'minProperties' at $ cannot be enforced");
}

TEST_CASE("arrays and tuples of both drafts") {
    const auto pair = R"({"type":"array","prefixItems":[{"type":"integer"},{"type":"string"}],"items":false})";
    CHECK(allows(pair, R"([1,"x"])"));
    CHECK_FALSE(allows(pair, R"([1,"x",2])"));
    CHECK(allows(R"({"type":"array","items":[{"type":"integer"}],"additionalItems":{"type":"boolean"}})", "[1,true,false]"));
    CHECK(allows(R"({"type":"array","prefixItems":[{"type":"integer"},{"type":"integer"}],"minItems":1})", "[1]"));
    const auto bounded = R"({"type":"array","items":{"type":"integer"},"minItems":2,"maxItems":3})";
    CHECK_FALSE(allows(bounded, "[1]"));
    CHECK(allows(bounded, "[1, 2]"));
    CHECK(allows(bounded, "[1,2,3]"));
    CHECK_FALSE(allows(bounded, "[1,2,3,4]"));
    CHECK(allows(R"({"type":"array","maxItems":0})", "[ ]"));
}

TEST_CASE("enum, const, anyOf, oneOf, allOf") {
    CHECK(allows(R"({"enum":["a",1,null,{"k":[1]}]})", R"({"k":[1]})"));
    CHECK_FALSE(allows(R"({"enum":["a",1],"type":"string"})", "1"));
    CHECK(allows(R"({"const":"it's \"x\""})", R"("it's \"x\"")"));
    CHECK(allows(R"({"anyOf":[{"type":"integer"},{"type":"null"}]})", "null"));
    CHECK(allows(R"({"oneOf":[{"type":"integer"},{"type":"string"}]})", "\"x\""));
    const auto both = R"({"allOf":[{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]},
                                   {"properties":{"a":{"minimum":5},"b":{"type":"string"}},"required":["b"]}]})";
    CHECK(allows(both, R"({"a":5,"b":"x"})"));
    CHECK_FALSE(allows(both, R"({"a":4,"b":"x"})"));
    CHECK_FALSE(allows(both, R"({"a":5})"));
    // What stands beside anyOf holds in every branch.
    const auto base = R"({"type":"object","properties":{"id":{"type":"integer"}},"required":["id"],
                          "anyOf":[{"properties":{"x":{"const":1}},"required":["x"]},{"properties":{"y":{"const":2}},"required":["y"]}]})";
    CHECK(allows(base, R"({"id":1,"y":2})"));
    CHECK_FALSE(allows(base, R"({"id":1})"));
}

TEST_CASE("oneOf: what two alternatives would take is not written") {
    // By required members: each alternative goes without what another one asks for.
    const auto either = R"({"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"integer"},"c":{"type":"integer"}},
                            "oneOf":[{"required":["a"]},{"required":["b"]}]})";
    CHECK(allows(either, R"({"a":1,"c":3})"));
    CHECK(allows(either, R"({"b":2})"));
    CHECK_FALSE(allows(either, R"({"a":1,"b":2})"));
    CHECK_FALSE(allows(either, R"({"c":3})"));
    // By a constant, also one that is not required, behind references and in members of members.
    const auto kinds = R"({"$defs":{"cat":{"type":"object","properties":{"kind":{"enum":["cat","pet"]},"lives":{"type":"integer"}},"required":["kind"]},
                           "dog":{"type":"object","properties":{"kind":{"enum":["dog","pet"]},"lives":{"type":"integer"}},"required":["kind"]}},
                           "oneOf":[{"$ref":"#/$defs/cat"},{"$ref":"#/$defs/dog"}]})";
    CHECK(allows(kinds, R"({"kind":"dog","lives":1})"));
    CHECK(allows(kinds, R"({"kind":"cat","lives":9})"));
    CHECK_FALSE(allows(kinds, R"({"kind":"pet"})"));  // valid for both
    const auto loose = R"({"oneOf":[{"type":"object","properties":{"kind":{"const":"a"}}},{"type":"object","properties":{"kind":{"const":"b"}}}]})";
    CHECK(allows(loose, R"({"kind":"a"})"));
    CHECK(allows(loose, R"({"kind":"b"})"));
    CHECK_FALSE(allows(loose, "{}"));
    const auto deep = R"({"oneOf":[{"type":"object","properties":{"m":{"type":"object","properties":{"t":{"const":1}},"required":["t"]}},"required":["m"]},
                          {"type":"object","properties":{"m":{"type":"object","properties":{"t":{"const":2}},"required":["t"]}},"required":["m"]}]})";
    CHECK(allows(deep, R"({"m":{"t":2}})"));
    // A member that is forbidden does not come back as an undeclared one, or by a pattern.
    const auto open = R"({"oneOf":[{"type":"object","additionalProperties":{"type":"integer"}},{"type":"object","properties":{"x":{"type":"string"}},"required":["x"]}]})";
    CHECK(allows(open, R"({"x":"y"})"));
    CHECK(allows(open, R"({"y":1})"));
    CHECK_FALSE(allows(open, R"({"x":1})"));
    CHECK_FALSE(allows(open, R"({"y":1,"x":1})"));
    const auto pattern = R"({"oneOf":[{"type":"object","patternProperties":{"^[a-z]$":{"type":"integer"}}},{"type":"object","properties":{"x":{"type":"string"}},"required":["x"]}]})";
    CHECK(allows(pattern, R"({"x":"y"})"));
    CHECK_FALSE(allows(pattern, R"({"x":1})"));
    CHECK_FALSE(allows(R"({"type":"object","properties":{"a":false},"additionalProperties":true})", R"({"a":1})"));
}

TEST_CASE("oneOf: types, values, bounds and lists tell alternatives apart") {
    CHECK(allows(R"({"oneOf":[{"type":["string","null"]},{"type":"null"},{"type":"integer"}]})", "7"));
    CHECK_FALSE(allows(R"({"oneOf":[{"type":["string","null"]},{"type":"null"}]})", "null"));
    CHECK(allows(R"({"oneOf":[{"enum":[1,2]},{"enum":[2.0,3]}]})", "1"));
    CHECK(allows(R"({"oneOf":[{"enum":[1,2]},{"enum":[2.0,3]}]})", "3"));
    CHECK_FALSE(allows(R"({"oneOf":[{"enum":[1,2]},{"enum":[2.0,3]}]})", "2"));
    CHECK(allows(R"({"oneOf":[{"type":"boolean"},{"const":true}]})", "false"));
    CHECK_FALSE(allows(R"({"oneOf":[{"type":"boolean"},{"const":true}]})", "true"));
    CHECK(allows(R"({"type":"integer","oneOf":[{"maximum":3},{"exclusiveMinimum":3}]})", "4"));
    CHECK(allows(R"({"type":"string","oneOf":[{"maxLength":3},{"minLength":4}]})", R"("abcd")"));
    const auto lists = R"({"oneOf":[{"type":"array","items":{"type":"integer"}},{"type":"array","items":{"type":"string"}}]})";
    CHECK(allows(lists, "[1]"));
    CHECK(allows(lists, R"(["x","y"])"));
    CHECK_FALSE(allows(lists, "[]"));  // a list of integers, and of strings
    // Alternatives that have alternatives.
    const auto nested = R"({"oneOf":[{"anyOf":[{"type":"integer"},{"type":"string"}]},{"oneOf":[{"type":"null"},{"type":"string"}]}]})";
    CHECK(allows(nested, "1"));
    CHECK(allows(nested, "null"));
    CHECK_FALSE(allows(nested, R"("x")"));
}

TEST_CASE("oneOf: alternatives that cannot be told apart are refused, or let go where that is wanted") {
    const auto overlap = R"({"type":"object","properties":{"n":{"oneOf":[{"type":"number","multipleOf":2},{"type":"integer"}]}}})";
    CHECK(refusal(overlap) == "the keyword 'oneOf' at $.properties.n cannot be enforced (alternatives 0 and 1 may both be valid: tell them "
                              "apart by type, by a constant member or by required members, or use anyOf)");
    CHECK(gbnf_for(overlap, Unenforceable::ignore));
    CHECK(refusal(R"({"oneOf":[{"type":"integer"},{"type":"integer"}]})") == "the schema allows no value at all");
    CHECK_FALSE(refusal(R"({"oneOf":[{"type":"string"},{"type":"string","pattern":"^a"}]})").empty());
    // Many alternatives by one constant are quick; hostile ones end.
    std::string many = R"({"oneOf":[)";
    for (int i = 0; i < 100; ++i)
        many += std::string(i ? "," : "") + R"({"type":"object","properties":{"k":{"const":)" + std::to_string(i) + R"(},"v":{"type":"string"}},"required":["k","v"]})";
    CHECK(allows(many + "]}", R"({"k":99,"v":"x"})"));
    std::string hostile = R"({"oneOf":[)";
    for (int i = 0; i < 40; ++i) {
        hostile += std::string(i ? "," : "") + R"({"type":"object","properties":{)";
        for (int j = 0; j < 12; ++j) hostile += std::string(j ? "," : "") + "\"p" + std::to_string(j) + R"(":{"$ref":"#"})";
        hostile += R"(},"required":["p0","p1","p2","p3","p4","p5","p6","p7","p8","p9","p10","p11"],"minProperties":)" + std::to_string(i) + "}";
    }
    CHECK_FALSE(refusal(hostile + "]}").empty());
}

TEST_CASE("references, also to itself") {
    const auto tree = R"({"$defs":{"n":{"type":"object","properties":{"v":{"type":"integer"},"c":{"type":"array","items":{"$ref":"#/$defs/n"}}},
                          "required":["v","c"]}},"$ref":"#/$defs/n"})";
    CHECK(allows(tree, R"({"v":1,"c":[{"v":2,"c":[]},{"v":3,"c":[]}]})"));
    CHECK_FALSE(allows(tree, R"({"v":1,"c":[{"v":2}]})"));
    CHECK(allows(R"({"definitions":{"a b":{"type":"integer"}},"$ref":"#/definitions/a%20b"})", "1"));
    CHECK(allows(R"({"$defs":{"x":{"$anchor":"here","type":"integer"}},"$ref":"#here"})", "1"));
    CHECK(refusal(R"({"$ref":"#/$defs/x"})") == "the schema at $ refers to '#/$defs/x', which is not in it");
    CHECK(refusal(R"({"$ref":"https://example.org/x"})").starts_with("the schema at $ refers to 'https://example.org/x': only"));
}

TEST_CASE("strings: lengths, patterns, formats") {
    CHECK(allows(R"({"type":"string","minLength":2,"maxLength":3})", "\"ä€\""));
    CHECK_FALSE(allows(R"({"type":"string","minLength":2,"maxLength":3})", "\"ä\""));
    CHECK(allows(R"({"type":"string","maxLength":1})", R"("\n")"));
    CHECK_FALSE(allows(R"({"type":"string"})", R"("\ud800")"));
    CHECK_FALSE(allows(R"({"type":"string"})", "\"a\nb\""));
    CHECK(allows(R"({"type":"string","pattern":"^[A-Z]\\d{2}$"})", "\"A12\""));
    CHECK_FALSE(allows(R"({"type":"string","pattern":"^[A-Z]\\d{2}$"})", "\"A123\""));
    CHECK(allows(R"({"type":"string","pattern":"b"})", "\"abc\""));
    CHECK(allows(R"({"type":"string","pattern":"^a\"\\\\$"})", R"("a\"\\")"));
    CHECK_FALSE(allows(R"({"type":"string","pattern":"^[a-z]+$","maxLength":3})", "\"abcd\""));
    CHECK(allows(R"({"type":"string","format":"date"})", "\"2024-02-29\""));
    CHECK_FALSE(allows(R"({"type":"string","format":"date"})", "\"2023-02-29\""));
    CHECK_FALSE(allows(R"({"type":"string","format":"date"})", "\"2023-04-31\""));
    CHECK(allows(R"({"type":"string","format":"date-time"})", "\"2023-04-30T23:59:59.5Z\""));
    CHECK(allows(R"({"type":"string","format":"uuid"})", "\"01234567-89ab-cdef-0123-456789abcdef\""));
    CHECK(allows(R"({"type":"string","format":"of-mine"})", "\"anything\""));
    CHECK(refusal(R"({"type":"string","pattern":"(?=a)b"})") ==
          "the keyword 'pattern' at $ cannot be enforced (the regular expression uses look-ahead, which a grammar cannot express)");
    CHECK(refusal(R"({"type":"string","pattern":"(a"})").contains("has a '(' without its ')'"));
}

TEST_CASE("bounds as large as a double can be still bound a number") {
    const auto largest = R"({"type":"number","minimum":-1.7976931348623157e308,"maximum":1.7976931348623157e308})";
    for (const auto* number : {"0", "-1.5", "123456789012345678901234567890"}) CHECK(allows(largest, number));
    CHECK_FALSE(allows(largest, "x"));
    CHECK(allows(R"({"type":"integer","maximum":1e100})", std::string(100, '9')));
    CHECK_FALSE(allows(R"({"type":"integer","maximum":1e100})", std::string(102, '9')));
    CHECK_FALSE(allows(R"({"type":"integer","minimum":1e100})", "7"));
    CHECK(allows(R"({"type":"integer","minimum":1e100})", "1" + std::string(101, '0')));
    CHECK(allows(R"({"type":"number","maximum":-1e100})", "-1" + std::string(101, '0') + ".5"));
    CHECK_FALSE(allows(R"({"type":"number","maximum":-1e100})", "-5"));
}

TEST_CASE("prices: hundredths within bounds") {
    const auto price = R"({"type":"number","multipleOf":0.01,"minimum":0,"exclusiveMaximum":1000.5})";
    for (const auto* number : {"0", "0.01", "19.99", "999", "1000.49", "7.5"}) CHECK(allows(price, number));
    for (const auto* number : {"-1", "0.001", "1000.5", "1000.51", "1001", "19.999"}) CHECK_FALSE(allows(price, number));
    CHECK(allows(R"({"type":"number","multipleOf":0.1,"minimum":-2.5,"maximum":-0.3})", "-0.3"));
    CHECK_FALSE(allows(R"({"type":"number","multipleOf":0.1,"minimum":-2.5,"maximum":-0.3})", "-0.25"));
}

TEST_CASE("a keyword that is null asks for nothing") {
    const auto schema = R"({"type":"object","enum":null,"properties":{"a":{"type":"string","enum":null,"minLength":null},"b":null,"enum":{"type":"integer"}},
                            "required":["a","enum"],"items":null,"description":null,"additionalProperties":false})";
    CHECK(allows(schema, R"({"a":"x","enum":1})"));
    CHECK(allows(schema, R"({"a":"x","b":[1],"enum":1})"));
    CHECK_FALSE(allows(schema, R"({"a":1,"enum":1})"));
    CHECK_FALSE(allows(schema, R"({"a":"x"})"));
    CHECK(allows(R"({"const":null})", "null"));
    CHECK_FALSE(allows(R"({"const":null})", "1"));
    CHECK(allows(R"({"enum":[null,1]})", "null"));
}

TEST_CASE("numbers within bounds") {
    const auto in = [](std::string_view bounds, std::string_view number) {
        return allows("{\"type\":\"integer\"," + std::string(bounds) + "}", number);
    };
    for (int i = -130; i <= 130; ++i) {
        INFO(i);
        CHECK(in(R"("minimum":-107,"maximum":112)", std::to_string(i)) == (i >= -107 && i <= 112));
        CHECK(in(R"("exclusiveMinimum":8,"exclusiveMaximum":101)", std::to_string(i)) == (i > 8 && i < 101));
        CHECK(in(R"("minimum":95)", std::to_string(i)) == (i >= 95));
        CHECK(in(R"("maximum":-3)", std::to_string(i)) == (i <= -3));
        CHECK(in(R"("multipleOf":7)", std::to_string(i)) == (i % 7 == 0));
        CHECK(in(R"("multipleOf":7,"minimum":-20,"maximum":50)", std::to_string(i)) == (i % 7 == 0 && i >= -20 && i <= 50));
    }
    const auto unit = R"({"type":"number","minimum":0,"exclusiveMaximum":1})";
    for (const auto* number : {"0", "0.5", "0.999", "0.0"}) CHECK(allows(unit, number));
    for (const auto* number : {"1", "1.0", "-0.1", "2"}) CHECK_FALSE(allows(unit, number));
    const auto narrow = R"({"type":"number","exclusiveMinimum":0.25,"maximum":12.5})";
    for (const auto* number : {"0.251", "0.3", "5.75", "12", "12.5", "12.50"}) CHECK(allows(narrow, number));
    for (const auto* number : {"0.25", "0.2", "0", "12.51", "13"}) CHECK_FALSE(allows(narrow, number));
    CHECK(refusal(R"({"type":"integer","minimum":5,"maximum":4})") == "the schema allows no value at all");
}

TEST_CASE("what cannot be enforced is refused by name and path, or let go where that is wanted") {
    const auto schema = R"({"type":"object","properties":{"a":{"type":"array","items":{"type":"integer"},"uniqueItems":true}}})";
    CHECK(refusal(schema) == "the keyword 'uniqueItems' at $.properties.a cannot be enforced");
    CHECK(gbnf_for(schema, Unenforceable::ignore));
    for (const auto* keyword : {"not", "if", "contains", "dependentRequired", "dependentSchemas", "$dynamicRef"})
        CHECK(refusal("{\"type\":\"object\",\"" + std::string(keyword) + "\":{\"a\":[\"b\"]}}") ==
              "the keyword '" + std::string(keyword) + "' at $ cannot be enforced");
    CHECK(refusal(R"({"type":"string","title":"t","description":"d","default":1,"examples":[],"x-order":1,"$comment":"c"})").empty());
}

TEST_CASE("schemas that are none are refused") {
    CHECK(refusal("{").starts_with("the schema is not valid JSON"));
    CHECK(refusal("5").contains("must be an object, true or false"));
    CHECK(refusal("false") == "the schema allows no value at all");
    CHECK(refusal(R"({"type":"strnig"})") == "the schema at $ has an unknown 'type'");
    CHECK(refusal(R"({"properties":[]})").contains("'properties'"));
    CHECK(refusal(R"({"type":"string","minLength":-1})").contains("'minLength'"));
    CHECK(refusal(R"({"anyOf":[]})").contains("'anyOf'"));
    CHECK(refusal(R"({"type":"object","properties":{"a":false},"required":["a"]})") == "the schema allows no value at all");
    CHECK(allows(R"({"type":"object","properties":{"a":false,"b":{"type":"integer"}}})", R"({"b":1})"));
}

TEST_CASE("hostile schemas are refused, or their grammars are small") {
    // Each of these would explode if it were written out.
    std::string doubling = R"({"$defs":{"d0":{"type":"object","properties":{"x":{"type":"integer"}}})";
    for (int i = 1; i < 40; ++i)
        doubling += ",\"d" + std::to_string(i) + "\":{\"allOf\":[{\"$ref\":\"#/$defs/d" + std::to_string(i - 1) + "\"},{\"$ref\":\"#/$defs/d" +
                    std::to_string(i - 1) + "\"}]}";
    doubling += "},\"$ref\":\"#/$defs/d39\"}";
    CHECK_FALSE(refusal(doubling).empty());
    std::string cross = "{\"allOf\":[";
    for (int i = 0; i < 12; ++i)
        cross += std::string(i ? "," : "") + "{\"anyOf\":[{\"minimum\":" + std::to_string(i) + "},{\"maximum\":2},{\"multipleOf\":3},{\"minLength\":4}]}";
    CHECK_FALSE(refusal(cross + "]}").empty());
    CHECK_FALSE(refusal(R"({"$ref":"#"})").empty());
    CHECK_FALSE(refusal(R"({"$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}},"$ref":"#/$defs/a"})").empty());
    CHECK_FALSE(refusal(R"({"anyOf":[{"$ref":"#"},{"type":"null"}]})").empty());
    CHECK_FALSE(refusal(R"({"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]})").empty());
    CHECK_FALSE(refusal(std::string(200, '[') + std::string(200, ']')).empty());
    CHECK(refusal(R"({"type":"string","pattern":"^((a{0,1000}){0,1000}){0,1000}$"})").empty());
    CHECK(gbnf_for(R"({"type":"string","pattern":"^((a{0,1000}){0,1000}){0,1000}$"})")->size() < 2000);
}

TEST_CASE("large schemas of the real world stay small") {
    CHECK(allows(R"({"type":"string","maxLength":65536})", "\"" + std::string(65536, 'x') + "\""));
    CHECK_FALSE(allows(R"({"type":"string","maxLength":65536})", "\"" + std::string(65537, 'x') + "\""));
    GbnfBuilder builder;
    std::string all;
    for (int tool = 0; tool < 60; ++tool) {
        std::string schema = R"({"type":"object","properties":{)";
        for (int i = 0; i < 20; ++i)
            schema += std::string(i ? "," : "") + "\"field_" + std::to_string(tool) + "_" + std::to_string(i) + R"(":{"type":"string","maxLength":65536})";
        const auto rule = builder.add_schema(schema + "}}");
        REQUIRE(rule);
        all += (all.empty() ? "" : " | ") + *rule;
    }
    const auto root = builder.add_rule("tools", all);
    const auto gbnf = std::move(builder).finish(root);
    REQUIRE(gbnf);
    CHECK(takes(*gbnf, R"({"field_59_3":"x","field_59_19":"y"})"));
}
