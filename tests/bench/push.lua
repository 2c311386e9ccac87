-- A plain push to Pushgateway: one counter, ten groups.
local count = 0
wrk.method = "POST"
wrk.body = 'session_ends_total{system="streampixel",code="4001"} 1\n'
function request()
  count = count + 1
  return wrk.format(nil, "/metrics/job/job" .. (count % 10))
end
