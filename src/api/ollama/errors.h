#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "http/exchange.h"
#include "registry/registry.h"

// How errors look to Ollama's clients: a status and {"error": TEXT}. Clients match on parts of the texts.
namespace weft::api::ollama {

[[nodiscard]] int status_of(ErrorCode code);
[[nodiscard]] std::string text_of(const Error& error);

// An answer that is nothing but this error.
[[nodiscard]] http::Response error_response(const Error& error);
[[nodiscard]] boost::asio::awaitable<void> reply_error(http::Exchange& exchange, Error error);

// The last line of a stream that broke off, with its line feed.
[[nodiscard]] std::string error_line(const Error& error);

// What the transport found wrong before any handler saw the request, for every path that no other dialect owns. An
// http::ErrorFormatter.
[[nodiscard]] http::Response format_transport_error(const http::Request& request, int status,
                                                    std::string_view code_word, std::string message);

// Routes word the absence of a model differently.
enum class MissingModel {
    plain,       // model 'NAME' not found
    normalised,  // the same with the name in display form
    pull_first,  // model "NAME" not found, try pulling it first
};
[[nodiscard]] Result<std::shared_ptr<const ModelInfo>> find_model(Registry& registry, const std::string& name,
                                                                  MissingModel wording);

}  // namespace weft::api::ollama
