-- Takes a request from a bucket, if there is room: the generic cell rate algorithm, in whole microseconds.
--
-- KEYS[1]  holds the time at which the bucket is full again. No key is a full bucket.
-- ARGV[1]  the time in which room for one more request comes up
-- ARGV[2]  the time in which an empty bucket fills up
--
-- Returns whether there was room (1 or 0), and the time until the bucket is full.

local interval, window = tonumber(ARGV[1]), tonumber(ARGV[2])
-- The one clock that all replicas share.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
-- A value that is not a number is overwritten, and counts as a full bucket.
local got = redis.pcall('GET', KEYS[1])
local stored = type(got) == 'string' and tonumber(got) or now
-- At most a window ahead: otherwise a clock that is set back would lock callers out.
local full_at = math.min(math.max(stored, now), now + window)
local allowed = full_at + interval <= now + window
if allowed then
  full_at = full_at + interval
end
if full_at ~= stored then
  -- In digits: Lua formats large numbers with an exponent, and drops the last digits.
  redis.call('SET', KEYS[1], string.format('%.0f', full_at), 'PX', math.ceil((full_at - now) / 1000))
end
return { allowed and 1 or 0, full_at - now }
