#include "services/jobs/job_queue.h"

#include <algorithm>
#include <utility>

namespace weft {
namespace {

constexpr std::size_t overhead_bytes = sizeof(Job);
constexpr std::size_t most_lines_looked_at = 256;  // for a position: everybody may ask for one at any time

std::string conversation_of(const JobRow& row) { return row.in_session ? row.tenant + '\n' + row.session_id : std::string(); }
std::string key_of(const JobRow& row) { return row.tenant + '\n' + row.request_key; }

// Nearly always at the end: a job comes back to its old place only when something went wrong.
auto place_in(auto& line, std::int64_t number) {
    if (line.empty() || line.back()->row.number < number) return line.end();
    return std::ranges::lower_bound(line, number, {}, [](const auto& job) { return job->row.number; });
}

bool remove_from(auto& line, const Job& job) {
    const auto place = place_in(line, job.row.number);
    if (place == line.end() || place->get() != &job) return false;
    line.erase(place);
    return true;
}

}  // namespace

JobQueue::Tenant& JobQueue::tenant_of(const JobRow& row) {
    auto& tenant = tenants_[row.tenant];
    if (!tenant) tenant = std::make_unique<Tenant>(Tenant{.name = row.tenant, .last_turn = ++turns_});
    return *tenant;
}

void JobQueue::forget_tenant(Tenant& tenant) {
    if (tenant.load.jobs == 0 && tenant.running == 0) tenants_.erase(std::string(tenant.name));
}

JobLoad JobQueue::load_of(const JobRow& row) {
    return {.jobs = 1, .bytes = overhead_bytes + static_cast<std::size_t>(row.request_bytes), .tokens = row.tokens};
}

void JobQueue::add_load(const JobRow& row) {
    const auto one = load_of(row);
    for (auto* load : {&load_, &tenant_of(row).load}) {
        load->jobs += one.jobs;
        load->bytes += one.bytes;
        load->tokens += one.tokens;
    }
}

void JobQueue::remove_load(const JobRow& row) {
    const auto one = load_of(row);
    auto& tenant = tenant_of(row);
    for (auto* load : {&load_, &tenant.load}) {
        load->jobs -= one.jobs;
        load->bytes -= one.bytes;
        load->tokens -= one.tokens;
    }
    forget_tenant(tenant);
}

void JobQueue::expect(const JobRow& row) { add_load(row); }
void JobQueue::forget_expected(const JobRow& row) { remove_load(row); }

void JobQueue::add(std::shared_ptr<Job> job) {
    ++size_;
    add_load(job->row);
    if (!job->row.request_key.empty()) equal_[key_of(job->row)].push_back(job);
    insert(std::move(job));
}

void JobQueue::insert(std::shared_ptr<Job> job) {
    auto& tenant = tenant_of(job->row);
    auto& level = levels_[job->row.priority];
    auto& line = level.lines[&tenant];
    if (line.empty()) level.turns.insert(turn_of(tenant));
    ++level.size;
    line.insert(place_in(line, job->row.number), std::move(job));
}

// What the queue knows of a job beside its place.
void JobQueue::forget(const Job& job) {
    --size_;
    remove_load(job.row);
    if (job.row.request_key.empty()) return;
    const auto equal = equal_.find(key_of(job.row));
    if (equal == equal_.end()) return;
    std::erase_if(equal->second, [&job](const auto& other) { return other.expired() || other.lock().get() == &job; });
    if (equal->second.empty()) equal_.erase(equal);
}

bool JobQueue::remove_from_level(const Job& job) {
    const auto level = levels_.find(job.row.priority);
    const auto tenant = tenants_.find(job.row.tenant);
    if (level == levels_.end() || tenant == tenants_.end()) return false;
    const auto line = level->second.lines.find(tenant->second.get());
    if (line == level->second.lines.end() || !remove_from(line->second, job)) return false;
    if (line->second.empty()) {
        level->second.turns.erase(turn_of(*line->first));
        level->second.lines.erase(line);
    }
    if (--level->second.size == 0) levels_.erase(level);
    return true;
}

bool JobQueue::remove(const Job& job) {
    bool found = remove_from_level(job);
    if (!found) {
        const auto held = held_.find(conversation_of(job.row));
        found = held != held_.end() && remove_from(held->second, job);
    }
    if (found) forget(job);
    return found;
}

std::shared_ptr<Job> JobQueue::take(std::int32_t least_urgent) {
    for (auto level = levels_.begin(); level != levels_.end() && level->first <= least_urgent;) {
        auto job = take_from(level->second);
        level = level->second.size == 0 ? levels_.erase(level) : std::next(level);
        if (!job) continue;
        auto& tenant = tenant_of(job->row);
        count_running(tenant, true);
        forget(*job);
        return job;
    }
    return nullptr;
}

// Jobs whose conversation is busy are put aside on the way.
std::shared_ptr<Job> JobQueue::take_from(Level& level) {
    while (!level.turns.empty()) {
        const Turn turn = *level.turns.begin();
        if (turn.running >= most_running_) return nullptr;
        const auto line = level.lines.find(turn.tenant);
        auto job = std::move(line->second.front());
        line->second.pop_front();
        --level.size;
        if (line->second.empty()) {
            level.lines.erase(line);
            level.turns.erase(turn);
        }
        const auto conversation = conversation_of(job->row);
        if (conversation.empty() || busy_.insert(conversation).second) return job;
        auto& held = held_[conversation];
        held.insert(place_in(held, job->row.number), std::move(job));
    }
    return nullptr;
}

// Its place in the order changes wherever it has a line.
void JobQueue::count_running(Tenant& tenant, bool one_more) {
    const auto before = turn_of(tenant);
    one_more ? ++tenant.running : --tenant.running;
    if (one_more) tenant.last_turn = ++turns_;
    for (auto& [priority, level] : levels_)
        if (level.turns.erase(before) > 0) level.turns.insert(turn_of(tenant));
}

bool JobQueue::claim(const JobRow& row) {
    auto& tenant = tenant_of(row);
    const bool free = tenant.running < most_running_ && (!row.in_session || busy_.insert(conversation_of(row)).second);
    if (free) count_running(tenant, true);
    else forget_tenant(tenant);
    return free;
}

void JobQueue::release(const JobRow& row) {
    auto& tenant = tenant_of(row);
    count_running(tenant, false);
    forget_tenant(tenant);
    if (!row.in_session) return;
    const auto conversation = conversation_of(row);
    busy_.erase(conversation);
    const auto held = held_.find(conversation);
    if (held == held_.end()) return;
    for (auto& waiting : held->second) insert(std::move(waiting));
    held_.erase(held);
}

std::vector<std::shared_ptr<Job>> JobQueue::take_equal(const Job& job) {
    std::vector<std::shared_ptr<Job>> taken;
    if (job.row.request_key.empty()) return taken;
    const auto equal = equal_.find(key_of(job.row));
    if (equal == equal_.end()) return taken;
    for (const auto& other : std::vector(equal->second))
        if (auto waiting = other.lock(); waiting && remove(*waiting)) taken.push_back(std::move(waiting));
    return taken;
}

// Of a job that is put aside until its conversation is free: how many were before it.
std::optional<std::size_t> JobQueue::place_aside(const Job& job) const {
    const auto held = held_.find(conversation_of(job.row));
    if (held == held_.end()) return std::nullopt;
    const auto place = place_in(held->second, job.row.number);
    if (place == held->second.end() || place->get() != &job) return std::nullopt;
    return static_cast<std::size_t>(place - held->second.begin());
}

// Tenants take turns: before the job with i others in its own line go up to i of everybody else's, and one more of those
// whose turn comes before.
std::size_t JobQueue::position(const Job& job) const {
    std::size_t before = 1;
    const auto aside = place_aside(job);
    if (aside) before += *aside;
    for (const auto& [priority, level] : levels_) {
        if (priority > job.row.priority) break;
        if (priority < job.row.priority) {
            before += level.size;
            continue;
        }
        const auto tenant = tenants_.find(job.row.tenant);
        const auto own = tenant == tenants_.end() ? level.lines.end() : level.lines.find(tenant->second.get());
        if (aside || own == level.lines.end()) return before + level.size;
        const auto index = static_cast<std::size_t>(place_in(own->second, job.row.number) - own->second.begin());
        if (level.lines.size() > most_lines_looked_at)
            return before + std::min(level.size - 1, (index + 1) * level.lines.size() - 1);
        before += index;
        for (const auto& [other, line] : level.lines)
            if (other != own->first) before += std::min(line.size(), index + (turn_of(*other) < turn_of(*own->first) ? 1 : 0));
        return before;
    }
    return before;
}

JobLoad JobQueue::load_of(const std::string& tenant) const {
    const auto found = tenants_.find(tenant);
    return found == tenants_.end() ? JobLoad{} : found->second->load;
}

}  // namespace weft
