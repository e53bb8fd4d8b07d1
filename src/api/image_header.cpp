#include "api/image_header.h"

#include <cstddef>

namespace weft::api {
namespace {

using namespace std::string_view_literals;

// Whole numbers at a place of the file; absent behind its end.
class ByteReader {
  public:
    explicit ByteReader(std::string_view bytes) : bytes_(bytes) {}

    [[nodiscard]] std::optional<std::uint32_t> big_endian(std::size_t at, std::size_t size) const {
        return number(at, size, [&](std::size_t i) { return i; });
    }
    [[nodiscard]] std::optional<std::uint32_t> little_endian(std::size_t at, std::size_t size) const {
        return number(at, size, [&](std::size_t i) { return size - 1 - i; });
    }

  private:
    template <typename Order>
    [[nodiscard]] std::optional<std::uint32_t> number(std::size_t at, std::size_t size, Order place) const {
        if (at > bytes_.size() || bytes_.size() - at < size) return std::nullopt;
        std::uint32_t value = 0;
        for (std::size_t i = 0; i < size; ++i) value = value << 8U | static_cast<unsigned char>(bytes_[at + place(i)]);
        return value;
    }

    std::string_view bytes_;
};

std::optional<ImageHeader> header_of(ImageKind kind, std::optional<std::uint32_t> width, std::optional<std::uint32_t> height) {
    if (!width || !height) return std::nullopt;
    return ImageHeader{.kind = kind, .width = *width, .height = *height};
}

// ISO/IEC 10918-1, B.1.1.3: a start of frame, whatever its coding.
bool starts_frame(std::uint32_t marker) {
    constexpr std::uint32_t huffman_tables = 0xC4, extension = 0xC8, arithmetic_coding = 0xCC;
    return marker >= 0xC0 && marker <= 0xCF && marker != huffman_tables && marker != extension && marker != arithmetic_coding;
}

// Segments of marker and length follow each other up to the frame, which has the size.
std::optional<ImageHeader> read_jpeg(const ByteReader& file) {
    constexpr std::uint32_t fill = 0xFF, restart_0 = 0xD0, start_of_image = 0xD8, temporary = 0x01;
    for (std::size_t at = 2;;) {
        const auto lead = file.big_endian(at, 1);
        const auto marker = file.big_endian(at + 1, 1);
        if (!lead || !marker || *lead != fill) return std::nullopt;
        if (*marker == fill) {
            ++at;
            continue;
        }
        at += 2;
        if (*marker == temporary || (*marker >= restart_0 && *marker <= start_of_image)) continue;
        if (starts_frame(*marker)) return header_of(ImageKind::jpeg, file.big_endian(at + 5, 2), file.big_endian(at + 3, 2));
        const auto length = file.big_endian(at, 2);
        if (!length || *length < 2) return std::nullopt;
        at += *length;
    }
}

std::optional<ImageHeader> read_bmp(const ByteReader& file) {
    const auto header_bytes = file.little_endian(14, 4);
    if (!header_bytes) return std::nullopt;
    if (*header_bytes == 12) return header_of(ImageKind::bmp, file.little_endian(18, 2), file.little_endian(20, 2));
    auto height = file.little_endian(22, 4);
    // Below 0 when the rows go from top to bottom.
    if (height && *height > INT32_MAX) height = 0U - *height;
    return header_of(ImageKind::bmp, file.little_endian(18, 4), height);
}

// RFC 9649: one of three kinds of chunk comes first.
std::optional<ImageHeader> read_webp(std::string_view bytes, const ByteReader& file) {
    const auto chunk = bytes.substr(12).substr(0, 4);
    if (chunk == "VP8 "sv) {
        constexpr std::uint32_t start_code = 0x9D012A, size_bits = 0x3FFF;  // above them: how to scale
        if (file.big_endian(23, 3) != start_code) return std::nullopt;
        const auto width = file.little_endian(26, 2), height = file.little_endian(28, 2);
        if (!width || !height) return std::nullopt;
        return ImageHeader{.kind = ImageKind::webp, .width = *width & size_bits, .height = *height & size_bits};
    }
    if (chunk == "VP8L"sv) {
        constexpr std::uint32_t signature = 0x2F, size_bits = 0x3FFF;
        const auto sizes = file.little_endian(21, 4);
        if (file.big_endian(20, 1) != signature || !sizes) return std::nullopt;
        return ImageHeader{.kind = ImageKind::webp, .width = (*sizes & size_bits) + 1, .height = (*sizes >> 14U & size_bits) + 1};
    }
    constexpr std::uint32_t animation = 0x02;
    const auto flags = file.big_endian(20, 1), width = file.little_endian(24, 3), height = file.little_endian(27, 3);
    if (chunk != "VP8X"sv || !flags || !width || !height) return std::nullopt;
    return ImageHeader{.kind = ImageKind::webp, .width = *width + 1, .height = *height + 1, .animated = (*flags & animation) != 0};
}

}  // namespace

std::optional<ImageHeader> read_image_header(std::string_view bytes) {
    const ByteReader file(bytes);
    if (bytes.starts_with("\x89PNG\r\n\x1a\n"sv)) {
        if (!bytes.substr(8).substr(0, 8).ends_with("IHDR"sv)) return std::nullopt;
        return header_of(ImageKind::png, file.big_endian(16, 4), file.big_endian(20, 4));
    }
    if (bytes.starts_with("\xff\xd8\xff"sv)) return read_jpeg(file);
    if (bytes.starts_with("GIF87a"sv) || bytes.starts_with("GIF89a"sv))
        return header_of(ImageKind::gif, file.little_endian(6, 2), file.little_endian(8, 2));
    if (bytes.starts_with("RIFF"sv) && bytes.substr(0, 12).ends_with("WEBP"sv)) return read_webp(bytes, file);
    if (bytes.starts_with("BM"sv)) return read_bmp(file);
    return std::nullopt;
}

}  // namespace weft::api
