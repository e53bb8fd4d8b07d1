#include "api/audio_input.h"

#include <catch2/catch_test_macros.hpp>
#include <string>

#include "api/base64.h"

using namespace weft;
using namespace weft::api;
using namespace std::string_literals;

namespace {

std::string little(std::uint32_t value, int bytes) {
    std::string out;
    for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i) & 0xFFU);
    return out;
}

struct Wav {
    std::uint32_t kind = 1, channels = 1, rate = 16'000, bits = 16;
    std::string sound = std::string(320, '\1');
    std::string before_sound{};  // further chunks
    std::uint32_t told_bytes = 0;

    [[nodiscard]] std::string file() const {
        const auto frame = channels * bits / 8;
        return "RIFF" + little(0xFFFF'FFFFU, 4) + "WAVE" + before_sound + "fmt " + little(16, 4) + little(kind, 2) + little(channels, 2) +
               little(rate, 4) + little(rate * frame, 4) + little(frame, 2) + little(bits, 2) + "data" +
               little(told_bytes == 0 ? static_cast<std::uint32_t>(sound.size()) : told_bytes, 4) + sound;
    }
};

std::string why_not(const Wav& wav) {
    std::string why;
    return plain_wav(wav.file(), why) ? "" : why;
}

std::string refusal(const std::string& json) {
    const auto value = parse_json(json);
    const auto audio = read_audio(JsonReader(*value));
    return audio ? "" : audio.error().message;
}

std::string base64(std::string_view bytes) {
    std::string out;
    append_base64(out, bytes);
    return out;
}

}  // namespace

TEST_CASE("a WAV file is written anew, with what was looked at and nothing else") {
    std::string why;
    const Wav plain;
    const auto once = plain_wav(plain.file(), why);
    REQUIRE(once);
    CHECK(once->size() == 44 + 320);
    const auto with_more = plain_wav(Wav{.before_sound = "LIST" + little(3, 4) + "abc\0"s}.file() + "fmt " + little(16, 4) + std::string(16, '\xff'), why);
    REQUIRE(with_more);
    CHECK(*with_more == *once);
    // A stream that did not know its length; half a frame at the end.
    CHECK(plain_wav(Wav{.told_bytes = 0xFFFF'FFFFU}.file() + "\1", why) == once);
}

TEST_CASE("what decoding a WAV file would take is known and bounded") {
    CHECK(why_not({}).empty());
    CHECK(why_not({.kind = 3, .bits = 32}).empty());
    CHECK(why_not({.channels = 8, .bits = 24}).empty());
    CHECK_FALSE(why_not({.kind = 2}).empty());        // ADPCM
    CHECK_FALSE(why_not({.channels = 0}).empty());
    CHECK_FALSE(why_not({.channels = 9}).empty());
    CHECK_FALSE(why_not({.rate = 1}).empty());        // a second a sample
    CHECK_FALSE(why_not({.rate = 1'000'000}).empty());
    CHECK_FALSE(why_not({.bits = 12}).empty());
    CHECK_FALSE(why_not({.sound = ""}).empty());
    CHECK(why_not({.rate = 8'000, .bits = 8, .sound = std::string(8'000 * std::size_t{max_audio_seconds}, '\0')}).contains("at most 1800 seconds"));
    std::string why;
    const auto file = Wav{}.file();
    for (std::size_t n = 0; n < 46; ++n) CHECK_FALSE(plain_wav(std::string_view(file).substr(0, n), why));
}

TEST_CASE("a recording is an object of data and format") {
    const auto wav = base64(Wav{}.file());
    CHECK(refusal(R"({"data":")" + wav + R"(","format":"wav"})").empty());
    CHECK(refusal(R"({"data":")" + base64("ID3\3\0\0\0\0\0\0"s) + R"(","format":"mp3"})").empty());
    CHECK(refusal(R"({"data":")" + base64("\xff\xfb\x90\x00rest"s) + R"(","format":"mp3"})").empty());
    CHECK(refusal(R"({"data":")" + wav + R"(","format":"mp3"})") == "'data' must be an MP3 file");
    CHECK(refusal(R"({"data":")" + base64("ID3\3\0\0\0\0\0\0"s) + R"(","format":"wav"})").starts_with("'data' must be a WAV file"));
    CHECK(refusal(R"({"data":")" + wav + R"(","format":"ogg"})") == "'format' must be wav or mp3, not 'ogg'");
    CHECK(refusal(R"({"data":"%","format":"wav"})") == "'data' must be a recording in base64");
    CHECK(refusal(R"({"format":"wav"})") == "'data' is required");
    CHECK(refusal(R"({"data":")" + std::string(2 * max_mp3_bytes + 4, 'A') + R"(","format":"mp3"})").contains("at most 4194304 bytes"));
    CHECK(refusal("\"x\"").contains("must be an object"));
}
