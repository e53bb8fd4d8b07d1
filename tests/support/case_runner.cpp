#include "support/case_runner.h"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>

#include "base/assert.h"
#include "support/fake_exchange.h"

namespace weft::test {
namespace asio = boost::asio;
namespace {

void rethrow(std::exception_ptr failure) {
    if (failure) std::rethrow_exception(failure);
}

// Longer than any case takes, shorter than a test runner's patience.
constexpr std::chrono::seconds run_limit{20};

std::string without_last_newline(std::string text) {
    if (text.ends_with('\n')) text.pop_back();
    return text;
}

std::vector<std::string> lines_of(const std::string& text) {
    std::istringstream in(text);
    std::vector<std::string> lines;
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
}

std::vector<std::string> split(const std::string& text, char separator) {
    std::vector<std::string> parts{""};
    for (const char c : text) {
        if (c == separator) parts.emplace_back();
        else parts.back() += c;
    }
    return parts;
}

// "\n" in a piece stands for a line end.
std::string unescaped(std::string text) {
    for (std::size_t at = 0; (at = text.find("\\n", at)) != std::string::npos; ++at) text.replace(at, 2, "\n");
    return text;
}

std::string& section_of(Case& scenario, const std::string& name) {
    if (name == "given") return scenario.given;
    if (name == "request") return scenario.request;
    if (name == "answer") return scenario.answer;
    assert_that(name == "asked", "a case has the sections given, request, answer and asked");
    scenario.checks_asked = true;
    return scenario.asked;
}

std::vector<Case> read_file(const std::filesystem::path& file) {
    std::ifstream in(file, std::ios::binary);
    std::vector<Case> cases;
    std::string* section = nullptr;
    for (std::string line; std::getline(in, line);) {
        if (line.starts_with("=== ")) {
            cases.push_back({.file = file, .title = line.substr(4)});
            section = nullptr;
        } else if (line.starts_with("--- ") && !cases.empty()) {
            section = &section_of(cases.back(), line.substr(4));
        } else if (section) {
            *section += line + '\n';
        }
    }
    return cases;
}

void write_file(const std::filesystem::path& file, const std::vector<Case>& cases) {
    std::ofstream out(file, std::ios::binary);
    for (const auto& scenario : cases) {
        out << "=== " << scenario.title << '\n';
        if (!scenario.given.empty()) out << "--- given\n" << scenario.given;
        out << "--- request\n" << scenario.request << "--- answer\n" << scenario.answer;
        if (scenario.checks_asked) out << "--- asked\n" << scenario.asked;
    }
}

http::Request request_of(const Case& scenario) {
    http::Request request{.id = "req_0123456789abcdef01234567", .peer = "127.0.0.1"};
    const auto head_end = scenario.request.find("\n\n");
    const auto head = lines_of(scenario.request.substr(0, head_end));
    assert_that(!head.empty(), "a case has a request line");
    const auto space = head.front().find(' ');
    request.method = head.front().substr(0, space);
    const std::string target = head.front().substr(space + 1);
    const auto query = std::min(target.find('?'), target.size());
    request.path = target.substr(0, query);
    if (query < target.size()) request.query = target.substr(query + 1);
    for (std::size_t i = 1; i < head.size(); ++i) {
        const auto colon = head[i].find(": ");
        request.headers.emplace_back(head[i].substr(0, colon), head[i].substr(colon + 2));
    }
    if (head_end != std::string::npos) request.body = without_last_newline(scenario.request.substr(head_end + 2));
    return request;
}

std::string text_of(const FakeExchange& exchange) {
    if (exchange.end == FakeExchange::End::open) return "(no answer)\n";
    std::string out = std::to_string(exchange.answer.status) + "\n";
    out += "content-type: " + exchange.answer.content_type + "\n";
    for (const auto& [name, value] : exchange.answer.headers) out += name + ": " + value + "\n";
    out += "\n" + exchange.answer.body;
    if (!out.ends_with('\n')) out += '\n';
    if (exchange.end == FakeExchange::End::aborted) out += "(broken off)\n";
    return out;
}

ErrorCode error_code_named(const std::string& name) {
    for (int i = 0; i <= static_cast<int>(ErrorCode::internal); ++i)
        if (name_of(static_cast<ErrorCode>(i)) == name) return static_cast<ErrorCode>(i);
    assert_that(false, "an error code has a name");
    return ErrorCode::internal;
}

// "context_overflow 5000/4096 the prompt is too long": a code, for an overflow two numbers, and a message.
Error error_of(const std::string& text) {
    std::istringstream in(text);
    std::string name;
    Error error;
    in >> name;
    error.code = error_code_named(name);
    char slash = 0;
    if (error.code == ErrorCode::context_overflow) in >> error.prompt_tokens >> slash >> error.context_tokens;
    in >> std::ws;
    std::getline(in, error.message);
    return error;
}

}  // namespace

std::vector<Case> read_cases(const std::filesystem::path& folder) {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(folder))
        if (entry.path().extension() == ".case") files.push_back(entry.path());
    std::ranges::sort(files);
    std::vector<Case> cases;
    for (const auto& file : files) std::ranges::move(read_file(file), std::back_inserter(cases));
    return cases;
}

// 00000001 and sixteen zeros, 00000002 ...
std::function<std::string()> counted_ids() {
    return [n = 0]() mutable {
        const auto digits = std::to_string(++n);
        return std::string(8 - digits.size(), '0') + digits + std::string(16, '0');
    };
}

CaseStage::CaseStage(const AddRoutes& add_routes)
    : registry_(io_.get_executor()), chat_(registry_, io_.get_executor(), counted_ids()), embed_(registry_) {
    add_routes(router_, registry_, chat_, embed_);
    arrange_line("model demo completion embedding");
}

void CaseStage::arrange(const std::string& given) {
    for (const auto& line : lines_of(given)) arrange_line(line);
}

void CaseStage::arrange_line(const std::string& line) {
    const auto space = std::min(line.find(' '), line.size());
    const std::string word = line.substr(0, space);
    const std::string rest = space < line.size() ? line.substr(space + 1) : "";
    if (word == "no_models") {
        registry_ = FakeRegistry(io_.get_executor());
    } else if (word == "model") {
        auto words = split(rest, ' ');
        const std::string name = words.front();
        words.erase(words.begin());
        script_ = {};
        runner_ = registry_.add(name, words);
        runner_->told.embeds = std::ranges::contains(words, "embedding") || std::ranges::contains(words, "rerank");
        runners_.push_back(runner_);
    } else if (word == "parameter") {
        const auto end = rest.find(' ');
        registry_.info("demo").parameters_text.emplace_back(rest.substr(0, end), rest.substr(end + 1));
    } else if (word == "system") {
        registry_.info("demo").system = rest;
    } else if (word == "load_fails") {
        registry_.acquire_fails = error_of(rest);
    } else if (word == "embed_fails") {
        runner_->embed_fails = error_of(rest);
    } else if (word == "pieces") {
        script_.pieces = split(unescaped(rest), '|');
    } else if (word == "thinking_open") {
        script_.thinking_open = true;
    } else if (word == "finish") {
        script_.finish = rest == "length" ? FinishReason::length : FinishReason::stop;
    } else if (word == "stop_string") {
        script_.stop_string = rest;
    } else if (word == "prompt_tokens") {
        script_.prompt_tokens = static_cast<std::uint32_t>(std::stoul(rest));
    } else if (word == "cached_tokens") {
        script_.cached_tokens = static_cast<std::uint32_t>(std::stoul(rest));
    } else if (word == "refuse") {
        script_.refuse = error_of(rest);
    } else if (word == "break_off") {
        script_.break_off = error_of(rest);
    } else {
        assert_that(false, "a line of `given` begins with a word that the stage knows");
    }
    if (runner_) runner_->answers(script_);
}

CaseStage::Outcome CaseStage::run(const Case& scenario) {
    arrange(scenario.given);
    auto request = request_of(scenario);
    const auto match = router_.find(request.method, request.path);
    if (!match.handler) return {.answer = "(no route; allowed: " + match.allowed + ")\n", .asked = ""};
    request.path_parameters = match.parameters;
    FakeExchange exchange(io_.get_executor(), std::move(request));
    asio::co_spawn(io_, (*match.handler)(exchange), rethrow);
    io_.restart();
    io_.run_for(run_limit);

    Outcome outcome{.answer = text_of(exchange), .asked = ""};
    for (const auto& runner : runners_) {
        for (const auto& asked : runner->requests) outcome.asked += describe(asked);
        for (const auto& asked : runner->embed_requests) outcome.asked += describe(asked);
    }
    return outcome;
}

void check_cases(const std::filesystem::path& folder, const CaseStage::AddRoutes& add_routes) {
    const bool update = std::getenv("WEFT_UPDATE_CASES") != nullptr;
    std::map<std::filesystem::path, std::vector<Case>> by_file;
    const auto cases = read_cases(folder);
    REQUIRE_FALSE(cases.empty());
    for (const auto& scenario : cases) {
        const auto outcome = CaseStage(add_routes).run(scenario);
        INFO(scenario.file.filename().string() << ": " << scenario.title);
        Case updated = scenario;
        updated.answer = outcome.answer;
        updated.asked = outcome.asked;
        by_file[scenario.file].push_back(std::move(updated));
        if (update) continue;
        CHECK(outcome.answer == scenario.answer);
        if (scenario.checks_asked) CHECK(outcome.asked == scenario.asked);
    }
    if (!update) return;
    for (const auto& [file, updated] : by_file) write_file(file, updated);
}

}  // namespace weft::test
