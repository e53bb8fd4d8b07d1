#include <boost/asio/io_context.hpp>
#include <catch2/catch_test_macros.hpp>

#include "api/jobs/routes.h"
#include "api/ollama/options.h"
#include "api/openai/chat_request.h"
#include "store/sqlite_document_store.h"
#include "store/sqlite_job_store.h"
#include "support/case_runner.h"
#include "support/gguf_writer.h"

namespace weft::test {
namespace asio = boost::asio;
namespace {

struct NobodyToCall final : CallbackSender {
    [[nodiscard]] std::string refusal(const std::string&) const override { return "nobody may be called"; }
    void send(const JobRow&, std::function<void(bool)> done) override { done(true); }
};

// What the routes need, over a store of its own. Its io never runs: the cases are about what is refused at once.
struct JobParts {
    JobParts(Registry& registry, ChatService& chat, EmbedService& embed)
        : documents({.io = io.get_executor(), .registry = registry, .embed = embed, .store = document_store, .unix_ms = [] { return 0; }}),
          pipelines(io.get_executor(), &documents, {{"ask", {.retrieve = RetrieveOptions{}}}, {"tidy", {.post = PostOptions{.trim = true}}}}),
          jobs({.io = io.get_executor(), .chat = chat, .store = job_store, .callbacks = callbacks, .plan = {}, .unix_ms = [] { return 0; },
                .pipelines = &pipelines}) {}

    TemporaryFolder folder;
    asio::io_context io;
    NobodyToCall callbacks;
    std::unique_ptr<SqliteFile> file = SqliteFile::open(folder.path(), {}, [](const std::function<void()>&) {}).value();
    SqliteJobStore job_store{*file};
    SqliteDocumentStore document_store{*file};
    DocumentService documents;
    Pipelines pipelines;
    JobService jobs;
};

}  // namespace

TEST_CASE("what jobs, sessions, documents and searches refuse, case by case") {
    std::vector<std::unique_ptr<JobParts>> all;
    check_cases(WEFT_SOURCE_DIR "/tests/api/jobs", [&all](http::Router& router, Registry& registry, ChatService& chat, EmbedService& embed) {
        all.clear();
        auto& parts = *all.emplace_back(std::make_unique<JobParts>(registry, chat, embed));
        api::jobs::add_routes(router, {.jobs = &parts.jobs, .registry = registry, .documents = &parts.documents, .pipelines = &parts.pipelines,
                                       .read_conversation = api::openai::read_conversation, .read_options = api::ollama::parse_options,
                                       .callback_refusal = [](const std::string&) { return "nobody may be called"; }});
    });
}

}  // namespace weft::test
