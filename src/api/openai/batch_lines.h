#pragma once

#include "api/batch_dialect.h"
#include "api/openai/services.h"

namespace weft::api::openai {

// Batches of chat completions, completions, embeddings and responses, as OpenAI's API words them.
class BatchLines final : public BatchDialect {
  public:
    explicit BatchLines(Services services) : services_(std::move(services)) {}

    [[nodiscard]] boost::asio::awaitable<void> handle(http::Exchange& exchange) const override;
    [[nodiscard]] std::string tenant_of(std::string_view owner) const override { return std::string(owner); }
    [[nodiscard]] std::string answer_line(const BatchReply& reply) const override;
    [[nodiscard]] std::string never_run_line(std::string_view custom_id, bool cancelled) const override;
    [[nodiscard]] http::Response refuse_stream() const override;
    [[nodiscard]] http::Response failure() const override;

  private:
    [[nodiscard]] std::string begin_line(std::string_view custom_id) const;
    Services services_;
};

}  // namespace weft::api::openai
