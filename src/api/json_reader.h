#pragma once

#include <cstdint>
#include <functional>
#include <glaze/json/generic.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace weft::api {

using Json = glz::generic_u64;  // keeps the order of keys and whole numbers whole

inline constexpr int max_json_depth = 128;
// Of one object. Its map grows with the square of this.
inline constexpr std::size_t max_json_members = 1024;

// Parses a request body: UTF-8 JSON, a BOM is skipped, within the limits above, a duplicate key's last value wins,
// nothing after the value. invalid_request with ErrorReason::malformed_json otherwise.
[[nodiscard]] Result<Json> parse_json(std::string_view text);

// Compact, control characters escaped. Call it qualified (api::write_json): glaze has one of the same name.
[[nodiscard]] std::string write_json(const Json& value);

// A value inside a request and the path that led there, so that every error names its field ("messages[0].content").
// Absent and null are the same. Getters return nothing for an absent value, an Error for one of the wrong type or out
// of range. Borrows the Json: it must outlive the reader.
class JsonReader {
  public:
    explicit JsonReader(const Json& root) : value_(&root) {}

    [[nodiscard]] bool absent() const { return value_ == nullptr || value_->is_null(); }
    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] const Json& json() const { return *value_; }  // only when not absent

    [[nodiscard]] bool is_object() const { return !absent() && value_->is_object(); }
    [[nodiscard]] bool is_array() const { return !absent() && value_->is_array(); }
    [[nodiscard]] bool is_string() const { return !absent() && value_->is_string(); }
    [[nodiscard]] bool is_boolean() const { return !absent() && value_->is_boolean(); }
    [[nodiscard]] bool is_number() const { return !absent() && value_->is_number(); }

    // The member of an object; absent for anything else.
    [[nodiscard]] JsonReader operator[](std::string_view key) const;
    // The first of several names that is not absent.
    [[nodiscard]] JsonReader first_of(std::initializer_list<std::string_view> keys) const;

    [[nodiscard]] Result<std::optional<std::string>> string() const;
    [[nodiscard]] Result<std::optional<bool>> boolean() const;
    // 1 and 1.0 are both whole numbers; 1.5 is an error. Bounds are inclusive.
    [[nodiscard]] Result<std::optional<std::int64_t>> integer(std::int64_t minimum = INT64_MIN,
                                                              std::int64_t maximum = INT64_MAX) const;
    [[nodiscard]] Result<std::optional<double>> number(double minimum = -1e300, double maximum = 1e300) const;
    // The elements of an array; nothing when absent; an error when it is something else.
    [[nodiscard]] Result<std::optional<std::vector<JsonReader>>> array() const;
    // Members of an object in the order of the text.
    [[nodiscard]] Result<std::optional<std::vector<std::pair<std::string, JsonReader>>>> object() const;

    [[nodiscard]] std::unexpected<Error> wrong_type(std::string_view expected) const;
    [[nodiscard]] std::unexpected<Error> invalid(std::string message, ErrorReason reason = ErrorReason::none) const;
    [[nodiscard]] std::unexpected<Error> missing() const;

  private:
    JsonReader(const Json* value, std::string path) : value_(value), path_(std::move(path)) {}
    const Json* value_;
    std::string path_;
};

[[nodiscard]] Result<std::string> required_string(const JsonReader& value);

}  // namespace weft::api
