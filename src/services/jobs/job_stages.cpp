// The stages of a pipeline around the generation of a job.
#include <algorithm>
#include <utility>

#include "services/jobs/job_service.h"
#include "base/utf8.h"
#include "services/jobs/note_stages.h"

namespace weft {
namespace asio = boost::asio;
namespace {

constexpr std::size_t bytes_of_told_chunk = 4096;

std::unexpected<Error> given_up() { return fail(ErrorCode::cancelled, "the job was cancelled"); }
bool is_default(const std::string& pipeline) { return pipeline.empty() || pipeline == "default"; }

}  // namespace

void note_stages(const PipelineRecord* record, JobEnd& end) {
    if (record == nullptr) return;
    end.sources = record->sources();
    end.trace = record->trace();
    end.error_stage = record->failed_stage();
}

std::shared_ptr<Pipeline> JobService::pipeline_of(const std::string& name) const {
    return parts_.pipelines == nullptr ? nullptr : parts_.pipelines->find(name);
}

// What the job leaves open and its pipeline says.
Result<void> JobService::settle_pipeline(JobRequest& request) const {
    const auto pipeline = pipeline_of(request.pipeline);
    if (!pipeline && !is_default(request.pipeline))
        return fail_field(ErrorCode::invalid_request, "session_id", "the server has no pipeline \"" + request.pipeline + "\" any more, which the session names");
    if (!pipeline) return {};
    const auto& options = pipeline->options();
    if (!request.names_model && !options.infer.model.empty()) request.model = options.infer.model;
    if (request.callback_url.empty()) request.callback_url = options.deliver.callback;
    // Documents come and go: two equal questions may have two answers.
    if (options.retrieve) request.request_key.clear();
    return {};
}

asio::awaitable<Result<GenerationDone>> JobService::run_stages(GenerationPtr generation, JobPlan plan, JobPtr first) {
    const auto alive = alive_;
    const auto pipeline = pipeline_of(first->row.pipeline);
    if (!pipeline && !is_default(first->row.pipeline))
        co_return fail(ErrorCode::invalid_request, "the server has no pipeline \"" + first->row.pipeline + "\" any more");
    if (!plan.documents.empty() && !(pipeline && pipeline->options().retrieve))
        co_return fail(ErrorCode::invalid_request, "the job names documents, but its pipeline retrieves nothing");
    if (!pipeline) co_return co_await generate_once(generation, std::move(plan));

    const auto record = generation->record = std::make_shared<PipelineRecord>();
    generation->holds_text = pipeline->holds_text();
    const auto on_leave = [generation](std::function<void()> give_up) { generation->interrupt = std::move(give_up); };
    if (auto* chat = std::get_if<ChatPrompt>(&plan.request.generate.prompt)) {
        PipelineInput input{.tenant = first->row.tenant, .documents = std::move(plan.documents), .prompt = std::move(*chat)};
        auto prompt = co_await pipeline->prepare(std::move(input), record, on_leave);
        if (!*alive || generation->abandoned) co_return given_up();
        if (!prompt) co_return std::unexpected(std::move(prompt).error());
        plan.request.generate.prompt = std::move(*prompt);
    }
    auto outcome = co_await infer(generation, std::move(plan), pipeline);
    if (!outcome || !*alive || generation->abandoned) co_return outcome;
    PipelineAnswer said{.text = generation->holds_text ? std::exchange(generation->held, {}) : generation->output.text,
                        .thinking = generation->thinking, .tool_calls = generation->tool_calls};
    const auto answer = co_await pipeline->finish(std::move(said), record, on_leave);
    if (!*alive || generation->abandoned) co_return given_up();
    generation->interrupt = nullptr;
    if (!answer) co_return std::unexpected(answer.error());
    if (std::exchange(generation->holds_text, false)) tell_held(*generation, *answer);
    generation->text_ready = std::chrono::steady_clock::now();
    co_return outcome;
}

asio::awaitable<Result<GenerationDone>> JobService::infer(GenerationPtr generation, JobPlan plan, std::shared_ptr<Pipeline> pipeline) {
    const auto alive = alive_;
    const StageGate::OnLeave on_leave = [generation](std::function<void()> give_up) { generation->interrupt = std::move(give_up); };
    const auto visit = co_await pipeline->infer(on_leave);
    if (!visit) co_return std::unexpected(visit.error());
    if (!*alive || generation->abandoned) co_return given_up();
    auto outcome = co_await generate_once(generation, std::move(plan));
    if (!*alive || generation->abandoned) co_return outcome;
    const auto* error = outcome ? nullptr : &outcome.error();
    generation->record->add(Stage::infer, (*visit)->end(error), error);
    co_return outcome;
}

// In chunks of a size that readers can take, none of which ends inside a character.
void JobService::tell_held(SharedGeneration& generation, const PipelineAnswer& answer) {
    generation.thinking = answer.thinking;
    generation.tool_calls = answer.tool_calls;
    for (const auto& job : generation.jobs) job->row.thinking = answer.thinking;
    const auto& text = answer.text;
    for (std::size_t at = 0; at < text.size();) {
        const auto end = cut_before_character(text, std::min(at + bytes_of_told_chunk, text.size()), at + 1);
        add_reply(generation, {.thinking = {}, .content = text.substr(at, end - at), .tool_calls = {}, .logprobs = {}}, 0);
        at = end;
    }
}

}  // namespace weft
