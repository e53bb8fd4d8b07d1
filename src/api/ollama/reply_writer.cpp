#include "api/ollama/reply_writer.h"

#include "api/ollama/json_text.h"
#include "registry/utf8.h"

namespace weft::api::ollama {
namespace {

struct Alternative {
    std::string token;
    float logprob;
    std::vector<int> bytes;
};

struct LogprobItem {
    std::string token;
    float logprob;
    std::vector<int> bytes;
    std::optional<std::vector<Alternative>> top_logprobs;
};

struct CalledFunction {
    std::uint32_t index;
    std::string name;
    glz::raw_json arguments;
};

struct Call {
    std::string id;
    CalledFunction function;
};

struct Message {
    std::string_view role = "assistant";
    std::string content;
    std::optional<std::string> thinking;
    std::optional<std::vector<Call>> tool_calls;
};

constexpr std::size_t id_letters = 8;

std::vector<Call> calls_of(const std::vector<ToolCallDelta>& deltas) {
    std::vector<Call> calls;
    calls.reserve(deltas.size());
    for (const auto& call : deltas)
        calls.push_back({.id = "call_" + call.id.substr(0, id_letters),
                         .function = {.index = call.index, .name = call.name, .arguments = {call.arguments}}});
    return calls;
}

std::optional<std::uint64_t> unless_zero(std::uint64_t value) {
    return value == 0 ? std::nullopt : std::optional(value);
}

// Both last objects in the order of their keys on the wire.
struct LastOfGenerate {
    std::string_view model;
    std::string created_at;
    std::string response;
    std::optional<std::string> thinking;
    std::optional<std::vector<Call>> tool_calls;
    bool done = true;
    std::string_view done_reason;
    std::optional<std::vector<Token>> context;
    std::optional<std::uint64_t> total_duration, load_duration, prompt_eval_count, prompt_eval_duration, eval_count,
        eval_duration;
    std::optional<bool> truncated;  // not Ollama's, which does not tell
    std::optional<std::vector<LogprobItem>> logprobs;
};

struct LastOfChat {
    std::string_view model;
    std::string created_at;
    Message message;
    bool done = true;
    std::string_view done_reason;
    std::optional<std::uint64_t> total_duration, load_duration, prompt_eval_count, prompt_eval_duration, eval_count,
        eval_duration;
    std::optional<bool> truncated;  // not Ollama's, which does not tell
    std::optional<std::vector<LogprobItem>> logprobs;
};

template <typename Last>
void put_metrics(Last& last, const Metrics& metrics) {
    last.total_duration = unless_zero(metrics.total_ns);
    last.load_duration = unless_zero(metrics.load_ns);
    last.prompt_eval_count = unless_zero(metrics.prompt_tokens);
    last.prompt_eval_duration = unless_zero(metrics.prompt_ns);
    last.eval_count = unless_zero(metrics.answer_tokens);
    last.eval_duration = unless_zero(metrics.answer_ns);
    if (metrics.truncated) last.truncated = true;
}

std::vector<int> byte_values(const std::string& bytes) {
    std::vector<int> values;
    values.reserve(bytes.size());
    for (const char c : bytes) values.push_back(static_cast<unsigned char>(c));
    return values;
}

Alternative alternative_of(const TokenAlternative& token) {
    return {.token = valid_utf8(token.bytes), .logprob = token.logprob, .bytes = byte_values(token.bytes)};
}

std::vector<LogprobItem> items_of(const std::vector<TokenLogprob>& logprobs) {
    std::vector<LogprobItem> items;
    items.reserve(logprobs.size());
    for (const auto& logprob : logprobs) {
        auto [token, value, bytes] = alternative_of(logprob.chosen);
        std::vector<Alternative> top;
        for (const auto& alternative : logprob.top) top.push_back(alternative_of(alternative));
        items.push_back({std::move(token), value, std::move(bytes), unless_empty(std::move(top))});
    }
    return items;
}

}  // namespace

ReplyWriter::ReplyWriter(Wording wording, const std::string& model, const WallClock& clock)
    : wording_(wording), model_(model), clock_(clock), head_("{\"model\":" + to_json(model) + ",\"created_at\":\"") {
    if (wording == Wording::generate) {
        answer_begin_ = "\",\"response\":";
        thinking_begin_ = "\",\"response\":\"\",\"thinking\":";
    } else {
        answer_begin_ = "\",\"message\":{\"role\":\"assistant\",\"content\":";
        thinking_begin_ = "\",\"message\":{\"role\":\"assistant\",\"content\":\"\",\"thinking\":";
        answer_end_ = thinking_end_ = "}";
    }
    answer_end_ += ",\"done\":false";
    thinking_end_ += ",\"done\":false";
}

void ReplyWriter::append_line(std::string& out, Thinking thinking, const std::string& text,
                              const std::vector<TokenLogprob>& logprobs) {
    const bool thinks = thinking == Thinking::yes;
    out += head_;
    out += rfc3339(clock_());
    out += thinks ? thinking_begin_ : answer_begin_;
    write_json_text(text, scratch_);
    out += scratch_;
    out += thinks ? thinking_end_ : answer_end_;
    end_line(out, logprobs);
}

void ReplyWriter::append_calls(std::string& out, const std::vector<ToolCallDelta>& calls,
                               const std::vector<TokenLogprob>& logprobs) {
    out += head_;
    out += rfc3339(clock_());
    out += answer_begin_;
    out += "\"\",\"tool_calls\":";
    write_json_text(calls_of(calls), scratch_);
    out += scratch_;
    out += answer_end_;
    end_line(out, logprobs);
}

void ReplyWriter::end_line(std::string& out, const std::vector<TokenLogprob>& logprobs) {
    if (!logprobs.empty()) {
        write_json_text(items_of(logprobs), scratch_);
        out += ",\"logprobs\":";
        out += scratch_;
    }
    out += "}\n";
}

std::string ReplyWriter::last_object(LastObject last) {
    if (wording_ == Wording::generate) {
        LastOfGenerate object{.model = model_, .created_at = rfc3339(clock_()), .response = std::move(last.text),
                              .thinking = unless_empty(std::move(last.thinking)),
                              .tool_calls = unless_empty(calls_of(last.tool_calls)), .done_reason = last.done_reason,
                              .context = unless_empty(std::move(last.context)),
                              .logprobs = unless_empty(items_of(last.logprobs))};
        put_metrics(object, last.metrics);
        return to_json(object);
    }
    LastOfChat object{.model = model_, .created_at = rfc3339(clock_()),
                      .message = {.content = std::move(last.text), .thinking = unless_empty(std::move(last.thinking)),
                                  .tool_calls = unless_empty(calls_of(last.tool_calls))},
                      .done_reason = last.done_reason, .logprobs = unless_empty(items_of(last.logprobs))};
    put_metrics(object, last.metrics);
    return to_json(object);
}

}  // namespace weft::api::ollama
