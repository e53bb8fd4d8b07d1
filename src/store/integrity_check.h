#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <string>
#include <thread>

#include "base/error.h"
#include "store/sqlite.h"

namespace weft {

// Reads a whole SQLite file and checks it (PRAGMA quick_check), on a thread of low priority with a connection of its own:
// the file is in use meanwhile. Thread: any.
class IntegrityCheck {
  public:
    enum class Outcome : std::uint8_t { unknown, sound, damaged };

    // Begins at once.
    [[nodiscard]] static Result<std::unique_ptr<IntegrityCheck>> begin(const std::filesystem::path& file);
    // Breaks it off.
    ~IntegrityCheck();
    IntegrityCheck(const IntegrityCheck&) = delete;
    IntegrityCheck& operator=(const IntegrityCheck&) = delete;

    // unknown while it runs.
    [[nodiscard]] Outcome outcome() const { return outcome_; }
    // Waits for its end, but not for ever.
    [[nodiscard]] Outcome wait(std::chrono::milliseconds patience);
    // What is wrong; once it is damaged.
    [[nodiscard]] std::string damage();

  private:
    explicit IntegrityCheck(Database database);
    void run();

    Database database_;  // thread: the check's, but for interrupt()
    std::atomic<Outcome> outcome_ = Outcome::unknown;
    std::mutex mutex_;  // guards ended_, damage_
    std::condition_variable changed_;
    bool ended_ = false;
    std::string damage_;
    std::atomic<bool> closing_ = false;
    std::thread thread_;
};

}  // namespace weft
