#!lua
-- Joins the ledger, or begins it: its id, its shape, and the series that are known from the start.
--
-- KEYS  1 series, 2 durations, 3 the shard's last commit, 4 the ledger's own record
-- ARGV  1 this commit's name; 2 format, 3 shards, 4 the id that a new ledger gets
--       5 how many series; then their names, then those of the cells
-- Reply 1 format, 2 shards, 3 the ledger's id
local stored = redis.call('HMGET', KEYS[4], 'format', 'shards', 'ledger')
if stored[1] and (stored[1] ~= ARGV[2] or stored[2] ~= ARGV[3]) then
  return stored
end
if not stored[1] then
  redis.call('HSET', KEYS[4], 'format', ARGV[2], 'shards', ARGV[3], 'ledger', ARGV[4])
end
local last, added = 5 + tonumber(ARGV[5]), 0
for i = 6, last do
  added = added + redis.call('HSETNX', KEYS[1], ARGV[i], '0 0 0 0 -')
end
for i = last + 1, #ARGV do
  added = added + redis.call(
    'HSETNX', KEYS[2], ARGV[i], '0 0' .. string.rep(' 0', 13) .. '|')
end
if added > 0 then redis.call('SET', KEYS[3], ARGV[1]) end
return {ARGV[2], ARGV[3], stored[3] or ARGV[4]}
