#pragma once

#include "api/ollama/routes.h"
#include "http/exchange.h"

// The routes' handlers, each in the file that is named after it.
namespace weft::api::ollama {

[[nodiscard]] boost::asio::awaitable<void> handle_generate(http::Exchange& exchange, const Services& services);
[[nodiscard]] boost::asio::awaitable<void> handle_chat(http::Exchange& exchange, const Services& services);
[[nodiscard]] boost::asio::awaitable<void> handle_embed(http::Exchange& exchange, const Services& services);
[[nodiscard]] boost::asio::awaitable<void> handle_embeddings(http::Exchange& exchange, const Services& services);
[[nodiscard]] boost::asio::awaitable<void> handle_tags(http::Exchange& exchange, const Services& services);
[[nodiscard]] boost::asio::awaitable<void> handle_ps(http::Exchange& exchange, const Services& services);
[[nodiscard]] boost::asio::awaitable<void> handle_show(http::Exchange& exchange, const Services& services);

}  // namespace weft::api::ollama
