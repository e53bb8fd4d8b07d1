#include <catch2/catch_test_macros.hpp>
#include <random>

#include "services/chat/reply_parser.h"

using namespace weft;

namespace {

const std::vector<std::string> tools{
    R"({"type":"function","function":{"name":"get_weather","parameters":{"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer"}}}}})",
    R"({"type":"function","function":{"name":"get_time","parameters":{"type":"object","properties":{}}}})",
    R"({"type":"function","function":{"name":"write","parameters":{"type":"object","properties":{"path":{"type":"string"},"text":{"type":"string"},"lines":{"type":"array"},"force":{"type":"boolean"},"mode":{"anyOf":[{"type":"integer"},{"type":"null"}]},"any":{}}}}})"};

std::function<std::string()> counted_ids() {
    return [n = 0]() mutable { return "id" + std::to_string(++n); };
}

ReplyRules rules_for(CallStyle style, bool thinks = false) {
    ReplyRules rules{.format = {.calls = style}, .tools = OfferedTools::read(tools), .new_call_id = counted_ids()};
    if (thinks) {
        rules.format.thinking_open = "<think>";
        rules.format.thinking_close = "</think>";
    }
    if (style == CallStyle::harmony) {
        rules.format.thinking_open = "<|channel|>analysis<|message|>";
        rules.format.thinking_close = "<|end|>";
    }
    return rules;
}

// "thinking|content|name{arguments} name{arguments}"
std::string summary(const ReplyRules& rules, const std::vector<std::string>& pieces, std::size_t* work = nullptr) {
    ReplyParser parser(rules, false);
    ReplyDelta all;
    const auto take = [&all](ReplyDelta delta) {
        if (!delta.content.empty()) CHECK(all.tool_calls.empty());
        all.thinking += delta.thinking;
        all.content += delta.content;
        for (auto& call : delta.tool_calls) {
            if (call.name.empty()) {
                REQUIRE(call.index + 1 == all.tool_calls.size());
                all.tool_calls.back().arguments += call.arguments;
                continue;
            }
            CHECK(call.index == all.tool_calls.size());
            CHECK_FALSE(call.id.empty());
            all.tool_calls.push_back(std::move(call));
        }
    };
    for (const auto& text : pieces) take(parser.feed({.text = text, .n_tokens = 1}));
    take(parser.finish());
    CHECK(parser.called() == !all.tool_calls.empty());
    if (work != nullptr) *work = parser.work();
    std::string out = all.thinking + "|" + all.content + "|";
    for (const auto& call : all.tool_calls) out += (call.index > 0 ? " " : "") + call.name + call.arguments;
    return out;
}

// Whole, byte by byte, cut in two everywhere, and in random pieces.
void promise(const ReplyRules& rules, const std::string& text, const std::string& expected) {
    INFO(text);
    CHECK(summary(rules, {text}) == expected);
    std::vector<std::string> bytes;
    for (const char c : text) bytes.emplace_back(1, c);
    CHECK(summary(rules, bytes) == expected);
    for (std::size_t cut = 1; cut < text.size(); ++cut) {
        const auto found = summary(rules, {text.substr(0, cut), text.substr(cut)});
        if (found != expected) FAIL_CHECK("cut at " << cut << ": " << found);
    }
    std::mt19937 random(1);
    for (int round = 0; round < 20; ++round) {
        std::vector<std::string> pieces;
        for (std::size_t at = 0; at < text.size();) {
            const auto n = 1 + random() % 9;
            pieces.push_back(text.substr(at, n));
            at += n;
        }
        const auto found = summary(rules, pieces);
        if (found != expected) FAIL_CHECK("random pieces: " << found);
    }
}

void promise(CallStyle style, const std::string& text, const std::string& expected) {
    promise(rules_for(style), text, expected);
}

constexpr auto paris = R"(||get_weather{"city":"Paris"})";
constexpr auto two = R"(||get_weather{"city":"Paris"} get_time{})";

}  // namespace

TEST_CASE("Hermes and Qwen put JSON between tags") {
    const auto style = CallStyle::hermes;
    promise(style, "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Paris\"}}\n</tool_call>", paris);
    promise(style, "<tool_call>{\"name\":\"get_weather\",\"arguments\":{\"city\":\"Paris\"}}</tool_call>\n\n<tool_call>{\"name\": \"get_time\", \"arguments\": {}}</tool_call>\n", two);
    promise(style, "Let me look.\n<tool_call>{\"name\":\"get_time\"}</tool_call>", "|Let me look.|get_time{}");
    promise(style, "<tool_call>{\"arguments\":{\"city\":\"</tool_call> \\\"x\\\"\"},\"name\":\"get_weather\"}</tool_call>",
            R"(||get_weather{"city":"</tool_call> \"x\""})");
    promise(style, "<tool_call>{\"name\":\"get_weather\",\"arguments\":\"{\\\"city\\\": \\\"Paris\\\"}\"}</tool_call>", paris);
    promise(style, "<tool_call>{\"name\":\"get_time\",\"arguments\":null}", "||get_time{}");
    promise(rules_for(style, true), "<think>hm</think>\n\n<tool_call>{\"name\":\"get_time\"}</tool_call>", "hm||get_time{}");
    promise(rules_for(style, true), "<think>\na</think>ok <tool_call>{\"name\":\"get_time\"}</tool_call>", "a|ok|get_time{}");
}

TEST_CASE("what is no call stays text, without its markers") {
    const auto style = CallStyle::hermes;
    promise(style, "Hello!", "|Hello!|");
    promise(style, " \n Hello! \n", "| \n Hello! \n|");
    promise(style, "", "||");
    promise(style, "a < b <tool", "|a < b <tool|");
    promise(style, "use <tool_call> to call", "|use  to call|");
    promise(style, "<tool_call>{\"name\": \"nobody\", \"arguments\": {}}</tool_call>", "|{\"name\": \"nobody\", \"arguments\": {}}|");
    promise(style, "<tool_call>{\"name\": \"get_time\", \"arguments\": [1]}</tool_call>", "|{\"name\": \"get_time\", \"arguments\": [1]}|");
    promise(style, "<tool_call>{\"name\": get_time}</tool_call>", "|{\"name\": get_time}|");
    promise(style, "<tool_call>{\"name\": \"get_time\", \"argu", "|{\"name\": \"get_time\", \"argu|");
    promise(style, "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"<tool_call>\" x", "|\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \" \" x|");
    promise(style, "</tool_call>x</tool_call>", "|x|");
    promise(style, "<tool_call><tool_call>{\"name\":\"get_time\"}</tool_call>", "||get_time{}");
}

TEST_CASE("text behind a call is dropped") {
    promise(CallStyle::hermes, "a <tool_call>{\"name\":\"get_time\"}</tool_call> b <tool_call>{\"name\":\"x\"}</tool_call> c",
            "|a|get_time{}");
}

TEST_CASE("without parallel calls only the first counts") {
    auto rules = rules_for(CallStyle::hermes);
    rules.parallel_calls = false;
    promise(rules, "<tool_call>{\"name\":\"get_time\"}</tool_call><tool_call>{\"name\":\"get_time\"}</tool_call>", "||get_time{}");
}

TEST_CASE("where no tools were offered nothing is a call") {
    ReplyRules rules{.format = {.calls = CallStyle::hermes}};
    promise(rules, "<tool_call>{\"name\":\"get_time\"}</tool_call>", "|<tool_call>{\"name\":\"get_time\"}</tool_call>|");
}

TEST_CASE("where calls are forbidden their markers are left out") {
    ModelDescription model;
    model.reply_format.calls = CallStyle::hermes;
    const auto rules = reply_rules(model, ChatPrompt{.tools_json = tools, .tool_choice = ToolChoice::none});
    promise(rules, "<tool_call>{\"name\":\"get_time\"}</tool_call>", "|{\"name\":\"get_time\"}|");
}

TEST_CASE("the rules of a request follow its prompt") {
    ModelDescription model;
    model.reply_format.calls = CallStyle::hermes;
    CHECK(reply_rules(model, TextPrompt{}).format == ReplyFormat{});
    CHECK(reply_rules(model, ChatPrompt{}).tools == nullptr);
    CHECK(reply_rules(model, ChatPrompt{.tools_json = tools}).tools->knows("get_time"));
    CHECK_FALSE(reply_rules(model, ChatPrompt{.tools_json = tools, .parallel_tool_calls = false}).parallel_calls);
    model.reply_format.calls = CallStyle::bare_json;
    CHECK_FALSE(reply_rules(model, ChatPrompt{.tools_json = tools}).parallel_calls);
}

TEST_CASE("Llama writes bare JSON") {
    const auto style = CallStyle::bare_json;
    promise(style, "{\"name\": \"get_weather\", \"parameters\": {\"city\": \"Paris\"}}", paris);
    promise(style, "\n{\"type\":\"function\",\"name\":\"get_weather\",\"parameters\":{\"city\":\"Paris\"}}", paris);
    promise(style, "{\"type\": \"function\", \"function\": {\"name\":\"get_weather\",\"parameters\":{\"city\":\"Paris\"}}}", paris);
    promise(style, "<|python_tag|>{\"name\": \"get_weather\", \"parameters\": {\"city\": \"Paris\"}}", paris);
    promise(style, "{\"name\": \"get_weather\", \"parameters\": {\"city\": \"Paris\"}}; {\"name\": \"get_time\", \"parameters\": {}}", two);
    promise(style, "[{\"name\": \"get_weather\", \"parameters\": {\"city\": \"Paris\"}}, {\"name\": \"get_time\"}]", two);
    promise(style, "{\"answer\": 1}", "|{\"answer\": 1}|");
    promise(style, "{\"name\": \"Ana\", \"age\": 30}", "|{\"name\": \"Ana\", \"age\": 30}|");
    promise(style, "So: {\"name\": \"get_time\"}", "|So: {\"name\": \"get_time\"}|");
    promise(style, "[1, 2]", "|[1, 2]|");
}

TEST_CASE("Mistral writes lists, or names and arguments") {
    for (const auto style : {CallStyle::mistral_list, CallStyle::mistral_args}) {
        promise(style, "[TOOL_CALLS][{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Paris\"}, \"id\": \"abc123456\"}]", paris);
        promise(style, "[TOOL_CALLS] [{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Paris\"}}, {\"name\": \"get_time\", \"arguments\": {}}]", two);
        promise(style, "[TOOL_CALLS]get_weather[ARGS]{\"city\": \"Paris\"}", paris);
        promise(style, "[TOOL_CALLS]get_weather[CALL_ID]123456789[ARGS]{\"city\": \"Paris\"}[TOOL_CALLS]get_time[ARGS]{}", two);
        promise(style, "ok[TOOL_CALLS]get_weather{\"city\": \"Paris\"}", "|ok|get_weather{\"city\":\"Paris\"}");
        promise(style, "[TOOL_CALLS]who[ARGS]{\"city\": 1}", "|who {\"city\": 1}|");
    }
}

TEST_CASE("Granite, Command R, Apriel and Apertus write lists between words") {
    promise(CallStyle::granite, "<|tool_call|>[{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Paris\"}}]", paris);
    promise(CallStyle::granite, "<tool_call>[{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Paris\"}}]<|/tool_call|>", paris);
    promise(CallStyle::command_r,
            "<|START_ACTION|>[\n    {\"tool_call_id\": \"0\", \"tool_name\": \"get_weather\", \"parameters\": {\"city\": \"Paris\"}},\n    {\"tool_call_id\": \"1\", \"tool_name\": \"get_time\", \"parameters\": {}}\n]<|END_ACTION|>",
            two);
    promise(CallStyle::command_r, "<|START_RESPONSE|>Hi.<|END_RESPONSE|>", "|Hi.|");
    promise(CallStyle::apriel, "\n<tool_calls>[{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Paris\"}}]</tool_calls>", paris);
    promise(CallStyle::apertus, "<|tools_prefix|>[{\"get_weather\": {\"city\": \"Paris\"}}, {\"get_time\": {}}]<|tools_suffix|>", two);
    promise(CallStyle::gigachat, "<|message_sep|>\n\nfunction call<|role_sep|>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Paris\"}}<|message_sep|>", paris);
}

TEST_CASE("the words around an answer are dropped where no tools were offered, too") {
    promise(ReplyRules{.format = {.calls = CallStyle::command_r}}, "<|START_RESPONSE|>Hi.<|END_RESPONSE|>", "|Hi.|");
}

TEST_CASE("DeepSeek and Kimi name the function before its JSON") {
    promise(CallStyle::deepseek_r1,
            "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n```json\n{\"city\": \"Paris\"}\n```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>get_time\n```json\n{}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
            two);
    promise(CallStyle::deepseek_v31,
            "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>get_weather<｜tool▁sep｜>{\"city\": \"Paris\"}<｜tool▁call▁end｜><｜tool▁call▁begin｜>get_time<｜tool▁sep｜>{}<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
            two);
    promise(CallStyle::kimi,
            "<|tool_calls_section_begin|><|tool_call_begin|>functions.get_weather:0<|tool_call_argument_begin|>{\"city\": \"Paris\"}<|tool_call_end|><|tool_call_begin|>functions.get_time:1<|tool_call_argument_begin|>{}<|tool_call_end|><|tool_calls_section_end|>",
            two);
    promise(CallStyle::deepseek_dsml,
            "Sure.\n\n<｜DSML｜function_calls>\n<｜DSML｜invoke name=\"get_weather\">\n<｜DSML｜parameter name=\"city\" string=\"true\">Paris</｜DSML｜parameter>\n<｜DSML｜parameter name=\"days\" string=\"false\">3</｜DSML｜parameter>\n</｜DSML｜invoke>\n<｜DSML｜invoke name=\"get_time\">\n</｜DSML｜invoke>\n</｜DSML｜function_calls>",
            R"(|Sure.|get_weather{"city":"Paris","days":3} get_time{})");
}

TEST_CASE("Functionary names the function in a tag, or the recipient of a message") {
    promise(CallStyle::functionary_v31, "<function=get_weather>{\"city\": \"Paris\"}</function><function=get_time>{}</function>", two);
    promise(CallStyle::functionary_v32, "get_weather\n{\"city\": \"Paris\"}>>>get_time\n{}", two);
    promise(CallStyle::functionary_v32, "all\nHi, >>> is Python's prompt.", "|Hi, >>> is Python's prompt.|");
    promise(CallStyle::functionary_v32, "all\nLook:\n>>>get_time\n{}", "|Look:|get_time{}");
}

TEST_CASE("Qwen-Coder and Seed write values as bare text, typed by the schema") {
    promise(CallStyle::qwen_xml,
            "<tool_call>\n<function=get_weather>\n<parameter=city>\nParis\n</parameter>\n<parameter=days>\n3\n</parameter>\n</function>\n</tool_call>",
            R"(||get_weather{"city":"Paris","days":3})");
    promise(CallStyle::qwen_xml, "<function=get_time>\n</function>\n</tool_call>", "||get_time{}");
    promise(CallStyle::qwen_xml,
            "<tool_call>\n<function=write>\n<parameter=path>\n5\n</parameter>\n<parameter=text>\n<p>\"é\"</p>\n</function>\n\n</parameter>\n<parameter=lines>\n[1, {\"a\": 2}]\n</parameter>\n<parameter=force>\nTrue\n</parameter>\n<parameter=mode>\nnull\n</parameter>\n<parameter=any>\n1.5\n</parameter>\n</function>\n</tool_call>",
            R"(||write{"path":"5","text":"<p>\"é\"</p>\n</function>\n","lines":[1,{"a":2}],"force":true,"mode":null,"any":1.5})");
    promise(CallStyle::qwen_xml, "<tool_call>\n<function=get_weather>\n<parameter=days>\nmany\n</parameter>\n</function>", R"(||get_weather{"days":"many"})");
    promise(CallStyle::seed_xml,
            "<seed:tool_call>\n<function=get_weather>\n<parameter=city>Paris</parameter>\n</function>\n</seed:tool_call>", paris);
    promise(CallStyle::qwen_xml, "<tool_call>\n<function=nobody>\n<parameter=a>1</parameter>\n</function>\n</tool_call>",
            "|\nnobody>\na>1\n\n|");
}

TEST_CASE("GLM pairs keys and values") {
    promise(CallStyle::glm,
            "<tool_call>get_weather\n<arg_key>city</arg_key>\n<arg_value>Paris</arg_value>\n<arg_key>days</arg_key>\n<arg_value>3</arg_value>\n</tool_call>",
            R"(||get_weather{"city":"Paris","days":3})");
    promise(CallStyle::glm, "<tool_call>get_weather<arg_key>city</arg_key><arg_value>Paris</arg_value></tool_call><tool_call>get_time</tool_call>", two);
    promise(CallStyle::glm, "<tool_call>write<arg_key>text</arg_key><arg_value></tool_call></arg_value></tool_call>",
            R"(||write{"text":"</tool_call>"})");
}

TEST_CASE("LFM2 writes Python calls, Gemma its own literals") {
    promise(CallStyle::lfm2, "<|tool_call_start|>[get_weather(city=\"Paris\"), get_time()]<|tool_call_end|>", two);
    promise(CallStyle::lfm2, "<|tool_call_start|>[{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Paris\"}}]<|tool_call_end|>", paris);
    promise(CallStyle::lfm2, "<|tool_call_start|>[get_weather(city name = \"Paris\"), get_time()]<|tool_call_end|>", R"(||get_weather{"city name":"Paris"} get_time{})");
    promise(CallStyle::lfm2, "<|tool_call_start|>[write(path='it\\'s', lines=[1, 'a', None], force=True, any={'k': -1.5e3})]<|tool_call_end|>ok",
            R"(||write{"path":"it's","lines":[1,"a",null],"force":true,"any":{"k":-1.5e3}})");
    promise(CallStyle::gemma, "<|tool_call>call:get_weather{city:<|\"|>Paris<|\"|>}<tool_call|>", paris);
    promise(CallStyle::gemma, "<|tool_call>call:write{any:{a:[1,true,<|\"|>x \"y\"<|\"|>]},text:<|\"|>z<|\"|>}<tool_call|>",
            R"(||write{"any":{"a":[1,true,"x \"y\""]},"text":"z"})");
    promise(CallStyle::gemma, "<|tool_call>call:get_weather{city:}<tool_call|>", "|call:get_weather{city:}|");
}

TEST_CASE("MiroThinker wraps JSON in tags for server and tool") {
    promise(CallStyle::mcp,
            "Ok\n<use_mcp_tool>\n<server_name>s</server_name>\n<tool_name>get_weather</tool_name>\n<arguments>\n{\"city\": \"Paris\"}\n</arguments>\n</use_mcp_tool>",
            R"(|Ok|get_weather{"city":"Paris"})");
}

TEST_CASE("gpt-oss speaks on channels") {
    const auto style = CallStyle::harmony;
    promise(style, "<|channel|>analysis<|message|>Let me see.<|end|><|start|>assistant<|channel|>final<|message|>Four.", "Let me see.|Four.|");
    promise(style, "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{\"city\": \"Paris\"}<|call|>",
            R"(a||get_weather{"city":"Paris"})");
    promise(style, "<|channel|>commentary<|message|>I will look.<|end|><|start|>assistant to=functions.get_weather<|channel|>commentary json<|message|>{\"city\": \"Paris\"}",
            R"(|I will look.|get_weather{"city":"Paris"})");
    promise(style, "<|channel|>commentary to=functions.nobody<|message|>{\"a\": 1}", "|{\"a\": 1}|");
    promise(style, "<|channel|>commentary to=functions.get_weather<|message|>{\"city\": \"Pa", "|{\"city\": \"Pa|");
    promise(style, "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>analysis<|message|>b<|end|>", "a\nb||");
    promise(style, "Just text.", "|Just text.|");
}

TEST_CASE("arguments that are no JSON make no call") {
    const auto style = CallStyle::hermes;
    for (const std::string arguments : {"{\"a\": 01}", "{\"a\": .5}", "{\"a\" 1}", "{\"a\": \"\n\"}", "{\"a\": \"\\x\"}", "{\"a\": \"\\ud800\"}",
                                        "{\"a\": tru}", "{\"a\": 1,}", "{'a': 1}", "{\"a\": [1}}"}) {
        INFO(arguments);
        const auto text = "{\"name\":\"get_time\",\"arguments\":" + arguments + "}";
        CHECK(summary(rules_for(style), {"<tool_call>" + text + "</tool_call>"}).starts_with("|{\"name\""));
    }
}

TEST_CASE("the work grows with the length of hostile text, and no marker gets through") {
    const std::vector<std::pair<CallStyle, std::string>> hostile{
        {CallStyle::hermes, "<tool_call>"},
        {CallStyle::hermes, "<tool_call>{\"a\":["},
        {CallStyle::hermes, "<tool_cal"},
        {CallStyle::hermes, "<tool_call>{\"name\":\"<tool_call>\"} "},
        {CallStyle::qwen_xml, "<function="},
        {CallStyle::qwen_xml, "<function=f><parameter=p>"},
        {CallStyle::glm, "<tool_call>x<arg_value>"},
        {CallStyle::deepseek_dsml, "<｜DSML｜invoke name=\""},
        {CallStyle::lfm2, "<|tool_call_start|>[[["},
        {CallStyle::gemma, "<|tool_call>call:write{a:{"},
        {CallStyle::mistral_args, "[TOOL_CALLS]a[ARGS]"},
        {CallStyle::kimi, "<|tool_call_begin|>functions.a:0"},
        {CallStyle::functionary_v32, ">>>a\n"},
        {CallStyle::harmony, "<|channel|>commentary to=functions.get_time<|message|>{<|end|>"},
        {CallStyle::bare_json, "{\"name\":"},
        {CallStyle::hermes, "<tool_<tool_call>call>"},
        {CallStyle::hermes, "     "},
    };
    for (const auto& [style, unit] : hostile) {
        INFO(name_of(style) << " " << unit);
        for (const bool bytewise : {false, true}) {
            std::string text;
            while (text.size() < 100'000) text += unit;
            std::vector<std::string> pieces{text};
            if (bytewise) {
                pieces.clear();
                for (const char c : text) pieces.emplace_back(1, c);
            }
            std::size_t work = 0;
            const auto found = summary(rules_for(style), pieces, &work);
            CHECK(work < 64 * text.size());
            if (style != CallStyle::functionary_v32)
                for (const auto& marker : call_markers(style)) CHECK_FALSE(found.contains(marker));
        }
    }
}

TEST_CASE("logprobs go with the content and not with calls") {
    auto rules = rules_for(CallStyle::hermes);
    ReplyParser parser(rules, false);
    std::string content, tokens;
    const auto take = [&](const ReplyDelta& delta) {
        content += delta.content;
        for (const auto& logprob : delta.logprobs) tokens += logprob.chosen.bytes + "/";
    };
    for (const std::string token : {"Let", " me", " <", "b", "> ", "look", "\n", "<tool_call>", "{\"name\":", "\"get_time\"}", "</tool_call>"})
        take(parser.feed({.text = token, .n_tokens = 1, .logprobs = {{.chosen = {.bytes = token}}}}));
    take(parser.finish());
    CHECK(content == "Let me <b> look");
    CHECK(tokens == "Let/ me/ </b/> /look/");
}

namespace {

ReplyRules early_rules(CallStyle style) {
    auto rules = rules_for(style);
    rules.early_arguments = true;
    return rules;
}

// Arguments as they were told after each piece.
std::vector<std::string> told_after(const ReplyRules& rules, const std::vector<std::string>& pieces) {
    ReplyParser parser(rules, false);
    std::vector<std::string> told;
    std::string all;
    for (const auto& text : pieces) {
        for (const auto& call : parser.feed({.text = text, .n_tokens = 1}).tool_calls) all += call.name + call.arguments;
        told.push_back(all);
    }
    return told;
}

}  // namespace

TEST_CASE("arguments are told while they are written, and are the same in the end") {
    const std::string city = R"({"city": "Par\u0069s", "days": [1, {"a": -2.5e3}]})", compact = R"({"city":"Par\u0069s","days":[1,{"a":-2.5e3}]})";
    const std::string call = R"({"name": "get_weather", "arguments": )" + city + "}";
    const std::string told = "get_weather" + compact;
    promise(early_rules(CallStyle::hermes), "Hm. <tool_call>\n" + call + "\n</tool_call>\n<tool_call>" + R"({"name":"get_time","arguments":{}})" + "</tool_call>",
            "|Hm.|" + told + " get_time{}");
    promise(early_rules(CallStyle::mistral_list), "[TOOL_CALLS][" + call + R"(, {"name": "get_time", "arguments": {}}])", "||" + told + " get_time{}");
    promise(early_rules(CallStyle::mistral_args), "[TOOL_CALLS]get_weather[ARGS]" + city, "||" + told);
    promise(early_rules(CallStyle::granite), "<|tool_call|>[" + call + "]", "||" + told);
    promise(early_rules(CallStyle::command_r), R"(<|START_ACTION|>[{"tool_call_id": "0", "tool_name": "get_weather", "parameters": )" + city + "}]<|END_ACTION|>", "||" + told);
    promise(early_rules(CallStyle::deepseek_v31), "<｜tool▁call▁begin｜>get_weather<｜tool▁sep｜>" + city + "<｜tool▁call▁end｜>", "||" + told);
    promise(early_rules(CallStyle::kimi), "<|tool_call_begin|>functions.get_weather:0<|tool_call_argument_begin|>" + city + "<|tool_call_end|>", "||" + told);
    promise(early_rules(CallStyle::functionary_v31), "<function=get_weather>" + city + "</function>", "||" + told);
    promise(early_rules(CallStyle::harmony), "<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>" + city + "<|call|>", "||" + told);
    promise(early_rules(CallStyle::bare_json), R"({"name": "get_weather", "parameters": )" + city + "}", "||" + told);
    promise(early_rules(CallStyle::apertus), R"(<|tools_prefix|>[{"get_weather": )" + city + "}]<|tools_suffix|>", "||" + told);

    using Told = std::vector<std::string>;
    const Told pieces{"<tool_call>{\"name\": \"get_", "weather\", \"arguments\": {\"ci", "ty\": \"Pa", "ris\"", "}}", "</tool_call>"};
    CHECK(told_after(early_rules(CallStyle::hermes), pieces) ==
          Told{"", R"(get_weather{"ci)", R"(get_weather{"city":"Pa)", R"(get_weather{"city":"Paris")", R"(get_weather{"city":"Paris"})", R"(get_weather{"city":"Paris"})"});
    CHECK(told_after(rules_for(CallStyle::hermes), pieces)[3].empty());
    const Told channel{"<|channel|>commentary to=functions.get_weather<|message|>{\"ci", "ty\": \"Paris\"", "}<|call|>"};
    CHECK(told_after(early_rules(CallStyle::harmony), channel) == Told{R"(get_weather{"ci)", R"(get_weather{"city":"Paris")", R"(get_weather{"city":"Paris"})"});
}

TEST_CASE("what was not sure to be a call is told whole, in its order") {
    // The name behind the arguments, a function that was not offered, arguments inside a string.
    promise(early_rules(CallStyle::hermes), R"(<tool_call>{"arguments":{"city":"Paris"},"name":"get_weather"}</tool_call>)", paris);
    promise(early_rules(CallStyle::hermes), R"(<tool_call>{"name":"nobody","arguments":{}}</tool_call>)", R"(|{"name":"nobody","arguments":{}}|)");
    promise(early_rules(CallStyle::hermes), R"(<tool_call>{"name":"get_weather","arguments":"{\"city\":\"Paris\"}"}</tool_call>)", paris);
    promise(early_rules(CallStyle::hermes), R"(<tool_call>{"function":{"name":"get_weather","arguments":{"city":"Paris"}}}</tool_call>)", paris);
    promise(early_rules(CallStyle::granite), R"(<|tool_call|>[{"arguments":{"city":"Paris"},"name":"get_weather"},{"name":"get_time","arguments":{}}])", two);
    promise(early_rules(CallStyle::granite), R"(<|tool_call|>[{"name":"nobody","arguments":{"a":1}},{"name":"get_time","arguments":{}}])", "||get_time{}");
    promise(early_rules(CallStyle::granite), R"(<|tool_call|>[{"name":"get_weather","arguments":{"city":"Paris"}},{"name":"nobody","arguments":{"a":1}},{"name":"get_time","arguments":{}}])", two);
}

TEST_CASE("a call that was begun and is cut off stands as far as it was told") {
    promise(early_rules(CallStyle::hermes), R"(a <tool_call>{"name":"get_weather","arguments":{"city":"Pa)", R"(|a|get_weather{"city":"Pa)");
    promise(early_rules(CallStyle::hermes), R"(a <tool_call>{"name":"get_weather","argu)", "|a|");
    promise(early_rules(CallStyle::qwen_xml), "a\n<tool_call>\n<function=get_weather>\n<parameter=city>\nPar", "|a|");
    promise(early_rules(CallStyle::harmony), R"(<|channel|>commentary to=functions.get_weather<|message|>)", "||");
    promise(early_rules(CallStyle::harmony), R"(<|channel|>commentary to=functions.get_w)", "||");
    // Only its end tells it from text.
    promise(early_rules(CallStyle::bare_json), R"({"name":"get_weather","parameters":{"ci)", R"(|{"name":"get_weather","parameters":{"ci|)");
    promise(early_rules(CallStyle::hermes), R"(<tool_call>{"name":"get_weather","arguments":{"city":x <tool_call>)", R"(||get_weather{"city":)");
    promise(early_rules(CallStyle::harmony), R"(<|channel|>commentary to=functions.get_weather<|message|>{"city":"Pa)", R"(||get_weather{"city":"Pa)");
}

TEST_CASE("whether the last call lacks its end is known") {
    const auto is_cut_off = [](CallStyle style, const std::string& text) {
        ReplyParser parser(early_rules(style), false);
        (void)parser.feed({.text = text, .n_tokens = 1});
        (void)parser.finish();
        return parser.last_call_is_cut_off();
    };
    const std::string call = R"(<tool_call>{"name":"get_weather","arguments":{"city":"Paris"}}</tool_call>)";
    CHECK_FALSE(is_cut_off(CallStyle::hermes, call));
    CHECK_FALSE(is_cut_off(CallStyle::hermes, call.substr(0, call.find("</"))));
    CHECK_FALSE(is_cut_off(CallStyle::hermes, "no call"));
    CHECK(is_cut_off(CallStyle::hermes, call.substr(0, call.find("ris"))));
    CHECK(is_cut_off(CallStyle::hermes, call + call.substr(0, call.find("ris"))));
    CHECK_FALSE(is_cut_off(CallStyle::harmony, R"(<|channel|>commentary to=functions.get_weather<|message|>{"city":"Paris"}<|call|>)"));
    CHECK(is_cut_off(CallStyle::harmony, R"(<|channel|>commentary to=functions.get_weather<|message|>{"city":"Pa)"));
}

TEST_CASE("at most one early call where one is wanted") {
    auto rules = early_rules(CallStyle::hermes);
    rules.parallel_calls = false;
    promise(rules, R"(<tool_call>{"name":"get_weather","arguments":{"city":"Paris"}}</tool_call><tool_call>{"name":"get_time","arguments":{}}</tool_call>)", paris);
}
