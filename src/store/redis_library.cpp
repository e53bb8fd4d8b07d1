#include "store/redis_library.h"

namespace weft {
namespace {

// Keys (all begin with {weft-jobs}:, names are made of numbers that the server gave out):
//   version          of what is stored
//   seq              the last number given to a job, a tenant or a session
//   job:N            hash, see the names below; text:N  list, the chunks of a running job
//   ids              id -> number             gone, gone_by   id -> tenant of expired jobs; by when they are forgotten
//   tenants          tenant -> number         tenant:T        its jobs, by number
//   queue            pending jobs, by turn    held:S, crowd:T those whose conversation is busy, whose tenant has enough running
//   busy             session -> the job that it is busy with
//   leases           processing jobs, by the end of their lease
//   deadlines        unfinished jobs that have one
//   waiting          counts: jobs, bytes, tokens; T, bytes:T, tokens:T  of a tenant    running  T -> how many have a lease
//   expiring         finished jobs, by the end of their time
//   callbacks        finished jobs, by when their callback is due
//   rates                                    tenant, by when all that it submitted lies within what it may submit a second
//   keys, keys_by    tenant and idempotency key -> "expires hash id"; by the end of their time
//   sessions         tenant and id -> number; session:S hash (row, lifetime, expires, open: its jobs that are not finished),
//                    turns:S list, sessions_by by the end of their time
// Fields of a job: id, tenant, tn (its number), session, sn (number of its conversation, 0), st (status), at (attempt),
// lost (the attempt whose lease was over), turn, pr (priority), bytes of its request, tokens, sm (started_ms), row, req (request),
// fin (its end), cb (1: has a callback), cbs, cbt, cbm (state, tries and time of that), watch (until then, somebody looks),
// stop and its values (somebody wants it cancelled), key (idempotency key), node (whose it is, for people).
constexpr const char* head = R"lua(#!lua name=weft_jobs_2

local P = '{weft-jobs}:'
local VERSION = '2'
local WATCH_MS = 30000
local function of_job(n) return P .. 'job:' .. n end
local function of_text(n) return P .. 'text:' .. n end
local function of_held(s) return P .. 'held:' .. s end
local function of_crowd(t) return P .. 'crowd:' .. t end
local function of_tenant(t) return P .. 'tenant:' .. t end
local function of_session(s) return P .. 'session:' .. s end
local function of_turns(s) return P .. 'turns:' .. s end

local function clock()
    local time = redis.call('TIME')
    return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function tell(what) redis.call('PUBLISH', P .. 'news', what) end

-- What every step needs to know of a job; nil when there is none.
local function load(n)
    local v = redis.call('HMGET', of_job(n), 'id', 'st', 'at', 'lost', 'sn', 'tn', 'turn', 'bytes', 'watch', 'stop', 'cb', 'pr',
                         'tokens')
    if not v[1] then return nil end
    return {n = n, id = v[1], st = tonumber(v[2]), at = tonumber(v[3]), lost = tonumber(v[4] or '-1'), sn = v[5], tn = v[6],
            turn = v[7], bytes = tonumber(v[8]), watch = tonumber(v[9] or '0'), stop = v[10], cb = v[11], pr = tonumber(v[12]), tokens = tonumber(v[13] or '0')}
end

local function changed(j)
    if j.watch > clock() then tell('changed ' .. j.id) end
end

local function watched(j)
    local now = clock()
    if j.st < 2 and j.watch < now + WATCH_MS / 2 then redis.call('HSET', of_job(j.n), 'watch', now + WATCH_MS) end
end

-- ---- the queue

local function count(j, by)
    redis.call('HINCRBY', P .. 'waiting', 'jobs', by)
    redis.call('HINCRBY', P .. 'waiting', 'bytes', by * j.bytes)
    redis.call('HINCRBY', P .. 'waiting', 'tokens', by * j.tokens)
    redis.call('HINCRBY', P .. 'waiting', 'bytes:' .. j.tn, by * j.bytes)
    redis.call('HINCRBY', P .. 'waiting', 'tokens:' .. j.tn, by * j.tokens)
    if redis.call('HINCRBY', P .. 'waiting', j.tn, by) <= 0 then
        redis.call('HDEL', P .. 'waiting', j.tn, 'bytes:' .. j.tn, 'tokens:' .. j.tn)
    end
end

local function enter(j)
    redis.call('ZADD', P .. 'queue', j.turn, j.n)
    count(j, 1)
    tell('queue')
end

local function leave(j)
    if redis.call('ZREM', P .. 'queue', j.n) == 1 or redis.call('ZREM', of_crowd(j.tn), j.n) == 1 or
       (j.sn ~= '0' and redis.call('ZREM', of_held(j.sn), j.n) == 1) then count(j, -1) end
end

-- Whether that many jobs of a tenant run; most 0: there is no bound.
local function has_enough(tn, most) return most > 0 and tonumber(redis.call('HGET', P .. 'running', tn) or '0') >= most end

local function bring_back(held)
    local first = redis.call('ZPOPMIN', held)
    if first[1] then
        redis.call('ZADD', P .. 'queue', first[2], first[1])
        tell('queue')
    end
end

-- A conversation, and a tenant, go on with their next job that was held back; claim() holds it back again if need be.
local function next_after(j)
    bring_back(of_crowd(j.tn))
    if j.sn ~= '0' and redis.call('HEXISTS', P .. 'busy', j.sn) == 0 then bring_back(of_held(j.sn)) end
end

local function hold(j, lease, node)
    if redis.call('ZADD', P .. 'leases', clock() + lease, j.n) == 1 then redis.call('HINCRBY', P .. 'running', j.tn, 1) end
    if j.sn ~= '0' then redis.call('HSET', P .. 'busy', j.sn, j.n) end
    redis.call('HSET', of_job(j.n), 'node', node)
end

local function let_go(j)
    if redis.call('ZREM', P .. 'leases', j.n) == 1 and redis.call('HINCRBY', P .. 'running', j.tn, -1) <= 0 then
        redis.call('HDEL', P .. 'running', j.tn)
    end
    if j.sn ~= '0' and redis.call('HGET', P .. 'busy', j.sn) == tostring(j.n) then redis.call('HDEL', P .. 'busy', j.sn) end
end

local function begin(j, attempt, now, lease, node)
    leave(j)
    redis.call('DEL', of_text(j.n))
    redis.call('HSET', of_job(j.n), 'st', 1, 'at', attempt, 'sm', now)
    hold(j, lease, node)
    changed(j)
end

-- 1 when a job of that conversation, if it is there still, is unfinished from now on, -1 when it is finished.
local function use(sn, by)
    local open = redis.call('HGET', of_session(sn), 'open')
    if open and tonumber(open) + by >= 0 then redis.call('HINCRBY', of_session(sn), 'open', by) end
end

-- To a final state. fin: the packed end.
local function close(j, status, attempt, fin, finished, expires, due)
    leave(j)
    let_go(j)
    if j.sn ~= '0' then use(j.sn, -1) end
    redis.call('ZREM', P .. 'deadlines', j.n)
    redis.call('DEL', of_text(j.n))
    redis.call('HDEL', of_job(j.n), 'req', 'stop', 'stop_fin', 'stop_at', 'stop_exp')
    redis.call('HSET', of_job(j.n), 'st', status, 'at', attempt, 'fin', fin, 'cbs', due and 1 or 0, 'cbt', 0, 'cbm', finished)
    redis.call('ZADD', P .. 'expiring', expires, j.n)
    if due then redis.call('ZADD', P .. 'callbacks', finished, j.n) end
    changed(j)
    next_after(j)
end

-- Its node is gone, or gives it back: pending again, and nothing of that attempt is taken any more.
local function take_back(j)
    let_go(j)
    if j.stop then
        local v = redis.call('HMGET', of_job(j.n), 'stop_fin', 'stop_at', 'stop_exp')
        return close(j, 4, j.at, v[1], v[2], v[3], j.cb == '1')
    end
    redis.call('HSET', of_job(j.n), 'st', 0, 'lost', j.at)
    enter(j)
    changed(j)
    next_after(j)
end

-- ---- rows

-- Of a pending job.
local function place(j)
    local rank = redis.call('ZRANK', P .. 'queue', j.n)
    if rank then return rank + 1 end
    rank = redis.call('ZRANK', of_crowd(j.tn), j.n) or (j.sn ~= '0' and redis.call('ZRANK', of_held(j.sn), j.n)) or 0
    return redis.call('ZCARD', P .. 'queue') + 1 + rank
end

local row_fields = {'st', 'at', 'sm', 'row', 'fin', 'cbs', 'cbt', 'cbm'}

local function row(n)
    local v = redis.call('HMGET', of_job(n), unpack(row_fields))
    return {tonumber(n), v[1], v[2], v[3] or '0', v[4], v[5] or '', v[6] or '0', v[7] or '0', v[8] or '0'}
end

local function forget(n)
    local v = redis.call('HMGET', of_job(n), 'id', 'tenant', 'tn', 'key')
    if not v[1] then return end
    redis.call('HDEL', P .. 'ids', v[1])
    redis.call('ZREM', of_tenant(v[3]), n)
    if redis.call('EXISTS', of_tenant(v[3])) == 0 then redis.call('HDEL', P .. 'tenants', v[2]) end
    redis.call('ZREM', P .. 'expiring', n)
    redis.call('ZREM', P .. 'callbacks', n)
    if v[4] then
        local known = redis.call('HGET', P .. 'keys', v[4])
        if known and string.match(known, '^%d+ %S* (.*)$') == v[1] then
            redis.call('HDEL', P .. 'keys', v[4])
            redis.call('ZREM', P .. 'keys_by', v[4])
        end
    end
    redis.call('DEL', of_job(n), of_text(n))
    tell('removed ' .. v[1])
end

local function forget_session(field, sn)
    redis.call('HDEL', P .. 'sessions', field)
    redis.call('ZREM', P .. 'sessions_by', field)
    redis.call('DEL', of_session(sn), of_turns(sn))
end
)lua";

constexpr const char* jobs = R"lua(
-- ---- what nodes call

local function open()
    local version = redis.call('GET', P .. 'version')
    -- Version 1 did not count what tenants and conversations have open: of its jobs that is not known until they are gone.
    if not version or version == '1' then redis.call('SET', P .. 'version', VERSION)
    elseif version ~= VERSION then return 'jobs of version ' .. version .. ' of the store, and this program knows version ' .. VERSION end
    return 'OK'
end

-- How many milliseconds too early the next one comes; 0: it comes now, and is counted.
local function too_fast(tenant, a_second, at_once)
    if a_second <= 0 then return 0 end
    local now, step = clock(), 1000 / a_second
    redis.call('ZREMRANGEBYSCORE', P .. 'rates', '-inf', now)
    local even = tonumber(redis.call('ZSCORE', P .. 'rates', tenant) or now)
    local early = even - now - step * (at_once - 1)
    if early > 0 then return math.ceil(early) end
    redis.call('ZADD', P .. 'rates', string.format('%.3f', even + step), tenant)
    return 0
end

-- max_jobs max_bytes max_of_tenant lease node max_tokens max_running tokens | id tenant session in_session priority rank status attempt created deadline expires
-- callback callback_state request row | key hash key_expires
-- max_bytes_of_tenant max_tokens_of_tenant, both beyond a first job
-- a_second at_once: how fast a tenant may come, 0: as it likes
local function add(_, a)
    local id, tenant, created, status, attempt = a[9], a[10], tonumber(a[17]), tonumber(a[15]), tonumber(a[16])
    local field = a[24] ~= '' and tenant .. '\n' .. a[24]
    if field then
        local known = redis.call('HGET', P .. 'keys', field)
        if known then
            local expires, hash, of = string.match(known, '^(%d+) (%S*) (.*)$')
            if tonumber(expires) > created then return {'key', of, hash == a[25] and 1 or 0} end
        end
    end
    local sn = '0'
    if a[12] == '1' then sn = redis.call('HGET', P .. 'sessions', tenant .. '\n' .. a[11]) or '0' end
    local tn = redis.call('HGET', P .. 'tenants', tenant)
    local busy = redis.call('EXISTS', P .. 'queue') == 1 or (sn ~= '0' and redis.call('HEXISTS', P .. 'busy', sn) == 1) or
                 (tn and has_enough(tn, tonumber(a[7])))
    local waits = status == 1 and busy
    if waits then status, attempt = 0, 0 end
    local bytes = #a[22]
    if status == 0 then
        local w = redis.call('HMGET', P .. 'waiting', 'jobs', 'bytes', tn or '-', 'tokens', 'bytes:' .. (tn or '-'), 'tokens:' .. (tn or '-'))
        local own = tonumber(w[3] or '0')
        if own >= tonumber(a[3]) or (own > 0 and (tonumber(w[5] or '0') + bytes > tonumber(a[27] or a[2]) or
           tonumber(w[6] or '0') + tonumber(a[8]) > tonumber(a[28] or a[6]))) then return {'tenant_full'} end
        if tonumber(w[1] or '0') >= tonumber(a[1]) or tonumber(w[2] or '0') + bytes > tonumber(a[2]) or
           tonumber(w[4] or '0') + tonumber(a[8]) > tonumber(a[6]) then return {'full'} end
    end
    local wait = too_fast(tenant, tonumber(a[29] or '0'), tonumber(a[30] or '1'))
    if wait > 0 then return {'too_fast', wait} end
    if not tn then
        tn = tostring(redis.call('INCR', P .. 'seq'))
        redis.call('HSET', P .. 'tenants', tenant, tn)
    end
    local n = tostring(redis.call('INCR', P .. 'seq'))
    -- Smaller priorities first, then in the order of arrival; exact in a double up to 2^40 jobs.
    local turn = string.format('%.0f', tonumber(a[14]) * 1099511627776 + tonumber(n))
    redis.call('HSET', of_job(n), 'id', id, 'tenant', tenant, 'tn', tn, 'session', a[11], 'sn', sn, 'st', status, 'at', attempt,
               'turn', turn, 'pr', a[13], 'bytes', bytes, 'tokens', a[8], 'sm', status == 0 and 0 or created, 'row', a[23], 'cb', a[20], 'cbs', a[21],
               'cbt', 0, 'cbm', created)
    redis.call('HSET', P .. 'ids', id, n)
    redis.call('ZADD', of_tenant(tn), n, n)
    if field then
        redis.call('HSET', P .. 'keys', field, string.format('%.0f', tonumber(a[26])) .. ' ' .. a[25] .. ' ' .. id)
        redis.call('ZADD', P .. 'keys_by', a[26], field)
        redis.call('HSET', of_job(n), 'key', field)
    end
    if status >= 2 then
        redis.call('ZADD', P .. 'expiring', a[19], n)
        if a[21] == '1' then redis.call('ZADD', P .. 'callbacks', created, n) end
        return {'added', tonumber(n), 0}
    end
    redis.call('HSET', of_job(n), 'req', a[22])
    if sn ~= '0' then use(sn, 1) end
    if a[18] ~= '0' then redis.call('ZADD', P .. 'deadlines', a[18], n) end
    local j = load(n)
    if status == 1 then hold(j, tonumber(a[4]), a[5]) else
        enter(j)
        watched(j)
    end
    return {'added', tonumber(n), waits and 1 or 0, status == 0 and place(j) or 0}
end

-- number attempt now lease node
local function start(_, a)
    local j, attempt = load(a[1]), tonumber(a[2])
    if not j or j.st >= 2 or attempt <= j.at then return 0 end
    begin(j, attempt, a[3], tonumber(a[4]), a[5])
    return 1
end

-- number attempt first chunk...
local function keep_text(_, a)
    local j, first = load(a[1]), tonumber(a[3])
    if not j or j.st ~= 1 or j.at ~= tonumber(a[2]) then return -1 end
    local kept = redis.call('LLEN', of_text(j.n))
    if first > kept then return kept end
    for i = 4 + kept - first, #a do redis.call('RPUSH', of_text(j.n), a[i]) end
    changed(j)
    return redis.call('LLEN', of_text(j.n))
end

-- number attempt status finished expires due fin session turns...
local function finish(_, a)
    local j, attempt = load(a[1]), tonumber(a[2])
    if not j or j.st >= 2 or attempt < j.at or attempt <= j.lost then return 0 end
    if #a > 8 then
        local field = redis.call('HGET', of_job(j.n), 'tenant') .. '\n' .. a[8]
        local sn = redis.call('HGET', P .. 'sessions', field)
        if sn then
            for i = 9, #a do redis.call('RPUSH', of_turns(sn), a[i]) end
            local expires = string.format('%.0f', tonumber(a[4]) + tonumber(redis.call('HGET', of_session(sn), 'lifetime')))
            redis.call('HSET', of_session(sn), 'expires', expires)
            redis.call('ZADD', P .. 'sessions_by', expires, field)
        end
    end
    close(j, tonumber(a[3]), attempt, a[7], a[4], a[5], a[6] == '1')
    return 1
end

-- number
local function remove(_, a)
    local j = load(a[1])
    if not j or j.st < 2 then return 0 end
    forget(a[1])
    return 1
end

-- number state tries next
local function callback_tried(_, a)
    if redis.call('EXISTS', of_job(a[1])) == 0 then return 0 end
    redis.call('HSET', of_job(a[1]), 'cbs', a[2], 'cbt', a[3], 'cbm', a[4])
    if a[2] == '1' then redis.call('ZADD', P .. 'callbacks', a[4], a[1]) else redis.call('ZREM', P .. 'callbacks', a[1]) end
    return 1
end

-- id attempt chunks: a row, its place in the queue, the first chunk that follows, chunks
local function find(_, a)
    local n = redis.call('HGET', P .. 'ids', a[1])
    if not n then
        local tenant = redis.call('HGET', P .. 'gone', a[1])
        return tenant and {'gone', tenant} or {'unknown'}
    end
    local j = load(n)
    watched(j)
    local before, first, chunks = 0, 0, {}
    if j.st == 0 then
        before = place(j)
    elseif j.st == 1 then
        if tonumber(a[2]) == j.at then first = tonumber(a[3]) end
        chunks = redis.call('LRANGE', of_text(n), first, -1)
    end
    return {'job', row(n), before, first, chunks}
end

-- tenant status session after before rows bytes looks now: where it stopped (0: at the end, -1: there is no job `after`), rows,
-- their places in the queue
local function list(_, a)
    local tn = redis.call('HGET', P .. 'tenants', a[1])
    if not tn then return {a[4] == '' and 0 or -1, {}, {}} end
    local before = a[5]
    if before == '0' and a[4] ~= '' then
        before = redis.call('HGET', P .. 'ids', a[4])
        if not before or redis.call('HGET', of_job(before), 'tenant') ~= a[1] then return {-1, {}, {}} end
    end
    local numbers = redis.call('ZREVRANGEBYSCORE', of_tenant(tn), before == '0' and '+inf' or '(' .. before, '-inf', 'LIMIT', 0, a[8])
    local rows, places, bytes = {}, {}, 0
    for _, n in ipairs(numbers) do
        local v = redis.call('HMGET', of_job(n), 'st', 'session')
        local ends = redis.call('ZSCORE', P .. 'expiring', n)
        if (a[2] == '' or v[1] == a[2]) and (a[3] == '' or v[2] == a[3]) and
           (not ends or tonumber(ends) > tonumber(a[9] or '0')) then
            local one = row(n)
            rows[#rows + 1] = one
            places[#rows] = v[1] == '0' and place(load(n)) or 0
            if #rows >= tonumber(a[6]) or bytes >= tonumber(a[7]) then return {tonumber(n), rows, places} end
            bytes = bytes + #one[5] + #one[6]
        end
    end
    return {#numbers == tonumber(a[8]) and tonumber(numbers[#numbers]) or 0, rows, places}
end

-- tenant key hash now: id, whether the body is the same
local function find_key(_, a)
    local known = redis.call('HGET', P .. 'keys', a[1] .. '\n' .. a[2])
    if not known then return {} end
    local expires, hash, of = string.match(known, '^(%d+) (%S*) (.*)$')
    if tonumber(expires) <= tonumber(a[4]) then return {} end
    return {of, hash == a[3] and 1 or 0}
end

-- number
local function load_request(_, a) return redis.call('HGET', of_job(a[1]), 'req') end

-- now limit pause of_tenant looks tenants...: whose are under way
local function due_callbacks(_, a)
    local rows, of = {}, {}
    for i = 6, #a do of[a[i]] = (of[a[i]] or 0) + 1 end
    for _, n in ipairs(redis.call('ZRANGEBYSCORE', P .. 'callbacks', '-inf', a[1], 'LIMIT', 0, a[5] or a[2])) do
        if #rows >= tonumber(a[2]) then break end
        local tenant = redis.call('HGET', of_job(n), 'tenant') or ''
        if (of[tenant] or 0) < tonumber(a[4] or a[2]) then
            of[tenant] = (of[tenant] or 0) + 1
            redis.call('ZADD', P .. 'callbacks', tonumber(a[1]) + tonumber(a[3]), n)
            rows[#rows + 1] = row(n)
        end
    end
    return rows
end
)lua";

constexpr const char* nodes_and_sessions = R"lua(
-- jobs low low_priority now lease node max_bytes looks max_running: rows with their requests
local function claim(_, a)
    local left, low, rows, bytes = tonumber(a[1]), tonumber(a[2]), {}, 0
    for _ = 1, tonumber(a[8]) do
        if left <= 0 or bytes >= tonumber(a[7]) then break end
        local n = redis.call('ZRANGE', P .. 'queue', 0, 0)[1]
        if not n then break end
        local j = load(n)
        local is_low = j.pr >= tonumber(a[3])
        if is_low and low <= 0 then break end
        if j.sn ~= '0' and redis.call('HEXISTS', P .. 'busy', j.sn) == 1 then
            redis.call('ZREM', P .. 'queue', n)
            redis.call('ZADD', of_held(j.sn), j.turn, n)
        elseif has_enough(j.tn, tonumber(a[9])) then
            redis.call('ZREM', P .. 'queue', n)
            redis.call('ZADD', of_crowd(j.tn), j.turn, n)
        else
            begin(j, j.at + 1, a[4], tonumber(a[5]), a[6])
            left = left - 1
            if is_low then low = low - 1 end
            bytes = bytes + j.bytes
            rows[#rows + 1] = {row(n), redis.call('HGET', of_job(n), 'req')}
        end
    end
    return rows
end

-- lease number attempt...: those that are lost, those that somebody wants cancelled
local function renew(_, a)
    local lost, cancelled, until_ms = {}, {}, clock() + tonumber(a[1])
    for i = 2, #a, 2 do
        local j = load(a[i])
        if not j or j.st ~= 1 or j.at ~= tonumber(a[i + 1]) then lost[#lost + 1] = tonumber(a[i]) else
            redis.call('ZADD', P .. 'leases', until_ms, a[i])
            if j.stop then cancelled[#cancelled + 1] = tonumber(a[i]) end
        end
    end
    return {lost, cancelled}
end

-- number attempt...
local function release(_, a)
    for i = 1, #a, 2 do
        local j = load(a[i])
        if j and j.st == 1 and j.at == tonumber(a[i + 1]) then take_back(j) end
    end
    return 1
end

-- now expires fin limit take_back: how many wait
local function sweep(_, a)
    if a[5] == '1' then
        for _, n in ipairs(redis.call('ZRANGEBYSCORE', P .. 'leases', '-inf', clock(), 'LIMIT', 0, a[4])) do
            local j = load(n)
            if j then take_back(j) else redis.call('ZREM', P .. 'leases', n) end
        end
    end
    for _, n in ipairs(redis.call('ZRANGEBYSCORE', P .. 'deadlines', '-inf', a[1], 'LIMIT', 0, a[4])) do
        local j = load(n)
        if not j then redis.call('ZREM', P .. 'deadlines', n)
        elseif j.st == 0 then close(j, 3, j.at, a[3], a[1], a[2], j.cb == '1') end
    end
    return tonumber(redis.call('HGET', P .. 'waiting', 'jobs') or '0')
end

-- number finished expires fin
local function cancel(_, a)
    local j = load(a[1])
    if not j or j.st >= 2 then return 0 end
    if j.st == 0 then close(j, 4, j.at, a[4], a[2], a[3], j.cb == '1') else
        redis.call('HSET', of_job(j.n), 'stop', 1, 'stop_fin', a[4], 'stop_at', a[2], 'stop_exp', a[3])
        tell('cancel ' .. j.id)
    end
    return 1
end

-- tenant id row lifetime expires
local function add_session(_, a)
    local field = a[1] .. '\n' .. a[2]
    if redis.call('HEXISTS', P .. 'sessions', field) == 1 then return 0 end
    local sn = tostring(redis.call('INCR', P .. 'seq'))
    redis.call('HSET', P .. 'sessions', field, sn)
    redis.call('HSET', of_session(sn), 'row', a[3], 'lifetime', a[4], 'expires', a[5], 'open', 0)
    redis.call('ZADD', P .. 'sessions_by', a[5], field)
    return 1
end

-- tenant id
local function find_session(_, a)
    local sn = redis.call('HGET', P .. 'sessions', a[1] .. '\n' .. a[2])
    if not sn then return {} end
    local v = redis.call('HMGET', of_session(sn), 'row', 'expires', 'open')
    return {v[1], v[2], redis.call('LRANGE', of_turns(sn), 0, -1), v[3] or '0'}
end

-- tenant id
local function remove_session(_, a)
    local field = a[1] .. '\n' .. a[2]
    local sn = redis.call('HGET', P .. 'sessions', field)
    if not sn then return 0 end
    forget_session(field, sn)
    return 1
end

-- now remember_until limit: how many of what there was most
local function expire(_, a)
    local jobs = redis.call('ZRANGEBYSCORE', P .. 'expiring', '-inf', a[1], 'LIMIT', 0, a[3])
    for _, n in ipairs(jobs) do
        local v = redis.call('HMGET', of_job(n), 'id', 'tenant')
        redis.call('HSET', P .. 'gone', v[1], v[2])
        redis.call('ZADD', P .. 'gone_by', a[2], v[1])
        forget(n)
    end
    local most = #jobs
    local gone = redis.call('ZRANGEBYSCORE', P .. 'gone_by', '-inf', a[1], 'LIMIT', 0, a[3])
    most = math.max(most, #gone)
    for _, id in ipairs(gone) do
        redis.call('HDEL', P .. 'gone', id)
        redis.call('ZREM', P .. 'gone_by', id)
    end
    local keys = redis.call('ZRANGEBYSCORE', P .. 'keys_by', '-inf', a[1], 'LIMIT', 0, a[3])
    most = math.max(most, #keys)
    for _, field in ipairs(keys) do
        redis.call('HDEL', P .. 'keys', field)
        redis.call('ZREM', P .. 'keys_by', field)
    end
    local sessions = redis.call('ZRANGEBYSCORE', P .. 'sessions_by', '-inf', a[1], 'LIMIT', 0, a[3])
    for _, field in ipairs(sessions) do
        local sn = redis.call('HGET', P .. 'sessions', field)
        local v = redis.call('HMGET', of_session(sn), 'open', 'lifetime')
        if tonumber(v[1] or '0') > 0 then
            local expires = string.format('%.0f', tonumber(a[1]) + tonumber(v[2]))
            redis.call('HSET', of_session(sn), 'expires', expires)
            redis.call('ZADD', P .. 'sessions_by', expires, field)
        else
            forget_session(field, sn)
        end
    end
    return math.max(most, #sessions)
end

-- Work that was accepted may end when the memory is full; only new jobs and conversations may not come in.
local calls = {'start', start, 'keep_text', keep_text, 'finish', finish, 'remove', remove, 'callback_tried', callback_tried,
               'find', find, 'due_callbacks', due_callbacks, 'claim', claim, 'renew', renew, 'release', release, 'sweep', sweep,
               'cancel', cancel, 'remove_session', remove_session, 'expire', expire, 'open', open}
for i = 1, #calls, 2 do
    redis.register_function{function_name = 'weft2_' .. calls[i], callback = calls[i + 1], flags = {'allow-oom'}}
end
redis.register_function{function_name = 'weft2_add', callback = add}
redis.register_function{function_name = 'weft2_add_session', callback = add_session}
local reads = {'list', list, 'find_key', find_key, 'load_request', load_request, 'find_session', find_session}
for i = 1, #reads, 2 do
    redis.register_function{function_name = 'weft2_' .. reads[i], callback = reads[i + 1], flags = {'no-writes'}}
end
)lua";

}  // namespace

const std::string& redis_library() {
    static const std::string library = std::string(head) + jobs + nodes_and_sessions;
    return library;
}

}  // namespace weft
