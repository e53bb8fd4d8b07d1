#include "api/json_reader.h"

#include <charconv>
#include <cmath>
#include <glaze/json.hpp>
#include <optional>

namespace weft::api {
namespace {

struct Shape {
    int depth = 0;             // deepest nesting of brackets
    std::size_t members = 0;   // most members of one object ...
    std::size_t largest = 0;   // ... which begins here
    std::size_t values = 1;    // but for empty lists and objects: one, and one more a comma
    bool holds_nul = false;
};

// Measures the text before it is parsed; it need not be valid, the parser finds out.
class ShapeScanner {
  public:
    explicit ShapeScanner(std::string_view text) : text_(text) {}

    Shape scan() {
        shape_.holds_nul = text_.contains('\0');
        for (std::size_t i = 0; i < text_.size() && shape_.depth <= max_json_depth && shape_.values <= max_json_values; ++i) {
            if (text_[i] == '"') i = end_of_string(i + 1);
            else count(text_[i], i);
        }
        return shape_;
    }

  private:
    // Where the string that goes on at `at` ends. Most of a large body is strings: they are not looked at byte by byte.
    std::size_t end_of_string(std::size_t at) {
        for (;; at = escape_ + 2) {
            if (quote_ < at) quote_ = text_.find('"', at);
            if (escape_ < at) escape_ = text_.find('\\', at);
            if (quote_ <= escape_) return std::min(quote_, text_.size());
        }
    }

    void count(char c, std::size_t at) {
        if (c == '{' || c == '[') {
            open_.push_back({.begin = at});
            shape_.depth = std::max(shape_.depth, static_cast<int>(open_.size()));
        } else if (open_.empty()) {
            return;
        } else if (c == ',') {
            ++shape_.values;
        } else if (c == '}' || c == ']') {
            open_.pop_back();
        } else if (c == ':' && ++open_.back().members > shape_.members) {
            shape_.members = open_.back().members;
            shape_.largest = open_.back().begin;
        }
    }

    struct Open {
        std::size_t begin = 0;
        std::size_t members = 0;
    };
    std::string_view text_;
    std::size_t quote_ = 0;   // the next of each, once looked for; npos when there is none
    std::size_t escape_ = 0;
    Shape shape_;
    std::vector<Open> open_;
};

constexpr std::size_t max_named_key_bytes = 64;

// The key whose value begins at `at`; "" when there is none, or one that is long or has an escape in it.
std::string key_before(std::string_view text, std::size_t at) {
    constexpr std::string_view space = " \t\r\n";
    const auto trim = [&] { text = text.substr(0, text.find_last_not_of(space) + 1); };
    const auto drop = [&](char c) {
        const bool there = text.ends_with(c);
        if (there) text.remove_suffix(1);
        return there;
    };
    text = text.substr(0, at);
    trim();
    if (!drop(':')) return "";
    trim();
    if (!drop('"')) return "";
    const auto key = text.substr(text.rfind('"') + 1);  // npos + 1 is 0
    return key.size() > max_named_key_bytes || key.contains('\\') ? "" : std::string(key);
}

std::unexpected<Error> malformed(std::string message) {
    return fail_field(ErrorCode::invalid_request, "", std::move(message), ErrorReason::malformed_json);
}

// The parser allocates, so it may throw; it stops at the end of the first value.
bool parse(const std::string& text, Json& value) {
    static constexpr glz::opts options{.null_terminated = true, .error_on_unknown_keys = false};
    try {
        const auto result = glz::read<options>(value, text);
        return !result && text.find_first_not_of(" \t\r\n", result.count) == std::string::npos;
    } catch (const std::exception&) {
        return false;
    }
}

// Where the text stops being JSON. The parser itself goes back before it gives up; this one does not.
std::string place_of(std::string_view text) {
    std::size_t at = 0;
    try {
        const std::string terminated(text);
        at = glz::validate_json(terminated).count;
        if (!glz::validate_json(terminated)) at = text.find_first_not_of(" \t\r\n", at);
    } catch (const std::exception&) {
    }
    if (text.find_first_not_of(" \t\r\n", at) == std::string_view::npos) return "it ends too early";
    const auto before = text.substr(0, at);
    const auto line = std::ranges::count(before, '\n') + 1;
    const auto column = before.size() - (before.rfind('\n') + 1) + 1;  // npos + 1 is 0
    return "line " + std::to_string(line) + ", column " + std::to_string(column);
}

std::optional<unsigned> escaped_unit(std::string_view text) {  // of "\\uXXXX"
    constexpr std::size_t length = 6;
    unsigned unit = 0;
    if (text.size() < length || !text.starts_with("\\u")) return std::nullopt;
    const auto [end, error] = std::from_chars(text.data() + 2, text.data() + length, unit, 16);
    return error == std::errc() && end == text.data() + length ? std::optional(unit) : std::nullopt;
}

// JavaScript cuts strings between the halves of a character and writes the half as an escape, which no UTF-8 has: it
// becomes U+FFFD. Nothing when there is none.
std::optional<std::string> with_whole_surrogates(std::string_view text) {
    std::string mended;
    bool found = false;
    for (std::size_t at = 0; at < text.size();) {
        const auto unit = text[at] == '\\' ? escaped_unit(text.substr(at)) : std::nullopt;
        const std::size_t length = unit ? 6 : text[at] == '\\' ? 2 : 1;
        const auto half = [](unsigned value, unsigned first) { return value >= first && value < first + 0x400; };
        const auto next = unit && half(*unit, 0xD800) ? escaped_unit(text.substr(at + length)) : std::nullopt;
        if (next && half(*next, 0xDC00)) {
            mended += text.substr(at, 2 * length);
            at += 2 * length;
            continue;
        }
        const bool alone = unit && (half(*unit, 0xD800) || half(*unit, 0xDC00));
        mended += alone ? std::string_view("\\uFFFD") : text.substr(at, length);
        found |= alone;
        at += length;
    }
    return found ? std::optional(std::move(mended)) : std::nullopt;
}

std::string json_type(const Json& value) {
    if (value.is_null()) return "null";
    if (value.is_boolean()) return "a boolean";
    if (value.is_number()) return "a number";
    if (value.is_string()) return "a string";
    if (value.is_array()) return "an array";
    return "an object";
}

std::string number_text(double value) {
    if (value == std::floor(value) && std::abs(value) < 1e15) return std::to_string(static_cast<long long>(value));
    std::string text = std::to_string(value);
    text.erase(text.find_last_not_of('0') + 1);
    return text;
}

}  // namespace

Result<Json> parse_json(std::string_view text) {
    if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
    const Shape shape = ShapeScanner(text).scan();
    if (shape.depth > max_json_depth)
        return malformed("the JSON is nested deeper than " + std::to_string(max_json_depth) + " levels");
    if (shape.members > max_json_members) {
        const auto key = key_before(text, shape.largest);
        return fail_field(ErrorCode::invalid_request, key,
                          (key.empty() ? "an object in the JSON" : "'" + key + "'") + " has more than " + std::to_string(max_json_members) + " members",
                          ErrorReason::malformed_json);
    }
    if (shape.values > max_json_values)
        return malformed("the JSON holds more than " + std::to_string(max_json_values) + " values");
    // The parser takes a NUL for the end of the text.
    if (shape.holds_nul) return malformed("the request body is not valid JSON: it holds a NUL byte");
    Json value;
    if (parse(std::string(text), value)) return value;
    const auto mended = with_whole_surrogates(text);
    if (mended && parse(*mended, value)) return value;
    return malformed("the request body is not valid JSON: " + place_of(text));
}

std::string write_json(const Json& value) {
    // Without this option glaze writes control characters as NULs, which no parser takes.
    struct Escaping : glz::opts {
        bool escape_control_characters = true;
    };
    std::string out;
    if (glz::write<Escaping{}>(value, out)) return "null";
    return out;
}

JsonReader JsonReader::operator[](std::string_view key) const {
    std::string path = path_.empty() ? std::string(key) : path_ + "." + std::string(key);
    if (!is_object()) return {nullptr, std::move(path)};
    const auto& members = value_->get_object();
    const auto found = members.find(key);
    return {found == members.end() ? nullptr : &found->second, std::move(path)};
}

JsonReader JsonReader::first_of(std::initializer_list<std::string_view> keys) const {
    for (const auto key : keys)
        if (auto member = (*this)[key]; !member.absent()) return member;
    return (*this)[*keys.begin()];
}

Result<std::optional<std::string>> JsonReader::string() const {
    if (absent()) return std::nullopt;
    if (!value_->is_string()) return wrong_type("a string");
    return value_->get<std::string>();
}

Result<std::optional<bool>> JsonReader::boolean() const {
    if (absent()) return std::nullopt;
    if (!value_->is_boolean()) return wrong_type("a boolean");
    return value_->get<bool>();
}

Result<std::optional<std::int64_t>> JsonReader::integer(std::int64_t minimum, std::int64_t maximum) const {
    if (absent()) return std::nullopt;
    if (!value_->is_number()) return wrong_type("an integer");
    std::int64_t whole = 0;
    if (value_->is_uint64()) {
        const auto n = value_->get<std::uint64_t>();
        whole = n > static_cast<std::uint64_t>(INT64_MAX) ? INT64_MAX : static_cast<std::int64_t>(n);
    } else if (value_->is_int64()) {
        whole = value_->get<std::int64_t>();
    } else {
        const double n = value_->as_number();
        if (!std::isfinite(n) || n != std::floor(n)) return wrong_type("an integer");
        whole = n >= 9.2e18 ? INT64_MAX : n <= -9.2e18 ? INT64_MIN : static_cast<std::int64_t>(n);
    }
    if (whole < minimum)
        return invalid("must be at least " + std::to_string(minimum), ErrorReason::below_minimum);
    if (whole > maximum) return invalid("must be at most " + std::to_string(maximum), ErrorReason::above_maximum);
    return whole;
}

Result<std::optional<double>> JsonReader::number(double minimum, double maximum) const {
    if (absent()) return std::nullopt;
    if (!value_->is_number()) return wrong_type("a number");
    const double n = value_->as_number();
    if (!std::isfinite(n)) return wrong_type("a finite number");
    if (n < minimum) return invalid("must be at least " + number_text(minimum), ErrorReason::decimal_below_minimum);
    if (n > maximum) return invalid("must be at most " + number_text(maximum), ErrorReason::decimal_above_maximum);
    return n;
}

Result<std::optional<std::vector<JsonReader>>> JsonReader::array() const {
    if (absent()) return std::nullopt;
    if (!value_->is_array()) return wrong_type("an array");
    std::vector<JsonReader> elements;
    const auto& values = value_->get_array();
    elements.reserve(values.size());
    for (std::size_t i = 0; i < values.size(); ++i)
        elements.push_back(JsonReader(&values[i], path_ + "[" + std::to_string(i) + "]"));
    return elements;
}

Result<std::optional<std::vector<std::pair<std::string, JsonReader>>>> JsonReader::object() const {
    if (absent()) return std::nullopt;
    if (!value_->is_object()) return wrong_type("an object");
    std::vector<std::pair<std::string, JsonReader>> members;
    for (const auto& [key, value] : value_->get_object())
        members.emplace_back(key, JsonReader(&value, path_.empty() ? key : path_ + "." + key));
    return members;
}

std::unexpected<Error> JsonReader::wrong_type(std::string_view expected) const {
    return fail_field(ErrorCode::invalid_request, path_,
                      "'" + path_ + "' must be " + std::string(expected) +
                          (absent() ? std::string() : ", not " + json_type(*value_)),
                      ErrorReason::wrong_type);
}

std::unexpected<Error> JsonReader::invalid(std::string message, ErrorReason reason) const {
    return fail_field(ErrorCode::invalid_request, path_, "'" + path_ + "' " + std::move(message), reason);
}

std::unexpected<Error> JsonReader::missing() const {
    return fail_field(ErrorCode::missing_field, path_, "'" + path_ + "' is required");
}

Result<std::string> required_string(const JsonReader& value) {
    WEFT_TRY(auto text, value.string());
    if (!text) return value.missing();
    return std::move(*text);
}

}  // namespace weft::api
