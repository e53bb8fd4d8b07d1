#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace weft {

// A model's name as clients write it: [scheme://][host[:port]/][namespace/]model[:tag]. What is left out has a default:
// host registry.ollama.ai, namespace library, tag latest. The scheme is not part of a name's identity and a trailing
// ":local" only says where to look, so both are dropped. Every part starts with a letter, a digit or '_' and holds no
// '/', so a name can never lead out of a folder.
struct ModelName {
    static constexpr std::string_view default_host = "registry.ollama.ai";
    static constexpr std::string_view default_namespace = "library";
    static constexpr std::string_view default_tag = "latest";
    static constexpr std::size_t max_host_bytes = 350;
    static constexpr std::size_t max_part_bytes = 80;

    std::string host;
    std::string namespace_;
    std::string model;
    std::string tag;

    // invalid_request "invalid model name" when a part is empty, too long or holds a character it must not.
    [[nodiscard]] static Result<ModelName> parse(std::string_view text);

    // What people read: "demo:latest", "user/m:v1", "hf.co/u/r:Q4_K_M". Host and namespace appear only when they are not
    // the default, the tag always.
    [[nodiscard]] std::string display() const;

    // Equal for two names exactly when they mean the same model: all parts, in lower case.
    [[nodiscard]] std::string key() const;
};

// A valid name part made from a file's or folder's name: lower case, every other character a '-', cut to
// max_part_bytes. Empty when nothing usable is left.
[[nodiscard]] std::string name_part_from_file(std::string_view stem);

}  // namespace weft
