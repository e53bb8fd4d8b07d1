#include "store/redis_check.h"

#include <catch2/catch_test_macros.hpp>

#include "store/redis_address.h"

namespace weft::test {
namespace {

constexpr std::string_view good_info =
    "# Server\r\nredis_version:8.0.6\r\nredis_mode:standalone\r\n# Memory\r\nmaxmemory_policy:noeviction\r\n"
    "# Persistence\r\nloading:0\r\naof_enabled:1\r\n# Replication\r\nrole:master\r\n";

std::string with(std::string_view line, std::string_view instead) {
    std::string info(good_info);
    info.replace(info.find(line), line.size(), instead);
    return info;
}

RedisValue settings(std::vector<std::string> words) {
    RedisValue list{.kind = RedisValue::Kind::list};
    for (auto& word : words) list.items.push_back({.kind = RedisValue::Kind::text, .text = std::move(word)});
    return list;
}

}  // namespace

TEST_CASE("a server is taken whose INFO says that it keeps what it has acknowledged, and refused by the setting that does not") {
    CHECK(check_redis_info(good_info));
    CHECK(check_redis_info(with("redis_version:8.0.6", "redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.0.1")));
    CHECK(check_redis_tells(good_info));
    const auto valkey = with("redis_version:8.0.6", "redis_version:7.2.4\r\nserver_name:valkey\r\nserver_mode:cluster");
    CHECK(check_redis_tells(valkey).error().message.contains("+config|get"));
    CHECK(check_redis_info(valkey).error().message.contains("cluster-enabled"));
    const auto refusal = [](std::string_view line, std::string_view instead) { return check_redis_info(with(line, instead)).error().message; };
    CHECK(refusal("redis_version:8.0.6", "redis_version:6.2.14").contains("version '6.2.14' and must be 7"));
    CHECK(refusal("redis_mode:standalone", "redis_mode:cluster").contains("cluster-enabled"));
    CHECK(refusal("role:master", "role:slave").contains("replicaof"));
    CHECK(refusal("maxmemory_policy:noeviction", "maxmemory_policy:allkeys-lru").contains("maxmemory-policy is 'allkeys-lru' and must be 'noeviction'"));
    CHECK(refusal("aof_enabled:1", "aof_enabled:0").contains("appendonly is 'no' and must be 'yes'"));
    CHECK_FALSE(check_redis_info(""));
}

TEST_CASE("a server that reads its file still is asked again, whatever it says of that file meanwhile") {
    auto info = with("loading:0", "loading:1");
    info.replace(info.find("aof_enabled:1"), 13, "aof_enabled:0");
    CHECK(check_redis_info(info).error().code == ErrorCode::overloaded);
}

TEST_CASE("each setting is named with its value and what it must be") {
    const std::vector<std::string> good{"maxmemory-policy", "noeviction", "appendonly", "yes", "appendfsync", "always", "no-appendfsync-on-rewrite", "no"};
    CHECK(check_redis_settings(settings(good)));
    for (std::size_t i = 1; i < good.size(); i += 2) {
        auto bad = good;
        bad[i] = "wrong";
        const auto message = check_redis_settings(settings(bad)).error().message;
        CHECK(message.contains("its setting " + good[i - 1] + " is 'wrong' and must be '" + good[i] + "'"));
    }
    CHECK_FALSE(check_redis_settings({}));
}

TEST_CASE("an address names server, user and database; its text for logs names no password") {
    const auto address = parse_redis_address("rediss://me:s%40crit@redis.example.com:7000/3").value();
    CHECK(address.tls);
    CHECK(address.host == "redis.example.com");
    CHECK(address.port == 7000);
    CHECK(address.user == "me");
    CHECK(address.password == "s@crit");
    CHECK(address.database == 3);
    CHECK(address.text() == "rediss://redis.example.com:7000/3");
    CHECK(parse_redis_address("redis://:pass@127.0.0.1")->password == "pass");
    CHECK(parse_redis_address("redis://127.0.0.1")->port == 6379);
    CHECK(parse_redis_address("redis://[::1]:1/")->host == "::1");
}

TEST_CASE("an address that is none is refused without repeating it") {
    for (const char* text : {"", "s3cret", "http://s3cret@h/", "redis://:s3cret@", "redis://s3cret@h", "redis://:s3cret@h/x", "redis://:s3cret@h:0",
                             "redis://:s3cret@h:99999", "redis://:s3cret@h/1/2", "redis://:s3cret@h/99999999999", "redis://:s3cret@h/0?a=b"}) {
        INFO(text);
        const auto address = parse_redis_address(text);
        REQUIRE_FALSE(address);
        CHECK_FALSE(address.error().message.contains("s3cret"));
    }
}

}  // namespace weft::test
