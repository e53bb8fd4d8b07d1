#include "api/ids.h"

#include <chrono>
#include <random>

namespace weft::api {

std::string random_id(std::string_view prefix) {
    constexpr std::string_view alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    constexpr int length = 24;
    thread_local std::mt19937_64 random{std::random_device{}()};
    std::uniform_int_distribution<std::size_t> letter(0, alphabet.size() - 1);
    std::string id(prefix);
    for (int i = 0; i < length; ++i) id += alphabet[letter(random)];
    return id;
}

std::int64_t system_unix_time() {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::seconds>(now).count();
}

}  // namespace weft::api
