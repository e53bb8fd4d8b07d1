#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "api/jobs/services.h"
#include "api/json_text.h"
#include "http/exchange.h"

// The routes' coroutines. Each answers its exchange, with an error object if need be.
namespace weft::api::jobs {

using Answered = boost::asio::awaitable<void>;

Answered infer(http::Exchange& exchange, const Services& services);
Answered show_status(http::Exchange& exchange, const Services& services);
Answered show_result(http::Exchange& exchange, const Services& services);
Answered stream(http::Exchange& exchange, const Services& services);
Answered list_jobs(http::Exchange& exchange, const Services& services);
Answered delete_job(http::Exchange& exchange, const Services& services);
Answered create_session(http::Exchange& exchange, const Services& services);
Answered show_session(http::Exchange& exchange, const Services& services);
Answered delete_session(http::Exchange& exchange, const Services& services);
Answered web_socket(http::Exchange& exchange, const Services& services);
Answered add_document(http::Exchange& exchange, const Services& services);
Answered list_documents(http::Exchange& exchange, const Services& services);
Answered show_document(http::Exchange& exchange, const Services& services);
Answered delete_document(http::Exchange& exchange, const Services& services);
Answered search_documents(http::Exchange& exchange, const Services& services);

// Whose requests these are; an error names the header that is wrong.
[[nodiscard]] Result<std::string> tenant_of(const http::Exchange& exchange);
[[nodiscard]] std::string path_id(const http::Exchange& exchange);
// The job that the path names, of whoever asks.
[[nodiscard]] boost::asio::awaitable<Result<std::shared_ptr<Job>>> job_of(const http::Exchange& exchange, const Services& services);

// Of the query; one that is empty ("?status=&limit=5") is not there.
[[nodiscard]] std::optional<std::string> query_value(std::string_view query, std::string_view name);
// A whole number of the query; `otherwise` when it is not named.
[[nodiscard]] Result<std::int64_t> query_number(std::string_view query, std::string_view name, std::int64_t otherwise, std::int64_t least,
                                                std::int64_t most);

// {"data":[...],"has_more","last_id"} of a page's rows.
template <typename Page, typename ObjectOf>
[[nodiscard]] std::string page_object(const Page& page, const ObjectOf& object_of) {
    std::string out = R"({"data":[)";
    for (const auto& row : page.rows) out += (out.ends_with('[') ? "" : ",") + object_of(row);
    out += R"(],"has_more":)" + std::string(page.has_more ? "true" : "false") + R"(,"last_id":)";
    page.rows.empty() ? void(out += "null") : append_json_string(out, page.rows.back().id);
    return out + "}";
}
// {NAME:id,"deleted":true}
[[nodiscard]] std::string deletion_object(std::string_view name, std::string_view id);

// The caller's key has as many of them as it may.
[[nodiscard]] Error too_many_open(std::string_view what);

Answered reply_json(http::Exchange& exchange, int status, std::string body, http::Headers headers = {});
Answered reply_error(http::Exchange& exchange, Error error);

}  // namespace weft::api::jobs
