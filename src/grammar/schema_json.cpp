#include "grammar/schema_json.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <glaze/json.hpp>
#include <utility>
#include <vector>

#include "grammar/gbnf_builder.h"

namespace weft {
namespace {

std::unexpected<Error> malformed(std::string message) { return fail(ErrorCode::invalid_request, std::move(message)); }

// Depth and members, before the parser recurses into the text. It need not be valid JSON yet.
Result<void> check_shape(std::string_view text) {
    std::vector<std::size_t> members;
    bool in_string = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (c == '\0') return malformed("the schema is not valid JSON: it holds a NUL byte");
        if (in_string) {
            if (c == '\\') ++i;
            else if (c == '"') in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            members.push_back(0);
            if (members.size() > max_schema_depth)
                return malformed("the schema is nested deeper than " + std::to_string(max_schema_depth) + " levels");
        } else if ((c == '}' || c == ']') && !members.empty()) {
            members.pop_back();
        } else if (c == ':' && !members.empty() && ++members.back() > max_schema_members) {
            return malformed("an object of the schema has more than " + std::to_string(max_schema_members) + " members");
        }
    }
    return {};
}

// What says something about values of one type only, so that a schema without `type` speaks of that type.
struct TypeWord {
    std::string_view keyword;
    std::string_view type;
};
constexpr std::array type_words{
    TypeWord{"properties", "object"},       TypeWord{"required", "object"},        TypeWord{"additionalProperties", "object"},
    TypeWord{"patternProperties", "object"}, TypeWord{"propertyNames", "object"},  TypeWord{"minProperties", "object"},
    TypeWord{"maxProperties", "object"},    TypeWord{"unevaluatedProperties", "object"},
    TypeWord{"items", "array"},             TypeWord{"prefixItems", "array"},      TypeWord{"minItems", "array"},
    TypeWord{"maxItems", "array"},          TypeWord{"additionalItems", "array"},  TypeWord{"unevaluatedItems", "array"},
    TypeWord{"minLength", "string"},        TypeWord{"maxLength", "string"},       TypeWord{"pattern", "string"},
    TypeWord{"minimum", "number"},          TypeWord{"maximum", "number"},         TypeWord{"exclusiveMinimum", "number"},
    TypeWord{"exclusiveMaximum", "number"}, TypeWord{"multipleOf", "number"},
};

// Say nothing about values.
constexpr std::array<std::string_view, 16> annotations{
    "title",   "description", "default",    "examples", "example",    "deprecated",  "readOnly",        "writeOnly",
    "$schema", "$id",         "$comment",   "$defs",    "definitions", "$anchor", "contentEncoding", "contentMediaType"};

}  // namespace

Result<SchemaJson> parse_schema_json(std::string_view text) {
    if (text.size() > max_schema_bytes)
        return malformed("the schema has more than " + std::to_string(max_schema_bytes) + " bytes");
    WEFT_CHECK(check_shape(text));
    static constexpr glz::opts options{.null_terminated = true, .error_on_unknown_keys = false};
    SchemaJson value;
    const std::string terminated(text);
    try {
        const auto result = glz::read<options>(value, terminated);
        if (result || terminated.find_first_not_of(" \t\r\n", result.count) != std::string::npos)
            return malformed("the schema is not valid JSON");
    } catch (const std::exception&) {
        return malformed("the schema is not valid JSON");
    }
    return value;
}

void drop_null_keywords(SchemaJson& schema, bool lenient) {
    static constexpr std::array values{"const", "default", "enum", "examples", "example"};
    static constexpr std::array maps_of_schemas{"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"};
    const auto is_one_of = [](const auto& words, const std::string& key) { return std::ranges::find(words, key) != words.end(); };
    if (schema.is_array())
        for (auto& element : schema.get_array()) drop_null_keywords(element, lenient);
    if (!schema.is_object()) return;
    auto& members = schema.get_object();
    std::vector<std::string> said_nothing;
    for (const auto& [key, value] : members)
        if ((value.is_null() && key != "const" && key != "default") || (lenient && key == "enum" && value.is_array() && value.get_array().empty()))
            said_nothing.push_back(key);
    for (const auto& key : said_nothing) members.erase(key);
    for (auto& [key, value] : members) {
        if (is_one_of(values, key)) continue;
        if (!is_one_of(maps_of_schemas, key) || !value.is_object()) {
            drop_null_keywords(value, lenient);
            continue;
        }
        for (auto& [name, inner] : value.get_object()) {
            if (inner.is_null()) inner = json_of(true);
            drop_null_keywords(inner, lenient);
        }
    }
}

std::string compact_json(const SchemaJson& value) {
    // Without this option glaze writes control characters as NULs, which no parser takes.
    struct Escaping : glz::opts {
        bool escape_control_characters = true;
    };
    std::string out;
    if (glz::write<Escaping{}>(value, out)) return "null";
    return out;
}

const SchemaJson* member(const SchemaJson& value, std::string_view key) {
    if (!value.is_object()) return nullptr;
    const auto& members = value.get_object();
    const auto found = members.find(key);
    return found == members.end() ? nullptr : &found->second;
}

SchemaJson json_of(bool value) {
    SchemaJson json;
    json.data = value;
    return json;
}

SchemaJson empty_object() {
    SchemaJson value;
    value.data = SchemaJson::object_t{};
    return value;
}

SchemaJson list_of(std::vector<SchemaJson> elements) {
    SchemaJson value;
    value.data = std::move(elements);
    return value;
}

bool has_type(const SchemaJson& value, std::string_view type) {
    if (type == "integer") return value.is_number() && std::floor(value.as<double>()) == value.as<double>();
    return (type == "object" && value.is_object()) || (type == "array" && value.is_array()) ||
           (type == "string" && value.is_string()) || (type == "number" && value.is_number()) ||
           (type == "boolean" && value.is_boolean()) || (type == "null" && value.is_null());
}

bool is_annotation(std::string_view keyword) { return std::ranges::find(annotations, keyword) != annotations.end(); }

std::string_view type_of_keyword(std::string_view keyword) {
    const auto found = std::ranges::find(type_words, keyword, &TypeWord::keyword);
    return found == type_words.end() ? std::string_view() : found->type;
}

}  // namespace weft
