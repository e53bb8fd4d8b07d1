#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "services/documents/document_service.h"

namespace weft {

// How many jobs a stage works on at once, and how many may wait for it. One more is put back and tried again a little
// later, as when a model's queue is full.
struct StageBounds {
    std::size_t parallel = 16;
    std::size_t queue = 1024;
};

struct RetrieveOptions {
    StageBounds bounds{};
    std::size_t passages = 4;
    SearchMode mode = SearchMode::hybrid;
    double min_score = 0;
    double min_similarity = -1;
    std::vector<std::string> documents{};  // ids or names; empty: all of the key's
};

// The last message of the user becomes what the template says of `question`, `passages` (each with number, text, name,
// document_id, start, score, metadata) and `messages` (each with role and content).
struct AssembleOptions {
    StageBounds bounds{};
    std::string prompt_template{};  // Jinja; empty: default_prompt_template
};

// Numbered passages and the question; the question alone when nothing was found.
inline constexpr const char* default_prompt_template =
    "{% if passages %}\nContext:\n{% for passage in passages %}\n[{{ passage.number }}] {{ passage.text }}\n{% endfor %}\n\n"
    "Question: {{ question }}\n{%- else %}\n{{ question }}\n{%- endif %}";

struct InferOptions {
    StageBounds bounds{.parallel = 64, .queue = 4096};
    std::string model{};   // of jobs and sessions that name none
    std::string system{};  // for conversations without a system message
};

struct RedactOptions {
    std::vector<std::string> words{};     // literally
    std::vector<std::string> patterns{};  // regular expressions, see Regex
    bool ignore_case = true;              // of ASCII letters
    std::string replacement = "[redacted]";
};

struct PostOptions {
    StageBounds bounds{};
    bool trim = false;   // blanks at both ends
    bool json = false;   // anything else fails the job
    std::optional<RedactOptions> redact{};
};

struct DeliverOptions {
    std::optional<bool> stream{};  // tell the text while it is generated; by default if `post` changes none of it
    std::string callback{};        // of jobs that name none
};

// The stages of a job: retrieve, assemble, infer, post, deliver. Those that are absent are passed over.
struct PipelineOptions {
    std::optional<RetrieveOptions> retrieve{};
    std::optional<AssembleOptions> assemble{};
    InferOptions infer{};
    std::optional<PostOptions> post{};
    DeliverOptions deliver{};
};

using PipelineMap = std::map<std::string, PipelineOptions>;  // by name

inline constexpr std::size_t max_pipelines = 64;
inline constexpr std::size_t max_pipeline_name_bytes = 64;
inline constexpr std::size_t max_redactions = 256;  // words and patterns of one pipeline

// What is wrong with it, with the key below the pipeline's as the error's field ("assemble.template").
[[nodiscard]] Result<void> check_pipeline(const PipelineOptions& options);

}  // namespace weft
