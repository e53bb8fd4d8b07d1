#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <variant>
#include <vector>

#include "base/error.h"
#include "engine/image_run.h"
#include "engine/loaded_model.h"
#include "runner/messages.h"

struct mtmd_context;

namespace weft {

// What an image is to a model: runs of embeddings, and the tokens that the model wants around and between them.
struct EncodedImage {
    std::vector<std::variant<std::vector<Token>, std::shared_ptr<const ImageRun>>> pieces;
};

// Turns images and recordings into embeddings, with the parts of a model that see and hear (libmtmd). The newest are kept: a conversation sends its
// images again with every turn. Thread: any; locks mutex_, one image at a time.
class Projector {
  public:
    // model_load_failed for a file that is no projector, or not this model's.
    [[nodiscard]] static Result<std::unique_ptr<Projector>> open(const LoadMessage& message, const LoadedModel& model);

    // invalid_request with ErrorReason::invalid_image for what cannot be decoded. A run that must be computed at once is
    // never longer than `most_rows`.
    [[nodiscard]] Result<std::shared_ptr<const EncodedImage>> encode(const ChatImage& image, std::int32_t most_rows);

    // Since the start: images that were computed, and that were there.
    struct Totals {
        std::uint64_t encoded = 0, reused = 0;
    };
    [[nodiscard]] Totals totals() const;

  private:
    struct ContextDeleter {
        void operator()(mtmd_context* context) const;
    };
    struct Kept {
        std::string key;
        std::size_t bytes = 0;
        std::shared_ptr<const EncodedImage> image;
    };
    Projector(std::unique_ptr<mtmd_context, ContextDeleter> context, std::int32_t width) : context_(std::move(context)), width_(width) {}

    [[nodiscard]] Result<EncodedImage> compute(const ChatImage& image, const std::string& key);
    void keep(std::string key, std::shared_ptr<const EncodedImage> image);

    std::unique_ptr<mtmd_context, ContextDeleter> context_;
    const std::int32_t width_;  // of one embedding
    mutable std::mutex mutex_;  // guards all that follows, and use of the context
    std::list<Kept> kept_;      // newest first
    std::size_t kept_bytes_ = 0;
    Totals totals_;
};

}  // namespace weft
