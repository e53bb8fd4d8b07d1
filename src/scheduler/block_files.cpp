#include "scheduler/block_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/hash2/xxh3.hpp>
#include <cstring>

#include "base/descriptor.h"
#include "base/log.h"

namespace weft {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view suffix = ".kv";
constexpr std::array<char, 8> magic{'w', 'e', 'f', 't', 'k', 'v', '0', '1'};
constexpr std::uint64_t largest_block = 1ULL << 30;

// The head of a file; the block's bytes follow. Written and read on the same machine: no byte order.
struct Head {
    std::array<char, 8> magic{};
    BlockKey identity{};
    BlockKey key{};
    std::uint64_t length = 0;
    std::array<unsigned char, 16> checksum{};  // XXH3 of everything else
};
static_assert(sizeof(Head) == 96);

std::array<unsigned char, 16> checksum_of(const Head& head, const BlockBytes& bytes) {
    boost::hash2::xxh3_128 hash;
    hash.update(&head, offsetof(Head, checksum));
    hash.update(bytes.data(), bytes.size());
    const auto digest = hash.result();
    std::array<unsigned char, 16> sum{};
    std::memcpy(sum.data(), digest.data(), sum.size());
    return sum;
}

std::optional<BlockKey> key_of(const std::string& file_name) {
    if (!file_name.ends_with(suffix) || file_name.size() != 64 + suffix.size()) return std::nullopt;
    BlockKey key;
    for (std::size_t i = 0; i < 64; ++i) {
        const char c = file_name[i];
        const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (digit < 0) return std::nullopt;
        key.bytes[i / 2] = static_cast<unsigned char>((key.bytes[i / 2] << 4U) | static_cast<unsigned>(digit));
    }
    return key;
}

bool write_all(int descriptor, const void* data, std::size_t size) {
    const auto* at = static_cast<const char*>(data);
    while (size > 0) {
        const auto n = ::write(descriptor, at, size);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        at += n, size -= static_cast<std::size_t>(n);
    }
    return true;
}

bool read_all(int descriptor, void* data, std::size_t size) {
    auto* at = static_cast<char*>(data);
    while (size > 0) {
        const auto n = ::read(descriptor, at, size);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        at += n, size -= static_cast<std::size_t>(n);
    }
    return true;
}

struct Found {
    fs::path path;
    std::uint64_t bytes;
    fs::file_time_type used_at;
};

// Regular files of one folder, oldest first. Links and folders are left alone.
std::vector<Found> files_in(const fs::path& folder) {
    std::vector<Found> found;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder, error)) {
        if (entry.is_symlink(error) || !entry.is_regular_file(error)) continue;
        found.push_back({entry.path(), entry.file_size(error), entry.last_write_time(error)});
    }
    std::ranges::sort(found, {}, &Found::used_at);
    return found;
}

// Models and builds that are gone would keep their files for ever.
void sweep(const fs::path& folder, std::uint64_t max_bytes) {
    std::vector<Found> all;
    std::uint64_t bytes = 0;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder, error)) {
        if (entry.is_symlink(error) || !entry.is_directory(error)) continue;
        for (auto& found : files_in(entry.path())) {
            if (!key_of(found.path.filename().string())) continue;
            bytes += found.bytes;
            all.push_back(std::move(found));
        }
    }
    std::ranges::sort(all, {}, &Found::used_at);
    for (const auto& found : all) {
        if (bytes <= max_bytes) return;
        if (fs::remove(found.path, error)) bytes -= found.bytes;
    }
}

}  // namespace

Result<std::unique_ptr<BlockFiles>> BlockFiles::open(const fs::path& folder, std::string_view identity,
                                                     std::uint64_t max_bytes) {
    const auto key = sha256(std::array<std::string_view, 1>{identity});
    const auto own = folder / key.hex().substr(0, 32);
    std::error_code error;
    fs::create_directories(own, error);
    if (error)
        return std::unexpected(Error{.code = ErrorCode::engine_failed, .message = "the prefix cache has no folder",
                                     .detail = own.string() + ": " + error.message()});
    fs::permissions(folder, fs::perms::owner_all, error);
    fs::permissions(own, fs::perms::owner_all, error);
    sweep(folder, max_bytes);
    std::unique_ptr<BlockFiles> files(new BlockFiles(own, key, max_bytes));
    files->scan();
    return files;
}

void BlockFiles::scan() {
    std::size_t foreign = 0;
    std::error_code error;
    for (const auto& found : files_in(folder_)) {
        const auto key = key_of(found.path.filename().string());
        if (key && found.bytes > sizeof(Head) && found.bytes <= largest_block) {
            remember(*key, found.bytes);
        } else {
            ++foreign;
            fs::remove(found.path, error);
        }
    }
    if (foreign > 0) log_warn("prefix_cache_foreign_files", {{"deleted", foreign}});
}

fs::path BlockFiles::path_of(const BlockKey& key) const { return folder_ / (key.hex() + std::string(suffix)); }

bool BlockFiles::contains(const BlockKey& key) const {
    std::lock_guard lock(mutex_);
    return entries_.contains(key);
}

std::uint64_t BlockFiles::bytes() const {
    std::lock_guard lock(mutex_);
    return bytes_;
}

std::size_t BlockFiles::size() const {
    std::lock_guard lock(mutex_);
    return entries_.size();
}

// Caller holds mutex_, or nobody else knows this object yet.
void BlockFiles::remember(const BlockKey& key, std::uint64_t bytes) {
    if (const auto known = entries_.find(key); known != entries_.end()) {
        bytes_ -= known->second.bytes;
        order_.erase(known->second.place);
        entries_.erase(known);
    }
    order_.push_back(key);
    entries_.emplace(key, Entry{bytes, std::prev(order_.end())});
    bytes_ += bytes;
}

bool BlockFiles::write(const BlockKey& key, const BlockBytes& bytes) {
    const std::uint64_t size = sizeof(Head) + bytes.size();
    if (size > std::min(max_bytes_, largest_block)) return false;
    std::vector<BlockKey> evicted;
    fs::path temporary;
    {
        std::lock_guard lock(mutex_);
        if (entries_.contains(key)) return true;
        temporary = folder_ / ("new-" + std::to_string(::getpid()) + "-" + std::to_string(writes_++));
        while (bytes_ + size > max_bytes_ && !order_.empty()) {
            evicted.push_back(order_.front());
            bytes_ -= entries_.at(order_.front()).bytes;
            entries_.erase(order_.front());
            order_.pop_front();
        }
    }
    std::error_code error;
    for (const auto& old : evicted) fs::remove(path_of(old), error);
    Head head{.magic = magic, .identity = identity_, .key = key, .length = bytes.size()};
    head.checksum = checksum_of(head, bytes);
    {
        const Descriptor file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
        if (!file || !write_all(file.get(), &head, sizeof head) || !write_all(file.get(), bytes.data(), bytes.size())) {
            log_warn("prefix_cache_write_failed", {{"reason", std::strerror(errno)}});
            ::unlink(temporary.c_str());
            return false;
        }
    }
    // No fsync: after a power cut the checksum tells.
    fs::rename(temporary, path_of(key), error);
    if (error) {
        fs::remove(temporary, error);
        return false;
    }
    std::lock_guard lock(mutex_);
    remember(key, size);
    return true;
}

void BlockFiles::forget(const BlockKey& key, std::string_view why) {
    log_warn("prefix_cache_file_deleted", {{"file", key.hex()}, {"reason", std::string(why)}});
    ::unlink(path_of(key).c_str());
    std::lock_guard lock(mutex_);
    const auto known = entries_.find(key);
    if (known == entries_.end()) return;
    bytes_ -= known->second.bytes;
    order_.erase(known->second.place);
    entries_.erase(known);
}

std::optional<BlockBytes> BlockFiles::read(const BlockKey& key) {
    std::uint64_t size = 0;
    {
        std::lock_guard lock(mutex_);
        const auto known = entries_.find(key);
        if (known == entries_.end()) return std::nullopt;
        size = known->second.bytes;
        order_.splice(order_.end(), order_, known->second.place);
    }
    const Descriptor file(::open(path_of(key).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    struct stat status {};
    if (!file || ::fstat(file.get(), &status) != 0) return forget(key, "cannot be opened"), std::nullopt;
    if (static_cast<std::uint64_t>(status.st_size) != size) return forget(key, "has another size"), std::nullopt;
    Head head;
    BlockBytes bytes(size - sizeof head);
    if (!read_all(file.get(), &head, sizeof head) || !read_all(file.get(), bytes.data(), bytes.size()))
        return forget(key, "cannot be read"), std::nullopt;
    if (head.magic != magic || !(head.identity == identity_) || !(head.key == key) || head.length != bytes.size())
        return forget(key, "is another block's"), std::nullopt;
    if (head.checksum != checksum_of(head, bytes)) return forget(key, "is damaged"), std::nullopt;
    ::futimens(file.get(), nullptr);  // recently used, also after a restart
    return bytes;
}

}  // namespace weft
