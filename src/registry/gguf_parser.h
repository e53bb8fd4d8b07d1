#pragma once

#include <cstdint>
#include <filesystem>

#include "registry/gguf.h"
#include "registry/gguf_cursor.h"

namespace weft {

// One file's header, without looking at other shards; the tensors are checked against the file's size. Fills everything
// but GgufHeader::files.
[[nodiscard]] Result<GgufHeader> parse_gguf_file(const std::filesystem::path& path);

// One array element or plain value; strings and numbers of every type, no arrays. `what` names it in errors.
[[nodiscard]] Result<GgufScalar> read_gguf_scalar(GgufCursor& cursor, GgufType type, const std::string& what);

}  // namespace weft
