#!lua
-- Restarts first-seen delays: no replica was there to be scraped until their end.
--
-- KEYS  1 series, 2 the shard's last commit
-- ARGV  1 milliseconds of the clock; 2 this commit's name; then names of series
local records = {}
redis.call('GET', KEYS[2])
for i = 3, #ARGV do records[i] = redis.call('HGET', KEYS[1], ARGV[i]) end
for i = 3, #ARGV do
  local head, exemplar = string.match(records[i] or '', '^(%d+ %d+ %S+) [1-9]%d* (.*)$')
  if head then
    redis.call('HSET', KEYS[1], ARGV[i], head .. ' ' .. ARGV[1] .. ' ' .. exemplar)
  end
end
redis.call('SET', KEYS[2], ARGV[2])
return redis.status_reply('OK')
