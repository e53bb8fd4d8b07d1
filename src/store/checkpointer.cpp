#include "store/checkpointer.h"

#include <utility>

namespace weft {

Result<std::unique_ptr<Checkpointer>> Checkpointer::begin(const std::filesystem::path& file) {
    WEFT_TRY(auto database, Database::open(file, Database::Access::read_write));
    // The log is synced before its pages move, the file before the log begins anew.
    WEFT_CHECK(database.execute("PRAGMA synchronous = FULL"));
    return std::unique_ptr<Checkpointer>(new Checkpointer(std::move(database)));
}

Checkpointer::Checkpointer(Database database) : database_(std::move(database)), thread_([this] { run(); }) {}

Checkpointer::~Checkpointer() {
    {
        const std::lock_guard lock(mutex_);
        closing_ = true;
    }
    told_.notify_one();
    thread_.join();
}

void Checkpointer::serve(Database& writing) {
    writing.after_commit([this, connection = writing.handle()](int pages) {
        if (pages >= wait_at) return Database::checkpoint(connection);
        if (pages < begin_at) return;
        const std::lock_guard lock(mutex_);
        due_ = true;
        told_.notify_one();
    });
}

void Checkpointer::run() {
    for (std::unique_lock lock(mutex_);;) {
        told_.wait(lock, [this] { return due_ || closing_; });
        if (closing_) return;
        due_ = false;
        lock.unlock();
        Database::checkpoint(database_.handle());
        lock.lock();
    }
}

}  // namespace weft
