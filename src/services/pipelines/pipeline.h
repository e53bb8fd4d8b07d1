#pragma once

#include <array>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "jinja/template.h"
#include "runner/generation.h"
#include "services/documents/document_service.h"
#include "services/pipelines/pipeline_options.h"
#include "services/pipelines/redactor.h"
#include "services/pipelines/stage_gate.h"

namespace weft {

enum class Stage : std::uint8_t { retrieve, assemble, infer, post, deliver };
inline constexpr std::array all_stages{Stage::retrieve, Stage::assemble, Stage::infer, Stage::post, Stage::deliver};
[[nodiscard]] std::string_view name_of(Stage stage);
// The code of what went wrong in a stage, as clients and metrics know it.
[[nodiscard]] std::string_view stage_error_code(const Error& error);

inline constexpr std::size_t max_assembled_bytes = 4 << 20;

// What a job's way through its pipeline was like.
class PipelineRecord {
  public:
    void add(Stage stage, double seconds, const Error* error);
    void quote(const std::vector<SearchHit>& hits);

    // As JobRow has them.
    [[nodiscard]] std::string trace() const;
    [[nodiscard]] const std::string& sources() const { return sources_; }
    [[nodiscard]] const std::string& failed_stage() const { return failed_stage_; }

  private:
    struct Entry {
        Stage stage;
        double milliseconds;
        std::string error;  // its code; empty: it went well
    };
    std::vector<Entry> entries_{};
    std::string sources_{};
    std::string failed_stage_{};
};

// What a pipeline needs to know of a job before its model is asked.
struct PipelineInput {
    std::string tenant{};
    std::vector<std::string> documents{};  // ids or names that the job named; empty: as the pipeline says
    ChatPrompt prompt{};
};

// What a model has said.
struct PipelineAnswer {
    std::string text{};
    std::string thinking{};
    std::vector<ToolCall> tool_calls{};
};

// The stages around a generation, as one configuration names them: prepare() before it, infer() while it runs, finish()
// after it. Outlives its jobs or not: a job that is under way holds what it needs. Thread: io.
class Pipeline {
  public:
    using OnLeave = DocumentService::OnLeave;

    // documents: null when they cannot be had; workers: threads for templates and for what is done with answers.
    [[nodiscard]] static Result<std::shared_ptr<Pipeline>> make(boost::asio::any_io_executor io, boost::asio::any_io_executor workers,
                                                                DocumentService* documents, PipelineOptions options);

    // Retrieves and assembles. The prompt that the model is to be asked. Errors are in the record with their stage;
    // overloaded is for another try.
    [[nodiscard]] boost::asio::awaitable<Result<ChatPrompt>> prepare(PipelineInput input, std::shared_ptr<PipelineRecord> record, OnLeave on_leave);
    [[nodiscard]] boost::asio::awaitable<Result<std::shared_ptr<StageGate::Visit>>> infer(OnLeave on_leave) { return gate(Stage::infer).enter(std::move(on_leave)); }
    // The answer as it is delivered.
    [[nodiscard]] boost::asio::awaitable<Result<PipelineAnswer>> finish(PipelineAnswer answer, std::shared_ptr<PipelineRecord> record, OnLeave on_leave);
    void delivered(double seconds) { gate(Stage::deliver).count(seconds, false); }

    // Whether nobody may be told of the text before finish().
    [[nodiscard]] bool holds_text() const { return holds_text_; }
    [[nodiscard]] const PipelineOptions& options() const { return options_; }
    [[nodiscard]] StageCounts counts(Stage stage) const { return gates_[static_cast<std::size_t>(stage)].counts(); }

  private:
    struct Rules {
        jinja::Template prompt_template;
        Redactor redactor;
        PostOptions post;
    };
    Pipeline(boost::asio::any_io_executor io, boost::asio::any_io_executor workers, DocumentService* documents, PipelineOptions options,
             std::shared_ptr<const Rules> rules);

    [[nodiscard]] StageGate& gate(Stage stage) { return gates_[static_cast<std::size_t>(stage)]; }
    [[nodiscard]] boost::asio::awaitable<Result<std::vector<SearchHit>>> retrieve(PipelineInput input, OnLeave on_leave);

    boost::asio::any_io_executor io_;
    boost::asio::any_io_executor workers_;
    DocumentService* documents_;
    PipelineOptions options_;
    std::shared_ptr<const Rules> rules_;
    std::vector<StageGate> gates_;  // by Stage
    bool holds_text_;
};

// Every pipeline of the configuration. Thread: io.
class Pipelines {
  public:
    Pipelines(boost::asio::any_io_executor io, DocumentService* documents, const PipelineMap& options);
    ~Pipelines();

    // Null: there is none of that name; "default" may be absent, too, and is then nothing but the generation.
    [[nodiscard]] std::shared_ptr<Pipeline> find(const std::string& name) const;
    // "default" among them.
    [[nodiscard]] std::vector<std::string> names() const;
    [[nodiscard]] const std::map<std::string, std::shared_ptr<Pipeline>>& all() const { return pipelines_; }

  private:
    std::map<std::string, std::shared_ptr<Pipeline>> pipelines_{};
    boost::asio::thread_pool workers_{2};
};

}  // namespace weft
