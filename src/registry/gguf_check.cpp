#include "registry/gguf_check.h"

#include <algorithm>
#include <map>

namespace weft {
namespace {

constexpr std::uint64_t max_layers = 512;           // LLAMA_MAX_LAYERS
constexpr std::uint64_t max_experts = 512;          // LLAMA_MAX_EXPERTS
constexpr std::uint64_t max_embedding = 1 << 20;
constexpr std::uint64_t max_heads = 1 << 16;
constexpr std::uint64_t max_vocabulary = 1 << 22;
constexpr std::size_t max_architecture_bytes = 64;

std::unexpected<Error> refuse(const std::string& key, const std::string& why) {
    return fail(ErrorCode::model_load_failed, "key '" + key + "': " + why);
}

Result<void> check_kind(const GgufHeader& header) {
    const auto architecture = header.string("general.architecture");
    if (!architecture) return refuse("general.architecture", "missing, or not a string");
    const bool word = !architecture->empty() && architecture->size() <= max_architecture_bytes &&
                      std::ranges::all_of(*architecture, [](char c) {
                          return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
                      });
    if (!word) return refuse("general.architecture", "not the name of an architecture");
    if (*architecture == "clip") return refuse("general.architecture", "this is a vision projector, not a language model");
    const auto type = header.string("general.type");
    if (type && *type != "model") return refuse("general.type", "this is no model but '" + std::string(*type) + "'");
    if (header.tensors.empty()) return fail(ErrorCode::model_load_failed, "the file holds no tensors");
    return {};
}

// The value, which must be there, in [minimum, maximum].
Result<std::uint64_t> required(const GgufHeader& header, std::string_view name, std::uint64_t minimum,
                               std::uint64_t maximum) {
    const std::string key = header.architecture_key(name);
    const auto value = header.integer(key);
    if (!value) return refuse(key, "missing, or not a whole number");
    if (*value < minimum || *value > maximum)
        return refuse(key, "must be between " + std::to_string(minimum) + " and " + std::to_string(maximum));
    return *value;
}

std::optional<std::uint64_t> natural(const GgufScalar& value) {
    if (const auto* u = std::get_if<std::uint64_t>(&value)) return *u;
    if (const auto* i = std::get_if<std::int64_t>(&value); i && *i >= 0) return static_cast<std::uint64_t>(*i);
    return std::nullopt;
}

// A number for all layers or an array of one per layer, as libllama's get_key_or_arr takes them.
Result<void> check_per_layer(const GgufHeader& header, std::string_view name, std::uint64_t layers, std::uint64_t maximum) {
    const std::string key = header.architecture_key(name);
    const auto* entry = header.find(key);
    if (!entry) return {};
    const std::string rule = "must be a whole number up to " + std::to_string(maximum) + ", or one per layer";
    const auto fits = [&](const GgufScalar& value) { return natural(value).value_or(maximum + 1) <= maximum; };
    if (const auto* one = std::get_if<GgufScalar>(&entry->value)) return fits(*one) ? Result<void>{} : refuse(key, rule);
    const auto& many = std::get<GgufArray>(entry->value);
    if (many.count < layers || !many.complete() || !std::ranges::all_of(many.values, fits)) return refuse(key, rule);
    return {};
}

Result<void> check_heads(const GgufHeader& header) {
    const auto heads = header.integer(header.architecture_key("attention.head_count"));
    const std::string key = header.architecture_key("attention.head_count_kv");
    const auto kv_heads = header.integer(key);
    if (heads && kv_heads && *kv_heads > 0 && *heads % *kv_heads != 0)
        return refuse(key, "does not divide the number of heads");
    return {};
}

// llama_model::load_hparams asserts all of this.
Result<void> check_experts(const GgufHeader& header) {
    const std::string count_key = header.architecture_key("expert_count");
    const std::string used_key = header.architecture_key("expert_used_count");
    const auto count = header.find(count_key) ? header.integer(count_key) : 0;
    const auto used = header.find(used_key) ? header.integer(used_key) : 0;
    if (!count || *count > max_experts) return refuse(count_key, "must be a whole number up to " + std::to_string(max_experts));
    if (!used || *used > *count) return refuse(used_key, "must be a whole number up to the number of experts");
    if (*count > 0 && *used == 0) return refuse(used_key, "no expert is used");
    return {};
}

Result<void> check_shape(const GgufHeader& header) {
    WEFT_TRY(const auto layers, required(header, "block_count", 1, max_layers));
    WEFT_CHECK(required(header, "embedding_length", 1, max_embedding));
    WEFT_CHECK(required(header, "context_length", 1, UINT32_MAX >> 1));
    WEFT_CHECK(check_per_layer(header, "attention.head_count", layers, max_heads));
    WEFT_CHECK(check_per_layer(header, "attention.head_count_kv", layers, max_heads));
    WEFT_CHECK(check_per_layer(header, "feed_forward_length", layers, UINT32_MAX >> 1));
    WEFT_CHECK(check_heads(header));
    return check_experts(header);
}

// An array that libllama reads without asking for its type, parallel to the tokens.
Result<void> check_parallel(const GgufHeader& header, const std::string& key, std::initializer_list<GgufType> types,
                            std::uint64_t tokens) {
    if (!header.find(key)) return {};
    const auto* array = header.array(key);
    if (!array || std::ranges::find(types, array->element_type) == types.end())
        return refuse(key, "must be an array of " + std::string(name_of(*types.begin())));
    if (array->count != tokens)
        return refuse(key, "has " + std::to_string(array->count) + " elements for " + std::to_string(tokens) + " tokens");
    return {};
}

Result<void> check_vocabulary(const GgufHeader& header) {
    if (!header.string("tokenizer.ggml.model")) return refuse("tokenizer.ggml.model", "missing, or not a string");
    const auto* tokens = header.array("tokenizer.ggml.tokens");
    if (!tokens || tokens->element_type != GgufType::string)
        return refuse("tokenizer.ggml.tokens", "missing, or not an array of string");
    if (tokens->count == 0 || tokens->count > max_vocabulary)
        return refuse("tokenizer.ggml.tokens", "must have between 1 and " + std::to_string(max_vocabulary) + " elements");
    WEFT_CHECK(check_parallel(header, "tokenizer.ggml.scores", {GgufType::f32}, tokens->count));
    WEFT_CHECK(check_parallel(header, "tokenizer.ggml.token_type", {GgufType::i32, GgufType::u32}, tokens->count));
    const auto* merges = header.array("tokenizer.ggml.merges");
    if (header.find("tokenizer.ggml.merges") && (!merges || merges->element_type != GgufType::string))
        return refuse("tokenizer.ggml.merges", "must be an array of string");
    return {};
}

// Keys that libllama reads with a fixed type and would abort or throw over.
Result<void> check_types(const GgufHeader& header) {
    for (const auto& entry : header.entries) {
        const bool text = entry.key == "tokenizer.chat_template" || entry.key == "tokenizer.ggml.pre" ||
                          entry.key == "general.name";
        if (text && entry.type != GgufType::string) return refuse(entry.key, "must be a string");
        const bool id = entry.key.starts_with("tokenizer.ggml.") && entry.key.ends_with("_token_id");
        if (id && entry.type != GgufType::u32 && entry.type != GgufType::i32) return refuse(entry.key, "must be u32");
    }
    return {};
}

// ---- adapters -------------------------------------------------------------------------------------------------------

Result<void> check_adapter_kind(const GgufHeader& adapter, const GgufHeader& model) {
    if (adapter.string("general.type") != "adapter") return refuse("general.type", "this is no adapter");
    if (adapter.string("adapter.type") != "lora") return refuse("adapter.type", "only LoRA adapters are supported");
    const auto architecture = adapter.string("general.architecture");
    if (!architecture || architecture != model.string("general.architecture"))
        return refuse("general.architecture", "the adapter was made for another architecture than the model's");
    if (const auto* alpha = adapter.find("adapter.lora.alpha"); alpha && alpha->type != GgufType::f32)
        return refuse("adapter.lora.alpha", "must be f32");
    if (adapter.find("adapter.alora.invocation_tokens"))
        return refuse("adapter.alora.invocation_tokens", "adapters that are switched on by tokens are not supported");
    return {};
}

struct Pair {
    const GgufTensor* a = nullptr;
    const GgufTensor* b = nullptr;
};

Result<std::map<std::string, Pair>> adapter_pairs(const GgufHeader& adapter) {
    std::map<std::string, Pair> pairs;
    for (const auto& tensor : adapter.tensors) {
        const std::string_view name = tensor.name;
        const bool is_a = name.ends_with(".lora_a");
        if (!is_a && !name.ends_with(".lora_b")) return refuse(tensor.name, "is neither .lora_a nor .lora_b");
        auto& pair = pairs[std::string(name.substr(0, name.size() - std::string_view(".lora_a").size()))];
        (is_a ? pair.a : pair.b) = &tensor;
    }
    if (pairs.empty()) return fail(ErrorCode::model_load_failed, "the adapter holds no tensors");
    return pairs;
}

Result<void> check_pair(const std::string& name, const Pair& pair, const GgufHeader& model) {
    if (!pair.a || !pair.b) return refuse(name, "has only one of .lora_a and .lora_b");
    const auto base = std::ranges::find(model.tensors, name, &GgufTensor::name);
    if (base == model.tensors.end()) return refuse(name, "the model has no such tensor");
    if (pair.a->n_dimensions > 2 || pair.b->n_dimensions > 2 || base->n_dimensions > 2)
        return refuse(name, "only adapters of matrices are supported");
    // The embeddings' adapter is stored the other way round.
    const bool is_table = name == "token_embd.weight";
    const auto in = pair.a->shape[is_table ? 1 : 0];
    const auto rank = pair.a->shape[is_table ? 0 : 1];
    if (rank != pair.b->shape[0] || pair.b->shape[1] != base->shape[is_table ? 0 : 1] || in != base->shape[is_table ? 1 : 0])
        return refuse(name, "does not have the shape that the model's tensor asks for");
    return {};
}

}  // namespace

Result<void> check_adapter(const GgufHeader& adapter, const GgufHeader& model) {
    WEFT_CHECK(check_adapter_kind(adapter, model));
    WEFT_TRY(const auto pairs, adapter_pairs(adapter));
    for (const auto& [name, pair] : pairs) WEFT_CHECK(check_pair(name, pair, model));
    return {};
}

Result<void> check_language_model(const GgufHeader& header) {
    WEFT_CHECK(check_kind(header));
    WEFT_CHECK(check_shape(header));
    WEFT_CHECK(check_vocabulary(header));
    return check_types(header);
}

// ---- projectors -----------------------------------------------------------------------------------------------------

namespace {

bool says(const GgufHeader& header, const char* key) {
    const auto* entry = header.find(key);
    const auto* value = entry == nullptr ? nullptr : std::get_if<GgufScalar>(&entry->value);
    const auto* flag = value == nullptr ? nullptr : std::get_if<bool>(value);
    return flag != nullptr && *flag;
}

}  // namespace

bool projects_images(const GgufHeader& projector) { return says(projector, "clip.has_vision_encoder"); }
bool projects_audio(const GgufHeader& projector) { return says(projector, "clip.has_audio_encoder"); }

Result<void> check_projector(const GgufHeader& projector) {
    if (projector.string("general.architecture") != "clip") return refuse("general.architecture", "this is no projector");
    if (!projects_images(projector) && !projects_audio(projector))
        return refuse("clip.has_vision_encoder", "this projector is neither for images nor for audio");
    return {};
}

}  // namespace weft
