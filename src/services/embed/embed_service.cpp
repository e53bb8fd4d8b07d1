#include "services/embed/embed_service.h"

#include <boost/asio/this_coro.hpp>
#include <utility>

#include "services/pending.h"

namespace weft {
namespace asio = boost::asio;
namespace {

Result<void> prepare(EmbedRequest& request, const RunnerLease& lease) {
    const auto& model = lease->description();
    if (!model.embeds)
        return fail_field(ErrorCode::unsupported, "model",
                          "\"" + lease.model().name + "\" does not support embeddings");
    if (request.dimensions > model.embedding_length) request.dimensions = 0;
    return {};
}

// What to do when the client leaves, for as long as this lives.
class Leaving {
  public:
    explicit Leaving(EmbedService::OnLeave on_leave) : on_leave_(std::move(on_leave)) {}
    Leaving(const Leaving&) = delete;
    Leaving& operator=(const Leaving&) = delete;
    ~Leaving() { then({}); }
    void then(std::function<void()> give_up) const {
        if (on_leave_) on_leave_(std::move(give_up));
    }

  private:
    EmbedService::OnLeave on_leave_;
};

}  // namespace

asio::awaitable<Result<EmbedOutcome>> EmbedService::embed(std::string model, EmbedRequest request,
                                                          std::optional<KeepAlive> keep_alive, OnLeave on_leave) {
    const Leaving leaving(std::move(on_leave));
    const auto asked_at = std::chrono::steady_clock::now();
    const auto io = co_await asio::this_coro::executor;
    const Pending<RunnerLease> loading(io);
    registry_.acquire({.model = std::move(model), .context_tokens = request.context_tokens, .keep_alive = keep_alive,
                       .has_left = loading.is_over()},
                      loading.setter());
    leaving.then([loading] { loading.cancel(); });
    const auto lease = co_await loading.wait();
    if (!lease) co_return std::unexpected(lease.error());
    if (auto fits = prepare(request, *lease); !fits) co_return std::unexpected(std::move(fits).error());

    const Pending<EmbedResult> embedding(io);
    const auto give_up = (*lease)->embed(std::move(request), embedding.setter());
    leaving.then([embedding, give_up] {
        embedding.cancel();
        give_up();
    });
    auto result = co_await embedding.wait();
    if (!result) co_return std::unexpected(std::move(result).error());
    co_return EmbedOutcome{.result = std::move(*result),
                           .load_duration = lease->load_duration(),
                           .total_duration = std::chrono::steady_clock::now() - asked_at};
}

}  // namespace weft
