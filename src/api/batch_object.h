#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"

namespace weft::api {

struct BatchError {
    std::string code;
    std::string message;
    std::optional<std::string> param{};
    std::optional<std::int64_t> line{};  // from 1
};

struct BatchErrors {
    std::string object = "list";
    std::vector<BatchError> data{};
};

struct BatchCounts {
    std::int64_t total = 0, completed = 0, failed = 0;
};

struct CachedTokens {
    std::int64_t cached_tokens = 0;
};
struct ReasoningTokens {
    std::int64_t reasoning_tokens = 0;
};
struct BatchUsage {
    std::int64_t input_tokens = 0;
    CachedTokens input_tokens_details{};
    std::int64_t output_tokens = 0;
    ReasoningTokens output_tokens_details{};
    std::int64_t total_tokens = 0;
};

// The Batch object, as it is stored, and as OpenAI's API words it. Times are Unix seconds.
struct BatchObject {
    std::string id;
    std::string object = "batch";
    std::string endpoint;
    std::optional<std::string> model{};
    std::optional<BatchErrors> errors{};
    std::string input_file_id;
    std::string completion_window = "24h";
    std::string status = "validating";
    std::optional<std::string> output_file_id{}, error_file_id{};
    std::int64_t created_at = 0;
    std::optional<std::int64_t> in_progress_at{};
    std::int64_t expires_at = 0;
    std::optional<std::int64_t> finalizing_at{}, completed_at{}, failed_at{}, expired_at{}, cancelling_at{}, cancelled_at{};
    BatchCounts request_counts{};
    std::optional<std::map<std::string, std::string>> metadata{};
    BatchUsage usage{};

    [[nodiscard]] bool ended() const {
        return status == "completed" || status == "failed" || status == "expired" || status == "cancelled";
    }
};

// What is stored with it and not answered.
struct StoredBatch {
    BatchObject batch;
    std::int64_t output_lifetime_s = 0;  // of the result files; 0: the default
    std::int64_t never_run = 0;          // of the requests that failed: those that nobody tried
};

[[nodiscard]] std::string batch_json(const BatchObject& batch);
[[nodiscard]] std::string stored_batch_json(const StoredBatch& batch);
[[nodiscard]] Result<StoredBatch> read_stored_batch(const std::string& text);

}  // namespace weft::api
