#include "api/ollama/model_metadata.h"

#include <array>
#include <charconv>
#include <utility>

namespace weft::api::ollama {
namespace {

// The double that prints as briefly as the float: 1e-05, not 9.999999747378752e-06.
double widened(float value) {
    std::array<char, 32> digits{};
    const auto written = std::to_chars(digits.begin(), digits.end(), value);
    double wide = value;
    std::from_chars(digits.begin(), written.ptr, wide);
    return wide;
}

struct ToJson {
    Json operator()(float value) const { return (*this)(widened(value)); }
    template <typename T>
    Json operator()(const T& value) const {
        Json json;
        json.data = value;
        return json;
    }
};

Json json_of(const GgufScalar& scalar) { return std::visit(ToJson{}, scalar); }

Json json_of(const std::vector<GgufScalar>& values) {
    Json::array_t elements;
    elements.reserve(values.size());
    for (const auto& value : values) elements.push_back(json_of(value));
    Json json;
    json.data = std::move(elements);
    return json;
}

Result<Json> json_of(const GgufHeader& header, const GgufEntry& entry, bool verbose) {
    if (const auto* scalar = std::get_if<GgufScalar>(&entry.value)) return json_of(*scalar);
    const auto& array = std::get<GgufArray>(entry.value);
    if (array.complete() && (verbose || !entry.key.starts_with("tokenizer.ggml."))) return json_of(array.values);
    if (!verbose) return Json{};
    WEFT_TRY(const auto values, read_gguf_array(header, array));
    return json_of(values);
}

bool is_told(const std::string& key) {
    return key != "general.name" && !key.starts_with("tokenizer.chat_template");
}

}  // namespace

Result<Json> model_info_json(const GgufHeader& header, bool verbose) {
    Json::object_t members;
    for (const auto& entry : header.entries) {
        if (!is_told(entry.key)) continue;
        WEFT_TRY(members[entry.key], json_of(header, entry, verbose));
    }
    if (!members.contains("general.parameter_count")) members["general.parameter_count"].data = header.parameters;
    Json json;
    json.data = std::move(members);
    return json;
}

std::vector<TensorView> tensors_of(const GgufHeader& header) {
    std::vector<TensorView> views;
    views.reserve(header.tensors.size());
    for (const auto& tensor : header.tensors)
        views.push_back({.name = tensor.name,
                         .type = std::string(tensor.type.name),
                         .shape = {tensor.shape.begin(), tensor.shape.begin() + tensor.n_dimensions}});
    return views;
}

}  // namespace weft::api::ollama
