#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "http/exchange.h"
#include "store/batch_store.h"

// What lists that come in pages have in common.
namespace weft::api::openai {

struct PageRules {
    std::int64_t by_default = 20;
    std::int64_t most = 100;
    bool may_order = false;  // `order` is asc or desc
};
// Who asks, `after`, `limit` and `order`.
[[nodiscard]] Result<PageQuery> read_page_query(const http::Exchange& exchange, PageRules rules);

struct PageItem {
    std::string id;
    std::string json;
};
// items: one more than the limit, where there is more.
[[nodiscard]] std::string page_json(std::vector<PageItem> items, std::size_t limit);

[[nodiscard]] Result<std::string> caller_tenant(const http::Exchange& exchange);
[[nodiscard]] std::string object_id(const http::Exchange& exchange);

}  // namespace weft::api::openai
