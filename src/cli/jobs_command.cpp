#include "cli/jobs_command.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <glaze/json.hpp>
#include <ranges>

#include "base/descriptor.h"
#include "base/formatted.h"
#include "cli/format.h"
#include "cli/interrupt.h"
#include "cli/ollama_client.h"
#include "cli/text_width.h"

namespace weft::cli {

// Glaze needs names with linkage.
namespace jobs_wire {

struct JobError {
    std::string code, message;
    std::optional<std::string> field{};
};
struct Usage {
    std::uint64_t prompt_tokens = 0, completion_tokens = 0;
};
struct Job {
    std::string request_id, status, model, created_at;
    std::optional<std::string> result{}, partial_result{};
    std::optional<JobError> error{};
    std::optional<std::uint64_t> queue_position{};
    Usage usage{};
};
struct Page {
    std::vector<Job> data;
};
struct Failure {
    JobError error;
};
struct Token {
    std::string data;
};
struct Counts {
    std::uint64_t total = 0, completed = 0, failed = 0;
};
struct LineError {
    std::string message;
    std::optional<std::uint64_t> line{};
};
struct BatchErrors {
    std::vector<LineError> data{};
};
struct Batch {
    std::string id, status;
    Counts request_counts{};
    std::optional<std::string> output_file_id{}, error_file_id{};
    std::optional<BatchErrors> errors{};
};
struct File {
    std::string id;
};

}  // namespace jobs_wire

namespace {

constexpr auto poll_interval = std::chrono::seconds(1);
constexpr auto reconnect_after = std::chrono::seconds(1);
constexpr std::size_t bar_cells = 20;
constexpr std::size_t max_file_bytes = std::size_t{1} << 30;  // of a file or of standard input
constexpr std::size_t max_told_errors = 20;                    // of a batch
constexpr std::string_view form_boundary = "weft-jobs-3f1c5b0e9a7d42c8";

template <typename T>
Result<T> parse_answer(std::string_view text) {
    T value{};
    constexpr glz::opts lenient{.null_terminated = false, .error_on_unknown_keys = false};
    if (glz::read<lenient>(value, text)) return fail(ErrorCode::internal, "the server's answer is not understood");
    return value;
}

bool is_batch(const std::string& id) { return id.starts_with("batch_"); }

Error refusal_of(const http::ClientResponse& response) {
    const auto failure = parse_answer<jobs_wire::Failure>(response.body);
    return {.code = response.status == 404 ? ErrorCode::not_found : ErrorCode::invalid_request,
            .message = failure && !failure->error.message.empty() ? failure->error.message
                                                                  : "the server answered with status " + std::to_string(response.status),
            .field = failure ? failure->error.field.value_or("") : ""};
}

class JobsClient {
  public:
    explicit JobsClient(const http::Endpoint& server) : http_(server) {}

    Result<std::string> call(std::string method, std::string path, std::string body = {}, std::string content_type = "application/json") const {
        WEFT_TRY(auto response, http_.send({.method = std::move(method), .path = std::move(path), .body = std::move(body),
                                            .content_type = std::move(content_type), .cancel_fd = interrupt_.fd()}));
        if (response.status >= 300) return std::unexpected(refusal_of(response));
        return std::move(response.body);
    }

    // False: the stream broke off before the job's last event.
    Result<bool> follow(const std::string& id, const std::function<bool(const JobEvent&)>& on_event) const {
        JobEventReader reader;
        bool ended = false;
        WEFT_TRY(const auto response, http_.stream({.path = "/api/v1/stream/" + id, .cancel_fd = interrupt_.fd()}, [&](std::string_view line) {
            if (const auto event = reader.add(line)) ended = !on_event(*event);
            return !ended;
        }));
        if (response.status >= 300) return std::unexpected(refusal_of(response));
        return ended;
    }

    // True when Ctrl-C came meanwhile.
    [[nodiscard]] bool wait(std::chrono::milliseconds time) const {
        pollfd watched{.fd = interrupt_.fd(), .events = POLLIN, .revents = 0};
        return ::poll(&watched, 1, static_cast<int>(time.count())) > 0 || interrupt_.happened();
    }

  private:
    http::Client http_;
    Interrupt interrupt_{};
};

std::unexpected<Error> cannot_read(const std::string& file, const std::string& why) {
    return fail(ErrorCode::invalid_request, "cannot read " + (file == "-" ? "standard input" : file) + ": " + why);
}

// "-" is standard input, whatever that is; anything else must have an end.
Result<std::string> read_whole(const std::string& file) {
    const Descriptor opened(file == "-" ? -1 : ::open(file.c_str(), O_RDONLY | O_CLOEXEC));
    if (file != "-") {
        struct stat what{};
        if (!opened || ::fstat(opened.get(), &what) != 0) return cannot_read(file, std::strerror(errno));
        if (!S_ISREG(what.st_mode) && !S_ISFIFO(what.st_mode)) return cannot_read(file, "it is neither a file nor a pipe");
    }
    std::string text;
    std::vector<char> buffer(std::size_t{1} << 16);
    for (;;) {
        const auto got = ::read(file == "-" ? STDIN_FILENO : opened.get(), buffer.data(), buffer.size());
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return cannot_read(file, std::strerror(errno));
        if (got == 0) return text;
        if (text.size() + static_cast<std::size_t>(got) > max_file_bytes)
            return cannot_read(file, "it has more than " + std::to_string(max_file_bytes) + " bytes");
        text.append(buffer.data(), static_cast<std::size_t>(got));
    }
}

// ---- watch ------------------------------------------------------------------------------------------------------------------

std::string rate_line(const jobs_wire::Job& job, std::chrono::steady_clock::duration took) {
    const double seconds = std::chrono::duration<double>(took).count();
    return formatted("{} tokens, {:.1f} tokens/s\n", job.usage.completion_tokens,
                     seconds > 0 ? static_cast<double>(job.usage.completion_tokens) / seconds : 0.0);
}

// What was printed of an attempt that had to begin again cannot be taken back: the new one is announced.
Result<void> watch_job(const JobsClient& client, const Terminal& terminal, const std::string& id, bool json) {
    std::size_t printed = 0;   // tokens of this attempt
    std::size_t skip = 0;      // those that a stream tells again after it broke off
    std::string attempt;
    auto began = std::chrono::steady_clock::now();
    for (;;) {
        skip = printed;
        const auto ended = client.follow(id, [&](const JobEvent& event) {
            if (event.event == "start") {
                if (!attempt.empty() && attempt != event.id) {
                    if (!json) print("\n");
                    print_error("the job began again");
                    printed = skip = 0;
                }
                if (attempt != event.id) began = std::chrono::steady_clock::now();
                attempt = event.id;
            } else if (event.event == "token") {
                if (skip > 0) return --skip, true;
                ++printed;
                const auto token = parse_answer<jobs_wire::Token>(event.data);
                return json || !token || print(token->data);
            }
            return event.event != "complete" && event.event != "error";
        });
        if (!ended && ended.error().code != ErrorCode::internal) return std::unexpected(ended.error());
        if (ended && *ended) break;
        if (client.wait(reconnect_after)) return fail(ErrorCode::cancelled, "interrupted");
    }
    WEFT_TRY(const auto text, client.call("GET", "/api/v1/result/" + id));
    if (json) {
        print(text + "\n");
        return {};
    }
    print("\n");
    WEFT_TRY(const auto job, parse_answer<jobs_wire::Job>(text));
    if (job.error) return fail(ErrorCode::invalid_request, job.error->code + ": " + job.error->message);
    if (terminal.error) std::fputs(rate_line(job, std::chrono::steady_clock::now() - began).c_str(), stderr);
    return {};
}

// What was wrong with its lines, so that none of them was run.
std::string told_errors(const jobs_wire::Batch& batch) {
    std::string out;
    if (!batch.errors) return out;
    const auto& all = batch.errors->data;
    for (const auto& error : all | std::views::take(max_told_errors))
        out += (error.line ? "line " + std::to_string(*error.line) + ": " : "") + without_controls(error.message) + "\n";
    if (all.size() > max_told_errors) out += "and " + std::to_string(all.size() - max_told_errors) + " more\n";
    return out;
}

Result<void> watch_batch(const JobsClient& client, const Terminal& terminal, const std::string& id, bool json) {
    const auto began = std::chrono::steady_clock::now();
    std::optional<std::uint64_t> done_before;
    for (;;) {
        WEFT_TRY(const auto text, client.call("GET", "/v1/batches/" + id));
        WEFT_TRY(const auto batch, parse_answer<jobs_wire::Batch>(text));
        const auto done = batch.request_counts.completed + batch.request_counts.failed;
        if (!done_before) done_before = done;
        const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
        const double rate = seconds > 0 ? static_cast<double>(done - *done_before) / seconds : 0;
        const bool ended = batch.status == "completed" || batch.status == "failed" || batch.status == "expired" || batch.status == "cancelled";
        if (terminal.error && !json)
            std::fputs(("\r\x1b[K" + without_controls(batch.status) + " " + batch_progress(done, batch.request_counts.total, rate)).c_str(), stderr);
        if (ended) {
            if (terminal.error && !json) std::fputs("\n", stderr);
            if (json) print(text + "\n");
            else
                print(told_errors(batch) + formatted("{}: {} completed, {} failed\noutput file: {}\nerror file: {}\n", without_controls(batch.status),
                                batch.request_counts.completed, batch.request_counts.failed, without_controls(batch.output_file_id.value_or("none")),
                                without_controls(batch.error_file_id.value_or("none"))));
            if (batch.status != "completed") return fail(ErrorCode::invalid_request, "the batch is " + batch.status);
            return {};
        }
        if (client.wait(poll_interval)) return fail(ErrorCode::cancelled, "interrupted");
    }
}

Result<void> watch_one(const JobsClient& client, const Terminal& terminal, const std::string& id, bool json) {
    return is_batch(id) ? watch_batch(client, terminal, id, json) : watch_job(client, terminal, id, json);
}

// ---- the other actions --------------------------------------------------------------------------------------------------

Result<void> submit_batch(const JobsClient& client, const Terminal& terminal, const JobsOptions& options) {
    WEFT_TRY(const auto requests, read_whole(*options.batch_file));
    const std::string delimiter = "--" + std::string(form_boundary);
    if (requests.contains(delimiter)) return fail(ErrorCode::invalid_request, "the file holds the boundary of the form that it is sent in");
    std::string form = delimiter + "\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n" + delimiter +
                       "\r\nContent-Disposition: form-data; name=\"file\"; filename=\"batch.jsonl\"\r\n\r\n";
    form.append(requests).append("\r\n").append(delimiter).append("--\r\n");
    WEFT_TRY(const auto uploaded, client.call("POST", "/v1/files", std::move(form), "multipart/form-data; boundary=" + std::string(form_boundary)));
    WEFT_TRY(const auto file, parse_answer<jobs_wire::File>(uploaded));
    WEFT_TRY(const auto text, client.call("POST", "/v1/batches", R"({"input_file_id":)" + json_string(file.id) + R"(,"endpoint":)" +
                                                                     json_string(options.endpoint) + R"(,"completion_window":"24h"})"));
    WEFT_TRY(const auto batch, parse_answer<jobs_wire::Batch>(text));
    if (options.wait) return watch_one(client, terminal, batch.id, options.json);
    print((options.json ? text : without_controls(batch.id)) + "\n");
    return {};
}

Result<void> submit_job(const JobsClient& client, const Terminal& terminal, const JobsOptions& options) {
    if (options.batch_file) return submit_batch(client, terminal, options);
    std::string prompt = options.prompt;
    if (prompt == "-") {
        WEFT_TRY(prompt, read_whole("-"));
    }
    std::string body = R"({"prompt":)" + json_string(prompt);
    if (options.model) body += R"(,"model":)" + json_string(*options.model);
    if (options.priority) body += R"(,"metadata":{"priority":)" + json_string(*options.priority) + "}";
    if (options.pipeline) body += R"(,"pipeline":)" + json_string(*options.pipeline);
    if (options.session) body += R"(,"session_id":)" + json_string(*options.session);
    WEFT_TRY(const auto text, client.call("POST", "/api/v1/infer", body + "}"));
    WEFT_TRY(const auto job, parse_answer<jobs_wire::Job>(text));
    if (options.wait) return watch_one(client, terminal, job.request_id, options.json);
    print((options.json ? text : without_controls(job.request_id)) + "\n");
    return {};
}

std::string row_time(const std::string& text) {
    const auto time = parse_time(text);
    return time ? relative_time(*time, std::chrono::system_clock::now()) : "";
}

Result<void> list_jobs(const JobsClient& client, const JobsOptions& options) {
    std::string path = "/api/v1/jobs?limit=" + std::to_string(options.limit);
    if (options.status) path += "&status=" + *options.status;
    WEFT_TRY(const auto text, client.call("GET", path));
    if (options.json) {
        print(text + "\n");
        return {};
    }
    WEFT_TRY(const auto page, parse_answer<jobs_wire::Page>(text));
    std::vector<std::vector<std::string>> rows;
    for (const auto& job : page.data)
        rows.push_back({without_controls(job.request_id), without_controls(job.status), without_controls(job.model),
                        std::to_string(job.usage.completion_tokens), row_time(job.created_at)});
    print(format_table({"ID", "STATUS", "MODEL", "TOKENS", "CREATED"}, rows));
    return {};
}

Result<void> cancel_one(const JobsClient& client, const JobsOptions& options) {
    const bool batch = is_batch(options.id);
    const auto path = batch ? "/v1/batches/" + options.id + "/cancel" : "/api/v1/jobs/" + options.id + "?only=live";
    WEFT_TRY(const auto text, client.call(batch ? "POST" : "DELETE", path));
    if (options.json) print(text + "\n");
    if (batch) return {};
    // Its end may have been on its way to the disk already.
    WEFT_TRY(const auto job, parse_answer<jobs_wire::Job>(text));
    if (job.status != "cancelled") return fail(ErrorCode::invalid_request, "the job is " + job.status + " already");
    return {};
}

}  // namespace

std::string batch_progress(std::uint64_t done, std::uint64_t total, double rate) {
    const auto cells = total == 0 ? 0 : bar_cells * std::min(done, total) / total;
    std::string text = "[" + std::string(cells, '#') + std::string(bar_cells - cells, '-') + "]";
    text += formatted(" {:3}% {}/{}", total == 0 ? 0 : 100 * std::min(done, total) / total, done, total);
    if (rate <= 0) return text;
    text += formatted("  {:.1f}/s", rate);
    if (done < total)
        text += "  ETA " + human_duration(std::chrono::seconds(static_cast<std::int64_t>(static_cast<double>(total - done) / rate)));
    return text;
}

// http::Client drops empty lines: an event is whole with its data, which comes last and is one line.
std::optional<JobEvent> JobEventReader::add(std::string_view line) {
    const auto value = [&line](std::string_view name) { return std::string(line.substr(name.size())); };
    if (line.starts_with("id: ")) event_.id = value("id: ");
    if (line.starts_with("event: ")) event_.event = value("event: ");
    if (!line.starts_with("data: ")) return std::nullopt;
    event_.data = value("data: ");
    return std::exchange(event_, {});
}

Result<void> run_jobs(const http::Endpoint& server, const Terminal& terminal, const JobsOptions& options) {
    const JobsClient client(server);
    // An id becomes a part of a path.
    const auto harmless = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_'; };
    if (!std::ranges::all_of(options.id, harmless)) return fail(ErrorCode::invalid_request, "that is not the id of a job or batch");
    if (options.action == "submit") return submit_job(client, terminal, options);
    if (options.action == "list") return list_jobs(client, options);
    if (options.action == "cancel") return cancel_one(client, options);
    return watch_one(client, terminal, options.id, options.json);
}

}  // namespace weft::cli
