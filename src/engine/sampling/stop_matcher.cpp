#include "engine/sampling/stop_matcher.h"

#include <utility>

namespace weft {

StopMatcher::StopMatcher(std::span<const std::string> stop_strings) : prefixes_(1), first_{} {
    for (const auto& stop : stop_strings) add(stop);
    link();
}

std::string StopMatcher::feed(std::string_view text) {
    if (matched_) return {};
    std::string out = std::exchange(held_, {});
    out.reserve(out.size() + text.size());
    for (const char byte : text) {
        out.push_back(byte);
        at_ = next(at_, byte);
        if (const std::size_t length = prefixes_[at_].stop_length; length > 0) {
            matched_ = out.substr(out.size() - length);
            out.resize(out.size() - length);
            return out;
        }
    }
    const std::size_t sendable = out.size() - prefixes_[at_].length;
    held_ = out.substr(sendable);
    out.resize(sendable);
    return out;
}

std::string StopMatcher::finish() {
    at_ = 0;
    return std::exchange(held_, {});
}

void StopMatcher::add(std::string_view stop) {
    Node node = 0;
    for (const char byte : stop) {
        Node to = child(node, byte);
        if (to == 0) {
            to = static_cast<Node>(prefixes_.size());
            prefixes_.push_back({.byte = byte, .length = prefixes_[node].length + 1});
            if (node == 0)
                first_[static_cast<unsigned char>(byte)] = to;
            else
                prefixes_[to].next_sibling = std::exchange(prefixes_[node].first_child, to);
        }
        node = to;
    }
    prefixes_[node].stop_length = prefixes_[node].length;
}

// Breadth first, so that a fallback, which is shorter, is complete before it is needed.
void StopMatcher::link() {
    std::vector<Node> order;
    for (const Node node : first_)
        if (node != 0) order.push_back(node);
    for (std::size_t i = 0; i < order.size(); ++i) {
        const Node parent = order[i];
        for (Node node = prefixes_[parent].first_child; node != 0; node = prefixes_[node].next_sibling) {
            Prefix& prefix = prefixes_[node];
            prefix.fallback = next(prefixes_[parent].fallback, prefix.byte);
            if (prefix.stop_length == 0) prefix.stop_length = prefixes_[prefix.fallback].stop_length;
            order.push_back(node);
        }
    }
}

StopMatcher::Node StopMatcher::child(Node parent, char byte) const {
    if (parent == 0) return first_[static_cast<unsigned char>(byte)];
    Node node = prefixes_[parent].first_child;
    while (node != 0 && prefixes_[node].byte != byte) node = prefixes_[node].next_sibling;
    return node;
}

StopMatcher::Node StopMatcher::next(Node from, char byte) const {
    for (;; from = prefixes_[from].fallback) {
        const Node to = child(from, byte);
        if (to != 0 || from == 0) return to;
    }
}

}  // namespace weft
