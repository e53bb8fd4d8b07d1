#include "scheduler/block_key.h"

#include <boost/hash2/sha2.hpp>
#include <cstring>

namespace weft {
namespace {

std::string_view view_of(const BlockKey& key) { return {reinterpret_cast<const char*>(key.bytes.data()), key.bytes.size()}; }
std::string_view view_of(std::span<const Token> tokens) {
    return {reinterpret_cast<const char*>(tokens.data()), tokens.size_bytes()};
}

}  // namespace

BlockKey sha256(std::span<const std::string_view> parts) {
    boost::hash2::sha2_256 hash;
    for (const auto part : parts) {
        // With its length in front no part can pass for the end of another.
        const std::uint64_t size = part.size();
        std::array<unsigned char, 8> length{};
        for (std::size_t i = 0; i < length.size(); ++i) length[i] = static_cast<unsigned char>(size >> (8 * i));
        hash.update(length.data(), length.size());
        hash.update(part.data(), part.size());
    }
    const auto digest = hash.result();
    BlockKey key;
    std::memcpy(key.bytes.data(), digest.data(), key.bytes.size());
    return key;
}

std::string BlockKey::hex() const {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    for (const auto byte : bytes) {
        text += digits[byte >> 4U];
        text += digits[byte & 15U];
    }
    return text;
}

std::size_t BlockKeyHash::operator()(const BlockKey& key) const {
    std::size_t hash = 0;
    std::memcpy(&hash, key.bytes.data(), sizeof hash);
    return hash;
}

BlockChain::BlockChain(std::string_view identity, std::string_view scope)
    : root_(sha256(std::array<std::string_view, 3>{"weft kv blocks 1", identity, scope})) {}

std::span<const BlockKey> BlockChain::keys(std::span<const Token> tokens) {
    const auto whole = tokens.size() / block_tokens;
    while (keys_.size() < whole) {
        const auto& parent = keys_.empty() ? root_ : keys_.back();
        const auto block = tokens.subspan(keys_.size() * block_tokens, block_tokens);
        keys_.push_back(sha256(std::array{view_of(parent), view_of(block)}));
    }
    return std::span(keys_).first(whole);
}

BlockKey BlockChain::state_key(std::span<const Token> tokens, std::size_t n) {
    const auto blocks = keys(tokens);
    const auto whole = n / block_tokens;
    const auto& parent = whole == 0 ? root_ : blocks[whole - 1];
    return sha256(std::array<std::string_view, 3>{"state", view_of(parent), view_of(tokens.subspan(whole * block_tokens, n % block_tokens))});
}

}  // namespace weft
