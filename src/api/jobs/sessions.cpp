#include "api/jobs/errors.h"
#include "api/jobs/handlers.h"
#include "api/jobs/job_object.h"
#include "api/jobs/job_request.h"
#include "api/json_text.h"
#include "api/request_fields.h"

namespace weft::api::jobs {
namespace {

constexpr std::int64_t longest_session_s = 30LL * 24 * 3600;
constexpr std::size_t max_system_bytes = 64 * 1024;

std::string session_object(const SessionRow& session) {
    std::string out = R"({"session_id":)";
    append_json_string(out, session.id);
    out += R"(,"system":)";
    session.system.empty() ? void(out += "null") : append_json_string(out, session.system);
    out += R"(,"model":)";
    session.model.empty() ? void(out += "null") : append_json_string(out, session.model);
    out += R"(,"pipeline":)";
    append_json_string(out, session.pipeline.empty() ? "default" : session.pipeline);
    out += R"(,"created_at":)" + time_json(session.created_ms) + R"(,"expires_at":)" + time_json(session.expires_ms);
    out += R"(,"turns":[)";
    for (const auto& turn : session.turns) {
        if (!out.ends_with('[')) out += ',';
        if (!turn.message.empty()) {
            out += turn.message;
            continue;
        }
        out += R"({"role":)";
        append_json_string(out, turn.role);
        out += R"(,"content":)";
        append_json_string(out, turn.content);
        out += "}";
    }
    return out + "]}";
}

Result<SessionRow> read_session(const http::Exchange& exchange, const Services& services) {
    SessionRow session;
    WEFT_TRY(session.tenant, tenant_of(exchange));
    // A session needs nothing to be said about it.
    WEFT_TRY(const auto body, exchange.request().body.empty() ? Result<Json>(Json(Json::object_t{})) : body_of(exchange.request()));
    const JsonReader reader(body);
    WEFT_TRY(auto system, reader["system"].string());
    session.system = std::move(system).value_or("");
    if (session.system.size() > max_system_bytes)
        return reader["system"].invalid("must have at most " + std::to_string(max_system_bytes) + " bytes");
    if (!reader["model"].absent()) {
        WEFT_TRY(session.model, read_model(reader));
        const auto found = services.registry.find(session.model);
        if (!found) return fail_field(found.error().code, "model", found.error().message);
    }
    WEFT_TRY(session.pipeline, read_pipeline(services, reader["pipeline"]));
    WEFT_TRY(const auto seconds, reader["ttl"].integer(1, longest_session_s));
    session.lifetime_ms = seconds.value_or(0) * 1000;
    return session;
}

}  // namespace

Answered create_session(http::Exchange& exchange, const Services& services) {
    auto session = read_session(exchange, services);
    if (!session) co_return co_await reply_error(exchange, std::move(session).error());
    const auto added = co_await services.jobs->add_session(std::move(*session));
    if (!added) co_return co_await reply_error(exchange, added.error());
    co_await reply_json(exchange, 201, session_object(*added), {{"location", "/api/v1/sessions/" + added->id}});
}

Answered show_session(http::Exchange& exchange, const Services& services) {
    auto tenant = tenant_of(exchange);
    if (!tenant) co_return co_await reply_error(exchange, std::move(tenant).error());
    const auto session = co_await services.jobs->find_session(std::move(*tenant), path_id(exchange));
    if (!session) co_return co_await reply_error(exchange, session.error());
    co_await reply_json(exchange, 200, session_object(*session));
}

Answered delete_session(http::Exchange& exchange, const Services& services) {
    auto tenant = tenant_of(exchange);
    if (!tenant) co_return co_await reply_error(exchange, std::move(tenant).error());
    const auto id = path_id(exchange);
    const auto removed = co_await services.jobs->remove_session(std::move(*tenant), id);
    if (!removed) co_return co_await reply_error(exchange, removed.error());
    co_await reply_json(exchange, 200, deletion_object("session_id", id));
}

}  // namespace weft::api::jobs
