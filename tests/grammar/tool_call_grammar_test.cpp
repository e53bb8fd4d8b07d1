#include "grammar/tool_call_grammar.h"

#include <catch2/catch_test_macros.hpp>

#include "grammar/matcher.h"
#include "grammar/tool_notation.h"

using namespace weft;

namespace {

const std::string weather =
    R"({"type":"function","function":{"name":"get_weather","parameters":{"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer"}},"required":["city"]}}})";
const std::string time_tool =
    R"({"type":"function","function":{"name":"get_time","parameters":{"type":"object","properties":{}}}})";

ChatPrompt prompt_with(ToolChoice choice, std::string name = "", bool parallel = true) {
    return {.tools_json = {weather, time_tool}, .tool_choice = choice, .tool_choice_name = std::move(name),
            .parallel_tool_calls = parallel};
}

std::shared_ptr<const Grammar> grammar_of(const ConstraintPlan& plan) {
    INFO(plan.gbnf);
    auto grammar = Grammar::parse(plan.gbnf);
    if (!grammar) FAIL(grammar.error().message);
    return *grammar;
}

// Whether the text is allowed as a whole.
bool fits(const ConstraintPlan& plan, std::string_view text) {
    GrammarMatcher matcher(grammar_of(plan));
    return matcher.accept(text) && matcher.can_end();
}

ConstraintPlan plan_of(CallStyle style, const ChatPrompt& prompt, const GenerateRequest& request = {}) {
    auto plan = tool_call_plan({.calls = style}, request, prompt);
    if (!plan) FAIL(plan.error().message);
    return *plan;
}

struct Sample {
    CallStyle style;
    std::string one;         // a call of get_weather for Paris
    std::string two;         // and one of get_time behind it; empty where there can be one only
    std::string wrong;       // a city that is no string, or that is missing
};

const std::vector<Sample> samples{
    {CallStyle::hermes, "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Paris\"}}\n</tool_call>",
     "<tool_call>{\"name\":\"get_weather\",\"arguments\":{\"city\":\"Paris\",\"days\":2}}</tool_call>\n<tool_call>\n{\"name\": \"get_time\", \"arguments\": {}}\n</tool_call>",
     "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": 5}}\n</tool_call>"},
    {CallStyle::bare_json, "{\"name\": \"get_weather\", \"parameters\": {\"city\": \"Paris\"}}",
     "", "{\"name\": \"get_weather\", \"parameters\": {}}"},
    {CallStyle::mistral_list, "[TOOL_CALLS][{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Paris\"}, \"id\": \"abcdefghi\"}]",
     "[TOOL_CALLS][{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Paris\"}}, {\"name\": \"get_time\", \"arguments\": {}}]",
     "[TOOL_CALLS][{\"name\": \"nobody\", \"arguments\": {}}]"},
    {CallStyle::mistral_args, "[TOOL_CALLS]get_weather[ARGS]{\"city\": \"Paris\"}",
     "[TOOL_CALLS]get_weather[CALL_ID]abcdefghi[ARGS]{\"city\": \"Paris\"}[TOOL_CALLS]get_time[ARGS]{}",
     "[TOOL_CALLS]get_time[ARGS]{"},
    {CallStyle::granite, "<|tool_call|>[{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Paris\"}}]",
     "<|tool_call|>[{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Paris\"}}, {\"name\": \"get_time\", \"arguments\": {}}]",
     "<|tool_call|>[]"},
    {CallStyle::command_r, "<|START_ACTION|>[\n  {\"tool_call_id\": \"0\", \"tool_name\": \"get_weather\", \"parameters\": {\"city\": \"Paris\"}}\n]<|END_ACTION|>",
     "<|START_ACTION|>[{\"tool_call_id\": \"0\", \"tool_name\": \"get_weather\", \"parameters\": {\"city\": \"Paris\"}}, {\"tool_call_id\": \"1\", \"tool_name\": \"get_time\", \"parameters\": {}}]<|END_ACTION|>",
     "<|START_ACTION|>[{\"tool_name\": \"get_time\", \"parameters\": {}}]<|END_ACTION|>"},
    {CallStyle::apriel, "<tool_calls>[{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Paris\"}}]</tool_calls>",
     "<tool_calls>[{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Paris\"}}, {\"name\": \"get_time\", \"arguments\": {}}]</tool_calls>",
     "<tool_calls>[{\"name\": \"get_time\"}]</tool_calls>"},
    {CallStyle::apertus, "<|tools_prefix|>[{\"get_weather\": {\"city\": \"Paris\"}}]<|tools_suffix|>",
     "<|tools_prefix|>[{\"get_weather\": {\"city\": \"Paris\"}}, {\"get_time\": {}}]<|tools_suffix|>",
     "<|tools_prefix|>[{\"get_weather\": {\"days\": 1}}]<|tools_suffix|>"},
    {CallStyle::gigachat, "function call<|role_sep|>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Paris\"}}", "", "function call<|role_sep|>\n{}"},
    {CallStyle::deepseek_r1,
     "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n```json\n{\"city\": \"Paris\"}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
     "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n```json\n{\"city\": \"Paris\"}\n```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>get_time\n```json\n{}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
     "<｜tool▁calls▁begin｜><｜tool▁calls▁end｜>"},
    {CallStyle::deepseek_v31,
     "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>get_weather<｜tool▁sep｜>{\"city\": \"Paris\"}<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
     "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>get_weather<｜tool▁sep｜>{\"city\": \"Paris\"}<｜tool▁call▁end｜><｜tool▁call▁begin｜>get_time<｜tool▁sep｜>{}<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
     "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>get_weather<｜tool▁sep｜>{\"town\": \"Paris\"}<｜tool▁call▁end｜><｜tool▁calls▁end｜>"},
    {CallStyle::deepseek_dsml,
     "<｜DSML｜function_calls>\n<｜DSML｜invoke name=\"get_weather\">\n<｜DSML｜parameter name=\"city\" string=\"true\">Paris</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜function_calls>",
     "<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"get_weather\">\n<｜DSML｜parameter name=\"city\" string=\"true\">a </｜DSM b</｜DSML｜parameter>\n<｜DSML｜parameter name=\"days\" string=\"false\">2</｜DSML｜parameter>\n</｜DSML｜invoke>\n<｜DSML｜invoke name=\"get_time\">\n</｜DSML｜invoke>\n</｜DSML｜tool_calls>",
     "<｜DSML｜function_calls>\n<｜DSML｜invoke name=\"get_weather\">\n</｜DSML｜invoke>\n</｜DSML｜function_calls>"},
    {CallStyle::kimi,
     "<|tool_calls_section_begin|><|tool_call_begin|>functions.get_weather:0<|tool_call_argument_begin|>{\"city\": \"Paris\"}<|tool_call_end|><|tool_calls_section_end|>",
     "<|tool_calls_section_begin|><|tool_call_begin|>functions.get_weather:0<|tool_call_argument_begin|>{\"city\": \"Paris\"}<|tool_call_end|><|tool_call_begin|>functions.get_time:1<|tool_call_argument_begin|>{}<|tool_call_end|><|tool_calls_section_end|>",
     "<|tool_calls_section_begin|><|tool_calls_section_end|>"},
    {CallStyle::functionary_v31, "<function=get_weather>{\"city\": \"Paris\"}</function>",
     "<function=get_weather>{\"city\": \"Paris\"}</function><function=get_time>{}</function>", "<function=get_weather>{}</function>"},
    {CallStyle::functionary_v32, "get_weather\n{\"city\": \"Paris\"}", "get_weather\n{\"city\": \"Paris\"}>>>get_time\n{}", "all\nHi"},
    {CallStyle::qwen_xml, "<tool_call>\n<function=get_weather>\n<parameter=city>\nParis\n</parameter>\n</function>\n</tool_call>",
     "<tool_call>\n<function=get_weather>\n<parameter=city>\na < b </parameter <</p>\n</parameter>\n<parameter=days>\n2\n</parameter>\n</function>\n</tool_call>\n<tool_call>\n<function=get_time>\n</function>\n</tool_call>",
     "<tool_call>\n<function=get_weather>\n<parameter=city>\nParis\n</parameter>\n<parameter=days>\nmany\n</parameter>\n</function>\n</tool_call>"},
    {CallStyle::seed_xml, "<seed:tool_call>\n<function=get_weather>\n<parameter=city>Paris</parameter>\n</function>\n</seed:tool_call>", "",
     "<seed:tool_call>\n<function=get_weather>\n</function>\n</seed:tool_call>"},
    {CallStyle::glm, "<tool_call>get_weather\n<arg_key>city</arg_key>\n<arg_value>Paris</arg_value>\n</tool_call>",
     "<tool_call>get_weather<arg_key>city</arg_key><arg_value>Paris</arg_value></tool_call><tool_call>get_time</tool_call>",
     "<tool_call>get_weather</tool_call>"},
    {CallStyle::lfm2, "<|tool_call_start|>[get_weather(city=\"Paris\")]<|tool_call_end|>",
     "<|tool_call_start|>[get_weather(city=\"Paris\", days=2), get_time()]<|tool_call_end|>", "<|tool_call_start|>[get_weather(days=2)]<|tool_call_end|>"},
    {CallStyle::gemma, "<|tool_call>call:get_weather{city:<|\"|>Paris<|\"|>}<tool_call|>",
     "<|tool_call>call:get_weather{city:<|\"|>Paris<|\"|>,days:2}<tool_call|><|tool_call>call:get_time{}<tool_call|>",
     "<|tool_call>call:get_weather{days:2}<tool_call|>"},
    {CallStyle::harmony, "<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{\"city\": \"Paris\"}", "",
     "<|channel|>final<|message|>Hi"},
    {CallStyle::mcp, "<use_mcp_tool>\n<server_name>s</server_name>\n<tool_name>get_weather</tool_name>\n<arguments>\n{\"city\": \"Paris\"}\n</arguments>\n</use_mcp_tool>",
     "", "<use_mcp_tool>\n</use_mcp_tool>"},
};

}  // namespace

TEST_CASE("a forced call can be written in every family's notation, and nothing else can") {
    for (const auto& sample : samples) {
        INFO(name_of(sample.style));
        const auto plan = plan_of(sample.style, prompt_with(ToolChoice::required));
        CHECK(plan.triggers.empty());
        CHECK(fits(plan, sample.one));
        CHECK_FALSE(fits(plan, sample.wrong));
        CHECK_FALSE(fits(plan, "Hello."));
        CHECK_FALSE(fits(plan, ""));
        if (!sample.two.empty()) CHECK(fits(plan, sample.two));
    }
}

TEST_CASE("a free choice is held to the notation once a call has begun") {
    for (const auto& sample : samples) {
        INFO(name_of(sample.style));
        const auto plan = plan_of(sample.style, prompt_with(ToolChoice::automatic));
        if (!plan.enforces()) {
            CHECK(sample.style == CallStyle::functionary_v32);
            continue;
        }
        REQUIRE_FALSE(plan.triggers.empty());
        for (const auto& trigger : plan.triggers) {
            if (!sample.one.contains(trigger)) continue;
            CHECK(fits(plan, std::string_view(sample.one).substr(sample.one.find(trigger))));
        }
    }
}

TEST_CASE("without parallel calls, and for a named function, there is one call") {
    for (const auto& sample : samples) {
        INFO(name_of(sample.style));
        const auto single = plan_of(sample.style, prompt_with(ToolChoice::required, "", false));
        CHECK(fits(single, sample.one));
        if (!sample.two.empty()) CHECK_FALSE(fits(single, sample.two));
        CHECK_FALSE(fits(plan_of(sample.style, prompt_with(ToolChoice::required, "get_time", false)), sample.one));
    }
}

TEST_CASE("nothing is enforced without tools, or where calls are forbidden") {
    CHECK_FALSE(plan_of(CallStyle::hermes, {}).enforces());
    CHECK_FALSE(plan_of(CallStyle::hermes, prompt_with(ToolChoice::none)).enforces());
}

TEST_CASE("a format holds for the text, and calls stay possible") {
    GenerateRequest request{.format = OutputFormat::json_schema,
                            .format_definition = R"({"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]})"};
    const auto plan = plan_of(CallStyle::hermes, prompt_with(ToolChoice::automatic), request);
    CHECK(plan.triggers.empty());
    CHECK(fits(plan, "{\"a\": 1}"));
    CHECK(fits(plan, samples.front().one));
    CHECK_FALSE(fits(plan, "Hello."));
    const auto forced = plan_of(CallStyle::hermes, prompt_with(ToolChoice::required), request);
    CHECK_FALSE(fits(forced, "{\"a\": 1}"));
    request.format = OutputFormat::gbnf;
    CHECK_FALSE(tool_call_plan({.calls = CallStyle::hermes}, request, prompt_with(ToolChoice::automatic)).has_value());
}

TEST_CASE("a strict tool with a keyword that cannot be enforced is refused, another is called less exactly") {
    const std::string odd = R"({"type":"object","properties":{"a":{"not":{"type":"string"}}},"required":["a"]})";
    const auto tool = [&odd](std::string_view strict) {
        return "{\"type\":\"function\",\"function\":{\"name\":\"f\"," + std::string(strict) + "\"parameters\":" + odd + "}}";
    };
    const auto refused = tool_call_plan({.calls = CallStyle::hermes}, {}, {.tools_json = {tool("\"strict\":true,")}});
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().field == "tools[0].function.parameters");
    const auto plan = plan_of(CallStyle::hermes, {.tools_json = {tool("")}, .tool_choice = ToolChoice::required});
    CHECK(fits(plan, "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": 5}}</tool_call>"));
}

TEST_CASE("what is not understood in a tool's schema costs that place only") {
    const std::string odd =
        R"({"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"a":{"type":"integer","enum":null},"b":{"type":"int"},)"
        R"("c":{"type":"string","enum":[]},"d":{"$ref":"#/nowhere"},"e":{"type":"number","maximum":1e308}},"required":["a","b","c","d","e"]}}})";
    for (const auto style : {CallStyle::hermes, CallStyle::mistral_args}) {
        const auto plan = plan_of(style, {.tools_json = {odd}, .tool_choice = ToolChoice::required});
        const auto call = [style](const std::string& arguments) {
            return style == CallStyle::hermes ? R"(<tool_call>{"name": "f", "arguments": )" + arguments + "}</tool_call>" : "[TOOL_CALLS]f[ARGS]" + arguments;
        };
        CHECK(fits(plan, call(R"({"a": 1, "b": [2], "c": "x", "d": {"y": 1}, "e": 1.5})")));
        CHECK_FALSE(fits(plan, call(R"({"a": "x", "b": 2, "c": "x", "d": 1, "e": 1.5})")));
        CHECK_FALSE(fits(plan, call(R"({"b": 2, "c": "x", "d": 1, "e": 1.5})")));
        CHECK_FALSE(fits(plan, call(R"({"a": 1, "b": 2, "c": 3, "d": 1, "e": 1.5})")));
    }
}

TEST_CASE("text between tags keeps to what the schema says of the string") {
    const std::string tool =
        R"({"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"code":{"type":"string","pattern":"^[A-Z]{3}$"},)"
        R"("name":{"type":"string","maxLength":5},"day":{"type":"string","format":"date"},"unit":{"type":"string","const":"C"},"has":{"type":"string","pattern":"x+"}}}}})";
    for (const auto style : {CallStyle::qwen_xml, CallStyle::glm}) {
        const auto plan = plan_of(style, {.tools_json = {tool}, .tool_choice = ToolChoice::required});
        const auto call = [style](const std::string& name, const std::string& value) {
            if (style == CallStyle::glm) return "<tool_call>f\n<arg_key>" + name + "</arg_key>\n<arg_value>" + value + "</arg_value>\n</tool_call>";
            return "<tool_call>\n<function=f>\n<parameter=" + name + ">\n" + value + "\n</parameter>\n</function>\n</tool_call>";
        };
        INFO(call("code", "ABC"));
        CHECK(fits(plan, call("code", "ABC")));
        CHECK_FALSE(fits(plan, call("code", "ABCD")));
        CHECK(fits(plan, call("name", "Maria")));
        CHECK_FALSE(fits(plan, call("name", "Maria Theresia")));
        CHECK(fits(plan, call("day", "2026-11-22")));
        CHECK_FALSE(fits(plan, call("day", "today")));
        CHECK(fits(plan, call("unit", "C")));
        CHECK_FALSE(fits(plan, call("unit", "F")));
        CHECK(fits(plan, call("has", "a xx b")));
        CHECK_FALSE(fits(plan, call("has", "a b")));
    }
}

TEST_CASE("a function without parameters is called without any") {
    const auto plan = plan_of(CallStyle::hermes, prompt_with(ToolChoice::required, "get_time"));
    CHECK(fits(plan, R"(<tool_call>{"name": "get_time", "arguments": {}}</tool_call>)"));
    CHECK_FALSE(fits(plan, R"(<tool_call>{"name": "get_time", "arguments": {"a": 1}}</tool_call>)"));
}

TEST_CASE("what a grammar lets through is what the reader of calls understands") {
    const auto forced = prompt_with(ToolChoice::required);
    CHECK_FALSE(fits(plan_of(CallStyle::functionary_v32, forced), "\n get_time\n{}"));
    CHECK_FALSE(fits(plan_of(CallStyle::harmony, forced), "<|channel|>commentary to=functions.get_timejson<|message|>{}"));
    CHECK(fits(plan_of(CallStyle::harmony, forced), "<|channel|>commentary to=functions.get_time json<|message|>{}"));
    CHECK(fits(plan_of(CallStyle::harmony, forced), "<|channel|>commentary to=functions.get_time<|message|>{}"));
}

TEST_CASE("a thinking model thinks before it is held to anything") {
    const ReplyFormat format{.calls = CallStyle::hermes, .thinking_open = "<think>", .thinking_close = "</think>"};
    CHECK(tool_call_plan(format, {}, prompt_with(ToolChoice::required))->after_thinking);
}

TEST_CASE("a choice of a tool that is not there is an error, and so is a model without a notation") {
    CHECK_FALSE(tool_call_plan({.calls = CallStyle::hermes}, {}, prompt_with(ToolChoice::required, "nobody")).has_value());
    CHECK_FALSE(tool_call_plan({}, {}, prompt_with(ToolChoice::automatic)).has_value());
}
