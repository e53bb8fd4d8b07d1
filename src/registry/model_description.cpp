// describe_model(): from a GGUF header to what lists and dialects want to know.
#include <limits>

#include "registry/gguf.h"
#include "registry/model_catalog.h"
#include "runner/reply_format.h"

namespace weft {
namespace {

bool has_infill_tokens(const GgufHeader& header) {
    const auto either = [&](std::string_view a, std::string_view b) { return header.find(a) || header.find(b); };
    return either("tokenizer.ggml.fim_pre_token_id", "tokenizer.ggml.prefix_token_id") &&
           either("tokenizer.ggml.fim_suf_token_id", "tokenizer.ggml.suffix_token_id");
}

std::vector<std::string> capabilities_of(const GgufHeader& header, std::string_view chat_template) {
    std::vector<std::string> out;
    const auto pooling = header.integer(header.architecture_key("pooling_type"));
    constexpr std::uint64_t ranks = 4;  // LLAMA_POOLING_TYPE_RANK
    out.emplace_back(pooling == ranks ? "rerank" : header.find(header.architecture_key("pooling_type")) ? "embedding" : "completion");
    const auto format = detect_reply_format(chat_template);
    if (format.calls_tools()) out.emplace_back("tools");
    if (has_infill_tokens(header)) out.emplace_back("insert");
    if (format.thinks()) out.emplace_back("thinking");
    return out;
}

std::uint32_t narrow(std::optional<std::uint64_t> value) {
    return static_cast<std::uint32_t>(
        std::min<std::uint64_t>(value.value_or(0), std::numeric_limits<std::uint32_t>::max()));
}

}  // namespace

ModelInfo describe_model(std::string name, GgufHeader header) {
    ModelInfo info{.name = std::move(name)};
    info.path = header.files.empty() ? "" : header.files.front();
    info.digest = header.digest;
    info.size_bytes = header.file_bytes;
    info.modified_at = header.modified_at;
    info.architecture = header.string("general.architecture").value_or("");
    info.parameter_size = parameter_size_text(header.parameters);
    info.quantization = quantization_of(header);
    info.parameters = header.parameters;
    info.trained_context = narrow(header.integer(header.architecture_key("context_length")));
    info.embedding_length = narrow(header.integer(header.architecture_key("embedding_length")));
    if (const auto* tokens = header.array("tokenizer.ggml.tokens")) info.vocabulary = narrow(tokens->count);
    info.chat_template = header.string("tokenizer.chat_template").value_or("");
    info.capabilities = capabilities_of(header, info.chat_template);
    info.header = std::make_shared<const GgufHeader>(std::move(header));
    return info;
}

}  // namespace weft
