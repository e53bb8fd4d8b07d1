#pragma once

#include "api/anthropic/services.h"
#include "api/batch_dialect.h"

namespace weft::api::anthropic {

// Message batches: their requests and the lines of their results. Batches and their files are stored under an owner of
// their own, so that OpenAI's routes do not see them.
class BatchLines final : public BatchDialect {
  public:
    explicit BatchLines(Services services) : services_(std::move(services)) {}

    [[nodiscard]] boost::asio::awaitable<void> handle(http::Exchange& exchange) const override;
    [[nodiscard]] std::string tenant_of(std::string_view owner) const override;
    [[nodiscard]] std::string answer_line(const BatchReply& reply) const override;
    [[nodiscard]] std::string never_run_line(std::string_view custom_id, bool cancelled) const override;
    [[nodiscard]] http::Response refuse_stream() const override;
    [[nodiscard]] http::Response failure() const override;

    [[nodiscard]] static std::string owner_of(std::string_view tenant);

  private:
    Services services_;
};

}  // namespace weft::api::anthropic
