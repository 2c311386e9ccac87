#!lua
-- Joins the ledger, or begins it: its id, its shape, and the series that are known from the start.
--
-- KEYS  1 series, 2 durations, 3 the shard's last commit, 4 the ledger's own record, 5 replicas
-- ARGV  1 milliseconds of the clock, "" for Redis' own; 2 this commit's name
--       3 a replica's name; 4 milliseconds after which a silent replica is gone
--       5 format, 6 shards, 7 the id that a new ledger gets
--       8 how many series; then their names, then those of the cells
-- Reply 1 format, 2 shards, 3 the ledger's id, 4 how many other replicas there are, 5 milliseconds
--       of the clock, 6 how many other replicas have not left, also without heartbeats
local clock = ARGV[1]
if clock == '' then
  local time = redis.call('TIME')
  clock = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
end
redis.call('HGET', KEYS[1], '')
redis.call('HGET', KEYS[2], '')
redis.call('GET', KEYS[3])
local stored = redis.call('HMGET', KEYS[4], 'format', 'shards', 'ledger')
local others = redis.call(
  'ZCOUNT', KEYS[5], string.format('%.0f', tonumber(clock) - tonumber(ARGV[4])), '+inf')
-- A start that is tried again finds itself.
local own = redis.call('ZSCORE', KEYS[5], ARGV[3])
local known = redis.call('ZCARD', KEYS[5]) - (own and 1 or 0)
if own and tonumber(own) >= tonumber(clock) - tonumber(ARGV[4]) then others = others - 1 end
if stored[1] and (stored[1] ~= ARGV[5] or stored[2] ~= ARGV[6]) then
  return {stored[1], stored[2], stored[3], others, clock, known}
end
if not stored[1] then
  redis.call('HSET', KEYS[4], 'format', ARGV[5], 'shards', ARGV[6], 'ledger', ARGV[7])
end
redis.call('ZREMRANGEBYSCORE', KEYS[5], '-inf', tonumber(clock) - tonumber(ARGV[4]))
redis.call('ZADD', KEYS[5], clock, ARGV[3])
local last, added = 8 + tonumber(ARGV[8]), 0
for i = 9, last do
  added = added + redis.call('HSETNX', KEYS[1], ARGV[i], '0 0 0 0 -')
end
for i = last + 1, #ARGV do
  added = added + redis.call(
    'HSETNX', KEYS[2], ARGV[i], '0 0' .. string.rep(' 0', 13) .. '|')
end
if added > 0 then redis.call('SET', KEYS[3], ARGV[2]) end
return {ARGV[5], ARGV[6], stored[3] or ARGV[7], others, clock, known}
