#include "api/anthropic/batch_request.h"

#include <unordered_set>

#include "api/batch_input.h"
#include "api/json_text.h"

namespace weft::api::anthropic {
namespace {

Result<std::string> read_custom_id(const JsonReader& field) {
    WEFT_TRY(auto id, field.string());
    if (!id) return field.missing();
    if (id->empty() || id->size() > max_custom_id_characters)
        return field.invalid("must have 1 to " + std::to_string(max_custom_id_characters) + " characters");
    return std::move(*id);
}

}  // namespace

Result<BatchRequests> read_batch_requests(const JsonReader& body) {
    const auto requests = body["requests"];
    WEFT_TRY(const auto list, requests.array());
    if (!list) return requests.missing();
    if (list->empty()) return requests.invalid("must have at least one request", ErrorReason::empty_array);
    if (list->size() > max_batch_lines) return requests.invalid("must have at most " + std::to_string(max_batch_lines) + " requests");
    BatchRequests read;
    std::unordered_set<std::string> ids;
    for (const auto& request : *list) {
        if (!request.is_object()) return request.wrong_type("an object");
        WEFT_TRY(const auto id, read_custom_id(request["custom_id"]));
        if (!ids.insert(id).second) return request["custom_id"].invalid("is used twice: '" + id + "'");
        const auto params = request["params"];
        if (!params.is_object()) return params.absent() ? params.missing() : params.wrong_type("an object");
        WEFT_TRY(const auto stream, params["stream"].boolean());
        if (stream.value_or(false)) return params["stream"].invalid("must not be true in a batch");
        read.lines += R"({"custom_id":)";
        append_json_string(read.lines, id);
        read.lines += R"(,"method":"POST","url":")" + std::string(batch_endpoint) + R"(","body":)" + api::write_json(params.json()) + "}\n";
        ++read.count;
    }
    return read;
}

}  // namespace weft::api::anthropic
