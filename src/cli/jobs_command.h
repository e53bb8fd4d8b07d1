#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "cli/terminal.h"
#include "http/client.h"

namespace weft::cli {

struct JobsOptions {
    std::string action;                    // submit, list, watch, cancel
    std::string id;                        // watch, cancel: of a job or of a batch
    std::string prompt;                    // submit; "-" reads standard input
    std::optional<std::string> batch_file{};  // submit: instead of a prompt, requests for a batch, one a line
    std::string endpoint = "/v1/chat/completions";  // of those
    std::optional<std::string> model{};
    std::optional<std::string> priority{};
    std::optional<std::string> pipeline{};
    std::optional<std::string> session{};  // an id, of a conversation or not
    std::optional<std::string> status{};   // list
    std::uint32_t limit = 20;              // list
    bool wait = false;                     // submit: go on as watch does
    bool json = false;                     // print the server's JSON
};

// `weft jobs ...`: a client of the job API and, for batches, of OpenAI's.
[[nodiscard]] Result<void> run_jobs(const http::Endpoint& server, const Terminal& terminal, const JobsOptions& options);

// "[#########-----------]  45% 450/1000  12.3/s  ETA 45 s". rate: requests in a second, 0 when not known.
[[nodiscard]] std::string batch_progress(std::uint64_t done, std::uint64_t total, double rate);

// One event of a stream, and what is left of the lines that make up the next.
struct JobEvent {
    std::string id{}, event{}, data{};
};
class JobEventReader {
  public:
    // A line without its end; empty lines may be missing, as http::Client leaves them out.
    [[nodiscard]] std::optional<JobEvent> add(std::string_view line);

  private:
    JobEvent event_{};
};

}  // namespace weft::cli
