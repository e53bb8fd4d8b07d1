#include "services/chat/chat_service.h"

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>
#include <utility>

namespace weft {
namespace asio = boost::asio;
namespace {

std::unexpected<Error> cannot(const ModelInfo& model, std::string_view capability, std::string field) {
    return fail_field(ErrorCode::unsupported, std::move(field),
                      "\"" + model.name + "\" does not support " + std::string(capability));
}

// What can be refused without loading the model.
Result<void> check_capabilities(const GenerateRequest& generate, const ModelInfo& model) {
    const auto* chat = std::get_if<ChatPrompt>(&generate.prompt);
    if (!model.can("completion")) return cannot(model, chat ? "chat" : "generate", "model");
    if (std::holds_alternative<InfillPrompt>(generate.prompt) && !model.can("insert"))
        return cannot(model, "insert", "suffix");
    if (!chat) return {};
    const bool offers_tools = !chat->tools_json.empty() && chat->tool_choice != ToolChoice::none;
    if (offers_tools && !model.can("tools")) return cannot(model, "tools", "tools");
    if (chat->thinking.value_or(false) && !model.can("thinking")) return cannot(model, "thinking", "think");
    std::size_t images = 0;
    for (const auto& message : chat->messages) {
        images += message.images.size();
        for (const auto& image : message.images)
            if (!model.can(image.sound ? "audio" : "vision")) return cannot(model, image.sound ? "audio input" : "image input", image.field);
        if (images > max_images)
            return fail_field(ErrorCode::invalid_request, message.images.front().field,
                              "a request holds at most " + std::to_string(max_images) + " images");
    }
    return {};
}

// The time until a request's first token must come, before the engine knows of it: while its model is loaded, or waits for
// room to be. Nobody waits for longer than that. Thread: io.
class LoadDeadline {
  public:
    LoadDeadline(const asio::any_io_executor& io, std::uint32_t ms, std::function<void(Result<Reply>)> answer)
        : timer_(io), end_(std::chrono::steady_clock::now() + std::chrono::milliseconds(ms)) {
        if (ms == 0) return;
        timer_.expires_at(end_);
        timer_.async_wait([answer = std::move(answer)](const boost::system::error_code& error) {
            if (!error) answer(passed());
        });
    }
    // What is left of it for the engine; 0 when nothing is.
    [[nodiscard]] std::uint32_t rest() const {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end_ - std::chrono::steady_clock::now()).count();
        return static_cast<std::uint32_t>(std::max<std::int64_t>(left, 0));
    }
    void met() { timer_.cancel(); }
    static std::unexpected<Error> passed() { return fail(ErrorCode::timeout, "the deadline passed while the model was being loaded"); }

  private:
    asio::steady_timer timer_;
    std::chrono::steady_clock::time_point end_;
};

Result<Reply> start_on(RunnerLease lease, const ChatRequest& request) {
    WEFT_TRY(auto generate, resolve(request, lease.model()));
    auto rules = reply_rules(lease->description(), generate.prompt);
    auto events = lease->start(std::move(generate));
    return Reply{.lease = std::move(lease), .events = std::move(events), .rules = std::move(rules)};
}

}  // namespace

Pending<Reply> ChatService::begin(ChatRequest request) {
    Pending<Reply> pending(io_);
    const auto answer = pending.setter();
    const auto model = registry_.find(request.model);
    if (!model) {
        answer(std::unexpected(model.error()));
        return pending;
    }
    if (auto able = check_capabilities(request.generate, **model); !able) {
        answer(std::unexpected(std::move(able).error()));
        return pending;
    }
    AcquireRequest wanted{.model = request.model,
                          .context_tokens = request.overrides.context_tokens.value_or(0),
                          .keep_alive = request.keep_alive,
                          .load = request.overrides.load,
                          .has_left = pending.is_over()};
    const auto deadline = std::make_shared<LoadDeadline>(io_, request.generate.deadline_ms, answer);
    registry_.acquire(std::move(wanted), [pending, answer, deadline, new_call_id = new_call_id_,
                                          request = std::make_shared<ChatRequest>(std::move(request))](
                                             Result<RunnerLease> lease) {
        deadline->met();
        // A client who left while the model loaded wants no generation; the lease ends here.
        if (pending.cancelled()) return;
        if (!lease) return answer(std::unexpected(std::move(lease).error()));
        if (auto& left = request->generate.deadline_ms; left > 0 && (left = deadline->rest()) == 0) return answer(LoadDeadline::passed());
        auto reply = start_on(std::move(*lease), *request);
        if (reply) reply->rules.new_call_id = new_call_id;
        answer(std::move(reply));
    });
    return pending;
}

asio::awaitable<Result<Reply>> ChatService::start(ChatRequest request) {
    const auto pending = begin(std::move(request));
    co_return co_await pending.wait();
}

asio::awaitable<Result<RunnerLease>> ChatService::load(std::string model, std::optional<KeepAlive> keep_alive,
                                                       std::uint32_t context_tokens, LoadOptions options) {
    const Pending<RunnerLease> pending(io_);
    registry_.acquire({.model = std::move(model), .context_tokens = context_tokens, .keep_alive = keep_alive, .load = options},
                      pending.setter());
    co_return co_await pending.wait();
}

asio::awaitable<Result<std::uint32_t>> ChatService::count_prompt_tokens(ChatRequest request) {
    const auto model = registry_.find(request.model);
    if (!model) co_return std::unexpected(model.error());
    if (auto able = check_capabilities(request.generate, **model); !able) co_return std::unexpected(able.error());
    const auto lease = co_await load(request.model, request.keep_alive, request.overrides.context_tokens.value_or(0));
    if (!lease) co_return std::unexpected(lease.error());
    auto generate = resolve(request, lease->model());
    if (!generate) co_return std::unexpected(generate.error());
    const Pending<std::uint32_t> counted(io_);
    (*lease)->count(std::move(std::get<ChatPrompt>(generate->prompt)), counted.setter());
    co_return co_await counted.wait();
}

}  // namespace weft
