-- Batches of 1,000 events with ids that never come again. The argument is the number of values of the label
-- `region`; each comes with each of the four codes. With 0 the events have no label.
local codes = { "4001", "1000", "1006", "4006" }
local occurred = os.date("!%Y-%m-%dT%H:%M:%SZ")
local bodies, prefix, count = {}, "", 0
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
function init(args)
  local values = tonumber(args[1] or 0)
  math.randomseed(os.time() + tonumber(tostring({}):sub(8), 16))
  prefix = tostring(os.time()) .. tostring(math.random(1e9)) .. "-"
  -- An id begins with the text between two parts. Joining the parts takes a seventh of the time that writing
  -- each event takes, which was more than the exporter needs to count it.
  for body = 1, math.max(1, math.ceil(4 * values / 1000)) do
    local parts = { '[{"id":"' }
    for i = 1, 1000 do
      local number = 1000 * (body - 1) + i - 1
      local code, label = number, ""
      if values > 0 then
        code = math.floor(number / values)
        label = ',"labels":{"region":"region-' .. number % values .. '"}'
      end
      parts[i + 1] = "-" .. i .. '","system":"streampixel","code":' .. codes[code % 4 + 1] .. ',"occurred_at":"'
        .. occurred .. '"' .. label .. "}" .. (i < 1000 and ',{"id":"' or "]")
    end
    bodies[body] = parts
  end
end
function request()
  count = count + 1
  return wrk.format(nil, "/v1/session-ends", nil, table.concat(bodies[count % #bodies + 1], prefix .. count))
end
