#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "api/json_reader.h"
#include "runner/generation.h"

namespace weft::api {

// A WAV file with nothing in it but its sound: PCM or floats, at most max_audio_seconds. Its numbers are what decoding it
// takes, so none of them is left to be read in two ways. Nothing for what is no such file; `why` says what is wrong.
[[nodiscard]] std::optional<std::string> plain_wav(std::string_view bytes, std::string& why);

// OpenAI's `input_audio`: {"data": base64, "format": "wav" | "mp3"}. invalid_request otherwise.
[[nodiscard]] Result<ChatImage> read_audio(const JsonReader& value);

}  // namespace weft::api
