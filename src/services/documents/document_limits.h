#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "extract/child_process.h"
#include "extract/html_text.h"
#include "extract/split_text.h"
#include "store/document_store.h"

namespace weft {

// Every bound of documents and of searches in them.
struct DocumentLimits {
    std::size_t document_bytes = 16 << 20;  // as given; larger ones are too_large
    PassageLimits passages{};
    DocumentQuota quota{};                  // of a key; beyond: rate_limited
    HtmlLimits html{};
    ChildLimits pdf{};
    std::size_t adding = 32;                // documents at once; one more is overloaded
    std::size_t adding_of_tenant = 8;       // ... of one key; one more is rate_limited
    std::size_t searching = 256;            // searches at once; one more is overloaded
    std::size_t embed_at_once = 16;         // passages in one request to the embedding model
    std::size_t index_bytes = 1 << 30;      // vectors in memory; keys that were not asked for long make room
    std::size_t graph_from = 20'000;        // vectors of one key; fewer are compared one by one
};

inline constexpr std::size_t max_found_passages = 100;   // that one search may ask for
inline constexpr std::size_t max_search_bytes = 32 * 1024;  // of a query
inline constexpr std::size_t max_search_documents = 256;    // that one search may name

}  // namespace weft
