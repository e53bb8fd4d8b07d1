#include "cli/ollama_client.h"

#include <algorithm>
#include <glaze/json/generic.hpp>
#include <glaze/json/read.hpp>
#include <glaze/json/write.hpp>

namespace weft::cli {

// What goes over the wire, field by field. Glaze reads and writes plain structs by their members' names, which have to
// live in a named namespace for that.
namespace wire {

struct VersionReply {
    std::string version;
};
struct TagsReply {
    std::vector<ListedModel> models;
};
struct PsReply {
    std::vector<RunningModel> models;
};
struct ShowReply {
    std::string modelfile, parameters, system, license;
    std::string template_text;
    std::optional<ModelDetails> details;
    std::optional<std::vector<std::string>> capabilities;
    std::optional<std::map<std::string, glz::generic_u64>> model_info;
    std::optional<std::vector<ShownModel::Tensor>> tensors;
};
struct ErrorReply {
    std::string error;
};
struct PieceMessage {
    std::string content;
    std::optional<std::string> thinking;
};
struct ChatReply {
    PieceMessage message;
    std::string error;
    std::string done_reason;
    bool done = false;
    std::int64_t total_duration = 0, load_duration = 0, prompt_eval_duration = 0, eval_duration = 0;
    std::int64_t prompt_eval_count = 0, eval_count = 0;
};
struct EmbedReply {
    std::vector<glz::raw_json> embeddings;
};
struct ShowCall {
    std::string model;
    bool verbose;
};
struct UnloadCall {
    std::string model;
    int keep_alive = 0;
};
struct ChatCall {
    std::string model;
    std::vector<ChatMessage> messages;
    bool stream = true;
    std::optional<glz::raw_json> think{}, format{}, keep_alive{};
    std::optional<std::map<std::string, glz::raw_json>> options{};
};
struct EmbedCall {
    std::string model, input;
    bool truncate = true;
    std::optional<std::uint32_t> dimensions{};
    std::optional<glz::raw_json> keep_alive{};
};

}  // namespace wire
}  // namespace weft::cli

template <>
struct glz::meta<weft::cli::wire::ShowReply> {
    using T = weft::cli::wire::ShowReply;
    static constexpr auto value =
        object("modelfile", &T::modelfile, "parameters", &T::parameters, "system", &T::system, "license", &T::license,
               "template", &T::template_text, "details", &T::details, "capabilities", &T::capabilities, "model_info",
               &T::model_info, "tensors", &T::tensors);
};

namespace weft::cli {
namespace {

template <typename T>
Result<T> parse(std::string_view text) {
    T value{};
    constexpr glz::opts lenient{.null_terminated = false, .error_on_unknown_keys = false};
    if (const auto failure = glz::read<lenient>(value, text); failure)
        return std::unexpected(Error{.code = ErrorCode::internal,
                                     .message = "the server's answer is not what Ollama's API would say: is it one?",
                                     .detail = glz::format_error(failure, text)});
    return value;
}

template <typename T>
std::string write(const T& value) {
    return glz::write_json(value).value_or("");
}

std::optional<glz::raw_json> raw(const std::optional<JsonText>& json) {
    if (!json) return std::nullopt;
    return glz::raw_json(json->text);
}

std::string chat_body(const ChatRequest& request, bool stream) {
    wire::ChatCall call{.model = request.model,
                        .messages = request.messages,
                        .stream = stream,
                        .think = raw(request.think),
                        .format = raw(request.format),
                        .keep_alive = raw(request.keep_alive)};
    if (!request.options.empty()) call.options.emplace();
    for (const auto& [key, value] : request.options) call.options->emplace(key, value.text);
    return write(call);
}

std::string embed_body(const EmbedRequest& request) {
    return write(wire::EmbedCall{.model = request.model,
                                 .input = request.input,
                                 .truncate = request.truncate,
                                 .dimensions = request.dimensions,
                                 .keep_alive = raw(request.keep_alive)});
}

std::unexpected<Error> refused(const http::ClientResponse& response) {
    const auto reply = parse<wire::ErrorReply>(response.body);
    const bool has_text = reply && !reply->error.empty();
    return fail(response.status == 404 ? ErrorCode::not_found : ErrorCode::invalid_request,
                has_text ? reply->error : "the server answered with status " + std::to_string(response.status));
}

std::string text_of(const glz::generic_u64& value) { return value.is_string() ? value.get<std::string>() : write(value); }

ChatPiece piece_of(wire::ChatReply reply) {
    return {.content = std::move(reply.message.content),
            .thinking = std::move(reply.message.thinking).value_or(""),
            .done = reply.done,
            .done_reason = std::move(reply.done_reason),
            .total_duration = reply.total_duration,
            .load_duration = reply.load_duration,
            .prompt_eval_duration = reply.prompt_eval_duration,
            .eval_duration = reply.eval_duration,
            .prompt_eval_count = reply.prompt_eval_count,
            .eval_count = reply.eval_count};
}

Result<ChatPiece> parse_piece(std::string_view line) {
    WEFT_TRY(auto reply, parse<wire::ChatReply>(line));
    if (!reply.error.empty()) return fail(ErrorCode::invalid_request, reply.error);
    return piece_of(std::move(reply));
}

}  // namespace

bool ShownModel::can(std::string_view capability) const { return std::ranges::contains(capabilities, capability); }

std::string ShownModel::info(std::string_view key) const {
    const auto value_of = [this](std::string_view full_key) {
        const auto found = std::ranges::find(model_info, full_key, [](const auto& entry) { return std::string_view(entry.first); });
        return found == model_info.end() ? std::string() : found->second;
    };
    const std::string plain = value_of(key);
    if (!plain.empty()) return plain;
    return value_of(value_of("general.architecture") + "." + std::string(key));
}

void OllamaClient::set_waiting(int cancel_fd, std::function<void()> on_wait) {
    cancel_fd_ = cancel_fd;
    on_wait_ = std::move(on_wait);
}

http::ClientRequest OllamaClient::request_for(std::string method, std::string path, std::string body) const {
    return {.method = std::move(method), .path = std::move(path), .body = std::move(body), .cancel_fd = cancel_fd_,
            .on_wait = on_wait_};
}

Result<std::string> OllamaClient::call(std::string method, std::string path, std::string body) const {
    WEFT_TRY(auto response, http_.send(request_for(std::move(method), std::move(path), std::move(body))));
    if (response.status != 200) return refused(response);
    return std::move(response.body);
}

Result<std::string> OllamaClient::get_json(const std::string& path) const { return call("GET", path); }

Result<std::string> OllamaClient::version() const {
    WEFT_TRY(const auto body, call("GET", "/api/version"));
    WEFT_TRY(auto reply, parse<wire::VersionReply>(body));
    return std::move(reply.version);
}

Result<std::vector<ListedModel>> OllamaClient::list() const {
    WEFT_TRY(const auto body, call("GET", "/api/tags"));
    WEFT_TRY(auto reply, parse<wire::TagsReply>(body));
    return std::move(reply.models);
}

Result<std::vector<RunningModel>> OllamaClient::running() const {
    WEFT_TRY(const auto body, call("GET", "/api/ps"));
    WEFT_TRY(auto reply, parse<wire::PsReply>(body));
    return std::move(reply.models);
}

Result<std::string> OllamaClient::show_json(const std::string& model, bool verbose) const {
    return call("POST", "/api/show", write(wire::ShowCall{model, verbose}));
}

Result<ShownModel> OllamaClient::show(const std::string& model, bool verbose) const {
    WEFT_TRY(const auto body, show_json(model, verbose));
    WEFT_TRY(auto reply, parse<wire::ShowReply>(body));
    ShownModel shown{.modelfile = std::move(reply.modelfile),
                     .parameters = std::move(reply.parameters),
                     .template_text = std::move(reply.template_text),
                     .system = std::move(reply.system),
                     .license = std::move(reply.license),
                     .details = std::move(reply.details).value_or(ModelDetails{}),
                     .capabilities = std::move(reply.capabilities).value_or(std::vector<std::string>{}),
                     .tensors = std::move(reply.tensors).value_or(std::vector<ShownModel::Tensor>{})};
    if (reply.model_info)
        for (const auto& [key, value] : *reply.model_info) shown.model_info.emplace_back(key, text_of(value));
    return shown;
}

Result<void> OllamaClient::unload(const std::string& model) const {
    WEFT_TRY(const auto body, call("POST", "/api/generate", write(wire::UnloadCall{model})));
    return {};
}

Result<void> OllamaClient::chat(const ChatRequest& request,
                                const std::function<void(const ChatPiece&)>& on_piece) const {
    std::optional<Error> error;
    bool done = false;
    const auto on_line = [&](std::string_view line) {
        const auto piece = parse_piece(line);
        if (!piece) {
            error = piece.error();
            return false;
        }
        on_piece(*piece);
        done = piece->done;
        return true;  // also after the last piece: leaving early would look like a cancellation to the server
    };
    WEFT_TRY(const auto response, http_.stream(request_for("POST", "/api/chat", chat_body(request, true)), on_line));
    if (response.status != 200) return refused(response);
    if (error) return std::unexpected(std::move(*error));
    if (!done) return fail(ErrorCode::internal, "the server's answer ended before it was finished");
    return {};
}

Result<std::string> OllamaClient::chat_json(const ChatRequest& request) const {
    return call("POST", "/api/chat", chat_body(request, false));
}

Result<std::string> OllamaClient::embed_json(const EmbedRequest& request) const {
    return call("POST", "/api/embed", embed_body(request));
}

Result<std::string> OllamaClient::embed(const EmbedRequest& request) const {
    WEFT_TRY(const auto body, embed_json(request));
    WEFT_TRY(auto reply, parse<wire::EmbedReply>(body));
    if (reply.embeddings.empty()) return fail(ErrorCode::internal, "the server sent no embedding");
    return std::move(reply.embeddings.front().str);
}

std::string json_string(std::string_view text) { return write(text); }

bool is_json(std::string_view text) {
    glz::generic_u64 value;
    return !glz::read<glz::opts{.null_terminated = false}>(value, text);
}

}  // namespace weft::cli
