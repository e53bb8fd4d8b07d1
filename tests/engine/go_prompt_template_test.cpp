#include "engine/go_prompt_template.h"

#include <catch2/catch_test_macros.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace weft {
namespace {

using Messages = std::vector<ChatMessage>;

std::string render(std::string_view source, ChatPrompt prompt) {
    const auto text = render_go_template(source, prompt);
    return text ? *text : std::string(text.error().code == ErrorCode::unsupported ? "unsupported: " : "error: ") + text.error().message;
}

std::string render(std::string_view source, Messages messages) {
    return render(source, ChatPrompt{.messages = std::move(messages)});
}

ChatMessage system(std::string text) { return {.role = "system", .content = std::move(text)}; }
ChatMessage user(std::string text) { return {.role = "user", .content = std::move(text)}; }
ChatMessage assistant(std::string text) { return {.role = "assistant", .content = std::move(text)}; }

constexpr std::string_view exchange = "{{ if .System }}S:{{ .System }} {{ end }}{{ if .Prompt }}U:{{ .Prompt }} {{ end }}A:{{ .Response }};{{ .System }}";
constexpr std::string_view all = "{{ .System }}/{{ range .Messages }}[{{ .Role }} {{ .Content }}]{{ end }}>";

}  // namespace

TEST_CASE("a template with messages sees all of them, and the system text beside") {
    CHECK(render(all, {system("s"), user("hi"), assistant("yo"), user("bye")}) == "s/[system s][user hi][assistant yo][user bye]>");
    CHECK(render(all, Messages{}) == "/>");
}

TEST_CASE("neighbours with one role are merged, tools' answers are not") {
    CHECK(render(all, {system("a"), user("1"), user("2"), system("b"), {.role = "tool", .content = "x"}, {.role = "tool", .content = "y"}}) ==
          "a\n\nb/[system a][user 1\n\n2][system b][tool x][tool y]>");
}

TEST_CASE("a template without messages runs once per exchange, the last one cut behind the response") {
    CHECK(render(exchange, {user("hi")}) == "U:hi A:");
    CHECK(render(exchange, {system("s"), user("hi"), assistant("yo"), user("bye")}) == "S:s U:hi A:yo;sU:bye A:");
    CHECK(render(exchange, {user("hi"), system("s"), user("bye")}) == "U:hi A:;S:s U:bye A:");
    // An answer that has begun is continued.
    CHECK(render(exchange, {user("hi"), assistant("yo")}) == "U:hi A:yo");
}

TEST_CASE("a template that reads neither messages nor response gets the response behind it") {
    CHECK(render("<{{ .Prompt }}>", {user("hi"), assistant("yo"), user("bye")}) == "<hi>yo<bye>");
}

TEST_CASE("with a suffix the template gets prompt and suffix") {
    ChatPrompt prompt{.messages = {system("s"), user("def f(")}, .suffix = "return 1"};
    CHECK(render("{{ if .Suffix }}<P>{{ .Prompt }}<S>{{ .Suffix }}<M>{{ else }}{{ .Prompt }}{{ end }}", prompt) == "<P>def f(<S>return 1<M>");
    CHECK(render("{{ .Prompt }}", prompt) == "unsupported: the template does not support insert: it has no .Suffix");
}

TEST_CASE("tools show as JSON and by their fields") {
    ChatPrompt prompt{.messages = {user("hi")},
                      .tools_json = {R"({"type":"function","function":{"name":"f","description":"does","parameters":{"type":"object",)"
                                     R"("required":["b"],"properties":{"b":{"type":"string","description":"<x>","enum":["p","q"]},)"
                                     R"("a":{"type":["integer","null"]},"c":{"anyOf":[{"type":"array"},{"type":"object"}]}}}}})"}};
    CHECK(render("{{ .Tools }}{{ range .Messages }}{{ end }}", prompt) ==
          R"([{"type":"function","function":{"name":"f","description":"does","parameters":{"type":"object","required":["b"],)"
          R"("properties":{"a":{"type":["integer","null"]},"b":{"type":"string","description":"\u003cx\u003e","enum":["p","q"]},)"
          R"("c":{"anyOf":[{"type":"array"},{"type":"object"}]}}}}}])");
    CHECK(render("{{ range .Tools }}{{ .Function.Name }}({{ range $name, $p := .Function.Parameters.Properties }}{{ $name }}: {{ toTypeScriptType $p }}, {{ end }}) "
                 "{{ .Function.Parameters.Required }}{{ end }}{{ range .Messages }}{{ end }}",
                 prompt) == "f(a: number | null, b: string, c: any[] | Record<string, any>, ) [b]");
    prompt.tool_choice = ToolChoice::none;
    CHECK(render("{{ if .Tools }}tools{{ else }}none{{ end }}{{ range .Messages }}{{ end }}", prompt) == "none");
}

TEST_CASE("calls and their answers") {
    const Messages messages{{.role = "assistant",
                             .content = "",
                             .thinking = "hm",
                             .tool_calls = {{.id = "c1", .name = "f", .arguments_json = R"({"b":1,"a":"x"})"}, {.id = "c2", .name = "g", .arguments_json = ""}}},
                            {.role = "tool", .content = "42", .tool_name = "f", .tool_call_id = "c1"}};
    CHECK(render("{{ range .Messages }}{{ .Thinking }}{{ range .ToolCalls }}{{ .ID }} {{ .Function.Index }} {{ .Function.Name }} {{ .Function.Arguments }} "
                 "{{ json .Function.Arguments }} {{ .Function.Arguments.a }};{{ end }}{{ .ToolName }}{{ .ToolCallID }}{{ end }}",
                 messages) == R"(hmc1 0 f {"a":"x","b":1} {"a":"x","b":1} x;c2 1 g {} {} ;fc1)");
}

TEST_CASE("thinking is told as asked for") {
    constexpr std::string_view source = "{{ range .Messages }}{{ end }}{{ .IsThinkSet }} {{ .Think }} {{ .ThinkLevel }}";
    CHECK(render(source, ChatPrompt{}) == "false false ");
    CHECK(render(source, ChatPrompt{.thinking = false}) == "true false ");
    CHECK(render(source, ChatPrompt{.thinking = true}) == "true true medium");
    CHECK(render(source, ChatPrompt{.thinking = true, .template_variables_json = R"({"reasoning_effort":"high"})"}) == "true true high");
}

TEST_CASE("what the template does wrong is an error that names the field") {
    const auto text = render_go_template("{{ if }}", {});
    REQUIRE_FALSE(text);
    CHECK(text.error().code == ErrorCode::invalid_request);
    CHECK(text.error().field == "template");
}

TEST_CASE("many exchanges share one budget") {
    Messages messages;
    for (int i = 0; i < 2000; ++i) {
        messages.push_back(user("u"));
        messages.push_back(assistant("a"));
    }
    CHECK(render("{{ range 10000 }}{{ end }}{{ .Prompt }}{{ .Response }}", messages).contains("steps"));
}

// ---- templates of real models ---------------------------------------------------------------------------------------

namespace {

std::filesystem::path model_data() {
    if (const char* set = std::getenv("WEFT_MODEL_DATA")) return std::filesystem::path(set).parent_path() / "go";
    return std::filesystem::path(WEFT_SOURCE_DIR) / "../shared/model-data/go";
}

std::string read(const std::filesystem::path& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

TEST_CASE("templates of real models give the text that is expected of them") {
    const auto folder = model_data();
    if (!std::filesystem::exists(folder)) SKIP("no model data beside the source tree; WEFT_MODEL_DATA names it");
    const Messages turns{system("You are a helpful assistant."), user("Hello, how are you?"), assistant("I'm doing great. How can I help you today?"),
                         user("I'd like to show off how chat templating works!")};
    int compared = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        const auto source = read(entry.path() / "template");
        INFO(entry.path().filename().string());
        CHECK(render(source, Messages{turns[1]}) == read(entry.path() / "user"));
        CHECK(render(source, Messages(turns.begin() + 1, turns.end())) == read(entry.path() / "user-assistant-user"));
        CHECK(render(source, turns) == read(entry.path() / "system-user-assistant-user"));
        ++compared;
    }
    CHECK(compared > 0);
}

}  // namespace weft
