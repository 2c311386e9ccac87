#!lua flags=no-writes,allow-oom
-- Reads a shard, when it has changed.
--
-- KEYS  1 series, 2 durations, 3 the shard's last commit, 4 events lost
-- ARGV  1 the last commit that the reader knows
-- Reply nothing when this is the last commit, else 1 the last commit, 2 events lost,
--       3 series and their records in turn, 4 cells and theirs
local commit = redis.call('GET', KEYS[3]) or ''
if commit == ARGV[1] then return {} end
return {
  commit, redis.call('GET', KEYS[4]) or '0',
  redis.call('HGETALL', KEYS[1]), redis.call('HGETALL', KEYS[2]),
}
