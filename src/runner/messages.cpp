#include "runner/messages.h"

#include <cstring>
#include <glaze/beve.hpp>

namespace weft {
namespace {

// Structs travel as arrays of their members in order: both ends are the same binary, names would be waste.
struct FrameOptions : glz::opts {
    bool structs_as_arrays = true;
};
constexpr FrameOptions frame_options{{.format = glz::BEVE}};

template <typename Message>
std::string encode_frame(const Message& message) {
    std::string body;
    if (glz::write<frame_options>(message, body)) body.clear();  // our own structs: cannot fail
    std::string frame(frame_header_bytes, '\0');
    const std::uint32_t length = static_cast<std::uint32_t>(body.size());
    std::memcpy(frame.data(), &frame_magic, 4);
    std::memcpy(frame.data() + 4, &frame_version, 2);
    std::memcpy(frame.data() + 8, &length, 4);
    frame += body;
    return frame;
}

template <typename Message>
Result<Message> decode_frame(std::string_view body) {
    Message message;
    if (glz::read<frame_options>(message, body))
        return fail(ErrorCode::engine_failed, "a message between gateway and engine could not be read");
    return message;
}

}  // namespace

std::string encode(const ToEngine& message) { return encode_frame(message); }
std::string encode(const FromEngine& message) { return encode_frame(message); }

Result<FrameHeader> decode_header(std::string_view bytes) {
    std::uint32_t magic = 0;
    std::uint16_t version = 0;
    FrameHeader header;
    if (bytes.size() < frame_header_bytes) return fail(ErrorCode::engine_failed, "a frame header is cut short");
    std::memcpy(&magic, bytes.data(), 4);
    std::memcpy(&version, bytes.data() + 4, 2);
    std::memcpy(&header.length, bytes.data() + 8, 4);
    if (magic != frame_magic) return fail(ErrorCode::engine_failed, "a frame does not begin like one");
    if (version != frame_version)
        return fail(ErrorCode::engine_failed, "the engine speaks another version of the protocol");
    if (header.length > max_frame_bytes) return fail(ErrorCode::engine_failed, "a frame is larger than allowed");
    return header;
}

Result<ToEngine> decode_to_engine(std::string_view body) { return decode_frame<ToEngine>(body); }
Result<FromEngine> decode_from_engine(std::string_view body) { return decode_frame<FromEngine>(body); }

}  // namespace weft
