#include "app/embed_worker.h"

namespace weft {
namespace {

constexpr std::size_t max_queued_embeds = 256;

}  // namespace

EmbedWorker::EmbedWorker(std::shared_ptr<const LoadedModel> model, LoadMessage message, Link& link)
    : model_(std::move(model)), message_(std::move(message)), link_(link), queue_(max_queued_embeds), thread_([this] { work(); }) {}

EmbedWorker::~EmbedWorker() { queue_.close(); }

void EmbedWorker::submit(EmbedMessage message) {
    const auto id = message.id;
    board_.enter(id);
    if (queue_.try_push(std::move(message))) return;
    board_.leave(id);
    reply({.id = id, .result = Error{.code = ErrorCode::overloaded, .message = "too many embedding requests are waiting, please try again"}});
}

void EmbedWorker::work() {
    while (const auto message = queue_.pop()) {
        EmbedReply answer{.id = message->id, .result = {}};
        auto result = embed(*message, answer.more_memory_bytes);
        if (board_.leave(message->id) && answer.more_memory_bytes == 0) continue;
        if (result) answer.result = std::move(*result);
        else answer.result = std::move(result).error();
        reply(std::move(answer));
    }
}

Result<EmbedResult> EmbedWorker::embed(const EmbedMessage& message, std::uint64_t& more_memory_bytes) {
    if (!embedder_) {
        WEFT_TRY(embedder_, Embedder::create(model_, message_));
        more_memory_bytes = embedder_->context_bytes();
    }
    return embedder_->embed(message.request, [&] { return board_.cancelled(message.id); });
}

void EmbedWorker::reply(EmbedReply reply) { (void)link_.write(encode(FromEngine(std::move(reply)))); }

}  // namespace weft
