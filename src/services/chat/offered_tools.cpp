#include "services/chat/offered_tools.h"

#include <algorithm>
#include <glaze/json/generic.hpp>

#include "services/chat/json_scanner.h"

namespace weft {
namespace {

using Json = glz::generic_u64;

const Json* member(const Json& object, std::string_view key) {
    if (!object.is_object()) return nullptr;
    const auto& members = object.get_object();
    const auto found = members.find(key);
    return found == members.end() ? nullptr : &found->second;
}

std::uint8_t type_named(std::string_view name) {
    if (name == "null") return json_null;
    if (name == "boolean") return json_boolean;
    if (name == "integer") return json_integer;
    if (name == "number") return json_number;
    if (name == "string") return json_string_type;
    if (name == "array") return json_array;
    if (name == "object") return json_object;
    return unsaid;
}

std::uint8_t type_of_value(const Json& value) {
    if (value.is_null()) return json_null;
    if (value.is_boolean()) return json_boolean;
    if (value.is_number()) return json_number;
    if (value.is_string()) return json_string_type;
    return value.is_array() ? json_array : json_object;
}

// Bounded by the depth of the request's JSON.
std::uint8_t types_in(const Json& schema) {
    std::uint8_t types = unsaid;
    if (const auto* type = member(schema, "type")) {
        if (type->is_string()) types |= type_named(type->get<std::string>());
        if (type->is_array())
            for (const auto& name : type->get_array())
                if (name.is_string()) types |= type_named(name.get<std::string>());
    }
    if (types != unsaid) return types;
    for (const auto* key : {"anyOf", "oneOf"})
        if (const auto* list = member(schema, key); list && list->is_array())
            for (const auto& option : list->get_array()) types |= types_in(option);
    if (const auto* values = member(schema, "enum"); values && values->is_array())
        for (const auto& value : values->get_array()) types |= type_of_value(value);
    if (const auto* value = member(schema, "const")) types |= type_of_value(*value);
    return types;
}

// Of compact JSON text.
std::uint8_t types_of_text(std::string_view json) {
    switch (json.front()) {
        case '{': return json_object;
        case '[': return json_array;
        case '"': return json_string_type;
        case 'n': return json_null;
        case 't':
        case 'f': return json_boolean;
        default: break;
    }
    const bool whole = json.find_first_of(".eE") == std::string_view::npos;
    return whole ? json_integer | json_number : json_number;
}

// Python's spellings, which models trained on Python code mix up.
std::string_view as_json_word(std::string_view text) {
    if (text == "True") return "true";
    if (text == "False") return "false";
    if (text == "None") return "null";
    return text;
}

}  // namespace

std::shared_ptr<const OfferedTools> OfferedTools::read(const std::vector<std::string>& tools_json) {
    auto offered = std::make_shared<OfferedTools>();
    for (const auto& text : tools_json) {
        Json tool;
        if (glz::read_json(tool, text)) continue;
        const auto* function = member(tool, "function");
        if (function == nullptr) function = &tool;
        const auto* name = member(*function, "name");
        if (name == nullptr || !name->is_string()) continue;
        auto& parameters = offered->tools_[name->get<std::string>()];
        const auto* schema = member(*function, "parameters");
        const auto* properties = schema ? member(*schema, "properties") : nullptr;
        if (properties == nullptr || !properties->is_object()) continue;
        for (const auto& [key, value] : properties->get_object()) parameters[key] = types_in(value);
    }
    return offered;
}

std::string OfferedTools::value_of(std::string_view tool, std::string_view parameter, std::string_view text) const {
    std::uint8_t types = unsaid;
    if (const auto known = tools_.find(tool); known != tools_.end())
        if (const auto type = known->second.find(parameter); type != known->second.end()) types = type->second;
    if (types == json_string_type) return json_string(text);
    const auto json = compact_json(types & json_boolean || types & json_null ? as_json_word(text) : text);
    if (json.empty()) return json_string(text);
    const bool fits = types == unsaid || (types_of_text(json) & types) != 0;
    // A quoted text where a string may be anything: the quotes are part of what was said.
    return fits && json.front() != '"' ? json : json_string(text);
}

}  // namespace weft
