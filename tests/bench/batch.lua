-- Batches of 1,000 events with ids that never come again.
local prefix, count = "", 0
local occurred = os.date("!%Y-%m-%dT%H:%M:%SZ")
local codes = { "4001", "1000", "1006", "4006", "1000", "1000" }
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
function init(args)
  math.randomseed(os.time() + tonumber(tostring({}):sub(8), 16))
  prefix = tostring(os.time()) .. tostring(math.random(1e9)) .. "-"
end
function request()
  local events = {}
  for i = 1, 1000 do
    count = count + 1
    events[i] = '{"id":"' .. prefix .. count .. '","system":"streampixel","code":' .. codes[count % 6 + 1]
      .. ',"occurred_at":"' .. occurred .. '"}'
  end
  return wrk.format(nil, "/v1/session-ends", nil, "[" .. table.concat(events, ",") .. "]")
end
