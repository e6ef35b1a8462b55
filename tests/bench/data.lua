-- The engine alone, for data.sh: every file of a listing from one end to
-- another. Settings come from the environment: FROM and TO (an address that
-- ends with a slash, a folder, or TO=nothing), LIST (a file of names, with
-- sizes behind a tab), START, MAX, DIGESTS (md5, sha256, none).
local data = require("godwit.core.data")
local folder = require("godwit.core.folder")
local fs = require("godwit.core.fs")
local sys = require("godwit.core.sys")

local function an_end(text, write)
  if text == "nothing" then return nil end
  if text:find("^http") then return { url = text } end
  return { folder = assert(folder.open(text, write)) }
end

test("bench", function(t)
  local digests = sys.env("DIGESTS") or "md5"
  local c = assert(data.copier(an_end(sys.env("FROM"), false), an_end(sys.env("TO"), true), {
    start = math.tointeger(tonumber(sys.env("START"))), max = math.tointeger(tonumber(sys.env("MAX"))),
    md5 = digests:find("md5") ~= nil, sha256 = digests:find("sha256") ~= nil,
  }))
  local jobs, count = {}, 0
  for name, size in assert(fs.read(sys.env("LIST"), 1 << 28)):gmatch("([^\t\n]+)\t(%d+)\n") do
    jobs[#jobs + 1] = { name = name, size = math.tointeger(tonumber(size)) }
  end
  local most, begin = 0, sys.monotonic()
  c:submit(jobs)
  c:finish()
  for results in c.wait, c do
    for _, r in ipairs(results) do
      if not r.ok then error(r.err) end
      count = count + 1
    end
    most = math.max(most, c:stats().limit)
  end
  t:eq(count, #jobs)
  if sys.env("SAY") then
    print(("took %.4f s, at most %d at a time"):format(sys.monotonic() - begin, most))
  end
end)
