#include "api/ollama/reply_reader.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace weft::api::ollama {
boost::asio::awaitable<ReplyBatch> ReplyReader::next() {
    ReplyBatch batch;
    take(batch, co_await events_.next());
    // Never more than a stream holds (TokenStream::high_water and the end).
    while (!batch.last()) {
        auto event = events_.try_next();
        if (!event) break;
        take(batch, std::move(*event));
    }
    co_return batch;
}

void ReplyReader::take(ReplyBatch& batch, GenerationEvent event) {
    if (auto* accepted = std::get_if<PromptAccepted>(&event)) return take(batch, std::move(*accepted));
    if (auto* piece = std::get_if<TextPiece>(&event)) return take(batch, std::move(*piece));
    if (auto* finished = std::get_if<ChoiceFinished>(&event)) return take(batch, std::move(*finished));
    if (auto* done = std::get_if<GenerationDone>(&event)) {
        if (finish_reason_ == FinishReason::cancelled)
            batch.error = Error{.code = ErrorCode::cancelled, .message = "the request was cancelled"};
        else
            batch.done = *done;
        return;
    }
    batch.error = std::move(std::get<Error>(event));
}

void ReplyReader::take(ReplyBatch&, PromptAccepted&& accepted) {
    tokens_ = std::move(accepted.tokens);
    parser_.emplace(rules_, accepted.thinking_open);
}

void ReplyReader::take(ReplyBatch& batch, TextPiece&& piece) {
    if (!parser_) parser_.emplace(rules_, false);
    tokens_.insert(tokens_.end(), piece.tokens.begin(), piece.tokens.end());
    std::ranges::move(std::exchange(piece.logprobs, {}), std::back_inserter(batch.logprobs));
    append(batch, parser_->feed(std::move(piece)));
}

void ReplyReader::take(ReplyBatch& batch, ChoiceFinished&& finished) {
    finish_reason_ = finished.reason;
    if (!parser_) return;
    append(batch, parser_->finish());
    // Arguments are an object here: a call that was cut off cannot be told.
    if (parser_->last_call_is_cut_off() && !calls_.empty()) calls_.pop_back();
    std::ranges::move(std::exchange(calls_, {}), std::back_inserter(batch.tool_calls));
}

// Calls are told whole here: one is complete when the next begins or the reply ends.
void ReplyReader::append(ReplyBatch& batch, ReplyDelta delta) {
    batch.thinking += delta.thinking;
    batch.content += delta.content;
    for (auto& call : delta.tool_calls) {
        if (call.name.empty() && !calls_.empty()) {
            calls_.back().arguments += call.arguments;
            continue;
        }
        std::ranges::move(std::exchange(calls_, {}), std::back_inserter(batch.tool_calls));
        calls_.push_back(std::move(call));
    }
}

}  // namespace weft::api::ollama
