#include "api/jobs/job_request.h"

#include <algorithm>
#include <boost/hash2/sha2.hpp>

#include "api/image_input.h"
#include "api/model_listing.h"
#include "api/request_fields.h"
#include "base/utf8.h"
#include "services/pipelines/pipeline.h"

namespace weft::api::jobs {
namespace {

// Beside messages, what decides about the answer.
constexpr std::string_view answer_fields[] = {"tools", "tool_choice", "parallel_tool_calls", "format", "response_format",
                                              "think", "reasoning_effort", "thinking_budget"};

// Of a stored request: messages are read with all that stands beside them, where `documents` mean something else.
constexpr std::string_view documents_key = "search_in";

// How long a job may become, before its prompt has been seen by its model.
constexpr std::size_t bytes_per_token = 4;
constexpr std::int64_t assumed_image_tokens = 1024;
constexpr std::int64_t assumed_answer_tokens = 512;  // of requests without num_predict

// Of the native dialect.
constexpr SamplingParams default_sampling() {
    return {.temperature = 0.8F, .top_k = 40, .top_p = 0.9F, .repeat_penalty = 1.0F, .repeat_last_n = 64};
}

Result<std::string> bounded_text(const JsonReader& value, std::size_t max_bytes) {
    WEFT_TRY(auto text, value.string());
    if (text && text->size() > max_bytes) return value.invalid("must have at most " + std::to_string(max_bytes) + " bytes");
    return std::move(text).value_or("");
}

std::string quoted_names(const std::vector<std::string>& names) {
    std::string out;
    for (const auto& name : names) out += (out.empty() ? "\"" : ", \"") + name + "\"";
    return out;
}

Result<std::string> known_model(const Services& services, std::string name) {
    if (const auto found = services.registry.find(name); !found) return fail_field(found.error().code, "model", found.error().message);
    return name;
}

// A conversation may have a model and a pipeline of its own, which are not known yet.
Result<std::string> model_of(const Services& services, const JsonReader& body, const std::string& pipeline) {
    if (!body["model"].absent()) return read_model(body).and_then([&](std::string name) { return known_model(services, std::move(name)); });
    const auto session = body["session_id"].string();
    const bool alone = !session || session->value_or("").empty();
    const auto stages = services.pipelines == nullptr ? nullptr : services.pipelines->find(pipeline);
    if (alone && stages && !stages->options().infer.model.empty()) return known_model(services, stages->options().infer.model);
    if (!services.default_model.empty()) return alone ? known_model(services, services.default_model) : services.default_model;
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
    WEFT_TRY(metadata.json, read_strings(value));
    WEFT_TRY(const auto priority, value["priority"].string());
    if (!priority) return metadata;
    if (*priority != "high" && *priority != "normal" && *priority != "low") return value["priority"].invalid("must be high, normal or low");
    metadata.priority = *priority == "high" ? high_priority : *priority == "low" ? low_priority : normal_priority;
    return metadata;
}

// A prompt is stored as it is; with images it becomes a message of several parts.
Result<void> add_prompt(Json& essence, const JsonReader& prompt, const JsonReader& images) {
    WEFT_TRY(const auto text, prompt.string());
    if (text->empty()) return prompt.invalid("must not be empty");
    WEFT_TRY(const auto list, images.array());
    if (!list || list->empty()) {
        essence["prompt"] = prompt.json();
        return {};
    }
    if (list->size() > max_images) return images.invalid("must have at most " + std::to_string(max_images) + " images");
    Json parts = Json::array_t{};
    for (const auto& image : *list) {
        WEFT_TRY(const auto base64, required_string(image));
        WEFT_CHECK(read_image_url(base64, image).transform([](const auto&) {}));
        Json part = Json::object_t{};
        part["type"] = "image_url";
        part["image_url"] = base64;
        parts.get_array().push_back(std::move(part));
    }
    Json words = Json::object_t{};
    words["type"] = "text";
    words["text"] = *text;
    parts.get_array().push_back(std::move(words));
    Json message = Json::object_t{};
    message["role"] = "user";
    message["content"] = std::move(parts);
    Json messages = Json::array_t{};
    messages.get_array().push_back(std::move(message));
    essence["messages"] = std::move(messages);
    return {};
}

// What the answer depends on, beside the model: that much is stored.
Result<Json> essence_of(const JsonReader& body) {
    const auto prompt = body["prompt"];
    const auto messages = body["messages"];
    const auto images = body["images"];
    if (!prompt.absent() && !messages.absent()) return messages.invalid("must not be given together with 'prompt'");
    Json essence = Json::object_t{};
    if (!prompt.absent()) {
        WEFT_CHECK(add_prompt(essence, prompt, images));
    } else if (!messages.absent()) {
        if (!images.absent()) return images.invalid("must not be given together with 'messages', which hold their own");
        essence["messages"] = messages.json();
    } else {
        return fail_field(ErrorCode::missing_field, "prompt", "one of 'prompt' and 'messages' is required");
    }
    const auto options = body["options"];
    if (!options.absent() && !options.is_object()) return options.wrong_type("an object");
    if (!options.absent()) essence["options"] = options.json();
    for (const auto name : answer_fields)
        if (const auto field = body[name]; !field.absent()) essence[name] = field.json();
    if (const auto documents = body["documents"]; !documents.absent()) essence[documents_key] = documents.json();
    return essence;
}

// The messages of a stored request, as a list.
Json messages_in(const JsonReader& essence) {
    if (const auto messages = essence["messages"]; !messages.absent()) return messages.json();
    Json message = Json::object_t{};
    message["role"] = "user";
    message["content"] = essence["prompt"].json();
    Json messages = Json::array_t{};
    messages.get_array().push_back(std::move(message));
    return messages;
}

// The conversation that is asked about, with everything that stands beside it.
Result<GenerateRequest> read_asked(const Services& services, Json essence, Json messages) {
    essence["messages"] = std::move(messages);
    GenerateRequest generate;
    WEFT_CHECK(services.read_conversation(JsonReader(essence), generate));
    return generate;
}

std::int64_t estimated_tokens(const GenerateRequest& asked, const SamplingOverrides& options) {
    const auto& prompt = std::get<ChatPrompt>(asked.prompt);
    std::size_t bytes = 0;
    std::int64_t tokens = options.max_tokens.value_or(-1) >= 0 ? *options.max_tokens : assumed_answer_tokens;
    for (const auto& tool : prompt.tools_json) bytes += tool.size();
    for (const auto& message : prompt.messages) {
        bytes += message.content.size();
        tokens += assumed_image_tokens * static_cast<std::int64_t>(message.images.size());
    }
    return tokens + static_cast<std::int64_t>(bytes / bytes_per_token) + 1;
}

bool is_deterministic(const SamplingOverrides& options) {
    return (options.temperature && *options.temperature == 0) || (options.seed && *options.seed >= 0);
}

// Messages that were read once already, as turns of a conversation.
std::vector<SessionTurn> turns_of(const Json& messages) {
    std::vector<SessionTurn> turns;
    for (const auto& message : messages.get_array()) {
        const JsonReader reader(message);
        const bool plain = message.get_object().size() == 2 && reader["content"].is_string();
        auto& turn = turns.emplace_back(SessionTurn{.role = reader["role"].json().get<std::string>(), .content = {}});
        if (reader["content"].is_string()) turn.content = reader["content"].json().get<std::string>();
        if (!plain) turn.message = api::write_json(message);
    }
    return turns;
}

Result<Json> message_of(const SessionTurn& turn) {
    if (!turn.message.empty()) return parse_json(turn.message);
    Json message = Json::object_t{};
    message["role"] = turn.role;
    message["content"] = turn.content;
    return message;
}

// What was said before, then what is asked now.
Result<Json> conversation_of(const SessionRow& session, const Json& own) {
    Json messages = Json::array_t{};
    auto& list = messages.get_array();
    if (!session.system.empty()) {
        WEFT_TRY(auto system, message_of({.role = "system", .content = session.system}));
        list.push_back(std::move(system));
    }
    for (const auto& turn : session.turns) {
        WEFT_TRY(auto message, message_of(turn));
        list.push_back(std::move(message));
    }
    for (const auto& message : own.get_array()) list.push_back(message);
    return messages;
}

// A conversation's own pipeline is not known yet; whether that looks into documents is seen when the job runs.
Result<void> check_documents(const Services& services, const JsonReader& body, const JobRequest& request) {
    const auto field = body["documents"];
    WEFT_TRY(const auto documents, read_documents(field));
    if (documents.empty() || (request.pipeline.empty() && !request.session_id.empty())) return {};
    const auto pipeline = services.pipelines == nullptr ? nullptr : services.pipelines->find(request.pipeline);
    if (pipeline && pipeline->options().retrieve) return {};
    return field.invalid("needs a pipeline that retrieves; this one does not");
}

}  // namespace

Result<std::string> read_pipeline(const Services& services, const JsonReader& value) {
    WEFT_TRY(auto name, value.string());
    if (!name) return std::string();
    const auto known = services.pipelines == nullptr ? std::vector<std::string>{"default"} : services.pipelines->names();
    if (!std::ranges::contains(known, *name)) return value.invalid("must be one of the server's pipelines: " + quoted_names(known));
    return std::move(*name);
}

Result<std::string> read_strings(const JsonReader& value) {
    WEFT_TRY(const auto entries, value.object());
    if (!entries) return std::string("{}");
    if (entries->size() > max_metadata_entries)
        return value.invalid("must have at most " + std::to_string(max_metadata_entries) + " entries");
    for (const auto& [key, entry] : *entries) {
        if (key.size() > max_metadata_key_bytes)
            return value.invalid("has a key of more than " + std::to_string(max_metadata_key_bytes) + " bytes");
        if (!entry.is_string()) return entry.absent() ? value.invalid("must not hold null") : entry.wrong_type("a string");
        WEFT_CHECK(bounded_text(entry, max_metadata_value_bytes).transform([](const auto&) {}));
    }
    return api::write_json(value.json());
}

Result<std::vector<std::string>> read_documents(const JsonReader& value) {
    WEFT_TRY(const auto list, value.array());
    std::vector<std::string> documents;
    if (!list) return documents;
    if (list->empty() || list->size() > max_search_documents)
        return value.invalid("must name 1 to " + std::to_string(max_search_documents) + " documents");
    for (const auto& one : *list) {
        WEFT_TRY(auto name, required_string(one));
        if (name.size() > max_document_name_bytes) return one.invalid("must have at most " + std::to_string(max_document_name_bytes) + " bytes");
        documents.push_back(std::move(name));
    }
    return documents;
}

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
    WEFT_TRY(request.pipeline, read_pipeline(services, body["pipeline"]));
    WEFT_TRY(const auto essence, essence_of(body));
    const JsonReader reader(essence);
    WEFT_TRY(const auto options, services.read_options(reader["options"]));
    WEFT_TRY(const auto asked, read_asked(services, essence, messages_in(reader)));
    request.tokens = estimated_tokens(asked, options);
    WEFT_TRY(request.model, model_of(services, body, request.pipeline));
    request.names_model = !body["model"].absent();
    WEFT_TRY(auto session_id, body["session_id"].string());
    request.session_id = std::move(session_id).value_or("");
    if (code_points(request.session_id) > max_session_id_characters)
        return body["session_id"].invalid("must have at most " + std::to_string(max_session_id_characters) + " characters");
    WEFT_CHECK(check_documents(services, body, request));
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
    if (is_deterministic(options)) request.request_key = sha256_hex(request.pipeline + '\n' + request.request);
    return request;
}

Result<JobPlan> plan_job(const Services& services, const JobRow& row, const std::string& request, const SessionRow* session) {
    WEFT_TRY(const auto essence, parse_json(request));
    const JsonReader reader(essence);
    auto messages = messages_in(reader);
    JobPlan plan{.request = {.model = row.model, .generate = {}, .overrides = {}}};
    if (session) {
        plan.own_turns = turns_of(messages);
        WEFT_TRY(messages, conversation_of(*session, messages));
    }
    WEFT_TRY(plan.request.generate, read_asked(services, essence, std::move(messages)));
    WEFT_TRY(plan.documents, read_documents(reader[documents_key]));
    plan.request.generate.sampling = default_sampling();
    WEFT_TRY(plan.request.overrides, services.read_options(reader["options"]));
    if (const auto model = services.registry.find(row.model)) settle_thinking(plan.request.generate, **model);
    return plan;
}

}  // namespace weft::api::jobs
