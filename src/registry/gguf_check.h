#pragma once

#include "registry/gguf.h"

namespace weft {

// Whether libllama 0.7 can be given this file: what it would answer with an abort or an access past an array is refused
// here (a vocabulary whose parts differ in length, experts that do not add up, values of another type than it asserts),
// and so is what is no language model at all (adapters, vision projectors). What it refuses politely itself is left to
// it. model_load_failed; the message names the key.
[[nodiscard]] Result<void> check_language_model(const GgufHeader& header);

// Whether this file is a LoRA adapter that libllama can lay over that model: pairs of matrices whose shapes fit the
// model's tensors. model_load_failed; the message names the key or tensor.
[[nodiscard]] Result<void> check_adapter(const GgufHeader& adapter, const GgufHeader& model);

// Whether this file is a projector of images or recordings, which libmtmd can be given. Whether it fits its model is told when both are
// loaded. model_load_failed; the message names the key.
[[nodiscard]] Result<void> check_projector(const GgufHeader& projector);
[[nodiscard]] bool projects_images(const GgufHeader& projector);
[[nodiscard]] bool projects_audio(const GgufHeader& projector);

}  // namespace weft
