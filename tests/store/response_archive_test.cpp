#include <catch2/catch_test_macros.hpp>

#include "store/sqlite_response_archive.h"
#include "store/store_scene.h"

namespace weft::test {
namespace {

struct ArchiveScene {
    StoreScene scene;
    std::unique_ptr<SqliteResponseArchive> archive = std::make_unique<SqliteResponseArchive>(*scene.file);

    void reopen() {
        archive.reset();
        scene.reopen();
        archive = std::make_unique<SqliteResponseArchive>(*scene.file);
    }
    Result<bool> put(ArchivedResponse response) {
        return scene.get<bool>([&](auto done) { archive->put(std::move(response), done); });
    }
    Result<bool> remove(const std::string& tenant, const std::string& id) {
        return scene.get<bool>([&](auto done) { archive->remove(tenant, id, done); });
    }
    // Ids in the order in which they are shown; all of them are kept but for `refused`.
    std::vector<std::string> recover(const std::string& refused = "") {
        std::vector<std::string> ids;
        REQUIRE(archive->recover([&](const ArchivedResponse& response) {
            ids.push_back(response.tenant + "/" + response.id + "=" + response.content);
            return response.id != refused;
        }));
        return ids;
    }
};

}  // namespace

TEST_CASE("stored answers outlive the process, per tenant, the last used first") {
    ArchiveScene scene;
    CHECK(scene.put({.tenant = "t", .id = "a", .used_s = 1, .content = std::string("x\0y", 3)}));
    CHECK(scene.put({.tenant = "u", .id = "a", .used_s = 2, .content = "other"}));
    CHECK(scene.put({.tenant = "t", .id = "b", .used_s = 3, .content = "b"}));
    CHECK(scene.put({.tenant = "t", .id = "b", .used_s = 4, .content = "new"}));
    scene.archive->touch("t", "a", 9);
    CHECK(scene.remove("t", "nobody") == false);
    scene.reopen();
    CHECK(scene.recover() == std::vector<std::string>{"t/a=" + std::string("x\0y", 3), "t/b=new", "u/a=other"});
    CHECK(scene.remove("u", "a") == true);
    scene.reopen();
    CHECK(scene.recover("b").size() == 2);
    scene.reopen();
    CHECK(scene.recover() == std::vector<std::string>{"t/a=" + std::string("x\0y", 3)});
}

}  // namespace weft::test
