#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "api/json_reader.h"
#include "registry/registry.h"
#include "services/chat/chat_service.h"
#include "services/documents/document_service.h"
#include "services/jobs/job_service.h"
#include "services/pipelines/pipeline.h"

namespace weft::api::jobs {

// What the handlers of this dialect need. What it refers to outlives the router.
struct Services {
    JobService* jobs = nullptr;  // null: the store could not be opened, and every route says so
    Registry& registry;
    DocumentService* documents = nullptr;  // likewise
    Pipelines* pipelines = nullptr;        // null: none but the default one
    std::string default_model{};  // of requests that name none; empty: the newest one
    // Requests borrow messages, tools, thinking and formats from OpenAI's dialect and their options from Ollama's.
    std::function<Result<void>(const JsonReader& body, GenerateRequest& generate)> read_conversation;
    std::function<Result<SamplingOverrides>(const JsonReader& options)> read_options;
    std::function<std::string(const std::string& url)> callback_refusal;  // empty: the address may be called
    std::chrono::milliseconds comment_interval{15'000};                   // of silence, in a stream of events
};

}  // namespace weft::api::jobs
