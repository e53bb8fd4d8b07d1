#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "http/client.h"

namespace weft::cli {

// A text that is already JSON: a number, "high", {"type":"object"}.
struct JsonText {
    std::string text;
};

struct ModelDetails {
    std::string family;
    std::string parameter_size;
    std::string quantization_level;
};

struct ListedModel {
    std::string name;
    std::string digest;
    std::uint64_t size = 0;
    std::string modified_at;
};

struct RunningModel {
    std::string name;
    std::string digest;
    std::uint64_t size = 0;
    std::uint64_t size_vram = 0;
    std::uint64_t context_length = 0;
    std::string expires_at;
};

struct ShownModel {
    std::string modelfile, parameters, template_text, system, license;
    ModelDetails details;
    std::vector<std::string> capabilities;
    std::vector<std::pair<std::string, std::string>> model_info{};  // sorted by key; strings without their quotes
    struct Tensor {
        std::string name, type;
        std::vector<std::uint64_t> shape;
    };
    std::vector<Tensor> tensors;  // only when asked verbosely

    [[nodiscard]] bool can(std::string_view capability) const;
    // The value of "KEY", or of "<architecture>.KEY"; empty when there is none.
    [[nodiscard]] std::string info(std::string_view key) const;
};

struct ChatMessage {
    std::string role;
    std::string content;
};

struct ChatRequest {
    std::string model;
    std::vector<ChatMessage> messages;                 // none: load the model
    std::optional<JsonText> think{}, format{}, keep_alive{};
    std::map<std::string, JsonText> options{};
};

// One line of a streamed answer.
struct ChatPiece {
    std::string content;
    std::string thinking;
    bool done = false;
    std::string done_reason;
    std::int64_t total_duration = 0, load_duration = 0, prompt_eval_duration = 0, eval_duration = 0;  // nanoseconds
    std::int64_t prompt_eval_count = 0, eval_count = 0;
};

struct EmbedRequest {
    std::string model;
    std::string input;
    bool truncate = true;
    std::optional<std::uint32_t> dimensions{};
    std::optional<JsonText> keep_alive{};
};

// The part of Ollama's API that the subcommands use, as a client. Errors carry the server's own text, with the codes of
// http::Client for the transport, not_found for 404, internal for an answer that is no such JSON and invalid_request for
// every other refusal. Thread: one at a time.
class OllamaClient {
  public:
    explicit OllamaClient(http::Endpoint endpoint) : http_(std::move(endpoint)) {}

    [[nodiscard]] const http::Endpoint& endpoint() const { return http_.endpoint(); }

    // For every request from now on; see http::ClientRequest.
    void set_waiting(int cancel_fd, std::function<void()> on_wait);

    [[nodiscard]] Result<std::string> version() const;
    [[nodiscard]] Result<std::vector<ListedModel>> list() const;
    [[nodiscard]] Result<std::vector<RunningModel>> running() const;
    [[nodiscard]] Result<ShownModel> show(const std::string& model, bool verbose = false) const;
    [[nodiscard]] Result<void> unload(const std::string& model) const;

    // Each piece as it comes in, the last one with done set. An error in mid-stream is the result.
    [[nodiscard]] Result<void> chat(const ChatRequest& request, const std::function<void(const ChatPiece&)>& on_piece) const;
    // The vector as a JSON array.
    [[nodiscard]] Result<std::string> embed(const EmbedRequest& request) const;

    // The same answers as the server's own JSON, in one object, for scripts.
    [[nodiscard]] Result<std::string> get_json(const std::string& path) const;
    [[nodiscard]] Result<std::string> show_json(const std::string& model, bool verbose) const;
    [[nodiscard]] Result<std::string> chat_json(const ChatRequest& request) const;
    [[nodiscard]] Result<std::string> embed_json(const EmbedRequest& request) const;

  private:
    [[nodiscard]] http::ClientRequest request_for(std::string method, std::string path, std::string body) const;
    [[nodiscard]] Result<std::string> call(std::string method, std::string path, std::string body = {}) const;

    http::Client http_;
    int cancel_fd_ = -1;
    std::function<void()> on_wait_;
};

// text as a JSON string.
[[nodiscard]] std::string json_string(std::string_view text);
[[nodiscard]] bool is_json(std::string_view text);

}  // namespace weft::cli
