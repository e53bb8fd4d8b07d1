#include "registry/gguf_parser.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <unordered_set>

#include "registry/utf8.h"

namespace weft {
namespace {

namespace limits = gguf_limits;

std::unexpected<Error> broken(std::string message) { return fail(ErrorCode::model_load_failed, std::move(message)); }

std::string of_key(const std::string& key) { return "key '" + key + "'"; }

bool printable(std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f; });
}

template <typename Wide, typename T>
Result<GgufScalar> widened(GgufCursor& cursor) {
    WEFT_TRY(const T value, cursor.number<T>());
    return GgufScalar(static_cast<Wide>(value));
}

Result<GgufScalar> boolean(GgufCursor& cursor, const std::string& what) {
    WEFT_TRY(const auto value, cursor.number<std::uint8_t>());
    if (value > 1) return broken(what + ": a boolean that is neither 0 nor 1");
    return GgufScalar(value == 1);
}

// ---- one file -------------------------------------------------------------------------------------------------------

class Parser {
  public:
    explicit Parser(GgufCursor cursor) : in_(std::move(cursor)) {}

    Result<GgufHeader> parse() {
        WEFT_CHECK(counts());
        WEFT_CHECK(entries());
        WEFT_CHECK(alignment());
        WEFT_CHECK(tensors());
        WEFT_CHECK(place_tensors());
        finish();
        return std::move(header_);
    }

  private:
    Result<void> counts() {
        WEFT_TRY(const auto magic, in_.number<std::uint32_t>());
        if (magic != 0x46554747) return broken("not a GGUF file");
        WEFT_TRY(header_.version, in_.number<std::uint32_t>());
        if ((header_.version & 0xFFFF) == 0) return broken("a big-endian GGUF file; only little-endian ones are supported");
        if (header_.version != 2 && header_.version != 3)
            return broken("GGUF version " + std::to_string(header_.version) + "; only 2 and 3 are supported");
        WEFT_TRY(n_tensors_, in_.number<std::uint64_t>());
        WEFT_TRY(n_entries_, in_.number<std::uint64_t>());
        if (n_tensors_ > limits::tensors) return broken("more than " + std::to_string(limits::tensors) + " tensors");
        if (n_entries_ > limits::keys) return broken("more than " + std::to_string(limits::keys) + " metadata keys");
        return {};
    }

    Result<void> entries() {
        std::unordered_set<std::string> seen;
        for (std::uint64_t i = 0; i < n_entries_; ++i) {
            WEFT_TRY(std::string key, in_.text(limits::key_bytes, "metadata key " + std::to_string(i)));
            if (key.empty() || !printable(key)) return broken("metadata key " + std::to_string(i) + " is not printable");
            key = valid_utf8(std::move(key));
            if (!seen.insert(key).second) return broken(of_key(key) + " appears twice");
            WEFT_CHECK(keep(key.size(), key));
            WEFT_CHECK(entry(std::move(key)));
        }
        return {};
    }

    Result<void> entry(std::string key) {
        WEFT_TRY(const auto type, value_type(key));
        if (type == GgufType::array) {
            WEFT_TRY(auto array, array_value(key));
            header_.entries.push_back({std::move(key), type, std::move(array)});
            return {};
        }
        WEFT_TRY(auto value, read_gguf_scalar(in_, type, of_key(key)));
        if (const auto* text = std::get_if<std::string>(&value)) WEFT_CHECK(keep(text->size(), key));
        header_.entries.push_back({std::move(key), type, std::move(value)});
        return {};
    }

    Result<GgufType> value_type(const std::string& key) {
        WEFT_TRY(const auto number, in_.number<std::uint32_t>());
        if (number > static_cast<std::uint32_t>(GgufType::f64))
            return broken(of_key(key) + ": unknown value type " + std::to_string(number));
        return static_cast<GgufType>(number);
    }

    Result<GgufArray> array_value(const std::string& key) {
        GgufArray array;
        WEFT_TRY(array.element_type, value_type(key));
        if (array.element_type == GgufType::array) return broken(of_key(key) + ": nested arrays are not supported");
        WEFT_TRY(array.count, in_.number<std::uint64_t>());
        array.file_offset = in_.position();
        // A string takes at least its length of 8 bytes, so what is left bounds the count before anything is read.
        const std::uint64_t smallest = array.element_type == GgufType::string ? 8 : fixed_size_of(array.element_type);
        if (array.count > limits::array_elements)
            return broken(of_key(key) + ": more than " + std::to_string(limits::array_elements) + " elements");
        if (array.count > in_.left() / smallest) return broken(of_key(key) + ": the file ends inside the array");
        if (array.count > limits::kept_array_elements) {
            WEFT_CHECK(pass_over(array, key));
        } else {
            WEFT_CHECK(read_elements(array, key));
        }
        return array;
    }

    Result<void> pass_over(const GgufArray& array, const std::string& key) {
        if (array.element_type != GgufType::string) return in_.skip(array.count * fixed_size_of(array.element_type));
        for (std::uint64_t i = 0; i < array.count; ++i) WEFT_CHECK(in_.skip_text(limits::string_bytes, of_key(key)));
        return {};
    }

    Result<void> read_elements(GgufArray& array, const std::string& key) {
        array.values.reserve(array.count);
        for (std::uint64_t i = 0; i < array.count; ++i) {
            WEFT_TRY(auto value, read_gguf_scalar(in_, array.element_type, of_key(key)));
            const auto* text = std::get_if<std::string>(&value);
            WEFT_CHECK(keep(sizeof(value) + (text ? text->size() : 0), key));
            array.values.push_back(std::move(value));
        }
        return {};
    }

    // Counts what stays in memory.
    Result<void> keep(std::uint64_t bytes, const std::string& key) {
        kept_bytes_ += bytes;
        if (kept_bytes_ > limits::kept_bytes) return broken(of_key(key) + ": too much metadata");
        return {};
    }

    Result<void> alignment() {
        const auto* entry = header_.find("general.alignment");
        if (!entry) return {};
        const auto value = header_.integer("general.alignment");
        if (entry->type != GgufType::u32 || !value || *value > limits::alignment || !std::has_single_bit(*value))
            return broken("key 'general.alignment': must be a power of two, as u32");
        header_.alignment = static_cast<std::uint32_t>(*value);
        return {};
    }

    Result<void> tensors() {
        std::unordered_set<std::string> seen;
        for (std::uint64_t i = 0; i < n_tensors_; ++i) {
            WEFT_TRY(auto tensor, tensor_info(i));
            if (!seen.insert(tensor.name).second) return broken("tensor '" + tensor.name + "' appears twice");
            header_.tensors.push_back(std::move(tensor));
        }
        return {};
    }

    Result<GgufTensor> tensor_info(std::uint64_t index) {
        GgufTensor tensor;
        WEFT_TRY(tensor.name, in_.text(limits::tensor_name_bytes, "name of tensor " + std::to_string(index)));
        if (tensor.name.empty() || !printable(tensor.name))
            return broken("name of tensor " + std::to_string(index) + " is not printable");
        tensor.name = valid_utf8(std::move(tensor.name));
        const std::string what = "tensor '" + tensor.name + "'";
        WEFT_TRY(tensor.n_dimensions, in_.number<std::uint32_t>());
        if (tensor.n_dimensions > limits::dimensions) return broken(what + ": more than 4 dimensions");
        for (std::uint32_t d = 0; d < tensor.n_dimensions; ++d) {
            WEFT_TRY(tensor.shape[d], in_.number<std::uint64_t>());
        }
        WEFT_TRY(const auto type, in_.number<std::uint32_t>());
        const auto known = ggml_type(type);
        if (!known) return broken(what + ": unknown tensor type " + std::to_string(type));
        tensor.type = *known;
        WEFT_TRY(tensor.offset, in_.number<std::uint64_t>());
        WEFT_TRY(tensor.bytes, size_of(tensor, what));
        return tensor;
    }

    static Result<std::uint64_t> size_of(const GgufTensor& tensor, const std::string& what) {
        std::uint64_t elements = 1;
        for (const std::uint64_t extent : tensor.shape) {
            if (extent == 0) return broken(what + ": an empty dimension");
            // Signed in ggml, hence half the range.
            if (__builtin_mul_overflow(elements, extent, &elements) || elements > INT64_MAX)
                return broken(what + ": too many elements");
        }
        if (tensor.shape[0] % tensor.type.block_elements != 0)
            return broken(what + ": its rows do not hold whole " + std::string(tensor.type.name) + " blocks");
        std::uint64_t bytes = 0;
        if (__builtin_mul_overflow(elements / tensor.type.block_elements, tensor.type.block_bytes, &bytes))
            return broken(what + ": too many bytes");
        return bytes;
    }

    // Tensor offsets count from the first aligned byte behind the header; from here on they count from the file's start.
    Result<void> place_tensors() {
        const std::uint64_t mask = header_.alignment - 1;
        const std::uint64_t data = (in_.position() + mask) & ~mask;
        for (auto& tensor : header_.tensors) {
            const std::string what = "tensor '" + tensor.name + "'";
            if ((tensor.offset & mask) != 0) return broken(what + ": its data is not aligned");
            if (data > in_.file_bytes() || tensor.offset > in_.file_bytes() - data ||
                tensor.bytes > in_.file_bytes() - data - tensor.offset)
                return broken(what + ": its data lies outside the file, which is incomplete or broken");
            tensor.offset += data;
        }
        return refuse_overlaps();
    }

    Result<void> refuse_overlaps() const {
        std::vector<const GgufTensor*> order;
        for (const auto& tensor : header_.tensors) order.push_back(&tensor);
        std::ranges::sort(order, {}, &GgufTensor::offset);
        for (std::size_t i = 1; i < order.size(); ++i)
            if (order[i - 1]->offset + order[i - 1]->bytes > order[i]->offset)
                return broken("tensors '" + order[i - 1]->name + "' and '" + order[i]->name + "' overlap");
        return {};
    }

    void finish() {
        header_.file_bytes = in_.file_bytes();
        header_.modified_at = std::chrono::system_clock::time_point(
            std::chrono::duration_cast<std::chrono::system_clock::duration>(std::chrono::nanoseconds(in_.modified_ns())));
        for (const auto& tensor : header_.tensors) {
            header_.tensor_bytes += tensor.bytes;
            std::uint64_t elements = 1;
            for (const std::uint64_t extent : tensor.shape) elements *= extent;
            header_.parameters += elements;
        }
        header_.digest = in_.finish_digest() + ":" + std::to_string(in_.file_bytes()) + ":" + std::to_string(in_.modified_ns());
    }

    GgufCursor in_;
    GgufHeader header_{};
    std::uint64_t n_tensors_ = 0;
    std::uint64_t n_entries_ = 0;
    std::uint64_t kept_bytes_ = 0;
};

}  // namespace

Result<GgufScalar> read_gguf_scalar(GgufCursor& cursor, GgufType type, const std::string& what) {
    switch (type) {
        case GgufType::u8: return widened<std::uint64_t, std::uint8_t>(cursor);
        case GgufType::u16: return widened<std::uint64_t, std::uint16_t>(cursor);
        case GgufType::u32: return widened<std::uint64_t, std::uint32_t>(cursor);
        case GgufType::u64: return widened<std::uint64_t, std::uint64_t>(cursor);
        case GgufType::i8: return widened<std::int64_t, std::int8_t>(cursor);
        case GgufType::i16: return widened<std::int64_t, std::int16_t>(cursor);
        case GgufType::i32: return widened<std::int64_t, std::int32_t>(cursor);
        case GgufType::i64: return widened<std::int64_t, std::int64_t>(cursor);
        case GgufType::f32: return widened<float, float>(cursor);
        case GgufType::f64: return widened<double, double>(cursor);
        case GgufType::boolean: return boolean(cursor, what);
        case GgufType::string: {
            WEFT_TRY(auto text, cursor.text(gguf_limits::string_bytes, what));
            return GgufScalar(valid_utf8(std::move(text)));
        }
        case GgufType::array: break;
    }
    return broken(what + ": an array where a value belongs");
}

Result<GgufHeader> parse_gguf_file(const std::filesystem::path& path) {
    WEFT_TRY(auto cursor, GgufCursor::open(path, gguf_limits::header_bytes));
    return Parser(std::move(cursor)).parse();
}

}  // namespace weft
