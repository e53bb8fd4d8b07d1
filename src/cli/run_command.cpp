#include "cli/run_command.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <map>

#include "cli/chat_session.h"
#include "cli/repl.h"
#include "cli/session_parameters.h"
#include "cli/text_width.h"
#include "cli/waiting.h"

namespace weft::cli {
namespace {

constexpr std::size_t max_input_bytes = 32 << 20;  // leaves room for JSON escapes in the server's 64 MiB

Result<std::string> read_standard_input() {
    std::string input;
    std::array<char, 65536> buffer;
    for (;;) {
        const ssize_t got = read(STDIN_FILENO, buffer.data(), buffer.size());
        if (got == 0) break;
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return fail(ErrorCode::invalid_request, std::string("cannot read standard input: ") + std::strerror(errno));
        input.append(buffer.data(), static_cast<std::size_t>(got));
        if (input.size() > max_input_bytes) return fail(ErrorCode::too_large, "standard input is longer than 32 MiB");
    }
    if (!is_utf8(input)) return fail(ErrorCode::invalid_request, "standard input is not UTF-8 text");
    while (input.ends_with('\n') || input.ends_with('\r')) input.pop_back();
    return input;
}

// Standard input, a line end, the words.
Result<std::string> whole_prompt(const Terminal& terminal, const std::vector<std::string>& words) {
    std::string prompt;
    for (const auto& word : words) prompt += (prompt.empty() ? "" : " ") + word;
    if (!is_utf8(prompt)) return fail(ErrorCode::invalid_request, "the prompt is not UTF-8 text");
    if (terminal.input) return prompt;
    WEFT_TRY(const std::string input, read_standard_input());
    if (input.empty()) return prompt;
    return prompt.empty() ? input : input + "\n" + prompt;
}

// Two --parameter stop=... add up, all others replace.
Result<std::map<std::string, JsonText>> parse_parameters(const std::vector<std::string>& assignments) {
    std::map<std::string, std::vector<std::string>> values;
    for (const auto& assignment : assignments) {
        const auto equals = assignment.find('=');
        if (equals == assignment.npos)
            return fail(ErrorCode::invalid_request, "--parameter wants NAME=VALUE, not " + assignment);
        auto& all = values[assignment.substr(0, equals)];
        if (!assignment.starts_with("stop=")) all.clear();
        all.push_back(assignment.substr(equals + 1));
    }
    std::map<std::string, JsonText> options;
    for (const auto& [name, all] : values) {
        WEFT_TRY(auto json, parse_parameter(name, all));
        options[name] = std::move(json);
    }
    return options;
}

// What is wrong with an option's value is a wrong call.
template <typename T>
Result<T> of_option(Result<T> value, std::string_view option) {
    if (!value) value.error().field = option;
    return value;
}

Result<SessionSettings> settings_from(const RunOptions& run, const Terminal& terminal) {
    SessionSettings settings{.model = run.model,
                             .system = run.system,
                             // Into a file or a pipe goes the answer alone, unless thinking was asked for.
                             .show_thinking = !run.hide_thinking && (terminal.output || run.think),
                             .word_wrap = !run.no_word_wrap,
                             .verbose = run.verbose};
    if (run.think) {
        WEFT_TRY(settings.think, of_option(parse_think(*run.think), "--think"));
    }
    if (run.format) {
        WEFT_TRY(settings.format, of_option(parse_format(*run.format), "--format"));
    }
    if (run.keep_alive) settings.keep_alive = parse_keep_alive(*run.keep_alive);
    WEFT_TRY(settings.options, of_option(parse_parameters(run.parameters), "--parameter"));
    return settings;
}

Result<void> print_embedding(OllamaClient& client, const Terminal& terminal, const RunOptions& run,
                             const std::string& text) {
    if (text.empty())
        return fail(ErrorCode::invalid_request,
                    run.model + " makes embeddings: give it a text, weft run " + run.model + " TEXT");
    EmbedRequest request{.model = run.model, .input = text, .truncate = run.truncate, .dimensions = run.dimensions};
    if (run.keep_alive) request.keep_alive = parse_keep_alive(*run.keep_alive);
    Waiting waiting(client, terminal);
    WEFT_TRY(const std::string json, run.json ? client.embed_json(request) : client.embed(request));
    waiting.something_came();
    print(json + "\n");
    return {};
}

Result<void> print_json_answer(OllamaClient& client, const Terminal& terminal, const ChatSession& session,
                               const std::string& prompt) {
    Waiting waiting(client, terminal);
    WEFT_TRY(const std::string json, client.chat_json(session.request_for(prompt)));
    waiting.something_came();
    print(json + "\n");
    return {};
}

// No option is read and then ignored.
Result<void> check_options(const RunOptions& run, bool embeds) {
    if (embeds && (run.format || run.think || run.system || run.verbose || !run.parameters.empty()))
        return fail(ErrorCode::invalid_request,
                    run.model + " makes embeddings: --format, --think, --system, --verbose and parameters are for chat models");
    if (!embeds && (run.dimensions || !run.truncate))
        return fail(ErrorCode::invalid_request,
                    run.model + " makes no embeddings: --dimensions and --no-truncate are for models that do");
    return {};
}

}  // namespace

Result<void> run_model(OllamaClient& client, const Terminal& terminal, const RunOptions& options) {
    WEFT_TRY(auto settings, settings_from(options, terminal));
    WEFT_TRY(const ShownModel model, client.show(options.model));
    const bool embeds = model.can("embedding") && !model.can("completion");
    WEFT_CHECK(check_options(options, embeds));
    WEFT_TRY(const std::string prompt, whole_prompt(terminal, options.prompt));
    if (embeds) return print_embedding(client, terminal, options, prompt);

    ChatSession session(client, terminal, std::move(settings));
    const bool converse = terminal.input && terminal.output && options.prompt.empty() && !options.json;
    if (converse) return converse_on_terminal(client, terminal, session);
    if (prompt.empty()) return session.load();
    if (options.json) return print_json_answer(client, terminal, session, prompt);
    return session.ask(prompt);
}

}  // namespace weft::cli
