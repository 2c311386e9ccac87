#!lua
-- Restarts the first-seen delays that still run: no replica was there to be scraped.
--
-- KEYS  1 series, 2 the shard's last commit
-- ARGV  1 this commit's name; 2 milliseconds of the clock; 3 the new end of the delays
local rows = redis.call('HGETALL', KEYS[1])
redis.call('GET', KEYS[2])
for i = 1, #rows, 2 do
  local head, shown_at, exemplar = string.match(rows[i + 1], '^(%d+ %d+ %S+) (%d+) (.*)$')
  if head and tonumber(shown_at) > tonumber(ARGV[2]) then
    redis.call('HSET', KEYS[1], rows[i], head .. ' ' .. ARGV[3] .. ' ' .. exemplar)
  end
end
redis.call('SET', KEYS[2], ARGV[1])
return redis.status_reply('OK')
