-- Stores a cache entry unless Redis holds a newer one of the same key.
-- KEYS[1]: the key. ARGV[1]: the entry. ARGV[2]: its time to live in ms.
-- Answers 1 stored, 2 the same version is there (its time to live is as long at least), 0 a newer version is there.
-- Numbers are doubles: exact up to 2^53, and versions rise by one.
local function head(entry)
    local epoch, version = string.match(entry, '^(%d+) (%d+) ')
    return tonumber(epoch), tonumber(version)
end

local ttl = tonumber(ARGV[2])
local epoch, version = head(ARGV[1])
if not epoch then
    return redis.error_reply('the entry does not begin with its version')
end
local there_epoch, there_version = head(redis.call('GETRANGE', KEYS[1], 0, 47))
if there_epoch then
    if there_epoch > epoch or (there_epoch == epoch and there_version > version) then
        return 0
    end
    -- One that fills the cache for seconds must not cut short what the projector wrote for an hour.
    if there_epoch == epoch and there_version == version and redis.call('PTTL', KEYS[1]) >= ttl then
        return 2
    end
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ttl)
return 1
