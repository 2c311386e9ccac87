#!lua
-- Writes the totals that were exported before a failover lost events: as high-water marks, with the number
-- of events. Counts stay as they are: a sender without an answer sends the event again.
--
-- KEYS  1 series, 2 durations, 3 the shard's last commit, 4 events lost
-- ARGV  1 this commit's name; 2 how many series; then each series with its record, then cells
-- Reply how many lost events no replica had noted before
local fields, rows, lost = {}, {}, 0
local series = 2 + 2 * tonumber(ARGV[2])
local noted = tonumber(redis.call('GET', KEYS[4]) or '0')
for i = 3, series, 2 do
  local shown, rest = string.match(ARGV[i + 1], '^(%d+) %d+ (.*)$')
  shown = tonumber(shown)
  local now, old = 0, 0
  local record = redis.call('HGET', KEYS[1], ARGV[i])
  if record then
    now, old, rest = string.match(record, '^(%d+) (%d+) (.*)$')
    now, old = tonumber(now), tonumber(old)
  end
  if shown > math.max(now, old) then
    lost = lost + shown - math.max(now, old)
    rows[#rows + 1] = ARGV[i]
    rows[#rows + 1] = string.format('%.0f %.0f %s', now, shown, rest)
  end
end

local function numbers(text)
  local parsed = {}
  for part in string.gmatch(text, '%S+') do parsed[#parsed + 1] = tonumber(part) end
  return parsed
end

local lines = {}
for i = series + 1, #ARGV, 2 do
  local shown = numbers(string.match(ARGV[i + 1], '^%S+ ([^|]*)|$'))
  local record = redis.call('HGET', KEYS[2], ARGV[i]) or ('0 0' .. string.rep(' 0', 13) .. '|')
  local now, old = string.match(record, '^([^|]*)|(.*)$')
  local older = numbers(old)
  for place = 1, 14 do
    shown[place] = string.format('%.17g', math.max(shown[place], older[place] or 0))
  end
  lines[#lines + 1] = ARGV[i]
  lines[#lines + 1] = now .. '|' .. table.concat(shown, ' ')
end
for i = 1, #rows, 2 do redis.call('HSET', KEYS[1], rows[i], rows[i + 1]) end
for i = 1, #lines, 2 do redis.call('HSET', KEYS[2], lines[i], lines[i + 1]) end
if lost > 0 then redis.call('SET', KEYS[4], string.format('%.0f', noted + lost)) end
redis.call('SET', KEYS[3], ARGV[1])
return lost
