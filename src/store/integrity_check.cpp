#include "store/integrity_check.h"

#include <sys/resource.h>

#include <utility>

#include "base/log.h"

namespace weft {
namespace {

constexpr int nice_value = 10;  // of the thread: everybody else goes first

}  // namespace

Result<std::unique_ptr<IntegrityCheck>> IntegrityCheck::begin(const std::filesystem::path& file) {
    // Whoever reads first after a crash has to recover the log, which a connection that may only read cannot.
    WEFT_TRY(auto database, Database::open(file, Database::Access::read_write));
    return std::unique_ptr<IntegrityCheck>(new IntegrityCheck(std::move(database)));
}

IntegrityCheck::IntegrityCheck(Database database) : database_(std::move(database)), thread_([this] { run(); }) {}

IntegrityCheck::~IntegrityCheck() {
    closing_ = true;
    // It may be between two statements, where an interruption has no effect.
    for (std::unique_lock lock(mutex_); !ended_;) {
        database_.interrupt();
        changed_.wait_for(lock, std::chrono::milliseconds(10));
    }
    thread_.join();
}

void IntegrityCheck::run() {
    ::setpriority(PRIO_PROCESS, 0, nice_value);  // of this thread alone, on Linux
    const auto found = closing_ ? Result<std::string>(std::string()) : database_.word("PRAGMA quick_check(1)");
    const bool sound = found && *found == "ok";
    std::lock_guard lock(mutex_);
    if (!closing_ && !sound) damage_ = found ? *found : found.error().detail;
    if (!closing_) outcome_ = sound ? Outcome::sound : Outcome::damaged;
    if (!closing_ && !sound) log_error("store_damaged", {{"detail", damage_}});
    ended_ = true;
    changed_.notify_all();
}

IntegrityCheck::Outcome IntegrityCheck::wait(std::chrono::milliseconds patience) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, patience, [this] { return ended_; });
    return outcome_;
}

std::string IntegrityCheck::damage() {
    const std::lock_guard lock(mutex_);
    return damage_;
}

}  // namespace weft
