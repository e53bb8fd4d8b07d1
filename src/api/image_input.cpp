#include "api/image_input.h"

#include <algorithm>

#include "api/base64.h"
#include "api/image_header.h"

namespace weft::api {
namespace {

std::unexpected<Error> bad_image(const JsonReader& value, const std::string& why) {
    return value.invalid(why, ErrorReason::invalid_image);
}

// Encoders for mail break lines.
std::string without_white_space(std::string_view text) {
    std::string out(text);
    std::erase_if(out, [](char c) { return c == '\n' || c == '\r' || c == ' ' || c == '\t'; });
    return out;
}

Result<void> check_size(const ImageHeader& header, const JsonReader& value) {
    if (header.animated)
        return fail_field(ErrorCode::unsupported, value.path(), "this server does not support animated WebP images; send one picture",
                          ErrorReason::invalid_image);
    if (header.width == 0 || header.height == 0) return bad_image(value, "must be an image with pixels");
    const auto pixels = std::uint64_t{header.width} * header.height;
    if (header.width > max_image_side || header.height > max_image_side || pixels > max_image_pixels)
        return bad_image(value, "must have at most " + std::to_string(max_image_side) + " pixels a side and " +
                                    std::to_string(max_image_pixels) + " in all, not " + std::to_string(header.width) + " x " +
                                    std::to_string(header.height));
    return {};
}

}  // namespace

Result<ChatImage> read_image(std::string_view base64, const JsonReader& value) {
    constexpr std::size_t base64_growth = 2;  // never that much: what is longer need not be decoded to be too large
    if (base64.size() > max_image_bytes * base64_growth)
        return bad_image(value, "must be an image of at most " + std::to_string(max_image_bytes) + " bytes");
    auto bytes = decode_base64(without_white_space(base64));
    if (!bytes || bytes->empty()) return bad_image(value, "must be an image in base64");
    if (bytes->size() > max_image_bytes)
        return bad_image(value, "must be an image of at most " + std::to_string(max_image_bytes) + " bytes");
    const auto header = read_image_header(*bytes);
    if (!header) return bad_image(value, "must be a PNG, JPEG, WebP, GIF or BMP image");
    WEFT_CHECK(check_size(*header, value));
    return ChatImage{.bytes = std::move(*bytes), .field = value.path()};
}

Result<ChatImage> read_image_url(std::string_view url, const JsonReader& value) {
    if (url.starts_with("http://") || url.starts_with("https://") || url.starts_with("file:") || url.starts_with("ftp:"))
        return value.invalid("must be the image itself, like data:image/png;base64,...: this server does not fetch images", ErrorReason::invalid_image_url);
    if (!url.starts_with("data:")) return read_image(url, value);
    const auto comma = url.find(',');
    const auto type = url.substr(0, comma);
    const bool is_image = type.starts_with("data:image/") || type.starts_with("data:;") || type.starts_with("data:application/octet-stream;");
    if (comma == std::string_view::npos || !type.ends_with(";base64") || !is_image)
        return bad_image(value, "must be a URL like data:image/png;base64,...");
    return read_image(url.substr(comma + 1), value);
}

void ContentBuilder::add(std::string_view text, std::string_view separator) {
    if (text_before_ && !text_.empty() && !text.empty()) text_ += separator;
    text_ += text;
    text_before_ = true;
}

void ContentBuilder::add(ChatImage image) {
    image.at = text_.size();
    images_.push_back(std::move(image));
    text_before_ = false;
}

void ContentBuilder::append(ChatMessage& into, ChatMessage more, std::string_view separator) {
    if (!into.content.empty() && !more.content.empty()) into.content += separator;
    for (auto& image : more.images) {
        image.at += into.content.size();
        into.images.push_back(std::move(image));
    }
    into.content += more.content;
}

void ContentBuilder::move_to(ChatMessage& message) && {
    message.content = std::move(text_);
    message.images = std::move(images_);
}

}  // namespace weft::api
