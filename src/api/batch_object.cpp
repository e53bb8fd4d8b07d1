#include "api/batch_object.h"

#include <glaze/json.hpp>

namespace weft::api {
namespace {

// Clients expect every key, null where there is nothing.
constexpr glz::opts every_key{.skip_null_members = false};

template <typename T>
std::string json_of(const T& value) {
    std::string text;
    if (glz::write<every_key>(value, text)) return "{}";
    return text;
}

}  // namespace

std::string batch_json(const BatchObject& batch) { return json_of(batch); }
std::string stored_batch_json(const StoredBatch& batch) { return json_of(batch); }

Result<StoredBatch> read_stored_batch(const std::string& text) {
    StoredBatch batch;
    constexpr glz::opts lenient{.error_on_unknown_keys = false};
    if (const auto error = glz::read<lenient>(batch, text))
        return std::unexpected(Error{.code = ErrorCode::internal, .message = "a stored batch cannot be read", .detail = glz::format_error(error, text)});
    return batch;
}

}  // namespace weft::api
