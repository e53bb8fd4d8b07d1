#include "services/pipelines/pipeline.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <glaze/json.hpp>
#include <utility>

#include "base/assert.h"
#include "services/on_thread.h"

namespace weft {
namespace asio = boost::asio;
namespace {

constexpr std::array<std::string_view, all_stages.size()> stage_names{"retrieve", "assemble", "infer", "post", "deliver"};
constexpr jinja::Budget template_budget{.steps = 1'000'000, .output_bytes = max_assembled_bytes, .work_bytes = std::size_t{64} << 20};

// As it stands in the job object.
struct SourceJson {
    std::string document_id;
    std::string name;
    std::int64_t passage;
    std::int64_t start;
    std::string text;
    double score;
    std::optional<double> similarity;
};

double rounded(double value) {
    constexpr double digits = 10'000;
    return std::round(value * digits) / digits;
}

jinja::Value text_value(std::string text) { return jinja::Value::string(std::move(text)); }

jinja::Value passage_value(const SearchHit& hit, std::int64_t number) {
    return jinja::Value::dict({{"number", jinja::Value::integer(number)},
                               {"text", text_value(hit.passage.text)},
                               {"name", text_value(hit.passage.document_name)},
                               {"document_id", text_value(hit.passage.document_id)},
                               {"start", jinja::Value::integer(hit.passage.start)},
                               {"score", jinja::Value::real(hit.score)},
                               {"metadata", jinja::Value::from_json(hit.passage.document_metadata).value_or(jinja::Value::none())}});
}

std::string render_error(std::string message) { return "the prompt template of the pipeline fails: " + std::move(message); }

Result<std::string> render(const jinja::Template& prompt_template, const std::string& question, const std::vector<SearchHit>& hits,
                           const std::vector<ChatMessage>& messages) {
    std::vector<jinja::Value> passages;
    for (const auto& hit : hits) passages.push_back(passage_value(hit, static_cast<std::int64_t>(passages.size()) + 1));
    std::vector<jinja::Value> turns;
    for (const auto& message : messages) turns.push_back(jinja::Value::dict({{"role", text_value(message.role)}, {"content", text_value(message.content)}}));
    auto rendered = prompt_template.render(jinja::Value::dict({{"question", text_value(question)},
                                                               {"passages", jinja::Value::list(std::move(passages))},
                                                               {"messages", jinja::Value::list(std::move(turns))}}),
                                           template_budget);
    if (!rendered) return fail(ErrorCode::invalid_request, render_error(std::move(rendered).error().message));
    return rendered;
}

void trim(std::string& text) {
    constexpr std::string_view blanks = " \t\r\n";
    const auto first = text.find_first_not_of(blanks);
    if (first == std::string::npos) return text.clear();
    text = text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

// In this order, so that what is checked is what is delivered.
Result<PipelineAnswer> post_process(PipelineAnswer answer, const PostOptions& options, const Redactor& redactor) {
    if (options.trim) trim(answer.text);
    if (options.redact) {
        answer.text = redactor.apply(answer.text);
        answer.thinking = redactor.apply(answer.thinking);
        for (auto& call : answer.tool_calls) call.arguments_json = redactor.apply(call.arguments_json);
    }
    if (options.json && answer.tool_calls.empty())
        if (auto parsed = jinja::Value::from_json(answer.text); !parsed)
            return fail_field(ErrorCode::invalid_request, "", "the answer is no valid JSON: " + std::move(parsed).error().message,
                              ErrorReason::malformed_json);
    return answer;
}

bool changes_text(const PipelineOptions& options) { return options.post && (options.post->trim || options.post->redact); }

StageBounds bounds_of(const PipelineOptions& options, Stage stage) {
    switch (stage) {
        case Stage::retrieve: return options.retrieve ? options.retrieve->bounds : StageBounds{};
        case Stage::assemble: return options.assemble ? options.assemble->bounds : StageBounds{};
        case Stage::infer: return options.infer.bounds;
        case Stage::post: return options.post ? options.post->bounds : StageBounds{};
        case Stage::deliver: return {};
    }
    return {};
}

Result<jinja::Template> template_of(const PipelineOptions& options) {
    const bool named = options.assemble && !options.assemble->prompt_template.empty();
    auto parsed = jinja::Template::parse(named ? std::string_view(options.assemble->prompt_template) : default_prompt_template);
    if (!parsed) return fail_field(ErrorCode::invalid_request, "assemble.template", parsed.error().message);
    return parsed;
}

// One stage of one job: counted in its gate and written into the job's record.
template <typename T>
Result<T> noted(Result<T> outcome, Stage stage, StageGate::Visit& visit, PipelineRecord& record) {
    const auto* error = outcome ? nullptr : &outcome.error();
    record.add(stage, visit.end(error), error);
    return outcome;
}

}  // namespace

std::string_view name_of(Stage stage) { return stage_names[static_cast<std::size_t>(stage)]; }

std::string_view stage_error_code(const Error& error) {
    return error.reason == ErrorReason::malformed_json ? "invalid_json" : name_of(error.code);
}

Result<void> check_pipeline(const PipelineOptions& options) {
    WEFT_CHECK(template_of(options).transform([](const auto&) {}));
    if (options.post && options.post->redact) WEFT_CHECK(Redactor::make(*options.post->redact).transform([](const auto&) {}));
    if (options.deliver.stream.value_or(false) && changes_text(options))
        return fail_field(ErrorCode::invalid_request, "deliver.stream", "must not be true when post.trim or post.redact changes the text: what was told cannot be taken back");
    return {};
}

// ---- the record ---------------------------------------------------------------------------------------------------------

void PipelineRecord::add(Stage stage, double seconds, const Error* error) {
    constexpr double ms_per_second = 1000;
    // Each stage once: of a job that was put back, the last try counts.
    std::erase_if(entries_, [stage](const Entry& entry) { return entry.stage >= stage; });
    entries_.push_back({.stage = stage, .milliseconds = seconds * ms_per_second, .error = error ? std::string(stage_error_code(*error)) : ""});
    failed_stage_ = error ? std::string(name_of(stage)) : "";
}

void PipelineRecord::quote(const std::vector<SearchHit>& hits) {
    std::vector<SourceJson> sources;
    for (const auto& hit : hits)
        sources.push_back({.document_id = hit.passage.document_id, .name = hit.passage.document_name, .passage = hit.passage.place,
                           .start = hit.passage.start, .text = hit.passage.text, .score = rounded(hit.score),
                           .similarity = hit.similarity ? std::optional(rounded(*hit.similarity)) : std::nullopt});
    sources_ = glz::write_json(sources).value_or("[]");
}

std::string PipelineRecord::trace() const {
    std::string out;
    for (const auto& entry : entries_) {
        std::array<char, 32> ms{};
        std::snprintf(ms.data(), ms.size(), "%.3f", entry.milliseconds);
        out += std::string(out.empty() ? "[" : ",") + R"({"stage":")" + std::string(name_of(entry.stage)) + R"(","ms":)" + ms.data();
        if (!entry.error.empty()) out += R"(,"error":")" + entry.error + "\"";
        out += "}";
    }
    return out.empty() ? out : out + "]";
}

// ---- one pipeline -------------------------------------------------------------------------------------------------------

Result<std::shared_ptr<Pipeline>> Pipeline::make(asio::any_io_executor io, asio::any_io_executor workers, DocumentService* documents,
                                                 PipelineOptions options) {
    WEFT_CHECK(check_pipeline(options));
    WEFT_TRY(auto prompt_template, template_of(options));
    const auto post = options.post.value_or(PostOptions{});
    WEFT_TRY(auto redactor, Redactor::make(post.redact.value_or(RedactOptions{})));
    auto rules = std::make_shared<const Rules>(Rules{.prompt_template = std::move(prompt_template), .redactor = std::move(redactor), .post = post});
    return std::shared_ptr<Pipeline>(new Pipeline(std::move(io), std::move(workers), documents, std::move(options), std::move(rules)));
}

Pipeline::Pipeline(asio::any_io_executor io, asio::any_io_executor workers, DocumentService* documents, PipelineOptions options,
                   std::shared_ptr<const Rules> rules)
    : io_(std::move(io)),
      workers_(std::move(workers)),
      documents_(documents),
      options_(std::move(options)),
      rules_(std::move(rules)),
      holds_text_(changes_text(options_) || !options_.deliver.stream.value_or(true)) {
    for (const auto stage : all_stages) gates_.emplace_back(io_, bounds_of(options_, stage));
}

asio::awaitable<Result<std::vector<SearchHit>>> Pipeline::retrieve(PipelineInput input, OnLeave on_leave) {
    if (documents_ == nullptr) co_return fail(ErrorCode::not_implemented, "this server shares its jobs with others (jobs.store), and documents cannot be shared yet");
    const auto& wanted = *options_.retrieve;
    DocumentSearch search{.tenant = std::move(input.tenant), .query = input.prompt.messages.back().content.substr(0, max_search_bytes),
                          .limit = wanted.passages, .mode = wanted.mode,
                          .documents = input.documents.empty() ? wanted.documents : std::move(input.documents),
                          .min_score = wanted.min_score, .min_similarity = wanted.min_similarity};
    auto found = co_await documents_->search(std::move(search), std::move(on_leave));
    if (!found) co_return std::unexpected(std::move(found).error());
    co_return std::move(found->hits);
}

asio::awaitable<Result<ChatPrompt>> Pipeline::prepare(PipelineInput input, std::shared_ptr<PipelineRecord> record, OnLeave on_leave) {
    auto prompt = input.prompt;
    const bool has_system = std::ranges::contains(prompt.messages, "system", &ChatMessage::role);
    if (!options_.infer.system.empty() && !has_system)
        prompt.messages.insert(prompt.messages.begin(), ChatMessage{.role = "system", .content = options_.infer.system});
    if (!options_.retrieve && !options_.assemble) co_return prompt;
    if (prompt.messages.empty() || prompt.messages.back().role != "user") {
        const Error error{.code = ErrorCode::invalid_request, .message = "the pipeline needs a last message of the role user"};
        record->add(options_.retrieve ? Stage::retrieve : Stage::assemble, 0, &error);
        co_return std::unexpected(error);
    }

    const auto rules = rules_;
    const auto io = io_;
    const auto workers = workers_;
    std::vector<SearchHit> hits;
    if (options_.retrieve) {
        const auto visit = co_await gate(Stage::retrieve).enter(on_leave);
        if (!visit) co_return std::unexpected(visit.error());
        auto found = noted(co_await retrieve(std::move(input), on_leave), Stage::retrieve, **visit, *record);
        if (!found) co_return std::unexpected(std::move(found).error());
        hits = std::move(*found);
        record->quote(hits);
    }
    const auto visit = co_await gate(Stage::assemble).enter(on_leave);
    if (!visit) co_return std::unexpected(visit.error());
    auto text = co_await on_thread<std::string>(io, workers, [rules, question = prompt.messages.back().content, hits = std::move(hits), messages = prompt.messages] {
        return render(rules->prompt_template, question, hits, messages);
    });
    text = noted(std::move(text), Stage::assemble, **visit, *record);
    if (!text) co_return std::unexpected(std::move(text).error());
    prompt.messages.back().content = std::move(*text);
    co_return prompt;
}

asio::awaitable<Result<PipelineAnswer>> Pipeline::finish(PipelineAnswer answer, std::shared_ptr<PipelineRecord> record, OnLeave on_leave) {
    if (!options_.post) co_return answer;
    const auto rules = rules_;
    const auto io = io_;
    const auto workers = workers_;
    const auto visit = co_await gate(Stage::post).enter(std::move(on_leave));
    if (!visit) co_return std::unexpected(visit.error());
    auto done = co_await on_thread<PipelineAnswer>(io, workers, [rules, answer = std::move(answer)]() mutable {
        return post_process(std::move(answer), rules->post, rules->redactor);
    });
    co_return noted(std::move(done), Stage::post, **visit, *record);
}

// ---- all of them --------------------------------------------------------------------------------------------------------

Pipelines::Pipelines(asio::any_io_executor io, DocumentService* documents, const PipelineMap& options) {
    for (const auto& [name, one] : options) {
        auto pipeline = Pipeline::make(io, workers_.get_executor(), documents, one);
        assert_that(pipeline.has_value(), "pipelines were checked with the configuration");
        pipelines_.emplace(name, std::move(*pipeline));
    }
}

Pipelines::~Pipelines() {
    workers_.stop();
    workers_.join();
}

std::shared_ptr<Pipeline> Pipelines::find(const std::string& name) const {
    const auto found = pipelines_.find(name.empty() ? "default" : name);
    return found == pipelines_.end() ? nullptr : found->second;
}

std::vector<std::string> Pipelines::names() const {
    std::vector<std::string> names;
    for (const auto& [name, pipeline] : pipelines_) names.push_back(name);
    if (!pipelines_.contains("default")) names.insert(names.begin(), "default");
    return names;
}

}  // namespace weft
