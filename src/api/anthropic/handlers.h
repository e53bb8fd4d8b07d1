#pragma once

#include <boost/asio/awaitable.hpp>

#include "api/anthropic/services.h"
#include "http/exchange.h"

// The routes' coroutines. Each answers its exchange, with an error object if need be.
namespace weft::api::anthropic {

using Answered = boost::asio::awaitable<void>;

Answered create_message(http::Exchange& exchange, const Services& services);
Answered count_tokens(http::Exchange& exchange, const Services& services);
Answered list_models(http::Exchange& exchange, const Services& services);
Answered show_model(http::Exchange& exchange, const Services& services);
Answered create_batch(http::Exchange& exchange, const Services& services);
Answered list_batches(http::Exchange& exchange, const Services& services);
Answered show_batch(http::Exchange& exchange, const Services& services);
Answered show_results(http::Exchange& exchange, const Services& services);
Answered cancel_batch(http::Exchange& exchange, const Services& services);
Answered delete_batch(http::Exchange& exchange, const Services& services);
// In place of these six when there is no store.
Answered without_store(http::Exchange& exchange, const Services& services);

// For handlers: a finished JSON body; an error in this dialect's shape.
Answered reply_json(http::Exchange& exchange, std::string body);
Answered reply_error(http::Exchange& exchange, Error error);

}  // namespace weft::api::anthropic
