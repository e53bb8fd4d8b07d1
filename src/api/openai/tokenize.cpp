// POST /tokenize, /detokenize and /apply-template, as llama-server and vLLM have them.
#include <boost/asio/this_coro.hpp>
#include <utility>

#include "api/json_text.h"
#include "api/openai/chat_request.h"
#include "api/openai/errors.h"
#include "api/openai/handlers.h"
#include "api/openai/named_model.h"
#include "api/request_fields.h"
#include "services/pending.h"

namespace weft::api::openai {
namespace asio = boost::asio;
namespace {

constexpr std::size_t max_tokens_in_list = 1'000'000;

struct TokenizeCall {
    std::string model;
    std::optional<KeepAlive> keep_alive;
    std::string text;
    std::optional<ChatRequest> chat;  // vLLM's `messages`: its rendering is the text
    bool vllm = false;                // the answer's shape
    bool add_special = false;
    bool parse_special = true;
    bool with_pieces = false;
};

// A chat request of this body; the model may be left out.
Result<ChatRequest> read_chat(const Json& body, const std::string& model) {
    Json named = body;
    named["model"] = model;
    WEFT_TRY(auto call, read_chat_call(JsonReader(named)));
    return std::move(call.request);
}

Result<bool> flag(const JsonReader& value, bool otherwise) {
    WEFT_TRY(const auto set, value.boolean());
    return set.value_or(otherwise);
}

Result<TokenizeCall> read_tokenize_call(const Services& services, const Json& json) {
    const JsonReader body(json);
    TokenizeCall call;
    WEFT_TRY(call.model, named_or_only_model(services, body["model"]));
    WEFT_TRY(call.keep_alive, read_keep_alive(body["keep_alive"]));
    const auto text = body.first_of({"content", "prompt"});
    call.vllm = body["content"].absent() && !(body["prompt"].absent() && body["messages"].absent());
    if (call.vllm && body["prompt"].absent()) {
        WEFT_TRY(call.chat, read_chat(json, call.model));
    } else {
        WEFT_TRY(auto given, text.string());
        if (!given) return text.missing();
        call.text = std::move(*given);
    }
    // A rendered conversation brings its special tokens itself.
    WEFT_TRY(call.add_special, flag(body.first_of({"add_special", "add_special_tokens"}), call.vllm && !call.chat));
    WEFT_TRY(call.parse_special, flag(body["parse_special"], true));
    if (call.chat && !call.parse_special) return body["parse_special"].invalid("cannot be false for messages: their special tokens are the template's");
    WEFT_TRY(call.with_pieces, flag(body.first_of({"with_pieces", "return_token_strs"}), false));
    return call;
}

asio::awaitable<Result<std::string>> render(const RunnerLease& lease, const ChatRequest& chat) {
    auto generate = resolve(chat, lease.model());
    if (!generate) co_return std::unexpected(std::move(generate).error());
    const Pending<std::string> text(co_await asio::this_coro::executor);
    lease->render(std::get<ChatPrompt>(std::move(generate->prompt)), text.setter());
    co_return co_await text.wait();
}

template <typename Items, typename Append>
void append_numbered_list(std::string& out, const Items& items, Append append) {
    out += '[';
    for (std::size_t i = 0; i < items.size(); ++i) {
        if (i > 0) out += ',';
        append(items[i], i);
    }
    out += ']';
}

// A piece that is not whole UTF-8 is shown as its bytes.
void append_piece(std::string& out, const std::string& piece) {
    if (valid_utf8(piece) == piece) return append_json_string(out, piece);
    append_numbered_list(out, piece, [&out](char byte, std::size_t) { out += std::to_string(static_cast<unsigned char>(byte)); });
}

std::string tokenize_answer(const TokenizeCall& call, const std::vector<Token>& tokens, const std::vector<std::string>& pieces,
                            std::uint32_t window) {
    std::string out = "{";
    if (call.vllm) out += R"("count":)" + std::to_string(tokens.size()) + R"(,"max_model_len":)" + std::to_string(window) + ",";
    out += R"("tokens":)";
    const bool objects = call.with_pieces && !call.vllm;
    append_numbered_list(out, tokens, [&](Token token, std::size_t i) {
        if (objects) out += R"({"id":)";
        out += std::to_string(token);
        if (!objects) return;
        out += R"(,"piece":)";
        append_piece(out, pieces[i]);
        out += '}';
    });
    if (call.with_pieces && call.vllm) {
        out += R"(,"token_strs":)";
        append_numbered_list(out, pieces, [&out](const std::string& piece, std::size_t) { append_json_string(out, piece); });
    }
    return out + "}";
}

Result<std::vector<Token>> read_token_list(const JsonReader& list) {
    WEFT_TRY(const auto elements, list.array());
    if (!elements) return list.missing();
    if (elements->size() > max_tokens_in_list) return list.invalid("has too many tokens");
    std::vector<Token> tokens;
    tokens.reserve(elements->size());
    for (const auto& element : *elements) {
        WEFT_TRY(const auto token, element.integer(0, INT32_MAX));
        if (!token) return element.wrong_type("an integer");
        tokens.push_back(static_cast<Token>(*token));
    }
    return tokens;
}

Result<void> check_vocabulary(const std::vector<Token>& tokens, const RunnerLease& lease) {
    const auto size = lease->description().vocabulary;
    for (std::size_t i = 0; i < tokens.size(); ++i)
        if (static_cast<std::uint32_t>(tokens[i]) >= size)
            return fail_field(ErrorCode::invalid_request, "tokens[" + std::to_string(i) + "]",
                              "'tokens' contains token " + std::to_string(tokens[i]) + ", which the vocabulary does not have");
    return {};
}

asio::awaitable<Result<std::string>> tokenize_body(const Services& services, TokenizeCall call) {
    const auto io = co_await asio::this_coro::executor;
    const auto lease = co_await services.chat.load(call.model, call.keep_alive);
    if (!lease) co_return std::unexpected(lease.error());
    const Pending<std::vector<Token>> tokenizing(io);
    if (call.chat) {
        auto generate = resolve(*call.chat, lease->model());
        if (!generate) co_return std::unexpected(std::move(generate).error());
        (*lease)->tokenize_chat(std::get<ChatPrompt>(std::move(generate->prompt)), call.add_special, tokenizing.setter());
    } else {
        (*lease)->tokenize(call.text, call.add_special, call.parse_special, tokenizing.setter());
    }
    const auto tokens = co_await tokenizing.wait();
    if (!tokens) co_return std::unexpected(tokens.error());
    std::vector<std::string> pieces;
    if (call.with_pieces) {
        const Pending<std::vector<std::string>> showing(io);
        (*lease)->pieces(*tokens, showing.setter());
        auto shown = co_await showing.wait();
        if (!shown) co_return std::unexpected(std::move(shown).error());
        pieces = std::move(*shown);
        pieces.resize(tokens->size());
    }
    co_return tokenize_answer(call, *tokens, pieces, (*lease)->description().context_tokens);
}

asio::awaitable<Result<std::string>> detokenize_body(const Services& services, const Json& json) {
    const JsonReader body(json);
    auto tokens = read_token_list(body["tokens"]);
    if (!tokens) co_return std::unexpected(std::move(tokens).error());
    const auto model = named_or_only_model(services, body["model"]);
    if (!model) co_return std::unexpected(model.error());
    const auto keep_alive = read_keep_alive(body["keep_alive"]);
    if (!keep_alive) co_return std::unexpected(keep_alive.error());
    const auto lease = co_await services.chat.load(*model, *keep_alive);
    if (!lease) co_return std::unexpected(lease.error());
    if (const auto known = check_vocabulary(*tokens, *lease); !known) co_return std::unexpected(known.error());
    const Pending<std::string> detokenizing(co_await asio::this_coro::executor);
    (*lease)->detokenize(std::move(*tokens), detokenizing.setter());
    const auto text = co_await detokenizing.wait();
    if (!text) co_return std::unexpected(text.error());
    std::string out = R"({"content":)";
    append_json_string(out, *text);
    out += R"(,"prompt":)";
    append_json_string(out, *text);
    co_return out + "}";
}

asio::awaitable<Result<std::string>> template_body(const Services& services, const Json& json) {
    const auto model = named_or_only_model(services, JsonReader(json)["model"]);
    if (!model) co_return std::unexpected(model.error());
    const auto chat = read_chat(json, *model);
    if (!chat) co_return std::unexpected(chat.error());
    const auto lease = co_await services.chat.load(*model, chat->keep_alive);
    if (!lease) co_return std::unexpected(lease.error());
    const auto text = co_await render(*lease, *chat);
    if (!text) co_return std::unexpected(text.error());
    std::string out = R"({"prompt":)";
    append_json_string(out, *text);
    co_return out + "}";
}

}  // namespace

Answered tokenize(http::Exchange& exchange, const Services& services) {
    const auto body = body_of(exchange.request());
    if (!body) co_return co_await reply_error(exchange, services, body.error());
    auto call = read_tokenize_call(services, *body);
    if (!call) co_return co_await reply_error(exchange, services, call.error());
    auto answer = co_await tokenize_body(services, std::move(*call));
    if (!answer) co_return co_await reply_error(exchange, services, std::move(answer).error());
    co_await reply_json(exchange, services, std::move(*answer));
}

Answered detokenize(http::Exchange& exchange, const Services& services) {
    const auto body = body_of(exchange.request());
    if (!body) co_return co_await reply_error(exchange, services, body.error());
    auto answer = co_await detokenize_body(services, *body);
    if (!answer) co_return co_await reply_error(exchange, services, std::move(answer).error());
    co_await reply_json(exchange, services, std::move(*answer));
}

Answered apply_template(http::Exchange& exchange, const Services& services) {
    const auto body = body_of(exchange.request());
    if (!body) co_return co_await reply_error(exchange, services, body.error());
    auto answer = co_await template_body(services, *body);
    if (!answer) co_return co_await reply_error(exchange, services, std::move(answer).error());
    co_await reply_json(exchange, services, std::move(*answer));
}

}  // namespace weft::api::openai
