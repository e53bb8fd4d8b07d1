#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "options.h"

namespace weft::bench {

// The request as it goes over the wire, head and body. `prompt`: a JSON string, or an array of token ids.
[[nodiscard]] std::string request_bytes(const Options& options, std::string_view prompt);

// What one answer said. Answers are not parsed but searched for the few members that matter: at thousands of events a
// second a JSON parser would take the processor away from the server. A text that holds these names itself has its
// quotes escaped, so that it cannot be mistaken for them.
struct Answer {
    std::uint64_t prompt_tokens = 0;
    std::uint64_t cached_tokens = 0;
    std::uint64_t completion_tokens = 0;  // as the server counts them; 0 when it does not say
    bool finished = false;                // the end that the dialect promises was seen
    std::string error{};
};

// Takes one line of a stream; true when it brought generated text.
bool take_line(Api api, std::string_view line, Answer& answer);
// Takes a whole answer that is not a stream.
void take_whole(Api api, std::string_view body, Answer& answer);

}  // namespace weft::bench
