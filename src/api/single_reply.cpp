#include "api/single_reply.h"

#include <algorithm>
#include <iterator>

namespace weft::api {

ReplyDelta SingleReply::add(GenerationEvent event) {
    const auto* accepted = std::get_if<PromptAccepted>(&event);
    if (!parser_) parser_.emplace(rules_, accepted && accepted->thinking_open);
    if (accepted) {
        prompt_tokens_ = accepted->prompt_tokens;
    } else if (auto* piece = std::get_if<TextPiece>(&event)) {
        return parser_->feed(std::move(*piece));
    } else if (auto* finished = std::get_if<ChoiceFinished>(&event)) {
        finish_reason_ = finished->reason;
        stop_string_ = std::move(finished->stop_string);
        return parser_->finish();
    } else if (const auto* done = std::get_if<GenerationDone>(&event)) {
        done_ = *done;
        prompt_tokens_ = done->prompt_tokens;
    }
    return {};
}

void WholeReply::add(ReplyDelta delta) {
    thinking += delta.thinking;
    content += delta.content;
    std::ranges::move(delta.logprobs, std::back_inserter(logprobs));
    for (auto& call : delta.tool_calls) {
        if (call.index >= calls.size()) calls.push_back({.id = std::move(call.id), .name = std::move(call.name)});
        calls.back().arguments += call.arguments;
    }
}

}  // namespace weft::api
