#include "api/openai/completion_answer.h"

#include <algorithm>
#include <functional>
#include <set>
#include <utility>

#include "api/json_text.h"
#include "base/utf8.h"

namespace weft::api::openai {
namespace {

template <typename Entries, typename Append>
void append_array(std::string& out, const Entries& entries, Append append) {
    out += '[';
    bool first = true;
    for (const auto& entry : entries) {
        if (!std::exchange(first, false)) out += ',';
        append(entry);
    }
    out += ']';
}

}  // namespace

// ---- log probabilities ----------------------------------------------------------------------------------------------

void LegacyLogprobs::add_first(std::string_view text) {
    entries_.push_back({.text = valid_utf8(text), .logprob = std::nullopt, .top = {}, .offset = offset_});
    offset_ += code_points(text);
}

void LegacyLogprobs::add(const TokenLogprob& logprob) {
    Entry entry{.text = valid_utf8(logprob.chosen.bytes),
                .logprob = logprob.chosen.logprob,
                .top = logprob.top,
                .offset = offset_};
    const bool chosen_is_there =
        std::ranges::any_of(entry.top, [&](const auto& t) { return t.token == logprob.chosen.token; });
    if (!chosen_is_there) entry.top.push_back(logprob.chosen);
    entries_.push_back(std::move(entry));
    offset_ += code_points(logprob.chosen.bytes);
}

void LegacyLogprobs::append_and_clear(std::string& out) {
    if (entries_.empty())
        out += "null";
    else
        append(out);
    entries_.clear();
}

void LegacyLogprobs::append(std::string& out) const {
    out += R"({"tokens":)";
    append_array(out, entries_, [&out](const Entry& e) { append_json_string(out, e.text); });
    out += R"(,"token_logprobs":)";
    append_array(out, entries_, [&out](const Entry& e) {
        if (e.logprob)
            append_logprob(out, *e.logprob);
        else
            out += "null";
    });
    out += R"(,"top_logprobs":)";
    if (with_top_)
        append_array(out, entries_, [this, &out](const Entry& e) { append_top(out, e); });
    else
        out += "null";
    out += R"(,"text_offset":)";
    append_array(out, entries_, [&out](const Entry& e) { out += std::to_string(e.offset); });
    out += '}';
}

void LegacyLogprobs::append_top(std::string& out, const Entry& entry) const {
    if (!entry.logprob) {
        out += "null";
        return;
    }
    // Different tokens can have the same text; an object has room for the more probable one only.
    std::set<std::string> seen;
    out += '{';
    for (const auto& alternative : entry.top) {
        auto text = valid_utf8(alternative.bytes);
        if (seen.contains(text)) continue;
        if (!seen.empty()) out += ',';
        append_json_string(out, text);
        out += ':';
        append_logprob(out, alternative.logprob);
        seen.insert(std::move(text));
    }
    out += '}';
}

void add_prompt(LegacyLogprobs& logprobs, std::string_view prompt_text, const std::vector<TokenLogprob>& scored) {
    std::string rest;
    for (const auto& entry : scored) rest += entry.chosen.bytes;
    if (prompt_text.ends_with(rest))
        prompt_text.remove_suffix(rest.size());
    else
        prompt_text = {};
    logprobs.add_first(prompt_text);
    for (const auto& entry : scored) logprobs.add(entry);
}

std::string completion_prefix(const AnswerHead& head) {
    std::string out = R"({"id":)";
    append_json_string(out, head.id);
    out += R"(,"object":"text_completion","created":)" + std::to_string(head.created) + R"(,"model":)";
    append_json_string(out, head.model);
    out += R"(,"system_fingerprint":)";
    append_json_string(out, head.fingerprint);
    out += R"(,"choices":[)";
    return out;
}

// ---- streamed -------------------------------------------------------------------------------------------------------

CompletionStreamWriter::CompletionStreamWriter(const AnswerHead& head, CompletionOptions options)
    : options_(options),
      prefix_("data: " + completion_prefix(head)),
      usage_null_(options.include_usage ? std::string_view(R"(,"usage":null)") : std::string_view()) {}

void CompletionStreamWriter::begin_prompt(std::string echo) {
    echo_ = std::move(echo);
    first_index_ = options_.choices * prompts_++;
    logprobs_.clear();
}

void CompletionStreamWriter::add(GenerationEvent event, std::string& out) {
    const auto* accepted = std::get_if<PromptAccepted>(&event);
    if (logprobs_.empty()) begin_choices(accepted ? *accepted : PromptAccepted{}, out);
    if (const auto* piece = std::get_if<TextPiece>(&event); piece && piece->choice < options_.choices) {
        if (options_.logprobs)
            for (const auto& logprob : piece->logprobs) logprobs_[piece->choice].add(logprob);
        if (!piece->text.empty() || !logprobs_[piece->choice].empty())
            add_chunk(piece->choice, piece->text, "null", out);
    } else if (const auto* end = std::get_if<ChoiceFinished>(&event); end && end->choice < options_.choices) {
        add_chunk(end->choice, "", finish_reason_json(end->reason), out);
    } else if (const auto* done = std::get_if<GenerationDone>(&event)) {
        usage_.add(*done);
    }
}

void CompletionStreamWriter::begin_choices(const PromptAccepted& accepted, std::string& out) {
    logprobs_.assign(options_.choices, LegacyLogprobs(options_.top_logprobs));
    if (echo_.empty()) return;
    for (std::uint32_t choice = 0; choice < options_.choices; ++choice) {
        if (options_.logprobs) add_prompt(logprobs_[choice], echo_, accepted.prompt_logprobs);
        add_chunk(choice, echo_, "null", out);
    }
}

void CompletionStreamWriter::add_chunk(std::uint32_t choice, std::string_view text, std::string_view finish_reason,
                                       std::string& out) {
    out += prefix_;
    out += R"({"text":)";
    append_json_string(out, text);
    out += R"(,"index":)" + std::to_string(first_index_ + choice) + R"(,"logprobs":)";
    logprobs_[choice].append_and_clear(out);
    out += R"(,"finish_reason":)";
    out += finish_reason;
    out += "}]";
    out += usage_null_;
    out += "}\n\n";
}

void CompletionStreamWriter::finish(std::string& out) {
    if (options_.include_usage) {
        out += prefix_;
        out += R"(],"usage":)";
        append_usage(out, usage_);
        out += "}\n\n";
    }
    out += "data: [DONE]\n\n";
}

// ---- whole ----------------------------------------------------------------------------------------------------------

void CompletionAnswer::begin_prompt(std::string echo) {
    echo_ = std::move(echo);
    candidates_.assign(options_.candidates, Choice{.text = echo_, .logprobs = LegacyLogprobs(options_.top_logprobs)});
}

void CompletionAnswer::add(GenerationEvent event) {
    if (const auto* accepted = std::get_if<PromptAccepted>(&event)) {
        if (options_.logprobs && !echo_.empty())
            for (auto& choice : candidates_) add_prompt(choice.logprobs, echo_, accepted->prompt_logprobs);
    } else if (const auto* piece = std::get_if<TextPiece>(&event); piece && piece->choice < candidates_.size()) {
        add_piece(candidates_[piece->choice], *piece);
    } else if (const auto* end = std::get_if<ChoiceFinished>(&event); end && end->choice < candidates_.size()) {
        candidates_[end->choice].finish_reason = end->reason;
    } else if (const auto* done = std::get_if<GenerationDone>(&event)) {
        usage_.add(*done);
    }
}

void CompletionAnswer::add_piece(Choice& choice, const TextPiece& piece) {
    choice.text += piece.text;
    for (const auto& logprob : piece.logprobs) {
        choice.logprob_sum += logprob.chosen.logprob;
        ++choice.tokens;
        if (options_.logprobs) choice.logprobs.add(logprob);
    }
}

void CompletionAnswer::end_prompt() {
    if (options_.candidates > options_.choices)
        std::ranges::stable_sort(candidates_, std::greater{}, &Choice::mean_logprob);
    for (std::uint32_t i = 0; i < options_.choices; ++i) chosen_.push_back(std::move(candidates_[i]));
    candidates_.clear();
}

std::string CompletionAnswer::body(const AnswerHead& head) const {
    std::string out = completion_prefix(head);
    for (std::size_t i = 0; i < chosen_.size(); ++i) {
        if (i > 0) out += ',';
        out += R"({"text":)";
        append_json_string(out, chosen_[i].text);
        out += R"(,"index":)" + std::to_string(i) + R"(,"logprobs":)";
        if (options_.logprobs)
            chosen_[i].logprobs.append(out);
        else
            out += "null";
        out += R"(,"finish_reason":)";
        out += finish_reason_json(chosen_[i].finish_reason);
        out += '}';
    }
    out += R"(],"usage":)";
    append_usage(out, usage_);
    out += '}';
    return out;
}

}  // namespace weft::api::openai
