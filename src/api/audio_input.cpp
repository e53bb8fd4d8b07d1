#include "api/audio_input.h"

#include <algorithm>
#include <optional>

#include "api/base64.h"

namespace weft::api {
namespace {

using namespace std::string_view_literals;

constexpr std::uint32_t least_rate = 8'000, most_rate = 192'000;  // samples a second
constexpr std::uint32_t most_channels = 8;
constexpr std::uint32_t pcm = 1, floats = 3, extensible = 0xFFFE;

std::uint32_t little(std::string_view bytes, std::size_t at, std::size_t size) {
    std::uint32_t value = 0;
    for (std::size_t i = size; i-- > 0;) value = value << 8U | static_cast<unsigned char>(bytes[at + i]);
    return value;
}

void append_little(std::string& out, std::uint32_t value, std::size_t size) {
    for (std::size_t i = 0; i < size; ++i) out += static_cast<char>(value >> (8 * i) & 0xFFU);
}

struct WavFormat {
    std::uint32_t kind = 0, channels = 0, rate = 0, bits = 0;
    [[nodiscard]] std::uint32_t frame_bytes() const { return channels * bits / 8; }
};

std::optional<WavFormat> read_format(std::string_view chunk) {
    if (chunk.size() < 16) return std::nullopt;
    WavFormat format{.kind = little(chunk, 0, 2), .channels = little(chunk, 2, 2), .rate = little(chunk, 4, 4), .bits = little(chunk, 14, 2)};
    if (format.kind == extensible) {
        if (chunk.size() < 40) return std::nullopt;
        format.kind = little(chunk, 24, 2);
    }
    const bool whole = format.kind == pcm && (format.bits == 8 || format.bits == 16 || format.bits == 24 || format.bits == 32);
    const bool real = format.kind == floats && (format.bits == 32 || format.bits == 64);
    const bool sane = format.channels >= 1 && format.channels <= most_channels && format.rate >= least_rate && format.rate <= most_rate;
    return (whole || real) && sane ? std::optional(format) : std::nullopt;
}

std::string wav_of(const WavFormat& format, std::string_view sound) {
    std::string out = "RIFF";
    append_little(out, static_cast<std::uint32_t>(36 + sound.size()), 4);
    out += "WAVEfmt ";
    append_little(out, 16, 4);
    append_little(out, format.kind, 2);
    append_little(out, format.channels, 2);
    append_little(out, format.rate, 4);
    append_little(out, format.rate * format.frame_bytes(), 4);
    append_little(out, format.frame_bytes(), 2);
    append_little(out, format.bits, 2);
    out += "data";
    append_little(out, static_cast<std::uint32_t>(sound.size()), 4);
    return out.append(sound);
}

// An ID3 tag, or a frame of layer III.
bool looks_like_mp3(std::string_view bytes) {
    if (bytes.size() < 4) return false;
    if (bytes.starts_with("ID3"sv)) return true;
    const auto head = little(bytes, 0, 2);
    return (head & 0xE0FFU) == 0xE0FFU && (head >> 9U & 3U) == 1;
}

}  // namespace

std::optional<std::string> plain_wav(std::string_view bytes, std::string& why) {
    why = "must be a WAV file of PCM or floats, 8 to 192 kHz, with at most 8 channels";
    if (!bytes.starts_with("RIFF"sv) || bytes.size() < 12 || bytes.substr(8, 4) != "WAVE"sv) return std::nullopt;
    std::optional<WavFormat> format;
    for (std::size_t at = 12; bytes.size() - at >= 8;) {
        const auto name = bytes.substr(at, 4);
        // Files that were written as a stream do not know their length.
        const auto size = std::min<std::size_t>(little(bytes, at + 4, 4), bytes.size() - at - 8);
        const auto chunk = bytes.substr(at + 8, size);
        if (name == "fmt "sv && !format) format = read_format(chunk);
        if (name == "data"sv) {
            if (!format || chunk.size() < format->frame_bytes()) return std::nullopt;
            const auto frames = chunk.size() / format->frame_bytes();
            why = "must last at most " + std::to_string(max_audio_seconds) + " seconds";
            if (frames / format->rate >= max_audio_seconds) return std::nullopt;
            return wav_of(*format, chunk.substr(0, frames * format->frame_bytes()));
        }
        at = std::min(at + 8 + size + (size & 1U), bytes.size());
    }
    return std::nullopt;
}

Result<ChatImage> read_audio(const JsonReader& value) {
    if (!value.is_object()) return value.absent() ? value.missing() : value.wrong_type("an object");
    const auto data = value["data"];
    WEFT_TRY(const auto format, required_string(value["format"]));
    if (format != "wav" && format != "mp3") return value["format"].invalid("must be wav or mp3, not '" + format.substr(0, 32) + "'");
    WEFT_TRY(const auto base64, required_string(data));
    const std::size_t most = format == "wav" ? max_wav_bytes : max_mp3_bytes;
    const auto too_large = [&] { return data.invalid("must be a recording of at most " + std::to_string(most) + " bytes"); };
    if (base64.size() > 2 * most) return too_large();
    auto bytes = decode_base64(base64);
    if (!bytes || bytes->empty()) return data.invalid("must be a recording in base64");
    if (bytes->size() > most) return too_large();
    std::string why = "must be an MP3 file";
    if (format == "mp3" && !looks_like_mp3(*bytes)) return data.invalid(why);
    auto plain = format == "mp3" ? std::move(bytes) : plain_wav(*bytes, why);
    if (!plain) return data.invalid(why);
    return ChatImage{.bytes = std::move(*plain), .field = data.path(), .sound = true};
}

}  // namespace weft::api
