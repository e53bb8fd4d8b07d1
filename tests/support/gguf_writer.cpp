#include "support/gguf_writer.h"

#include <stdlib.h>

#include <algorithm>
#include <fstream>

#include "base/assert.h"

namespace weft::test {
namespace fs = std::filesystem;

GgufWriter& GgufWriter::raw(const std::string& key, std::uint32_t type, std::string bytes) {
    remove(key);
    entries_.emplace_back(key, number(type) + bytes);
    return *this;
}
GgufWriter& GgufWriter::set(const std::string& key, GgufType type, std::string bytes) {
    return raw(key, static_cast<std::uint32_t>(type), std::move(bytes));
}
GgufWriter& GgufWriter::string(const std::string& key, std::string_view v) { return set(key, GgufType::string, text(v)); }
GgufWriter& GgufWriter::u32(const std::string& key, std::uint32_t v) { return set(key, GgufType::u32, number(v)); }
GgufWriter& GgufWriter::i32(const std::string& key, std::int32_t v) { return set(key, GgufType::i32, number(v)); }
GgufWriter& GgufWriter::u64(const std::string& key, std::uint64_t v) { return set(key, GgufType::u64, number(v)); }
GgufWriter& GgufWriter::f32(const std::string& key, float v) { return set(key, GgufType::f32, number(v)); }
GgufWriter& GgufWriter::boolean(const std::string& key, std::uint8_t v) { return set(key, GgufType::boolean, number(v)); }

namespace {

std::string array_head(GgufType type, std::size_t count) {
    return GgufWriter::number(static_cast<std::uint32_t>(type)) + GgufWriter::number(static_cast<std::uint64_t>(count));
}

template <typename T>
std::string array_bytes(GgufType type, const std::vector<T>& values) {
    std::string out = array_head(type, values.size());
    for (const T& value : values) {
        if constexpr (std::is_same_v<T, std::string>)
            out += GgufWriter::text(value);
        else
            out += GgufWriter::number(value);
    }
    return out;
}

}  // namespace

GgufWriter& GgufWriter::strings(const std::string& key, const std::vector<std::string>& values) {
    return set(key, GgufType::array, array_bytes(GgufType::string, values));
}
GgufWriter& GgufWriter::f32s(const std::string& key, const std::vector<float>& values) {
    return set(key, GgufType::array, array_bytes(GgufType::f32, values));
}
GgufWriter& GgufWriter::i32s(const std::string& key, const std::vector<std::int32_t>& values) {
    return set(key, GgufType::array, array_bytes(GgufType::i32, values));
}

GgufWriter& GgufWriter::remove(const std::string& key) {
    std::erase_if(entries_, [&](const auto& entry) { return entry.first == key; });
    return *this;
}

GgufWriter& GgufWriter::tensor(const std::string& name, std::vector<std::uint64_t> shape) {
    std::uint64_t bytes = 4;
    for (const std::uint64_t extent : shape) bytes *= extent;
    return raw_tensor(name, std::move(shape), 0, data_bytes_, bytes);
}

GgufWriter& GgufWriter::raw_tensor(const std::string& name, std::vector<std::uint64_t> shape, std::uint32_t type,
                                   std::uint64_t offset, std::uint64_t bytes) {
    tensors_.push_back({name, std::move(shape), type, offset});
    if (offset == data_bytes_) data_bytes_ = (offset + bytes + alignment - 1) / alignment * alignment;
    return *this;
}

std::string GgufWriter::header_bytes() const {
    std::string out = "GGUF" + number(version) + number<std::uint64_t>(tensors_.size()) +
                      number<std::uint64_t>(entries_.size());
    for (const auto& [key, value] : entries_) out += text(key) + value;
    for (const auto& tensor : tensors_) {
        out += text(tensor.name) + number(static_cast<std::uint32_t>(tensor.shape.size()));
        for (const std::uint64_t extent : tensor.shape) out += number(extent);
        out += number(tensor.type) + number(tensor.offset);
    }
    return out;
}

std::string GgufWriter::bytes() const {
    std::string out = header_bytes();
    out.resize((out.size() + alignment - 1) / alignment * alignment + data_bytes_);
    return out;
}

void GgufWriter::write(const fs::path& path) const {
    const std::string content = bytes();
    std::ofstream out(path, std::ios::binary);
    out.write(content.data(), static_cast<std::streamsize>(content.size()));
    assert_that(out.good(), "the test's file was written");
}

GgufWriter small_model() {
    GgufWriter w;
    w.string("general.architecture", "llama").string("general.name", "small").u32("general.file_type", 0);
    w.u32("llama.context_length", 64).u32("llama.embedding_length", 32).u32("llama.block_count", 2);
    w.u32("llama.feed_forward_length", 48).u32("llama.attention.head_count", 4).u32("llama.attention.head_count_kv", 2);
    w.f32("llama.attention.layer_norm_rms_epsilon", 1e-5F).u32("llama.rope.dimension_count", 8);
    w.string("tokenizer.ggml.model", "llama");
    w.strings("tokenizer.ggml.tokens", {"<unk>", "<s>", "</s>", "a", "b", "c", "d", "e"});
    w.f32s("tokenizer.ggml.scores", std::vector<float>(8, 0.0F));
    w.i32s("tokenizer.ggml.token_type", {2, 3, 3, 1, 1, 1, 1, 1});
    w.u32("tokenizer.ggml.bos_token_id", 1).u32("tokenizer.ggml.eos_token_id", 2);
    w.string("tokenizer.chat_template", "{% for m in messages %}{{ m.content }}{% endfor %}");
    w.tensor("token_embd.weight", {32, 8}).tensor("output_norm.weight", {32});
    for (const std::string layer : {"blk.0.", "blk.1."}) {
        w.tensor(layer + "attn_norm.weight", {32}).tensor(layer + "attn_q.weight", {32, 32});
        w.tensor(layer + "attn_k.weight", {32, 16}).tensor(layer + "attn_v.weight", {32, 16});
        w.tensor(layer + "attn_output.weight", {32, 32}).tensor(layer + "ffn_norm.weight", {32});
        w.tensor(layer + "ffn_gate.weight", {32, 48}).tensor(layer + "ffn_up.weight", {32, 48});
        w.tensor(layer + "ffn_down.weight", {48, 32});
    }
    return w;
}

TemporaryFolder::TemporaryFolder() {
    std::string name = (fs::temp_directory_path() / "weft-test-XXXXXX").string();
    assert_that(::mkdtemp(name.data()) != nullptr, "a temporary folder was made");
    path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
}

fs::path TemporaryFolder::write(const fs::path& name, std::string_view content) const {
    const fs::path path = path_ / name;
    fs::create_directories(path.parent_path());
    std::ofstream out(path, std::ios::binary);
    out.write(content.data(), static_cast<std::streamsize>(content.size()));
    assert_that(out.good(), "the test's file was written");
    return path;
}

}  // namespace weft::test
