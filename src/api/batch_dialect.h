#pragma once

#include <boost/asio/awaitable.hpp>
#include <string>
#include <string_view>

#include "http/exchange.h"

namespace weft::api {

// The answer to one line of a batch.
struct BatchReply {
    std::string_view custom_id;
    const http::Response& response;
    std::string_view request_id;
};

// What batches are in one dialect: who answers their requests, and how results are worded. Thread: io.
class BatchDialect {
  public:
    virtual ~BatchDialect() = default;

    // Answers a request to one of its endpoints.
    [[nodiscard]] virtual boost::asio::awaitable<void> handle(http::Exchange& exchange) const = 0;
    // On whose behalf the requests of a batch are made that is stored under that owner.
    [[nodiscard]] virtual std::string tenant_of(std::string_view owner) const = 0;

    // Lines of the results, without line breaks: of a request that was answered, and of one that never ran because the
    // batch was cancelled, or was too late.
    [[nodiscard]] virtual std::string answer_line(const BatchReply& reply) const = 0;
    [[nodiscard]] virtual std::string never_run_line(std::string_view custom_id, bool cancelled) const = 0;
    // In place of an answer: to a request that wants to be streamed, and to one that the server has failed on.
    [[nodiscard]] virtual http::Response refuse_stream() const = 0;
    [[nodiscard]] virtual http::Response failure() const = 0;
};

}  // namespace weft::api
