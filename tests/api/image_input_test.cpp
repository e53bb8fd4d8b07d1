#include "api/image_input.h"

#include <catch2/catch_test_macros.hpp>

#include "api/base64.h"
#include "api/image_header.h"

using namespace weft;
using namespace weft::api;
using namespace std::string_literals;

namespace {

std::string big(std::uint32_t value, int bytes) {
    std::string out;
    for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) out += static_cast<char>(value >> shift & 0xFFU);
    return out;
}

std::string little(std::uint32_t value, int bytes) {
    const auto reversed = big(value, bytes);
    return {reversed.rbegin(), reversed.rend()};
}

std::string png(std::uint32_t width, std::uint32_t height) {
    return "\x89PNG\r\n\x1a\n"s + big(13, 4) + "IHDR" + big(width, 4) + big(height, 4) + "\x08\x02\0\0\0"s;
}

// Segments that are skipped stand before the frame.
std::string jpeg(std::uint32_t width, std::uint32_t height) {
    return "\xff\xd8\xff\xe0\0\x06JFIF\xff\xff\xdb\0\x04\xff\xc0\xff\xc2\0\x11\x08"s + big(height, 2) + big(width, 2) + "\x03"s;
}

std::string gif(std::uint32_t width, std::uint32_t height) { return "GIF89a" + little(width, 2) + little(height, 2); }

std::string bmp(std::uint32_t width, std::uint32_t height) {
    return "BM" + std::string(12, '\0') + little(40, 4) + little(width, 4) + little(height, 4);
}

std::string riff(const std::string& chunk) { return "RIFF" + little(static_cast<std::uint32_t>(chunk.size()) + 4, 4) + "WEBP" + chunk; }
std::string webp(std::uint32_t width, std::uint32_t height) {
    return riff("VP8 " + little(10, 4) + "\x30\x01\0\x9d\x01\x2a"s + little(width | 0x4000U, 2) + little(height, 2));
}
std::string lossless_webp(std::uint32_t width, std::uint32_t height) {
    return riff("VP8L" + little(5, 4) + "\x2f" + little((width - 1) | (height - 1) << 14U | 0x1000'0000U, 4));
}
std::string large_webp(std::uint32_t width, std::uint32_t height, char flags = 0x10) {
    return riff("VP8X" + little(10, 4) + flags + std::string(3, '\0') + little(width - 1, 3) + little(height - 1, 3));
}

std::string base64(std::string_view bytes) {
    std::string out;
    append_base64(out, bytes);
    return out;
}

std::string refusal(std::string_view url) {
    const Json json = std::string(url);
    const auto image = read_image_url(url, JsonReader(json));
    return image ? "" : image.error().message;
}

}  // namespace

TEST_CASE("the size of an image is read from its header alone") {
    for (const auto& file : {png(640, 480), jpeg(640, 480), gif(640, 480), bmp(640, 480), webp(640, 480), lossless_webp(640, 480), large_webp(640, 480)}) {
        const auto header = read_image_header(file);
        REQUIRE(header);
        CHECK(header->width == 640);
        CHECK(header->height == 480);
        for (std::size_t n = 0; n < 10; ++n) CHECK_FALSE(read_image_header(std::string_view(file).substr(0, n)));
    }
    CHECK(read_image_header(bmp(3, static_cast<std::uint32_t>(-5)))->height == 5);
    for (std::size_t n = 12; n < 24; ++n) CHECK_FALSE(read_image_header(webp(640, 480).substr(0, n)));
    CHECK_FALSE(read_image_header(large_webp(640, 480))->animated);
    CHECK(read_image_header(large_webp(640, 480, 0x02))->animated);
    CHECK_FALSE(read_image_header(riff("ALPH" + std::string(40, '\0'))));
    CHECK_FALSE(read_image_header("RIFF\x10\0\0\0WAVEfmt "s));
    CHECK_FALSE(read_image_header("<svg/>"));
}

TEST_CASE("a JPEG that leads nowhere ends the search") {
    CHECK_FALSE(read_image_header("\xff\xd8\xff\xe0\0\0"s));
    CHECK_FALSE(read_image_header("\xff\xd8\xff"s + std::string(1000, '\xff')));
    CHECK_FALSE(read_image_header("\xff\xd8\xff\xe0\xff\xff"s + std::string(100, '\0')));
}

TEST_CASE("an image comes in a data URL, or bare") {
    const auto file = png(2, 3);
    for (const auto& url : {"data:image/png;base64," + base64(file), "data:;base64," + base64(file), base64(file),
                            "data:image/jpeg;charset=x;base64," + base64(file).insert(8, "\r\n")}) {
        const Json json = url;
        const auto image = read_image_url(url, JsonReader(json));
        REQUIRE(image);
        CHECK(image->bytes == file);
    }
}

TEST_CASE("what is no image, or too much of one, is refused before anything is decoded") {
    CHECK(refusal("https://example.org/a.png").contains("does not fetch images"));
    CHECK(refusal("file:///etc/passwd").contains("does not fetch images"));
    CHECK(refusal("data:text/plain;base64,aGk=").contains("data:image/png"));
    CHECK(refusal("data:image/png,abc").contains("data:image/png"));
    CHECK(refusal("data:image/png;base64").contains("data:image/png"));
    CHECK(refusal("data:image/png;base64,").contains("in base64"));
    CHECK(refusal("data:image/png;base64,%%%").contains("in base64"));
    CHECK(refusal(base64("hello, world")).contains("PNG, JPEG, WebP, GIF or BMP"));
    CHECK(refusal(base64(png(0, 5))).contains("with pixels"));
    CHECK(refusal(base64(png(max_image_side + 1, 1))).contains("must have at most"));
    CHECK(refusal(base64(png(10'000, 10'000))).contains("must have at most"));
    CHECK(refusal(base64(png(0xFFFF'FFFFU, 0xFFFF'FFFFU))).contains("must have at most"));
    CHECK(refusal(base64(webp(640, 480))).empty());
    CHECK(refusal(base64(large_webp(640, 480, 0x02))).contains("animated WebP"));
    CHECK(refusal(base64(large_webp(1U << 20U, 480))).contains("16384"));
    CHECK(refusal(std::string(2 * max_image_bytes + 4, 'A')).contains("of at most"));
    CHECK(refusal(base64(png(2, 2) + std::string(max_image_bytes, '\0'))).contains("of at most"));
}

TEST_CASE("texts and images of a message keep their order") {
    ContentBuilder builder;
    builder.add("a");
    builder.add("b");
    builder.add(ChatImage{.bytes = "1"});
    builder.add("c");
    builder.add(ChatImage{.bytes = "2"});
    ChatMessage message{.role = "user"};
    std::move(builder).move_to(message);
    CHECK(message.content == "a\nbc");
    REQUIRE(message.images.size() == 2);
    CHECK(message.images[0].at == 3);
    CHECK(message.images[1].at == 4);
    ChatMessage other{.role = "user", .content = "d", .images = {{.at = 1, .bytes = "3"}}};
    ContentBuilder::append(message, other, "\n");
    CHECK(message.content == "a\nbc\nd");
    CHECK(message.images[2].at == 6);
}
