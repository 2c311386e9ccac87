#!lua
-- Claims ids and counts their events in one shard: all or nothing. Everything that can fail precedes
-- the first write, because Redis does not roll a script back. Without a flag after the shebang Redis
-- refuses the script when it is out of memory, read-only or can't write its file.
--
-- KEYS  1 series, 2 durations, 3 the shard's last commit
-- ARGV  1 milliseconds that an id is remembered
--       2 the time of new exemplars, Unix seconds
--       3 this commit's name
--       4 "always" to write the commit's name even when all events are duplicates
--       5 "repeats" when a key may occur twice in this call
--       6 keys, 16 bytes an event; 7 fingerprints, 8 bytes an event
--       8 the number of each event's series, 2 bytes; events beyond the keys have none
--       9 the number of each event's duration cell from 1 (0 for none) and its bucket, 2 × 2 bytes
--      10 the duration of each event, a double
--      11 the number of each event's series of repeats from 1 (0 for none), 2 bytes; "" for no repeats
--      12 how many series, 13 how many cells; then their names, then three for each exemplar:
--         the number of its series, of its event, and the session
-- Reply 1 the commit before this one, 2 the last commit now, 3 a digit a key, or "" when all are new;
--       4 records of the series, 5 of the cells
local seen_at, name = ARGV[2], ARGV[3]
local repeats = ARGV[5] ~= ''
local keys, fingerprints, places, cells, seconds = ARGV[6], ARGV[7], ARGV[8], ARGV[9], ARGV[10]
local again = ARGV[11]
local n_series, n_cells = tonumber(ARGV[12]), tonumber(ARGV[13])
local prefix = string.match(KEYS[3], '^{.-}:')
local sub, byte, call = string.sub, string.byte, redis.call

-- Lua can unpack no more than some thousands of values.
local function chunked(first, last, run)
  for from = first, last, 1000 do run(from, math.min(from + 999, last)) end
end

-- PXAT and not PX, which Redis would have to rewrite for its file. TIME, too, needs a permission.
local time = call('TIME')
local expiry = string.format('%.0f', time[1] * 1000 + time[2] / 1000 + ARGV[1])
local before = call('GET', KEYS[3]) or ''
local n, events = #keys / 16, #places / 2
local ids, known = {}, {}
for i = 1, n do ids[i] = prefix .. sub(keys, 16 * i - 15, 16 * i) end
chunked(1, n, function(from, to)
  local stored = call('MGET', unpack(ids, from, to))
  for i = 1, #stored do known[from + i - 1] = stored[i] end
end)

local counts, taken, claimed, marks = {}, {}, {}, nil
for i = 1, n do
  local old = known[i]
  if not old and repeats then old = claimed[ids[i]] end
  if old then
    if not marks then
      marks = {}
      for j = 1, i - 1 do marks[j] = '0' end
    end
    marks[i] = old == sub(fingerprints, 8 * i - 7, 8 * i) and '1' or '2'
  else
    taken[#taken + 1] = i
    if repeats then claimed[ids[i]] = sub(fingerprints, 8 * i - 7, 8 * i) end
    if marks then marks[i] = '0' end
  end
end
local claims = #taken
for i = n + 1, events do taken[#taken + 1] = i end

local observed, accepted = {}, {}
for t = 1, #taken do
  local i = taken[t]
  local low, high = byte(places, 2 * i - 1, 2 * i)
  local place = low + 256 * high + 1
  if again ~= '' then
    low, high = byte(again, 2 * i - 1, 2 * i)
    if low + 256 * high > 0 then
      -- The series of the end gets the exemplar.
      counts[place] = counts[place] or 0
      place = low + 256 * high
    end
  end
  counts[place] = (counts[place] or 0) + 1
  accepted[i] = true
  if n_cells > 0 then
    local a, b, c, d = byte(cells, 4 * i - 3, 4 * i)
    local cell = a + 256 * b
    if cell > 0 then
      local added = observed[cell]
      if not added then
        added = {0}
        observed[cell] = added
      end
      local bucket = c + 256 * d + 2
      added[bucket] = (added[bucket] or 0) + 1
      added[1] = added[1] + struct.unpack('<d', seconds, 8 * i - 7)
    end
  end
end

local exemplars = {}
for at = 14 + n_series + n_cells, #ARGV, 3 do
  local place = tonumber(ARGV[at]) + 1
  if not exemplars[place] and accepted[tonumber(ARGV[at + 1]) + 1] then
    exemplars[place] = seen_at .. ' ' .. ARGV[at + 2]
  end
end

-- A series' record: count, high-water mark, two zeros (times in earlier versions) and its exemplar. A value
-- of another form was not written by a ledger: the sum fails, and nothing is written.
-- A repeat counts in the series of repeats only: readers add repeats to ends. If the series of ends
-- included repeats, ends less repeats would decrease after a loss, while ends stay at their mark.
local series, rows = {}, {}
chunked(1, n_series, function(from, to)
  local stored = call('HMGET', KEYS[1], unpack(ARGV, 13 + from, 13 + to))
  for i = 1, #stored do
    local place, record = from + i - 1, stored[i]
    if counts[place] then
      local count, kept, exemplar = '0', '0 0 0', '-'
      if record then
        count, kept, exemplar = string.match(record, '^(%d+) (%d+ %S+ %d+) (.*)$')
      end
      record = string.format('%.0f %s ', tonumber(count) + counts[place], kept)
        .. (exemplars[place] or exemplar)
      rows[#rows + 1] = ARGV[13 + place]
      rows[#rows + 1] = record
    end
    series[place] = record or ''
  end
end)

-- A cell's record: 0 (earlier versions: the time of its creation), sum, counts of the buckets; after the
-- bar its high-water mark.
local durations, lines = {}, {}
for cell = 1, n_cells do
  local field = ARGV[13 + n_series + cell]
  local record = call('HGET', KEYS[2], field)
  local added = observed[cell]
  if added then
    local head, mark = '0 0' .. string.rep(' 0', 13), ''
    if record then head, mark = string.match(record, '^([^|]*)|(.*)$') end
    local parts = {}
    for part in string.gmatch(head, '%S+') do parts[#parts + 1] = part end
    parts[2] = string.format('%.17g', tonumber(parts[2]) + added[1])
    for bucket = 2, 14 do
      if added[bucket] then
        parts[bucket + 1] = string.format('%.0f', tonumber(parts[bucket + 1]) + added[bucket])
      end
    end
    record = table.concat(parts, ' ') .. '|' .. mark
    lines[#lines + 1] = field
    lines[#lines + 1] = record
  end
  durations[cell] = record or ''
end

-- From here on nothing can fail, unless the user lacks a permission: a SET and then HSET come first, so that
-- no count is written without permission to claim ids, and no id claimed without permission to count.
local after = before
if #taken > 0 or ARGV[4] ~= '' then
  after = name
  call('SET', KEYS[3], name)
end
chunked(1, #rows, function(from, to) call('HSET', KEYS[1], unpack(rows, from, to)) end)
chunked(1, #lines, function(from, to) call('HSET', KEYS[2], unpack(lines, from, to)) end)
for t = 1, claims do
  local i = taken[t]
  call('SET', ids[i], sub(fingerprints, 8 * i - 7, 8 * i), 'PXAT', expiry)
end
return {before, after, marks and table.concat(marks) or '', series, durations}
