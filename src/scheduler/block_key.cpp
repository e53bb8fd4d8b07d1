#include "scheduler/block_key.h"

#include <algorithm>
#include <boost/hash2/sha2.hpp>
#include <cstring>

#include "engine/image_run.h"

namespace weft {

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
    const auto words = static_cast<std::size_t>(std::ranges::find_if(tokens, is_image) - tokens.begin());
    const auto whole = words / block_tokens;
    while (keys_.size() < whole) {
        const auto& parent = keys_.empty() ? root_ : keys_.back();
        const auto block = tokens.subspan(keys_.size() * block_tokens, block_tokens);
        const std::array<std::string_view, 2> parts{
            std::string_view(reinterpret_cast<const char*>(parent.bytes.data()), parent.bytes.size()),
            std::string_view(reinterpret_cast<const char*>(block.data()), block.size_bytes())};
        keys_.push_back(sha256(parts));
    }
    return std::span(keys_).first(whole);
}

}  // namespace weft
