#include "api/openai/batch_input.h"

#include <algorithm>
#include <unordered_set>

#include "api/json_reader.h"

namespace weft::api::openai {
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

std::string code_of(const Error& error) {
    if (error.reason == ErrorReason::malformed_json) return "invalid_json_line";
    if (error.field == "url") return "mismatched_endpoint";
    return error.code == ErrorCode::missing_field ? "missing_required_parameter" : "invalid_request";
}

class InputReader {
  public:
    explicit InputReader(std::string_view endpoint) : endpoint_(endpoint) {}

    void add(std::int64_t number, std::size_t begin, std::string_view text) {
        if (text.find_first_not_of(" \t\r") == text.npos) return;
        const auto json = parse_json(text);
        if (!json) return report(number, json.error());
        const JsonReader line(*json);
        auto custom_id = check_line(line, endpoint_);
        if (!custom_id) return report(number, custom_id.error());
        if (!custom_ids_.insert(*custom_id).second)
            return tell({.code = "duplicate_custom_id", .message = "The custom_id '" + *custom_id + "' is used twice.", .param = "custom_id", .line = number});
        if (input.model.empty())
            if (const auto model = line["body"]["model"]; model.is_string()) input.model = model.json().get<std::string>();
        input.lines.push_back({.number = number, .begin = begin, .length = text.size(), .custom_id = std::move(*custom_id)});
    }

    void tell(BatchError error) {
        if (input.errors.size() < max_batch_errors) input.errors.push_back(std::move(error));
    }

    BatchInput input{};

  private:
    void report(std::int64_t number, const Error& error) {
        tell({.code = code_of(error), .message = error.message,
              .param = error.field.empty() ? std::nullopt : std::optional(error.field), .line = number});
    }

    std::string_view endpoint_;
    std::unordered_set<std::string> custom_ids_{};
};

}  // namespace

BatchInput read_batch_input(std::string_view content, std::string_view endpoint) {
    InputReader reader(endpoint);
    std::int64_t number = 0;
    for (std::size_t begin = 0; begin < content.size();) {
        const auto end = std::min(content.find('\n', begin), content.size());
        reader.add(++number, begin, content.substr(begin, end - begin));
        begin = end + 1;
        if (reader.input.lines.size() > max_batch_lines) {
            reader.tell({.code = "too_many_tasks", .message = "A batch may have at most " + std::to_string(max_batch_lines) + " requests.", .line = number});
            break;
        }
    }
    if (reader.input.lines.empty() && reader.input.errors.empty())
        reader.tell({.code = "empty_file", .message = "The input file has no requests."});
    return std::move(reader.input);
}

std::string batch_line_body(std::string_view line) {
    const auto json = parse_json(line);
    return json ? api::write_json(JsonReader(*json)["body"].json()) : std::string("{}");
}

}  // namespace weft::api::openai
