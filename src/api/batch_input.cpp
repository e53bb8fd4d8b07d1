#include "api/batch_input.h"

#include <algorithm>

#include "api/json_reader.h"

namespace weft::api {
namespace {

Result<std::string> check_line(const JsonReader& line, std::string_view endpoint) {
    if (!line.is_object()) return fail(ErrorCode::invalid_request, "The line is not a JSON object.");
    WEFT_TRY(auto custom_id, line["custom_id"].string());
    if (!custom_id || custom_id->empty()) return line["custom_id"].missing();
    if (custom_id->size() > max_custom_id_bytes)
        return line["custom_id"].invalid("must have at most " + std::to_string(max_custom_id_bytes) + " bytes");
    WEFT_TRY(const auto method, line["method"].string());
    if (!method || *method != "POST") return line["method"].invalid("must be \"POST\"");
    WEFT_TRY(const auto url, line["url"].string());
    if (!url || *url != endpoint) return line["url"].invalid("must be the batch's endpoint, " + std::string(endpoint));
    if (!line["body"].is_object()) return line["body"].absent() ? line["body"].missing() : line["body"].wrong_type("an object");
    return std::move(*custom_id);
}

std::string code_of_line_error(const Error& error) {
    if (error.reason == ErrorReason::malformed_json) return "invalid_json_line";
    if (error.field == "url") return "mismatched_endpoint";
    return error.code == ErrorCode::missing_field ? "missing_required_parameter" : "invalid_request";
}

}  // namespace

bool BatchInputReader::read(std::size_t lines) {
    for (std::size_t i = 0; i < lines && begin_ < content_.size(); ++i) {
        const auto end = std::min(content_.find('\n', begin_), content_.size());
        ++number_;
        add(content_.substr(begin_, end - begin_));
        begin_ = end + 1;
        if (input_.lines.size() <= max_batch_lines) continue;
        tell({.code = "too_many_tasks", .message = "A batch may have at most " + std::to_string(max_batch_lines) + " requests.", .line = number_});
        return false;
    }
    return begin_ < content_.size();
}

BatchInput BatchInputReader::take() {
    if (input_.lines.empty() && input_.errors.empty()) tell({.code = "empty_file", .message = "The input file has no requests."});
    return std::move(input_);
}

void BatchInputReader::add(std::string_view text) {
    if (text.find_first_not_of(" \t\r") == text.npos) return;
    const auto json = parse_json(text);
    auto custom_id = json ? check_line(JsonReader(*json), endpoint_) : std::unexpected(json.error());
    if (!custom_id) {
        const auto& error = custom_id.error();
        return tell({.code = code_of_line_error(error), .message = error.message,
                     .param = error.field.empty() ? std::nullopt : std::optional(error.field), .line = number_});
    }
    if (!custom_ids_.insert(*custom_id).second)
        return tell({.code = "duplicate_custom_id", .message = "The custom_id '" + *custom_id + "' is used twice.", .param = "custom_id", .line = number_});
    if (input_.model.empty())
        if (const auto model = JsonReader(*json)["body"]["model"]; model.is_string()) input_.model = model.json().get<std::string>();
    input_.lines.push_back({.number = number_, .begin = begin_, .length = text.size(), .custom_id = std::move(*custom_id)});
}

void BatchInputReader::tell(BatchError error) {
    if (input_.errors.size() < max_batch_errors) input_.errors.push_back(std::move(error));
}

BatchInput read_batch_input(std::string_view content, std::string_view endpoint) {
    BatchInputReader reader(content, endpoint);
    while (reader.read(max_batch_lines)) {
    }
    return reader.take();
}

std::string batch_line_body(std::string_view line) {
    const auto json = parse_json(line);
    return json ? api::write_json(JsonReader(*json)["body"].json()) : std::string("{}");
}

}  // namespace weft::api
