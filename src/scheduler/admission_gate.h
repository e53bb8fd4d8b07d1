#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_map>

namespace weft {

// Bounds requests, and the tokens of their prompts, from the moment they reach the engine until their last event. Beyond
// both bounds there is a quarter more for tenants that have less than their even share inside: whoever fills the queue
// keeps nobody else out. Thread: any; locks mutex_.
class AdmissionGate {
  public:
    explicit AdmissionGate(std::uint32_t capacity, std::uint64_t token_capacity = 0)
        : capacity_(capacity), token_capacity_(token_capacity) {}
    [[nodiscard]] bool try_enter(const std::string& tenant);
    void leave(const std::string& tenant);
    [[nodiscard]] std::uint64_t inside() const;

    // Prompt tokens of the requests inside: each that has entered counts its own once they are known, until it leaves.
    // A prompt that is larger than all that is allowed may enter alone.
    [[nodiscard]] bool try_add_tokens(const std::string& tenant, std::uint64_t tokens);
    void remove_tokens(const std::string& tenant, std::uint64_t tokens);
    [[nodiscard]] std::uint64_t tokens() const;

  private:
    struct Held {
        std::uint64_t requests = 0, tokens = 0;
    };
    [[nodiscard]] std::uint64_t even_share(std::uint64_t capacity, const std::string& tenant) const;

    const std::uint32_t capacity_;
    const std::uint64_t token_capacity_;  // 0 = no bound
    mutable std::mutex mutex_;            // guards the next two
    std::unordered_map<std::string, Held> held_;  // of tenants that have requests inside
    Held all_;
};

}  // namespace weft
