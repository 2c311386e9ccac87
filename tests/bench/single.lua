-- One event a request, with an id that never comes again.
local prefix, count = "", 0
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
function init(args)
  math.randomseed(os.time() + tonumber(tostring({}):sub(8), 16))
  prefix = tostring(os.time()) .. tostring(math.random(1e9)) .. "-"
end
function request()
  count = count + 1
  return wrk.format(nil, "/v1/session-ends", nil,
    '{"id":"' .. prefix .. count .. '","system":"streampixel","code":4001}')
end
