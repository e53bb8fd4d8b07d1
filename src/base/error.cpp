#include "base/error.h"

namespace weft {

std::string_view name_of(ErrorCode code) {
    switch (code) {
        case ErrorCode::invalid_request: return "invalid_request";
        case ErrorCode::missing_field: return "missing_field";
        case ErrorCode::unsupported: return "unsupported";
        case ErrorCode::not_implemented: return "not_implemented";
        case ErrorCode::not_found: return "not_found";
        case ErrorCode::expired: return "expired";
        case ErrorCode::conflict: return "conflict";
        case ErrorCode::context_overflow: return "context_overflow";
        case ErrorCode::too_large: return "too_large";
        case ErrorCode::forbidden: return "forbidden";
        case ErrorCode::storage_full: return "storage_full";
        case ErrorCode::overloaded: return "overloaded";
        case ErrorCode::rate_limited: return "rate_limited";
        case ErrorCode::shutting_down: return "shutting_down";
        case ErrorCode::model_load_failed: return "model_load_failed";
        case ErrorCode::cancelled: return "cancelled";
        case ErrorCode::timeout: return "timeout";
        case ErrorCode::engine_failed: return "engine_failed";
        case ErrorCode::internal: return "internal";
    }
    return "unknown";
}

}  // namespace weft
