#include "registry/gguf.h"

#include <ggml.h>
#include <sys/stat.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <fstream>
#include <random>

#include "registry/gguf_check.h"
#include "registry/model_catalog.h"
#include "support/gguf_writer.h"

namespace weft::test {
namespace fs = std::filesystem;

namespace {

// One file that is written and read over and over.
struct Scene {
    TemporaryFolder folder;
    fs::path path = folder.path() / "m.gguf";

    Result<GgufHeader> read(const std::string& bytes) {
        folder.write("m.gguf", bytes);
        return read_gguf(path);
    }
    Result<GgufHeader> read(const GgufWriter& writer) { return read(writer.bytes()); }

    // The message of the error that reading or checking ends with; "" when all is fine.
    std::string complaint(const GgufWriter& writer) {
        const auto header = read(writer);
        if (!header) return header.error().message;
        const auto checked = check_language_model(*header);
        return checked ? "" : checked.error().message;
    }
};

std::string number(auto value) { return GgufWriter::number(value); }

}  // namespace

TEST_CASE("a header is read with its types, shapes and sizes") {
    Scene scene;
    auto writer = small_model();
    writer.i32("x.i32", -5).u64("x.u64", 1ULL << 40).boolean("x.bool", 1).f32("x.f32", 0.5F);
    const auto header = scene.read(writer);
    REQUIRE(header);
    CHECK(header->version == 3);
    CHECK(header->string("general.architecture") == "llama");
    CHECK(header->integer("llama.block_count") == 2);
    CHECK(header->integer(header->architecture_key("context_length")) == 64);
    CHECK_FALSE(header->integer("x.i32"));
    CHECK(header->number("x.i32") == -5);
    CHECK(header->integer("x.u64") == 1ULL << 40);
    CHECK(header->number("x.f32") == 0.5);
    CHECK(std::get<bool>(std::get<GgufScalar>(header->find("x.bool")->value)));
    CHECK(header->find("x.bool")->type == GgufType::boolean);
    REQUIRE(header->array("tokenizer.ggml.tokens"));
    CHECK(std::get<std::string>(header->array("tokenizer.ggml.tokens")->values.at(3)) == "a");

    REQUIRE(header->tensors.size() == 20);
    const auto& embedding = header->tensors[0];
    CHECK(embedding.name == "token_embd.weight");
    CHECK(embedding.shape == std::array<std::uint64_t, 4>{32, 8, 1, 1});
    CHECK(embedding.bytes == 32 * 8 * 4);
    CHECK(header->tensors.back().offset + header->tensors.back().bytes == fs::file_size(scene.path));
    const std::uint64_t layer = 2 * 32 + 2 * 32 * 32 + 2 * 32 * 16 + 3 * 32 * 48;
    CHECK(header->parameters == 32 * 8 + 32 + 2 * layer);
    CHECK(header->digest.size() == 64);
    CHECK(quantization_of(*header) == "F32");
    CHECK(check_language_model(*header).has_value());
}

TEST_CASE("version 2 is read like version 3; others and big-endian files are refused") {
    Scene scene;
    auto writer = small_model();
    writer.version = 2;
    CHECK(scene.read(writer));
    for (const std::uint32_t version : {0U, 1U, 4U, 0x03000000U}) {
        writer.version = version;
        CHECK_FALSE(scene.read(writer));
    }
    CHECK(scene.read(writer).error().message == "a big-endian GGUF file; only little-endian ones are supported");
    CHECK(scene.read(std::string("GGML....................")).error().message == "not a GGUF file");
    CHECK(scene.read(std::string()).error().message == "the file ends inside its header");
}

TEST_CASE("a long array is passed over, and read when somebody asks for it") {
    Scene scene;
    std::vector<std::string> tokens;
    for (int i = 0; i < 5000; ++i) tokens.push_back("token" + std::to_string(i));
    const auto header = scene.read(small_model().strings("long.texts", tokens).f32s("long.numbers", std::vector<float>(2000, 1.5F)));
    REQUIRE(header);
    const auto* array = header->array("long.texts");
    REQUIRE(array);
    CHECK(array->count == 5000);
    CHECK(array->values.empty());
    const auto values = read_gguf_array(*header, *array);
    REQUIRE(values);
    CHECK(values->size() == 5000);
    CHECK(std::get<std::string>(values->at(4999)) == "token4999");
    const auto numbers = read_gguf_array(*header, *header->array("long.numbers"));
    REQUIRE(numbers);
    CHECK(std::get<float>(numbers->at(1999)) == 1.5F);
    fs::resize_file(scene.path, 1000);
    CHECK_FALSE(read_gguf_array(*header, *array));
}

TEST_CASE("text that is not UTF-8 is made valid") {
    Scene scene;
    const auto header = scene.read(small_model().string("general.name", "a\xff\xc3\xa4\xed\xa0\x80z"));
    REQUIRE(header);
    CHECK(header->string("general.name") == "a\uFFFD\u00e4\uFFFD\uFFFD\uFFFDz");
}

TEST_CASE("lengths and counts are bounded by what is there before anything is allocated") {
    Scene scene;
    const auto huge = number(std::uint64_t{1} << 62);
    CHECK(scene.complaint(small_model().raw("x", 8, huge)).starts_with("key 'x': a text of 4611686018427387904 bytes"));
    CHECK(scene.complaint(small_model().raw("x", 8, number(std::uint64_t{1 << 20}))) == "key 'x': the file ends inside it");
    CHECK(scene.complaint(small_model().raw("x", 9, number(4U) + huge)).starts_with("key 'x': more than"));
    CHECK(scene.complaint(small_model().raw("x", 9, number(8U) + number(std::uint64_t{1 << 24}))) ==
          "key 'x': the file ends inside the array");
    CHECK(scene.complaint(small_model().raw("x", 9, number(9U) + number(std::uint64_t{1}))) ==
          "key 'x': nested arrays are not supported");
    CHECK(scene.complaint(small_model().raw("x", 13, "")) == "key 'x': unknown value type 13");
    CHECK(scene.complaint(small_model().boolean("x", 2)) == "key 'x': a boolean that is neither 0 nor 1");

    std::string bytes = small_model().bytes();
    bytes.replace(8, 8, huge);
    CHECK(scene.read(bytes).error().message == "more than 65536 tensors");
    bytes = small_model().bytes();
    bytes.replace(16, 8, huge);
    CHECK(scene.read(bytes).error().message == "more than 65536 metadata keys");
}

TEST_CASE("short arrays that together are too much to keep are refused") {
    Scene scene;
    GgufWriter writer = small_model();
    for (int i = 0; i < 5; ++i) writer.string("x" + std::to_string(i), std::string(15 << 20, 'x'));
    CHECK(scene.complaint(writer) == "key 'x4': too much metadata");
}

TEST_CASE("keys and tensors have one name each, which can be printed") {
    Scene scene;
    auto writer = small_model();
    std::string bytes = writer.string("aaaa", "1").string("bbbb", "2").bytes();
    bytes.replace(bytes.find("bbbb"), 4, "aaaa");
    CHECK(scene.read(bytes).error().message == "key 'aaaa' appears twice");
    CHECK(scene.complaint(small_model().string("a\nb", "1")).ends_with("is not printable"));
    CHECK(scene.complaint(small_model().string("", "1")).ends_with("is not printable"));
    CHECK(scene.complaint(small_model().tensor("output_norm.weight", {32})) == "tensor 'output_norm.weight' appears twice");
    CHECK(scene.complaint(small_model().tensor(std::string(64, 'x'), {32})).starts_with("name of tensor 20: a text of 64 bytes"));
    CHECK(scene.complaint(small_model().tensor("", {32})).ends_with("is not printable"));
}

TEST_CASE("every tensor lies inside the file, aligned, and over no other one") {
    Scene scene;
    const auto with = [&](std::vector<std::uint64_t> shape, std::uint32_t type, std::uint64_t offset) {
        return scene.complaint(small_model().raw_tensor("t", std::move(shape), type, offset, 0));
    };
    CHECK(with({32}, 0, 1ULL << 40) == "tensor 't': its data lies outside the file, which is incomplete or broken");
    CHECK(with({32}, 0, ~std::uint64_t{31}) == "tensor 't': its data lies outside the file, which is incomplete or broken");
    CHECK(with({1ULL << 40}, 0, 0) == "tensor 't': its data lies outside the file, which is incomplete or broken");
    CHECK(with({1ULL << 32, 1ULL << 32}, 0, 0) == "tensor 't': too many elements");
    CHECK(with({1ULL << 62}, 0, 0) == "tensor 't': too many bytes");
    CHECK(with({32, 0}, 0, 0) == "tensor 't': an empty dimension");
    CHECK(with({32}, 0, 33) == "tensor 't': its data is not aligned");
    CHECK(with({33}, 8, 0) == "tensor 't': its rows do not hold whole Q8_0 blocks");
    CHECK(with({32}, 4, 0) == "tensor 't': unknown tensor type 4");
    CHECK(with({32}, 999, 0) == "tensor 't': unknown tensor type 999");
    CHECK(with({1, 1, 1, 1, 1}, 0, 0) == "tensor 't': more than 4 dimensions");
    CHECK(with({32}, 0, 32).ends_with("overlap"));
}

TEST_CASE("an alignment that is no power of two is refused; one that is, counts") {
    Scene scene;
    for (const std::uint32_t alignment : {0U, 3U, 48U, 1U << 31})
        CHECK(scene.complaint(small_model().u32("general.alignment", alignment)) ==
              "key 'general.alignment': must be a power of two, as u32");
    CHECK(scene.complaint(small_model().u64("general.alignment", 32)) ==
          "key 'general.alignment': must be a power of two, as u32");
    GgufWriter writer;
    writer.alignment = 4096;
    writer.u32("general.alignment", 4096).tensor("a", {4}).tensor("b", {4});
    const auto header = scene.read(writer);
    REQUIRE(header);
    CHECK(header->tensors[1].offset == 8192);
}

TEST_CASE("what libllama would abort over is refused, and the key named") {
    Scene scene;
    const auto refused = [&](GgufWriter writer, std::string_view message) {
        const std::string complaint = scene.complaint(writer);
        INFO(complaint);
        CHECK(complaint == message);
    };
    refused(small_model().remove("general.architecture"), "key 'general.architecture': missing, or not a string");
    refused(small_model().string("general.architecture", "A B"), "key 'general.architecture': not the name of an architecture");
    refused(small_model().string("general.architecture", "clip"),
            "key 'general.architecture': this is a vision projector, not a language model");
    refused(small_model().string("general.type", "adapter"), "key 'general.type': this is no model but 'adapter'");
    refused(small_model().u32("llama.block_count", 0), "key 'llama.block_count': must be between 1 and 512");
    refused(small_model().u32("llama.block_count", 513), "key 'llama.block_count': must be between 1 and 512");
    refused(small_model().remove("llama.block_count"), "key 'llama.block_count': missing, or not a whole number");
    refused(small_model().string("llama.block_count", "2"), "key 'llama.block_count': missing, or not a whole number");
    refused(small_model().i32("llama.embedding_length", -1), "key 'llama.embedding_length': missing, or not a whole number");
    refused(small_model().u32("llama.attention.head_count_kv", 3),
            "key 'llama.attention.head_count_kv': does not divide the number of heads");
    refused(small_model().i32s("llama.attention.head_count", {4}),
            "key 'llama.attention.head_count': must be a whole number up to 65536, or one per layer");
    refused(small_model().u32("llama.expert_used_count", 2),
            "key 'llama.expert_used_count': must be a whole number up to the number of experts");
    refused(small_model().u32("llama.expert_count", 2), "key 'llama.expert_used_count': no expert is used");
    refused(small_model().u32("llama.expert_count", 4096), "key 'llama.expert_count': must be a whole number up to 512");
    refused(small_model().remove("tokenizer.ggml.tokens"), "key 'tokenizer.ggml.tokens': missing, or not an array of string");
    refused(small_model().i32s("tokenizer.ggml.tokens", {1}), "key 'tokenizer.ggml.tokens': missing, or not an array of string");
    refused(small_model().strings("tokenizer.ggml.tokens", {}),
            "key 'tokenizer.ggml.tokens': must have between 1 and 4194304 elements");
    refused(small_model().f32s("tokenizer.ggml.scores", {1, 2}), "key 'tokenizer.ggml.scores': has 2 elements for 8 tokens");
    refused(small_model().i32s("tokenizer.ggml.scores", std::vector<std::int32_t>(8)),
            "key 'tokenizer.ggml.scores': must be an array of f32");
    refused(small_model().i32s("tokenizer.ggml.token_type", {1}), "key 'tokenizer.ggml.token_type': has 1 elements for 8 tokens");
    refused(small_model().string("tokenizer.ggml.merges", "x"), "key 'tokenizer.ggml.merges': must be an array of string");
    refused(small_model().string("tokenizer.ggml.eos_token_id", "2"), "key 'tokenizer.ggml.eos_token_id': must be u32");
    refused(small_model().u32("tokenizer.chat_template", 1), "key 'tokenizer.chat_template': must be a string");
    refused(small_model(), "");
    refused(small_model().i32s("llama.attention.head_count_kv", {2, 0}), "");
}

TEST_CASE("an adapter is taken for a model only when every part of it fits") {
    Scene scene;
    const auto complaint = [&](const GgufWriter& writer) {
        writer.write(scene.folder.path() / "adapter.gguf");
        small_model().write(scene.folder.path() / "base.gguf");
        const auto adapter = read_gguf(scene.folder.path() / "adapter.gguf");
        const auto model = read_gguf(scene.folder.path() / "base.gguf");
        REQUIRE((adapter && model));
        const auto fits = check_adapter(*adapter, *model);
        return fits ? std::string() : fits.error().message;
    };
    const auto lora = [] {
        return GgufWriter().string("general.type", "adapter").string("general.architecture", "llama").string("adapter.type", "lora").f32("adapter.lora.alpha", 4);
    };
    const auto pair = [&](std::vector<std::uint64_t> a, std::vector<std::uint64_t> b) {
        return lora().tensor("blk.0.attn_q.weight.lora_a", std::move(a)).tensor("blk.0.attn_q.weight.lora_b", std::move(b));
    };
    CHECK(complaint(pair({32, 4}, {4, 32})) == "");
    const std::string shape = "key 'blk.0.attn_q.weight': does not have the shape that the model's tensor asks for";
    CHECK(complaint(pair({31, 4}, {4, 32})) == shape);
    CHECK(complaint(pair({32, 4}, {3, 32})) == shape);
    CHECK(complaint(pair({32, 4}, {4, 31})) == shape);
    CHECK(complaint(pair({32, 4, 2}, {4, 32})) == "key 'blk.0.attn_q.weight': only adapters of matrices are supported");
    CHECK(complaint(lora().tensor("blk.0.attn_q.weight.lora_a", {32, 4})) == "key 'blk.0.attn_q.weight': has only one of .lora_a and .lora_b");
    CHECK(complaint(lora().tensor("x.lora_a", {1}).tensor("x.lora_b", {1})) == "key 'x': the model has no such tensor");
    CHECK(complaint(lora().tensor("x", {1})) == "key 'x': is neither .lora_a nor .lora_b");
    CHECK(complaint(lora()) == "the adapter holds no tensors");
    CHECK(complaint(pair({32, 4}, {4, 32}).string("general.architecture", "qwen3")) ==
          "key 'general.architecture': the adapter was made for another architecture than the model's");
    CHECK(complaint(pair({32, 4}, {4, 32}).string("adapter.type", "x")) == "key 'adapter.type': only LoRA adapters are supported");
    CHECK(complaint(pair({32, 4}, {4, 32}).string("general.type", "model")) == "key 'general.type': this is no adapter");
    CHECK(complaint(pair({32, 4}, {4, 32}).string("adapter.lora.alpha", "4")) == "key 'adapter.lora.alpha': must be f32");
    CHECK(complaint(pair({32, 4}, {4, 32}).i32s("adapter.alora.invocation_tokens", {1})).contains("not supported"));
}

TEST_CASE("a split model is read through its first file, and only with all its parts") {
    TemporaryFolder folder;
    const auto part = [&](int i) { return folder.path() / ("big-0000" + std::to_string(i) + "-of-00003.gguf"); };
    auto first = small_model();
    first.raw("split.count", 2, number(std::uint16_t{3})).write(part(1));
    GgufWriter second;
    second.string("general.architecture", "llama").tensor("blk.2.a", {32}).write(part(2));
    CHECK(read_gguf(part(1)).error().message == "file 3 of 3: the model file is missing");
    GgufWriter third;
    third.tensor("blk.3.a", {32}).write(part(3));
    const auto header = read_gguf(part(1));
    REQUIRE(header);
    CHECK(header->files.size() == 3);
    CHECK(header->tensors.size() == 22);
    CHECK(header->file_bytes == fs::file_size(part(1)) + fs::file_size(part(2)) + fs::file_size(part(3)));
    CHECK(is_later_shard(part(2)));
    CHECK_FALSE(is_later_shard(part(1)));
    CHECK(model_stem(part(1)) == "big");
    CHECK(read_gguf(part(2)).error().message == "not the first file of a split model");
    third.tensor("blk.2.a", {32}).write(part(3));
    CHECK(read_gguf(part(1)).error().message == "tensor 'blk.2.a' is in two shards");
    first.raw("split.count", 2, number(std::uint16_t{2})).write(part(1));
    CHECK(read_gguf(part(1)).error().message == "key 'split.count' says 2, the file name 3");
}

TEST_CASE("the digest changes with the header, the size and the time of the file") {
    Scene scene;
    const auto digest = [&] { return read_gguf(scene.path)->digest; };
    REQUIRE(scene.read(small_model()));
    const auto time = fs::last_write_time(scene.path);
    const std::string before = digest();
    CHECK(digest() == before);
    fs::last_write_time(scene.path, time + std::chrono::seconds{1});
    CHECK(digest() != before);
    REQUIRE(scene.read(small_model().string("general.name", "small_")));
    fs::last_write_time(scene.path, time);
    CHECK(digest() != before);
    REQUIRE(scene.read(small_model().bytes() + "x"));
    fs::last_write_time(scene.path, time);
    CHECK(digest() != before);
    REQUIRE(scene.read(small_model()));
    fs::last_write_time(scene.path, time);
    CHECK(digest() == before);
}

TEST_CASE("what is no regular file is refused without waiting for it") {
    TemporaryFolder folder;
    CHECK(read_gguf(folder.path()).error().message == "the model file is no regular file");
    const auto missing = read_gguf(folder.path() / "no.gguf");
    CHECK(missing.error().message == "the model file is missing");
    CHECK(missing.error().detail.contains("no.gguf"));
    REQUIRE(::mkfifo((folder.path() / "fifo.gguf").c_str(), 0600) == 0);
    CHECK(read_gguf(folder.path() / "fifo.gguf").error().message == "the model file is no regular file");
}

TEST_CASE("the table of tensor types is ggml's own") {
    for (int id = 0; id < GGML_TYPE_COUNT + 10; ++id) {
        const auto ours = ggml_type(static_cast<std::uint32_t>(id));
        const bool known = id < GGML_TYPE_COUNT && ggml_blck_size(static_cast<enum ggml_type>(id)) > 0;
        INFO(id);
        REQUIRE(ours.has_value() == known);
        if (!known) continue;
        CHECK(ours->block_elements == ggml_blck_size(static_cast<enum ggml_type>(id)));
        CHECK(ours->block_bytes == ggml_type_size(static_cast<enum ggml_type>(id)));
        std::string name = ggml_type_name(static_cast<enum ggml_type>(id));
        std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::toupper(c); });
        CHECK(ours->name == name);
    }
}

TEST_CASE("numbers of parameters are told as Ollama tells them") {
    CHECK(parameter_size_text(3'212'749'888) == "3.2B");
    CHECK(parameter_size_text(7'000'000'000) == "7B");
    CHECK(parameter_size_text(4'051'234) == "4.05M");
    CHECK(parameter_size_text(4'000'000) == "4M");
    CHECK(parameter_size_text(512'300) == "512K");
    CHECK(parameter_size_text(999) == "999");
}

TEST_CASE("a file that is cut short anywhere is an error, never a crash") {
    Scene scene;
    const GgufWriter model = small_model();
    const std::string whole = model.bytes();
    const std::size_t header = model.header_bytes().size();
    for (std::size_t bytes = 0; bytes < header; ++bytes) {
        const auto result = scene.read(whole.substr(0, bytes));
        REQUIRE_FALSE(result.has_value());
        REQUIRE(result.error().code == ErrorCode::model_load_failed);
    }
    for (std::size_t bytes = header; bytes < whole.size(); bytes += 97) REQUIRE_FALSE(scene.read(whole.substr(0, bytes)).has_value());
}

// Run under the address and undefined behaviour sanitizers this finds what a hostile file could do.
TEST_CASE("damaged files are read or refused, never misread") {
    Scene scene;
    const GgufWriter model = small_model();
    const std::string whole = model.bytes();
    const std::size_t header_bytes = model.header_bytes().size();
    std::mt19937 random(20260101);
    const auto below = [&](std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random); };
    constexpr std::uint64_t nasty[] = {0, 1, 7, 8, 31, 0x7f, 0xff, 0xffff, 0x7fffffff, 0xffffffff, 1ULL << 32, 1ULL << 62,
                                       (1ULL << 63) - 1, 1ULL << 63, ~0ULL - 31, ~0ULL};
    int readable = 0;
    for (int round = 0; round < 8000; ++round) {
        std::string bytes = whole;
        for (std::size_t changes = 1 + below(3); changes > 0; --changes) {
            const std::size_t at = below(header_bytes - 8);
            switch (below(5)) {
                case 0: bytes[at] = static_cast<char>(below(256)); break;
                case 1: bytes[at] = static_cast<char>(bytes[at] ^ (1 << below(8))); break;
                case 2: bytes.replace(at, 8, number(nasty[below(std::size(nasty))])); break;
                case 3: bytes.replace(at, 4, number(static_cast<std::uint32_t>(nasty[below(std::size(nasty))]))); break;
                case 4: bytes.erase(at, 1 + below(8)); break;
            }
        }
        const auto result = scene.read(bytes);
        if (!result) {
            REQUIRE(result.error().code == ErrorCode::model_load_failed);
            REQUIRE_FALSE(result.error().message.contains(scene.folder.path().string()));
            continue;
        }
        ++readable;
        for (const auto& tensor : result->tensors) REQUIRE(tensor.offset + tensor.bytes <= bytes.size());
        if (check_language_model(*result)) {
            const ModelInfo info = describe_model("m:latest", *result);
            REQUIRE(info.parameters > 0);
            REQUIRE(info.vocabulary > 0);
        }
    }
    CHECK(readable > 100);  // else the mutations test nothing but the first check
}

}  // namespace weft::test
