#pragma once

#include <string>
#include <string_view>

#include "api/json_reader.h"
#include "runner/generation.h"

namespace weft::api {

// An image of a request: base64 of a PNG, JPEG, WebP, GIF or BMP file, within max_image_bytes, max_image_side and
// max_image_pixels by what its header says. invalid_request with ErrorReason::invalid_image otherwise.
[[nodiscard]] Result<ChatImage> read_image(std::string_view base64, const JsonReader& value);

// The same from a URL with data in it ("data:image/png;base64,..."), or bare base64. What lies elsewhere is refused:
// this server fetches nothing on a client's behalf.
[[nodiscard]] Result<ChatImage> read_image_url(std::string_view url, const JsonReader& value);

// What a message says, while its parts are read: texts with a line break between neighbours, images in their places.
class ContentBuilder {
  public:
    void add(std::string_view text, std::string_view separator = "\n");
    void add(ChatImage image);
    // Another message's content behind this one's.
    static void append(ChatMessage& into, ChatMessage more, std::string_view separator);

    // Puts it into a message that has no content yet.
    void move_to(ChatMessage& message) &&;

  private:
    std::string text_;
    std::vector<ChatImage> images_;
    bool text_before_ = false;  // the last part was a text
};

}  // namespace weft::api
