#include "engine/projector.h"

#include <mtmd-helper.h>
#include <mtmd.h>
#include <webp/decode.h>

#include <algorithm>
#include <boost/hash2/sha2.hpp>
#include <cstring>
#include <exception>
#include <thread>

#include "base/log.h"

namespace weft {
namespace {

// Embeddings of this many bytes are kept for images that come again.
constexpr std::size_t max_kept_bytes = 256U << 20;

template <typename T, void (*release)(T*)>
struct Releaser {
    void operator()(T* pointer) const { release(pointer); }
};
using Bitmap = std::unique_ptr<mtmd_bitmap, Releaser<mtmd_bitmap, mtmd_bitmap_free>>;
using Chunks = std::unique_ptr<mtmd_input_chunks, Releaser<mtmd_input_chunks, mtmd_input_chunks_free>>;

void forward_mtmd_log(ggml_log_level level, const char* text, void*) {
    if (level == GGML_LOG_LEVEL_CONT || text == nullptr) return;
    std::string line(text);
    while (!line.empty() && line.back() == '\n') line.pop_back();
    if (!line.empty()) log(level == GGML_LOG_LEVEL_ERROR ? LogLevel::warn : LogLevel::debug, "libmtmd", {{"line", std::move(line)}});
}

std::string digest(std::string_view a, std::uint64_t n = 0, std::uint64_t m = 0) {
    boost::hash2::sha2_256 hash;
    hash.update(a.data(), a.size());
    hash.update(&n, sizeof n);
    hash.update(&m, sizeof m);
    const auto result = hash.result();
    return {reinterpret_cast<const char*>(result.data()), result.size()};
}

// Names of the rows of the `ordinal`th run of an image.
std::vector<Token> names_of(const std::string& key, std::uint64_t ordinal, std::size_t rows) {
    constexpr std::size_t words = 8;  // of 32 bits, in a SHA-256
    std::vector<Token> names;
    names.reserve(rows);
    while (names.size() < rows) {
        const auto block = digest(key, ordinal, names.size());
        for (std::size_t i = 0; i < words && names.size() < rows; ++i) {
            std::uint32_t word = 0;
            std::memcpy(&word, block.data() + 4 * i, 4);
            names.push_back(static_cast<Token>(word | 0x8000'0000U));
        }
    }
    return names;
}

std::unexpected<Error> bad_image(const ChatImage& image, const std::string& why) {
    if (image.sound)
        return fail_field(ErrorCode::invalid_request, image.field, "'" + image.field + "' is a recording that cannot be prepared for this model");
    return fail_field(ErrorCode::invalid_request, image.field, "'" + image.field + "' " + why, ErrorReason::invalid_image);
}

Bitmap read_bitmap(const mtmd_context* context, const std::string& bytes, bool only_size) {
    const auto made = mtmd_helper_bitmap_init_from_buf(context, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
                                                       only_size, mtmd_helper_init_opt_default());
    if (made.video_ctx != nullptr) mtmd_helper_video_free(made.video_ctx);
    return Bitmap(made.bitmap);
}

Result<Bitmap> decode_audio(const mtmd_context* context, const ChatImage& recording) {
    if (!mtmd_support_audio(context)) return fail_field(ErrorCode::unsupported, recording.field, "the model does not support audio input");
    auto bitmap = read_bitmap(context, recording.bytes, false);
    if (!bitmap || !mtmd_bitmap_is_audio(bitmap.get()) || mtmd_bitmap_get_n_bytes(bitmap.get()) == 0)
        return fail_field(ErrorCode::invalid_request, recording.field, "'" + recording.field + "' is a recording that cannot be decoded");
    return bitmap;
}

Result<void> check_size(const ChatImage& image, std::uint64_t width, std::uint64_t height) {
    if (width > max_image_side || height > max_image_side || width * height > max_image_pixels)
        return bad_image(image, "is an image that is too large");
    return {};
}

// libmtmd leaves these to a program that may not be there.
Result<Bitmap> decode_webp(const ChatImage& image) {
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(image.bytes.data());
    WebPBitstreamFeatures features{};
    if (WebPGetFeatures(bytes, image.bytes.size(), &features) != VP8_STATUS_OK || features.width <= 0 || features.height <= 0)
        return bad_image(image, "is an image that cannot be decoded");
    const auto width = static_cast<std::uint32_t>(features.width), height = static_cast<std::uint32_t>(features.height);
    WEFT_CHECK(check_size(image, width, height));
    std::vector<std::uint8_t> pixels(std::size_t{3} * width * height);
    if (WebPDecodeRGBInto(bytes, image.bytes.size(), pixels.data(), pixels.size(), static_cast<int>(3 * width)) == nullptr)
        return bad_image(image, "is an image that cannot be decoded");
    return Bitmap(mtmd_bitmap_init(width, height, pixels.data()));
}

// What the decoder itself takes the size to be decides how much memory it wants.
Result<Bitmap> decode(const mtmd_context* context, const ChatImage& image) {
    using namespace std::string_view_literals;
    if (image.sound) return decode_audio(context, image);
    if (!mtmd_support_vision(context)) return fail_field(ErrorCode::unsupported, image.field, "the model does not support image input");
    if (std::string_view(image.bytes).starts_with("RIFF"sv)) return decode_webp(image);
    const auto probe = read_bitmap(context, image.bytes, true);
    if (!probe || mtmd_bitmap_is_audio(probe.get())) return bad_image(image, "is an image that cannot be decoded");
    WEFT_CHECK(check_size(image, mtmd_bitmap_get_nx(probe.get()), mtmd_bitmap_get_ny(probe.get())));
    auto bitmap = read_bitmap(context, image.bytes, false);
    if (!bitmap || mtmd_bitmap_get_nx(bitmap.get()) == 0 || mtmd_bitmap_get_ny(bitmap.get()) == 0)
        return bad_image(image, "is an image that cannot be decoded");
    return bitmap;
}

// M-RoPE wants positions in several dimensions; how they run is the model's own.
std::function<void(std::int32_t, std::span<std::int32_t>)> positions_of(const mtmd_input_chunk* chunk) {
    if (mtmd_input_chunk_get_type(chunk) == MTMD_INPUT_CHUNK_TYPE_AUDIO)
        return [rows = mtmd_input_chunk_get_n_tokens(chunk)](std::int32_t at, std::span<std::int32_t> out) {
            for (std::size_t i = 0; i < rows; ++i) {
                for (std::size_t dimension = 0; dimension < 3; ++dimension) out[dimension * rows + i] = at + static_cast<std::int32_t>(i);
                out[3 * rows + i] = 0;
            }
        };
    const std::shared_ptr<mtmd_input_chunk> kept(mtmd_input_chunk_get_placeholder(chunk), mtmd_input_chunk_free);
    return [kept](std::int32_t at, std::span<std::int32_t> out) {
        const auto rows = mtmd_input_chunk_get_n_tokens(kept.get());
        std::vector<mtmd_decoder_pos> positions(rows);
        mtmd_helper_image_get_decoder_pos(mtmd_input_chunk_get_tokens_image(kept.get()), at, positions.data());
        for (std::size_t i = 0; i < rows; ++i) {
            out[i] = static_cast<std::int32_t>(positions[i].t);
            out[rows + i] = static_cast<std::int32_t>(positions[i].y);
            out[2 * rows + i] = static_cast<std::int32_t>(positions[i].x);
            out[3 * rows + i] = static_cast<std::int32_t>(positions[i].z);
        }
    };
}

std::size_t bytes_of(const EncodedImage& image) {
    std::size_t bytes = sizeof image;
    for (const auto& piece : image.pieces)
        if (const auto* run = std::get_if<std::shared_ptr<const ImageRun>>(&piece)) bytes += (*run)->embeddings.size() * sizeof(float);
    return bytes;
}

}  // namespace

void Projector::ContextDeleter::operator()(mtmd_context* context) const { mtmd_free(context); }

Result<std::unique_ptr<Projector>> Projector::open(const LoadMessage& message, const LoadedModel& model) {
    mtmd_helper_log_set(forward_mtmd_log, nullptr);
    auto params = mtmd_context_params_default();
    params.use_gpu = message.gpu_layers != 0;
    params.print_timings = false;
    params.n_threads = static_cast<int>(message.threads != 0 ? message.threads : std::max(1U, std::thread::hardware_concurrency()));
    params.warmup = false;
    std::unique_ptr<mtmd_context, ContextDeleter> context;
    try {
        context.reset(mtmd_init_from_file(message.projector.c_str(), model.handle(), params));
    } catch (const std::exception& error) {
        log_warn("projector_broken", {{"reason", error.what()}});
    }
    if (!context) return fail(ErrorCode::model_load_failed, "the projector could not be loaded: it is broken or not this model's");
    if (!mtmd_support_vision(context.get()) && !mtmd_support_audio(context.get()))
        return fail(ErrorCode::model_load_failed, "the projector is neither for images nor for audio");
    return std::unique_ptr<Projector>(new Projector(std::move(context), llama_model_n_embd_inp(model.handle())));
}

Result<std::shared_ptr<const EncodedImage>> Projector::encode(const ChatImage& image, std::int32_t most_rows) {
    auto key = digest(image.bytes, image.bytes.size());
    std::lock_guard lock(mutex_);
    std::shared_ptr<const EncodedImage> encoded;
    if (const auto found = std::ranges::find(kept_, key, &Kept::key); found != kept_.end()) {
        kept_.splice(kept_.begin(), kept_, found);
        encoded = found->image;
        ++totals_.reused;
    } else {
        WEFT_TRY(auto fresh, compute(image, key));
        encoded = std::make_shared<const EncodedImage>(std::move(fresh));
        keep(std::move(key), encoded);
        ++totals_.encoded;
    }
    for (const auto& piece : encoded->pieces)
        if (const auto* run = std::get_if<std::shared_ptr<const ImageRun>>(&piece); run && !(*run)->causal && (*run)->rows() > most_rows)
            return fail_field(ErrorCode::unsupported, image.field,
                              "the image takes " + std::to_string((*run)->rows()) + " tokens, which this model must compute at once, but a batch has " +
                                  std::to_string(most_rows));
    return encoded;
}

Result<EncodedImage> Projector::compute(const ChatImage& image, const std::string& key) try {
    WEFT_TRY(const auto bitmap, decode(context_.get(), image));
    const mtmd_input_part part{.text = nullptr, .bitmap = bitmap.get()};
    const mtmd_input_part* parts = &part;
    const Chunks chunks(mtmd_input_chunks_init());
    if (mtmd_tokenize_from_parts(context_.get(), chunks.get(), &parts, 1, false) != 0)
        return bad_image(image, "is an image that cannot be prepared for this model");
    EncodedImage encoded;
    for (std::size_t i = 0; i < mtmd_input_chunks_size(chunks.get()); ++i) {
        const auto* chunk = mtmd_input_chunks_get(chunks.get(), i);
        if (mtmd_input_chunk_get_type(chunk) == MTMD_INPUT_CHUNK_TYPE_TEXT) {
            std::size_t n = 0;
            const auto* tokens = mtmd_input_chunk_get_tokens_text(chunk, &n);
            encoded.pieces.emplace_back(std::vector<Token>(tokens, tokens + n));
            continue;
        }
        if (mtmd_encode_chunk(context_.get(), chunk) != 0)
            return fail(ErrorCode::engine_failed, "the model failed to take the image or recording in");
        const auto rows = mtmd_input_chunk_get_n_tokens(chunk);
        const float* embeddings = mtmd_get_output_embd(context_.get());
        ImageRun run{.names = names_of(key, i, rows),
                     .embeddings = {embeddings, embeddings + rows * static_cast<std::size_t>(width_)},
                     .width = width_,
                     .positions = mtmd_input_chunk_get_n_pos(chunk),
                     .causal = !mtmd_decode_use_non_causal(context_.get(), chunk)};
        if (mtmd_decode_use_mrope(context_.get())) run.decoder_positions = positions_of(chunk);
        encoded.pieces.emplace_back(std::make_shared<const ImageRun>(std::move(run)));
    }
    return encoded;
} catch (const std::exception& error) {
    log_warn("image_failed", {{"reason", error.what()}});
    return bad_image(image, "is an image that cannot be prepared for this model");
}

void Projector::keep(std::string key, std::shared_ptr<const EncodedImage> image) {
    const auto bytes = bytes_of(*image);
    if (bytes > max_kept_bytes) return;
    while (kept_bytes_ + bytes > max_kept_bytes) {
        kept_bytes_ -= kept_.back().bytes;
        kept_.pop_back();
    }
    kept_.push_front({.key = std::move(key), .bytes = bytes, .image = std::move(image)});
    kept_bytes_ += bytes;
}

Projector::Totals Projector::totals() const {
    std::lock_guard lock(mutex_);
    return totals_;
}

}  // namespace weft
