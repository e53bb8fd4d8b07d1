#pragma once

#include "base/error.h"
#include "store/sqlite.h"

namespace weft {

// Of the tables in the file. A change adds a step to the migrations in schema.cpp; steps that were released never change.
inline constexpr int schema_version = 4;

// Creates the tables, or brings those of an older version up to date, in one transaction. internal, with a detail, when
// the file is of a newer version than this program.
// to: an older version, for tests of its files.
[[nodiscard]] Result<void> migrate(Database& database, int to = schema_version);

}  // namespace weft
