#pragma once

#include <string>

#include "store/job_store.h"
#include "store/redis_value.h"

namespace weft {

// Rows and ends as they lie in Redis: by the names of their members, so that a node of another version finds what it knows.
// What changes while a job lives is kept beside them.
[[nodiscard]] std::string packed_row(JobRow row);  // without its request
[[nodiscard]] std::string packed_end(JobEnd end);  // without the turns of its conversation

[[nodiscard]] std::string packed_session(SessionRow session);  // without its turns
// What find_session of the library gives: row, when it expires, turns.
[[nodiscard]] Result<SessionRow> session_from(const RedisValue& value);
[[nodiscard]] std::string packed_turn(const SessionTurn& turn);

// What row() of the library gives: number, status, attempt, started, row, end, state, tries and time of the callback.
[[nodiscard]] Result<JobRow> row_from(const RedisValue& value);

}  // namespace weft
