-- OTLP requests of 1,000 records with ids that never come again. OTLP_BODY names a file with such a request, in
-- which each id begins with a mark as long as a prefix made here.
local mark = "MARKMARKMARKMARKMARKMARK"
local parts, prefix, count = {}, "", 0
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/x-protobuf"
function init(args)
  local file = io.open(os.getenv("OTLP_BODY"), "rb")
  for part in (file:read("*a") .. mark):gmatch("(.-)" .. mark) do
    parts[#parts + 1] = part
  end
  file:close()
  math.randomseed(os.time() + tonumber(tostring({}):sub(8), 16))
  prefix = string.format("%010d%05d", os.time(), math.random(99999))
end
function request()
  count = count + 1
  return wrk.format(nil, "/v1/logs", nil, table.concat(parts, prefix .. string.format("%09d", count)))
end
