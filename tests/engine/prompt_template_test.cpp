#include "engine/prompt_template.h"

#include <catch2/catch_test_macros.hpp>

using namespace weft;

namespace {

const std::vector<ChatMessage> round_trip{
    {.role = "user", .content = "hi"},
    {.role = "assistant", .content = "", .tool_calls = {{.id = "call_1", .name = "f", .arguments_json = R"({"a": 1})"}}},
    {.role = "tool", .content = "ok", .tool_call_id = "call_1"}};

std::string render(std::string_view source, ChatPrompt prompt) {
    const auto parsed = PromptTemplate::parse(source, "", "");
    REQUIRE(parsed.has_value());
    const auto text = parsed->render(prompt);
    return text ? *text : "error: " + text.error().message;
}

}  // namespace

TEST_CASE("ids of calls keep their form, or get the one that a template insists on") {
    const std::string plain = "{% for m in messages %}{% for c in m.tool_calls %}{{ c.id }} {% endfor %}{{ m.tool_call_id }}{% endfor %}";
    CHECK(render(plain, {.messages = round_trip}) == "call_1 call_1");
    const std::string strict =
        plain + "{% for m in messages %}{% if m.role == 'tool' and m.tool_call_id|length != 9 %}"
                "{{ raise_exception('ids should have length 9') }}{% endif %}{% endfor %}";
    const auto text = render(strict, {.messages = round_trip});
    REQUIRE(text.size() == 19);
    CHECK(text.substr(0, 9) == text.substr(10));
}

TEST_CASE("arguments are an object, or text for templates that glue them to other text") {
    const std::string tojson = "{% for m in messages %}{% for c in m.tool_calls %}{{ c.function.arguments | tojson }}{% endfor %}{% endfor %}";
    CHECK(render(tojson, {.messages = round_trip}) == R"({"a": 1})");
    const std::string glue = "{% for m in messages %}{% for c in m.tool_calls %}{{ '>>>' + c.function.arguments }}{% endfor %}{% endfor %}";
    CHECK(render(glue, {.messages = round_trip}) == R"(>>>{"a": 1})");
}

TEST_CASE("a template sees the tools unless calls are forbidden") {
    const std::string source = "{% if tools %}{{ tools | length }}{% else %}none{% endif %}";
    const std::vector<std::string> tools{R"({"type":"function","function":{"name":"f"}})"};
    CHECK(render(source, {.tools_json = tools}) == "1");
    CHECK(render(source, {.tools_json = tools, .tool_choice = ToolChoice::none}) == "none");
}

TEST_CASE("a template that knows calls but shows no tools gets them in the system message") {
    const std::string source = "{% for m in messages %}[{{ m.role }} {{ m.content }}{% for c in m.tool_calls %}<｜tool▁call▁begin｜>```json{% endfor %}]{% endfor %}";
    const std::vector<std::string> tools{R"({"type":"function","function":{"name":"f"}})"};
    const auto text = render(source, {.messages = {{.role = "user", .content = "hi"}}, .tools_json = tools});
    CHECK(text.starts_with("[system You can call these functions:\n{\"type\":\"function\""));
    CHECK(text.contains("function<｜tool▁sep｜>NAME"));
    CHECK(text.ends_with("[user hi]"));
    CHECK(render(source, {.messages = {{.role = "user", .content = "hi"}}}) == "[user hi]");
}

TEST_CASE("a template that fails as soon as there are tools gets them in the system message, too") {
    const std::string source = "{% if tools %}{{ tools | map(attribute='function') | tojson }}{% endif %}"
                               "{% for m in messages %}[{{ m.role }} {{ m.content }}{% for c in m.tool_calls %}<｜tool▁call▁begin｜>```json{% endfor %}]{% endfor %}";
    const std::vector<std::string> tools{R"({"type":"function","function":{"name":"f"}})"};
    const auto text = render(source, {.messages = {{.role = "user", .content = "hi"}}, .tools_json = tools});
    INFO(text);
    CHECK(text.starts_with("[system You can call these functions:"));
}

TEST_CASE("levels of effort become those that the template knows") {
    const auto effort = [](std::string_view source, std::string_view level) {
        return render(source, {.template_variables_json = "{\"reasoning_effort\":\"" + std::string(level) + "\"}"});
    };
    CHECK(effort("{{ reasoning_effort }}", "minimal") == "low");
    CHECK(effort("{{ reasoning_effort }}", "medium") == "medium");
    CHECK(effort("{{ reasoning_effort }}", "xhigh") == "high");
    CHECK(effort("{% if reasoning_effort == 'max' %}most{% endif %}", "ultra") == "most");
}
