-- For million.sh: a cluster that makes up the pages of a collection, or a
-- ledger that knows all of its files. Environment: COUNT, SIZE, EXTRA (files
-- only it has), PORT_FILE, STOP_FILE; with LEDGER (a path) and IDS (two
-- clusters' ids) the ledger is filled instead.
local err = require("godwit.err")
local fs = require("godwit.core.fs")
local ledger = require("godwit.core.ledger")
local serve = require("godwit.core.serve")
local sys = require("godwit.core.sys")
local task = require("godwit.task")
local units = require("godwit.data.units")

local PAGE = 1000
local TIME, SECONDS = "2021-07-30T18:02:11.093Z", 1627668131.093
local JSON = { ["Content-Type"] = "application/json",
  ["X-Data-Type"] = "directory" }

local function number(name)
  return math.tointeger(tonumber(sys.env(name) or "0"))
end

local function name_of(i)
  return ("a file of many %09d.bin"):format(i)
end

local function page(count, extra, size, at)
  local rows, last = {}, math.min(at + PAGE, count + extra)
  for i = at, last - 1 do
    rows[#rows + 1] = ('{"filename":"%s","size":%d,"last_modified":"%s"}')
      :format(i < count and name_of(i) or "extra " .. i, size, TIME)
  end
  return ('{"files":[%s],"acl":{"read":[]}%s}'):format(table.concat(rows, ","),
    last < count + extra and (',"marker":"%d"'):format(last) or "")
end

local function answer(req)
  local depth = select(2, req.path:gsub("[^/]+", ""))
  if req.method ~= "GET" then
    return req:respond(500, JSON, "{}") -- nothing is to be written
  elseif depth == 2 then
    return req:respond(200, JSON, '{"folders":[{"name":"acme"}]}')
  elseif depth == 3 then
    return req:respond(200, JSON, '{"folders":[{"name":"many"}]}')
  end
  local at = math.tointeger(tonumber((req.query or ""):match("marker=(%d+)")))
  req:respond(200, JSON, page(number("COUNT"), number("EXTRA"), number("SIZE"),
    at or 0))
end

local function fill(path)
  local l = err.check(ledger.open(path))
  for id in sys.env("IDS"):gmatch("%S+") do
    for at = 0, number("COUNT") - 1, PAGE do
      local rows = {}
      for i = 1, PAGE do
        rows[i] = { name = name_of(at + i - 1), size = number("SIZE"),
          time = units.stamp(SECONDS), md5 = ("0"):rep(32) }
      end
      err.check(l:put(id .. " acme/many", rows))
    end
  end
  l:close()
end

test("pages", function()
  if sys.env("LEDGER") then return fill(sys.env("LEDGER")) end
  local server = err.check(serve.listen({ address = "127.0.0.1", port = 0,
    handler = answer }))
  err.check(fs.write(sys.env("PORT_FILE"), tostring(server.port)))
  repeat task.sleep(0.2) until fs.stat(sys.env("STOP_FILE"))
  server:close()
end)
