#include "registry/gguf.h"

#include <algorithm>
#include <boost/hash2/sha2.hpp>
#include <charconv>
#include <cstdio>
#include <map>
#include <unordered_set>

#include "registry/gguf_parser.h"

namespace weft {
namespace fs = std::filesystem;

// ---- looking things up ----------------------------------------------------------------------------------------------

const GgufEntry* GgufHeader::find(std::string_view key) const {
    const auto it = std::ranges::find(entries, key, &GgufEntry::key);
    return it == entries.end() ? nullptr : &*it;
}

namespace {

const GgufScalar* scalar(const GgufHeader& header, std::string_view key) {
    const auto* entry = header.find(key);
    return entry ? std::get_if<GgufScalar>(&entry->value) : nullptr;
}

}  // namespace

std::optional<std::uint64_t> GgufHeader::integer(std::string_view key) const {
    const auto* value = scalar(*this, key);
    if (!value) return std::nullopt;
    if (const auto* natural = std::get_if<std::uint64_t>(value)) return *natural;
    const auto* whole = std::get_if<std::int64_t>(value);
    if (whole && *whole >= 0) return static_cast<std::uint64_t>(*whole);
    return std::nullopt;
}

std::optional<double> GgufHeader::number(std::string_view key) const {
    const auto* value = scalar(*this, key);
    if (!value) return std::nullopt;
    if (const auto* single = std::get_if<float>(value)) return *single;
    if (const auto* twice = std::get_if<double>(value)) return *twice;
    if (const auto* whole = std::get_if<std::int64_t>(value)) return static_cast<double>(*whole);
    if (const auto* natural = std::get_if<std::uint64_t>(value)) return static_cast<double>(*natural);
    return std::nullopt;
}

std::optional<std::string_view> GgufHeader::string(std::string_view key) const {
    const auto* value = scalar(*this, key);
    const auto* text = value ? std::get_if<std::string>(value) : nullptr;
    if (!text) return std::nullopt;
    return *text;
}

const GgufArray* GgufHeader::array(std::string_view key) const {
    const auto* entry = find(key);
    return entry ? std::get_if<GgufArray>(&entry->value) : nullptr;
}

std::string GgufHeader::architecture_key(std::string_view name) const {
    return std::string(string("general.architecture").value_or("")) + "." + std::string(name);
}

// ---- split files ----------------------------------------------------------------------------------------------------

namespace {

// "x-00002-of-00003.gguf"
struct ShardName {
    std::string stem;
    std::uint32_t number = 0;
    std::uint32_t count = 0;
};

std::optional<std::uint32_t> five_digits(std::string_view text) {
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.size() != 5 || error != std::errc{} || end != text.data() + 5) return std::nullopt;
    return value;
}

std::optional<ShardName> shard_name(const fs::path& path) {
    constexpr std::size_t suffix_bytes = std::string_view("-00001-of-00003").size();
    const std::string stem = path.stem().string();
    if (stem.size() <= suffix_bytes) return std::nullopt;
    const std::string_view suffix = std::string_view(stem).substr(stem.size() - suffix_bytes);
    const auto number = five_digits(suffix.substr(1, 5));
    const auto count = five_digits(suffix.substr(10, 5));
    if (suffix[0] != '-' || suffix.substr(6, 4) != "-of-" || !number || !count) return std::nullopt;
    if (*number < 1 || *number > *count) return std::nullopt;
    return ShardName{stem.substr(0, stem.size() - suffix_bytes), *number, *count};
}

fs::path shard_path(const fs::path& folder, const ShardName& name, std::uint32_t number) {
    char suffix[40];
    std::snprintf(suffix, sizeof suffix, "-%05u-of-%05u.gguf", number, name.count);
    return folder / (name.stem + suffix);
}

Result<void> add_shard(GgufHeader& model, GgufHeader shard) {
    std::unordered_set<std::string_view> names;
    for (const auto& tensor : model.tensors) names.insert(tensor.name);
    for (auto& tensor : shard.tensors)
        if (names.contains(tensor.name))
            return fail(ErrorCode::model_load_failed, "tensor '" + tensor.name + "' is in two shards");
    if (model.tensors.size() + shard.tensors.size() > gguf_limits::tensors)
        return fail(ErrorCode::model_load_failed, "too many tensors");
    std::ranges::move(shard.tensors, std::back_inserter(model.tensors));
    model.file_bytes += shard.file_bytes;
    model.tensor_bytes += shard.tensor_bytes;
    model.parameters += shard.parameters;
    model.modified_at = std::max(model.modified_at, shard.modified_at);
    model.digest += "\n" + shard.digest;
    return {};
}

Result<void> add_shards(GgufHeader& model, const fs::path& path, const ShardName& name) {
    if (name.number != 1) return fail(ErrorCode::model_load_failed, "not the first file of a split model");
    if (name.count > gguf_limits::shards) return fail(ErrorCode::model_load_failed, "too many files");
    const auto expected = model.integer("split.count");
    if (expected && *expected != name.count)
        return fail(ErrorCode::model_load_failed, "key 'split.count' says " + std::to_string(*expected) +
                                                      ", the file name " + std::to_string(name.count));
    const auto files = files_of_model(path);
    for (std::size_t i = 1; i < files.size(); ++i) {
        auto header = parse_gguf_file(files[i]);
        if (!header) {
            Error error = std::move(header).error();
            error.message = "file " + std::to_string(i + 1) + " of " + std::to_string(name.count) + ": " + error.message;
            return std::unexpected(std::move(error));
        }
        WEFT_CHECK(add_shard(model, std::move(*header)));
    }
    model.files = files;
    return {};
}

std::string sha256(std::string_view text) {
    boost::hash2::sha2_256 hash;
    hash.update(text.data(), text.size());
    return to_string(hash.result());
}

}  // namespace

Result<GgufHeader> read_gguf(const fs::path& path) {
    WEFT_TRY(auto header, parse_gguf_file(path));
    header.files.push_back(path);
    if (const auto name = shard_name(path); name && name->count > 1) WEFT_CHECK(add_shards(header, path, *name));
    header.digest = sha256(header.digest);
    return header;
}

Result<std::vector<GgufScalar>> read_gguf_array(const GgufHeader& header, const GgufArray& array) {
    if (array.complete()) return array.values;
    WEFT_TRY(auto cursor, GgufCursor::open(header.files.at(0), gguf_limits::header_bytes));
    WEFT_CHECK(cursor.seek(array.file_offset));
    std::vector<GgufScalar> values;
    values.reserve(std::min<std::uint64_t>(array.count, gguf_limits::array_elements));
    std::uint64_t kept = 0;
    for (std::uint64_t i = 0; i < array.count; ++i) {
        WEFT_TRY(auto value, read_gguf_scalar(cursor, array.element_type, "the array"));
        if (const auto* text = std::get_if<std::string>(&value)) kept += text->size();
        if (kept > gguf_limits::kept_bytes) return fail(ErrorCode::model_load_failed, "the array is too long");
        values.push_back(std::move(value));
    }
    return values;
}

bool is_later_shard(const fs::path& path) {
    const auto name = shard_name(path);
    return name && name->number > 1;
}

std::vector<fs::path> files_of_model(const fs::path& path) {
    std::vector<fs::path> files{path};
    const auto name = shard_name(path);
    if (!name || name->number != 1 || name->count > gguf_limits::shards) return files;
    for (std::uint32_t number = 2; number <= name->count; ++number)
        files.push_back(shard_path(path.parent_path(), *name, number));
    return files;
}

std::string model_stem(const fs::path& path) {
    const auto name = shard_name(path);
    return name ? name->stem : path.stem().string();
}

// ---- in words -------------------------------------------------------------------------------------------------------

std::string quantization_of(const GgufHeader& header) {
    if (const auto type = header.integer("general.file_type"))
        if (const auto name = quantization_name(*type); !name.empty()) return std::string(name);
    std::map<std::string_view, std::uint64_t> bytes;
    for (const auto& tensor : header.tensors) bytes[tensor.type.name] += tensor.bytes;
    const auto most = std::ranges::max_element(bytes, {}, [](const auto& entry) { return entry.second; });
    return most == bytes.end() ? "unknown" : std::string(most->first);
}

std::string parameter_size_text(std::uint64_t parameters) {
    const auto scaled = [&](double unit, int decimals, char letter) {
        const double value = static_cast<double>(parameters) / unit;
        const bool whole = parameters % static_cast<std::uint64_t>(unit) == 0;
        char text[40];
        std::snprintf(text, sizeof text, "%.*f%c", whole ? 0 : decimals, value, letter);
        return std::string(text);
    };
    if (parameters >= 1'000'000'000) return scaled(1e9, 1, 'B');
    if (parameters >= 1'000'000) return scaled(1e6, 2, 'M');
    if (parameters >= 1'000) return scaled(1e3, 0, 'K');
    return std::to_string(parameters);
}

}  // namespace weft
