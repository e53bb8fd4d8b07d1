#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace weft::api {

enum class ImageKind : std::uint8_t { png, jpeg, gif, bmp, webp };

struct ImageHeader {
    ImageKind kind{};
    std::uint32_t width = 0;   // pixels
    std::uint32_t height = 0;
    bool animated = false;     // told of WebP only
};

// What an image file says of itself in its first bytes. Nothing is decoded: this is to know what decoding would take.
// Nothing for what is none of these files, or is cut off before it has told its size.
[[nodiscard]] std::optional<ImageHeader> read_image_header(std::string_view bytes);

}  // namespace weft::api
