#include <array>

#include "api/openai/request_fields.h"

namespace weft::api::openai {
namespace {

std::unexpected<Error> refuse(const JsonReader& value) { return not_supported_yet(value, "'" + value.path() + "'"); }

bool is_string(const JsonReader& value, std::string_view text) {
    return value.is_string() && value.json().get<std::string>() == text;
}

bool is_empty_list(const JsonReader& value) { return value.is_array() && value.json().get_array().empty(); }

struct Neutral {
    std::string_view name;
    double value;  // what switches the sampler off
};

// Samplers that other servers have: accepted when switched off.
constexpr std::array samplers_to_come{
    Neutral{"mirostat", 0},         Neutral{"dry_multiplier", 0},    Neutral{"xtc_probability", 0},
    Neutral{"dynatemp_range", 0},   Neutral{"min_tokens", 0},        Neutral{"tfs_z", 1},
    Neutral{"t_max_predict_ms", -1},
};

Result<void> refuse_samplers(const JsonReader& body) {
    for (const auto& [name, off] : samplers_to_come) {
        for (const auto& value : {body[name], body["options"][name]}) {
            WEFT_TRY(const auto number, value.number());
            if (number && *number != off) return refuse(value);
        }
    }
    WEFT_TRY(const auto sigma, body["top_n_sigma"].number());
    if (sigma && *sigma > 0) return refuse(body["top_n_sigma"]);
    for (const auto name : {"stop_token_ids", "samplers", "lora", "bad_words"})
        if (const auto value = body[name]; !value.absent() && !is_empty_list(value)) return refuse(value);
    return {};
}

Result<void> refuse_switches(const JsonReader& body) {
    WEFT_TRY(const auto include_stop, body["include_stop_str_in_output"].boolean());
    if (include_stop.value_or(false)) return refuse(body["include_stop_str_in_output"]);
    WEFT_TRY(const auto skip_special, body["skip_special_tokens"].boolean());
    if (!skip_special.value_or(true)) return refuse(body["skip_special_tokens"]);
    return {};
}

Result<void> refuse_modalities(const JsonReader& body) {
    WEFT_TRY(const auto list, body["modalities"].array());
    if (!list) return {};
    for (const auto& element : *list) {
        if (is_string(element, "text")) continue;
        WEFT_CHECK(element.string());
        return refuse(body["modalities"]);
    }
    return {};
}

}  // namespace

std::unexpected<Error> not_supported_yet(const JsonReader& value, std::string_view what) {
    return fail_field(ErrorCode::unsupported, value.path(),
                      "this server does not support " + std::string(what) + " yet");
}

Result<void> refuse_later_samplers(const JsonReader& body) {
    WEFT_CHECK(refuse_samplers(body));
    return refuse_switches(body);
}

Result<void> refuse_later_fields(const JsonReader& body) {
    WEFT_CHECK(refuse_later_samplers(body));
    return refuse_modalities(body);
}

}  // namespace weft::api::openai
