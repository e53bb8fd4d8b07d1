#pragma once

#include <boost/asio/awaitable.hpp>

#include "api/openai/services.h"
#include "api/reply_waiter.h"
#include "http/exchange.h"

// The routes' coroutines. Each answers its exchange, with an error object if need be.
namespace weft::api::openai {

using Answered = boost::asio::awaitable<void>;

Answered list_models(http::Exchange& exchange, const Services& services);
Answered refuse_deletion(http::Exchange& exchange, const Services& services);
Answered show_model(http::Exchange& exchange, const Services& services);
Answered chat_completions(http::Exchange& exchange, const Services& services);
Answered completions(http::Exchange& exchange, const Services& services);
Answered embeddings(http::Exchange& exchange, const Services& services);
Answered create_response(http::Exchange& exchange, const Services& services);
Answered count_response_input(http::Exchange& exchange, const Services& services);
Answered show_response(http::Exchange& exchange, const Services& services);
Answered delete_response(http::Exchange& exchange, const Services& services);
Answered cancel_response(http::Exchange& exchange, const Services& services);
Answered list_input_items(http::Exchange& exchange, const Services& services);
Answered rerank(http::Exchange& exchange, const Services& services);
Answered create_file(http::Exchange& exchange, const Services& services);
Answered list_files(http::Exchange& exchange, const Services& services);
Answered show_file(http::Exchange& exchange, const Services& services);
Answered show_file_content(http::Exchange& exchange, const Services& services);
Answered delete_file(http::Exchange& exchange, const Services& services);
Answered create_batch(http::Exchange& exchange, const Services& services);
Answered list_batches(http::Exchange& exchange, const Services& services);
Answered show_batch(http::Exchange& exchange, const Services& services);
Answered cancel_batch(http::Exchange& exchange, const Services& services);
// Of llama-server and vLLM.
Answered tokenize(http::Exchange& exchange, const Services& services);
Answered detokenize(http::Exchange& exchange, const Services& services);
Answered apply_template(http::Exchange& exchange, const Services& services);
Answered props(http::Exchange& exchange, const Services& services);
Answered version(http::Exchange& exchange, const Services& services);
Answered native_completion(http::Exchange& exchange, const Services& services);
Answered infill(http::Exchange& exchange, const Services& services);
Answered not_implemented(http::Exchange& exchange, const Services& services);

// The model that a request names; the error is blamed on that field.
[[nodiscard]] Result<std::shared_ptr<const ModelInfo>> find_model(const Services& services, const std::string& name);

// For handlers: a finished JSON body, with the time it took; an error in this dialect's shape.
Answered reply_json(http::Exchange& exchange, const Services& services, std::string body);
Answered reply_error(http::Exchange& exchange, const Services& services, Error error);

// Of chat and completions. prompt_field: what an overflow of the context window is blamed on.
[[nodiscard]] StreamManners stream_manners(const Services& services, std::string_view prompt_field);

}  // namespace weft::api::openai
