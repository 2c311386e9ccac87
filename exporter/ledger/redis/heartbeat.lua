#!lua
-- A replica says that it is there: with a write, so that it also shows whether Redis takes writes.
--
-- KEYS  1 the ledger's own record, 2 replicas
-- ARGV  1 milliseconds of the clock, "" for Redis' own; 2 a replica's name
-- Reply the ledger's id, nil when the database was emptied
local clock = ARGV[1]
if clock == '' then
  local time = redis.call('TIME')
  clock = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
end
local ledger = redis.call('HGET', KEYS[1], 'ledger')
redis.call('ZADD', KEYS[2], clock, ARGV[2])
return ledger
