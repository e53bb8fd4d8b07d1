#include "store/redis_rows.h"

#include <glaze/beve.hpp>
#include <utility>

namespace weft {
namespace {

constexpr glz::opts row_options{.format = glz::BEVE, .error_on_unknown_keys = false};

template <typename T>
std::string packed_members(const T& value) {
    std::string bytes;
    if (glz::write<row_options>(value, bytes)) bytes.clear();  // our own structs: cannot fail
    return bytes;
}

std::unexpected<Error> damaged(std::string what) {
    return std::unexpected(Error{.code = ErrorCode::internal, .message = "the server's store has failed", .detail = std::move(what) + " cannot be read"});
}
std::unexpected<Error> damaged_row(std::int64_t number) { return damaged("job " + std::to_string(number)); }

std::uint32_t u32(const RedisValue& value) { return static_cast<std::uint32_t>(value.integer()); }

}  // namespace

std::string packed_row(JobRow row) {
    row.request.clear();
    return packed_members(row);
}

std::string packed_end(JobEnd end) {
    end.turns.clear();
    return packed_members(end);
}

std::string packed_turn(const SessionTurn& turn) { return packed_members(turn); }

std::string packed_session(SessionRow session) {
    session.turns.clear();
    return packed_members(session);
}

Result<SessionRow> session_from(const RedisValue& value) {
    SessionRow session;
    if (glz::read<row_options>(session, value.at(0).text)) return damaged("a conversation");
    session.expires_ms = value.at(1).integer();
    session.in_use = value.at(3).integer() > 0;
    for (const auto& item : value.at(2).items)
        if (glz::read<row_options>(session.turns.emplace_back(), item.text)) return damaged("a turn of a conversation");
    return session;
}

Result<JobRow> row_from(const RedisValue& value) {
    const auto number = value.at(0).integer();
    JobRow row;
    if (glz::read<row_options>(row, value.at(4).text)) return damaged_row(number);
    row.number = number;
    row.started_ms = value.at(3).integer();
    if (const auto& packed = value.at(5).text; !packed.empty()) {
        JobEnd end;
        if (glz::read<row_options>(end, packed)) return damaged_row(number);
        apply_end(row, std::move(end));
    }
    const auto status = value.at(1).integer();
    if (status < 0 || status > static_cast<std::int64_t>(JobStatus::cancelled)) return damaged_row(number);
    row.status = static_cast<JobStatus>(status);
    row.attempt = u32(value.at(2));
    row.callback_state = static_cast<CallbackState>(value.at(6).integer() & 3);
    row.callback_tries = u32(value.at(7));
    row.callback_ms = value.at(8).integer();
    return row;
}

}  // namespace weft
