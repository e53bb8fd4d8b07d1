#pragma once

#include <chrono>
#include <cstddef>
#include <string>

#include "base/error.h"
#include "gotemplate/ast.h"
#include "gotemplate/budget.h"
#include "gotemplate/value.h"

namespace weft::gotemplate {

struct RenderOptions {
    std::chrono::system_clock::time_point now{};
    std::size_t stop_after = static_cast<std::size_t>(-1);  // nodes of the main template that begin later in the source are left out
};

[[nodiscard]] Result<std::string> render(const Syntax& syntax, const Value& data, Meter& meter, const RenderOptions& options);

}  // namespace weft::gotemplate
