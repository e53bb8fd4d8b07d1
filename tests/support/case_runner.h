#pragma once

// Dialect tests as data. A .case file holds one or more cases:
//
//     === a sentence that says what is promised
//     --- given
//     model demo completion thinking       (another model; lines after it are about it)
//     pieces Hello| there!
//     --- request
//     POST /v1/chat/completions
//     x-header: value
//
//     {"model":"demo",...}
//     --- answer
//     200
//     content-type: application/json
//
//     {"id":...}
//     --- asked
//     user: Hi
//
// `answer` is compared byte by byte; a stream that was broken off ends with the line "(broken off)". `asked` is optional:
// what the runner was asked to generate, as far as it differs from the defaults. WEFT_UPDATE_CASES=1 writes what really
// came back into the files, to be read before it is committed.

#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "http/router.h"
#include "services/chat/chat_service.h"
#include "services/embed/embed_service.h"
#include "support/fake_runner.h"

namespace weft::test {

struct Case {
    std::filesystem::path file;
    std::string title;
    std::string given;
    std::string request;
    std::string answer;
    std::string asked;
    bool checks_asked = false;
};

// All cases of all *.case files in a folder, in the order of their names.
[[nodiscard]] std::vector<Case> read_cases(const std::filesystem::path& folder);

// Fakes below, one dialect's routes above. Starts with a model "demo" that completes and embeds.
class CaseStage {
  public:
    using AddRoutes = std::function<void(http::Router&, Registry&, ChatService&, EmbedService&)>;
    explicit CaseStage(const AddRoutes& add_routes);

    struct Outcome {
        std::string answer;
        std::string asked;
    };
    [[nodiscard]] Outcome run(const Case& scenario);

  private:
    void arrange(const std::string& given);
    void arrange_line(const std::string& line);

    boost::asio::io_context io_;
    FakeRegistry registry_;
    ChatService chat_;
    EmbedService embed_;
    http::Router router_;
    std::shared_ptr<FakeRunner> runner_;  // of the model that `given` speaks about
    std::vector<std::shared_ptr<FakeRunner>> runners_;
    Script script_;
};

// Runs every case on a stage of its own and reports each difference to Catch2; or rewrites the files (see above).
void check_cases(const std::filesystem::path& folder, const CaseStage::AddRoutes& add_routes);

// The request as readable lines, what is at its default left out.
[[nodiscard]] std::string describe(const GenerateRequest& request);
[[nodiscard]] std::string describe(const EmbedRequest& request);

}  // namespace weft::test
