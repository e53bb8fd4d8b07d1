#include "store/sqlite_response_archive.h"

#include <memory>
#include <utility>

namespace weft {

void SqliteResponseArchive::put(ArchivedResponse response, Done done) {
    const auto write = [&store = file_, response = std::make_shared<const ArchivedResponse>(std::move(response))](Database& database) -> Result<void> {
        WEFT_CHECK(store.check_room(database));
        WEFT_TRY(auto insert, database.prepare("INSERT OR REPLACE INTO responses(tenant, id, used_s, content) VALUES(?1, ?2, ?3, ?4)"));
        return insert.bind(1, response->tenant).bind(2, response->id).bind(3, response->used_s).bind_blob(4, response->content).run();
    };
    file_.write(write, [done = std::move(done)](Result<void> written) {
        if (!written) return done(std::unexpected(std::move(written).error()));
        done(true);
    });
}

void SqliteResponseArchive::touch(std::string tenant, std::string id, std::int64_t used_s) {
    const auto write = [tenant = std::move(tenant), id = std::move(id), used_s](Database& database) -> Result<void> {
        WEFT_TRY(auto update, database.prepare("UPDATE responses SET used_s = ?3 WHERE tenant = ?1 AND id = ?2"));
        return update.bind(1, tenant).bind(2, id).bind(3, used_s).run();
    };
    file_.write(write, [](Result<void>) {});
}

void SqliteResponseArchive::remove(std::string tenant, std::string id, Done done) {
    auto removed = std::make_shared<bool>(false);
    const auto write = [removed, tenant = std::move(tenant), id = std::move(id)](Database& database) -> Result<void> {
        WEFT_TRY(auto remove, database.prepare("DELETE FROM responses WHERE tenant = ?1 AND id = ?2"));
        WEFT_CHECK(remove.bind(1, tenant).bind(2, id).run());
        *removed = database.changed_rows() > 0;
        return {};
    };
    file_.write(write, [removed, done = std::move(done)](Result<void> written) {
        if (!written) return done(std::unexpected(std::move(written).error()));
        done(*removed);
    });
}

Result<void> SqliteResponseArchive::recover(const std::function<bool(ArchivedResponse)>& take) {
    WEFT_TRY(auto query, file_.database_at_start().prepare("SELECT tenant, id, used_s, content FROM responses ORDER BY used_s DESC"));
    for (;;) {
        WEFT_TRY(const bool more, query.step());
        if (!more) return {};
        ArchivedResponse response{.tenant = query.text(0), .id = query.text(1), .used_s = query.integer(2), .content = query.text(3)};
        auto tenant = response.tenant;
        auto id = response.id;
        if (!take(std::move(response))) remove(std::move(tenant), std::move(id), [](Result<bool>) {});
    }
}

}  // namespace weft
