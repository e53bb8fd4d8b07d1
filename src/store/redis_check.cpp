#include "store/redis_check.h"

#include <charconv>

namespace weft {
namespace {

std::unexpected<Error> unfit(std::string what) {
    return fail(ErrorCode::internal, "the Redis server of jobs.store would lose jobs: " + std::move(what));
}

std::unexpected<Error> wrong_setting(std::string_view name, std::string_view value, std::string_view right, std::string_view why) {
    return unfit("its setting " + std::string(name) + " is '" + std::string(value) + "' and must be '" + std::string(right) + "' (" +
                 std::string(why) + ")");
}

// Of "name:value" lines; empty when there is none.
std::string_view info_value(std::string_view info, std::string_view name) {
    while (!info.empty()) {
        const auto end = info.find('\n');
        auto line = info.substr(0, end);
        info.remove_prefix(end == info.npos ? info.size() : end + 1);
        if (line.ends_with('\r')) line.remove_suffix(1);
        if (line.size() > name.size() && line.starts_with(name) && line[name.size()] == ':') return line.substr(name.size() + 1);
    }
    return {};
}

std::string_view setting(const RedisValue& settings, std::string_view name) {
    for (std::size_t i = 0; i + 1 < settings.items.size(); i += 2)
        if (settings.items[i].text == name) return settings.items[i + 1].text;
    return {};
}

constexpr std::string_view why_policy = "otherwise it forgets jobs when its memory is full";
constexpr std::string_view why_file = "otherwise it keeps jobs in memory only";

}  // namespace

Result<void> check_redis_info(std::string_view info) {
    const auto version = info_value(info, "redis_version");
    int major = 0;
    std::from_chars(version.data(), version.data() + version.size(), major);
    if (major < oldest_redis)
        return fail(ErrorCode::internal, "the Redis server of jobs.store is version '" + std::string(version) + "' and must be " +
                                             std::to_string(oldest_redis) + " or newer");
    for (const auto name : {"redis_mode", "server_mode"})  // the latter is Valkey's
        if (const auto mode = info_value(info, name); !mode.empty() && mode != "standalone")
            return fail(ErrorCode::internal, "the Redis server of jobs.store runs in mode '" + std::string(mode) +
                                                 "' (cluster-enabled) and must be a single server, which may have replicas");
    if (const auto role = info_value(info, "role"); role != "master")
        return fail(ErrorCode::internal, "the Redis server of jobs.store has the role '" + std::string(role) + "' (replicaof) and must be the primary");
    if (const auto policy = info_value(info, "maxmemory_policy"); policy != "noeviction")
        return wrong_setting("maxmemory-policy", policy, "noeviction", why_policy);
    if (info_value(info, "loading") == "1")  // meanwhile it says that it has no append-only file
        return std::unexpected(Error{.code = ErrorCode::overloaded, .message = "the job store cannot be reached", .detail = "it reads its file still"});
    if (info_value(info, "aof_enabled") != "1") return wrong_setting("appendonly", "no", "yes", why_file);
    return {};
}

Result<void> check_redis_settings(const RedisValue& settings) {
    struct Rule {
        std::string_view name;
        std::string_view right;
        std::string_view why;
    };
    constexpr Rule rules[] = {
        {"maxmemory-policy", "noeviction", why_policy},
        {"appendonly", "yes", why_file},
        {"appendfsync", "always", "otherwise jobs that were acknowledged go with the machine's power"},
        {"no-appendfsync-on-rewrite", "no", "otherwise nothing is synced while the file is rewritten"},
    };
    for (const auto& rule : rules)
        if (const auto value = setting(settings, rule.name); value != rule.right) return wrong_setting(rule.name, value, rule.right, rule.why);
    return {};
}

Result<void> check_redis_tells(std::string_view info) {
    if (info_value(info, "server_name") != "valkey") return {};
    return unfit("its user may not use CONFIG GET, and Valkey does not tell otherwise whether its setting appendfsync is 'always'; let the user "
                 "read the configuration (ACL: +config|get)");
}

Result<void> check_redis_sync(int synced_probes) {
    if (synced_probes == redis_sync_probes) return {};
    return unfit("its user may not use CONFIG GET, and a test says that its setting appendfsync is not 'always'; set it so, or let the "
                 "user read the configuration (ACL: +config|get)");
}

}  // namespace weft
