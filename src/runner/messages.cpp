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

// The body: which message, as one byte, then the message. BEVE has no tags of its own: it tells the alternatives of a
// variant apart by their shape, and several messages have the same.
template <typename Message>
std::string encode_frame(const Message& message) {
    std::string body;
    std::visit([&](const auto& one) {
        if (glz::write<frame_options>(one, body)) body.clear();  // our own structs: cannot fail
    }, message);
    std::string header(frame_header_bytes, '\0');
    const std::uint32_t length = static_cast<std::uint32_t>(body.size() + 1);
    std::memcpy(header.data(), &frame_magic, 4);
    std::memcpy(header.data() + 4, &frame_version, 2);
    std::memcpy(header.data() + 8, &length, 4);
    header += static_cast<char>(message.index());
    body.insert(0, header);  // within the room that the writer leaves at the end
    return body;
}

std::unexpected<Error> unreadable() {
    return fail(ErrorCode::engine_failed, "a message between gateway and engine could not be read");
}

template <typename Message, std::size_t I = 0>
Result<Message> decode_as(std::size_t kind, std::string_view body) {
    if constexpr (I < std::variant_size_v<Message>) {
        if (kind != I) return decode_as<Message, I + 1>(kind, body);
        std::variant_alternative_t<I, Message> one;
        if (glz::read<frame_options>(one, body)) return unreadable();
        return Message(std::in_place_index<I>, std::move(one));
    }
    return unreadable();
}

template <typename Message>
Result<Message> decode_frame(std::string_view body) {
    if (body.empty()) return unreadable();
    return decode_as<Message>(static_cast<unsigned char>(body.front()), body.substr(1));
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
