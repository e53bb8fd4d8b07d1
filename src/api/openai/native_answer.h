#pragma once

#include <string>
#include <vector>

#include "runner/generation.h"

namespace weft::api::openai {

// An answer in llama-server's own shape, of POST /completion and /infill: one choice, whole or in pieces.
class NativeAnswer {
  public:
    NativeAnswer(std::string model, bool streamed) : model_(std::move(model)), streamed_(streamed) {}

    // What the event means for a client that reads the stream; nothing is appended when the answer is not streamed.
    void add(GenerationEvent event, std::string& out);
    // The object that ends the answer, all of it unless it was streamed.
    [[nodiscard]] std::string last_object() const;

  private:
    void append_fields(std::string& out, std::string_view content, const std::vector<Token>& tokens,
                       const std::vector<TokenLogprob>& logprobs, bool stop) const;

    std::string model_;
    bool streamed_;
    std::string content_;
    std::vector<Token> tokens_;
    std::vector<TokenLogprob> logprobs_;
    ChoiceFinished end_;
    GenerationDone done_;
};

}  // namespace weft::api::openai
