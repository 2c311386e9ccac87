#!lua flags=no-writes,allow-oom
-- Reads a shard, when it has changed.
--
-- KEYS  1 series, 2 durations, 3 the shard's last commit, 4 events lost
-- ARGV  1 milliseconds of the clock, "" for Redis' own; 2 the last commit that the reader knows
-- Reply 1 the last commit, 2 milliseconds of the clock; when the commit is another one
--       3 events lost, 4 series and their records in turn, 5 cells and theirs
local commit = redis.call('GET', KEYS[3]) or ''
local clock = ARGV[1]
if clock == '' then
  local time = redis.call('TIME')
  clock = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
end
if commit == ARGV[2] then return {commit, clock} end
return {
  commit, clock, redis.call('GET', KEYS[4]) or '0',
  redis.call('HGETALL', KEYS[1]), redis.call('HGETALL', KEYS[2]),
}
