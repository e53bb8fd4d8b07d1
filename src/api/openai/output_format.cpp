#include "api/openai/output_format.h"

#include <optional>
#include <string>
#include <utility>

namespace weft::api::openai {
namespace {

struct Wanted {
    OutputFormat format = OutputFormat::text;
    std::string definition{};
    std::string field{};
    bool lenient = false;
};
using Wish = Result<std::optional<Wanted>>;

bool is_empty_string(const JsonReader& value) { return value.is_string() && value.json().get<std::string>().empty(); }

// A schema, or its text as a JSON string.
Wish schema_in(const JsonReader& value, bool lenient = false) {
    Wanted wanted{.format = OutputFormat::json_schema, .field = value.path(), .lenient = lenient};
    if (value.is_string()) {
        wanted.definition = value.json().get<std::string>();
        const auto parsed = parse_json(wanted.definition);
        if (!parsed || !(parsed->is_object() || parsed->is_boolean()))
            return value.invalid("is not the JSON text of a schema", ErrorReason::invalid_schema);
    } else if (value.is_object() || value.is_boolean()) {
        wanted.definition = api::write_json(value.json());
    } else {
        return value.wrong_type("a JSON Schema object");
    }
    return wanted;
}

Wish json_object_in(const JsonReader& field) { return Wanted{.format = OutputFormat::json, .field = field.path()}; }

Wish text_in(const JsonReader& value, OutputFormat format) {
    WEFT_TRY(auto text, value.string());
    if (!text || text->empty()) return std::nullopt;
    return Wanted{.format = format, .definition = std::move(*text), .field = value.path()};
}

// One of several texts: an expression that spells them.
Wish choice_in(const JsonReader& value) {
    WEFT_TRY(const auto list, value.array());
    if (!list) return std::nullopt;
    if (list->empty()) return value.invalid("must not be empty", ErrorReason::empty_array);
    if (list->size() > max_guided_choices)
        return value.invalid("must have at most " + std::to_string(max_guided_choices) + " choices");
    std::string expression;
    for (const auto& element : *list) {
        WEFT_TRY(const auto text, element.string());
        if (!text || text->empty()) return element.missing();
        if (!expression.empty()) expression += '|';
        for (const char c : *text) {
            if (std::string_view("\\^$.|?*+()[]{}").contains(c)) expression += '\\';
            expression += c;
        }
    }
    return Wanted{.format = OutputFormat::regex, .definition = std::move(expression), .field = value.path()};
}

Wish response_format_in(const JsonReader& format) {
    WEFT_CHECK(format.object());
    if (format.absent()) return std::nullopt;
    const auto type = format["type"];
    WEFT_TRY(const auto name, type.string());
    if (!name) return type.missing();
    if (*name == "text") return std::nullopt;
    if (*name == "grammar") {
        WEFT_TRY(auto grammar, text_in(format["grammar"], OutputFormat::gbnf));
        if (!grammar) return format["grammar"].missing();
        return grammar;
    }
    if (*name == "json_object") return format["schema"].absent() ? json_object_in(format) : schema_in(format["schema"]);
    if (*name != "json_schema") return type.invalid("must be one of text, json_object, json_schema, grammar");
    const auto nested = format["json_schema"];
    WEFT_CHECK(nested.object());
    const auto& holder = nested.absent() ? format : nested;
    WEFT_CHECK(holder["name"].string());
    WEFT_TRY(const auto strict, holder["strict"].boolean());
    if (holder["schema"].absent()) return json_object_in(format);
    return schema_in(holder["schema"], !strict.value_or(false));
}

// Ollama's: "json" or a schema.
Wish format_in(const JsonReader& format) {
    if (format.absent() || is_empty_string(format)) return std::nullopt;
    if (format.is_string() && format.json().get<std::string>() == "json") return json_object_in(format);
    if (!format.is_object()) return format.invalid("must be \"json\" or a JSON Schema object");
    return schema_in(format);
}

Wish optional_schema_in(const JsonReader& value) {
    if (value.absent() || is_empty_string(value)) return std::nullopt;
    return schema_in(value);
}

Wish json_object_flag_in(const JsonReader& flag) {
    WEFT_TRY(const auto wanted, flag.boolean());
    if (!wanted.value_or(false)) return std::nullopt;
    return json_object_in(flag);
}

}  // namespace

Result<void> read_output_format(const JsonReader& body, GenerateRequest& generate) {
    const auto structured = body["structured_outputs"];
    WEFT_CHECK(structured.object());
    std::optional<Wanted> all;
    const auto take = [&](Wish wish) -> Result<void> {
        WEFT_TRY(auto wanted, std::move(wish));
        if (!wanted) return {};
        if (all)
            return fail_field(ErrorCode::invalid_request, wanted->field,
                              "'" + wanted->field + "' cannot be combined with '" + all->field + "'");
        all = std::move(wanted);
        return {};
    };
    WEFT_CHECK(take(response_format_in(body["response_format"])));
    WEFT_CHECK(take(response_format_in(body["text"]["format"])));
    WEFT_CHECK(take(format_in(body["format"])));
    WEFT_CHECK(take(optional_schema_in(body["json_schema"])));
    WEFT_CHECK(take(text_in(body["grammar"], OutputFormat::gbnf)));
    WEFT_CHECK(take(optional_schema_in(body["guided_json"])));
    WEFT_CHECK(take(text_in(body["guided_regex"], OutputFormat::regex)));
    WEFT_CHECK(take(choice_in(body["guided_choice"])));
    WEFT_CHECK(take(text_in(body["guided_grammar"], OutputFormat::gbnf)));
    WEFT_CHECK(take(optional_schema_in(structured["json"])));
    WEFT_CHECK(take(text_in(structured["regex"], OutputFormat::regex)));
    WEFT_CHECK(take(choice_in(structured["choice"])));
    WEFT_CHECK(take(text_in(structured["grammar"], OutputFormat::gbnf)));
    WEFT_CHECK(take(json_object_flag_in(structured["json_object"])));
    if (!all) return {};
    generate.format = all->format;
    generate.format_definition = std::move(all->definition);
    generate.format_field = std::move(all->field);
    generate.format_lenient = all->lenient;
    return {};
}

}  // namespace weft::api::openai
