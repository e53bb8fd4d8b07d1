#include "api/jobs/job_request.h"

#include <algorithm>
#include <boost/hash2/sha2.hpp>

#include "api/model_listing.h"
#include "api/request_fields.h"

namespace weft::api::jobs {
namespace {

// Other dialects' fields that would change the answer, were they not missing here.
constexpr std::string_view later_fields[] = {"documents", "tools", "tool_choice", "format", "response_format", "images"};

// Of the native dialect.
constexpr SamplingParams default_sampling() {
    return {.temperature = 0.8F, .top_k = 40, .top_p = 0.9F, .repeat_penalty = 1.0F, .repeat_last_n = 64};
}

Result<std::string> bounded_text(const JsonReader& value, std::size_t max_bytes) {
    WEFT_TRY(auto text, value.string());
    if (text && text->size() > max_bytes) return value.invalid("must have at most " + std::to_string(max_bytes) + " bytes");
    return std::move(text).value_or("");
}

Result<void> refuse_later(const JsonReader& body) {
    for (const auto name : later_fields)
        if (const auto field = body[name]; !field.absent())
            return fail_field(ErrorCode::not_implemented, field.path(), "'" + field.path() + "' is not implemented for jobs yet");
    const auto pipeline = body["pipeline"];
    WEFT_TRY(const auto name, pipeline.string());
    if (name && *name != "default")
        return fail_field(ErrorCode::not_implemented, "pipeline", "no pipelines besides \"default\" are implemented yet");
    return {};
}

Result<std::string> model_of(const Services& services, const JsonReader& body) {
    if (!body["model"].absent()) {
        WEFT_TRY(auto name, read_model(body));
        const auto found = services.registry.find(name);
        if (!found) return fail_field(found.error().code, "model", found.error().message);
        return name;
    }
    if (!services.default_model.empty()) return services.default_model;
    for (const auto& model : newest_first(services.registry.list()))
        if (model->can("completion")) return model->name;
    return fail_field(ErrorCode::not_found, "model", "the server has no model; name one that it can find");
}

struct Metadata {
    std::string json = "{}";
    std::int32_t priority = normal_priority;
};

Result<Metadata> read_metadata(const JsonReader& value) {
    Metadata metadata;
    WEFT_TRY(const auto entries, value.object());
    if (!entries) return metadata;
    if (entries->size() > max_metadata_entries)
        return value.invalid("must have at most " + std::to_string(max_metadata_entries) + " entries");
    for (const auto& [key, entry] : *entries) {
        if (key.size() > max_metadata_key_bytes)
            return value.invalid("has a key of more than " + std::to_string(max_metadata_key_bytes) + " bytes");
        if (!entry.is_string()) return entry.absent() ? value.invalid("must not hold null") : entry.wrong_type("a string");
        WEFT_TRY(const auto text, bounded_text(entry, max_metadata_value_bytes));
        if (key != "priority") continue;
        if (text != "high" && text != "normal" && text != "low") return entry.invalid("must be high, normal or low");
        metadata.priority = text == "high" ? high_priority : text == "low" ? low_priority : normal_priority;
    }
    metadata.json = api::write_json(value.json());
    return metadata;
}

// What the answer depends on, beside the model: that much is stored.
Result<Json> essence_of(const JsonReader& body) {
    const auto prompt = body["prompt"];
    const auto messages = body["messages"];
    if (!prompt.absent() && !messages.absent()) return messages.invalid("must not be given together with 'prompt'");
    Json essence = Json::object_t{};
    if (!prompt.absent()) {
        WEFT_TRY(const auto text, prompt.string());
        if (text->empty()) return prompt.invalid("must not be empty");
        essence["prompt"] = prompt.json();
    } else if (!messages.absent()) {
        essence["messages"] = messages.json();
    } else {
        return fail_field(ErrorCode::missing_field, "prompt", "one of 'prompt' and 'messages' is required");
    }
    const auto options = body["options"];
    if (!options.absent() && !options.is_object()) return options.wrong_type("an object");
    if (!options.absent()) essence["options"] = options.json();
    return essence;
}

bool is_deterministic(const SamplingOverrides& options) {
    return (options.temperature && *options.temperature == 0) || (options.seed && *options.seed >= 0);
}

Result<std::vector<ChatMessage>> messages_of(const Services& services, const JsonReader& essence) {
    const auto prompt = essence["prompt"];
    if (prompt.absent()) return services.read_messages(essence["messages"]);
    return std::vector<ChatMessage>{{.role = "user", .content = prompt.json().get<std::string>()}};
}

std::vector<SessionTurn> turns_of(const std::vector<ChatMessage>& messages) {
    std::vector<SessionTurn> turns;
    for (const auto& message : messages) turns.push_back({.role = message.role, .content = message.content});
    return turns;
}

}  // namespace

std::string sha256_hex(std::string_view text) {
    boost::hash2::sha2_256 hash;
    hash.update(text.data(), text.size());
    constexpr std::string_view digits = "0123456789abcdef";
    std::string out;
    for (const unsigned char byte : hash.result()) {
        out += digits[byte >> 4U];
        out += digits[byte & 15U];
    }
    return out;
}

Result<JobRequest> read_job_request(const Services& services, const JsonReader& body, std::string tenant) {
    JobRequest request{.tenant = std::move(tenant)};
    WEFT_CHECK(refuse_later(body));
    WEFT_TRY(const auto essence, essence_of(body));
    const JsonReader reader(essence);
    WEFT_TRY(const auto options, services.read_options(reader["options"]));
    WEFT_CHECK(messages_of(services, reader).transform([](const auto&) {}));
    WEFT_TRY(request.model, model_of(services, body));
    request.names_model = !body["model"].absent();
    WEFT_TRY(request.session_id, bounded_text(body["session_id"], max_session_id_characters));
    WEFT_TRY(auto metadata, read_metadata(body["metadata"]));
    request.metadata = std::move(metadata.json);
    request.priority = metadata.priority;
    WEFT_CHECK(body["stream"].boolean());
    WEFT_TRY(const auto deadline, body["deadline_ms"].integer(1, max_deadline_ms));
    request.deadline_ms = deadline.value_or(0);
    WEFT_TRY(request.callback_url, bounded_text(body["callback_url"], max_callback_url_bytes));
    if (!request.callback_url.empty())
        if (auto why = services.callback_refusal(request.callback_url); !why.empty())
            return fail_field(ErrorCode::forbidden, "callback_url", std::move(why));
    request.request = api::write_json(essence);
    if (is_deterministic(options)) request.request_key = sha256_hex(request.model + '\n' + request.request);
    return request;
}

Result<JobPlan> plan_job(const Services& services, const JobRow& row, const std::string& request, const SessionRow* session) {
    WEFT_TRY(const auto essence, parse_json(request));
    const JsonReader reader(essence);
    WEFT_TRY(auto messages, messages_of(services, reader));
    JobPlan plan{.request = {.model = row.model}};
    if (session) plan.own_turns = turns_of(messages);
    ChatPrompt prompt;
    if (session && !session->system.empty()) prompt.messages.push_back({.role = "system", .content = session->system});
    if (session)
        for (const auto& turn : session->turns) prompt.messages.push_back({.role = turn.role, .content = turn.content});
    std::ranges::move(messages, std::back_inserter(prompt.messages));
    plan.request.generate.prompt = std::move(prompt);
    plan.request.generate.sampling = default_sampling();
    WEFT_TRY(plan.request.overrides, services.read_options(reader["options"]));
    return plan;
}

}  // namespace weft::api::jobs
