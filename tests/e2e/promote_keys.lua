-- defect_10: keys are in no file, no log, no process list, no .git/config.
local e2e = require("support.e2e")
local fs = require("godwit.core.fs")
local http = require("godwit.core.http")
local sys = require("godwit.core.sys")
local task = require("godwit.task")

local HELLO = "acme/Hello"

-- A key and the forms it could leak in.
local function forms(key)
  local list = { key, (http.url.encode(key)), (sys.base64(key)) }
  -- Inside base64("name:key") the key begins at any of three offsets.
  for _, user in ipairs({ "alice", "acme", "a", "ab", "abc" }) do
    list[#list + 1] = sys.base64(user .. ":" .. key):sub(#user + 6, -6)
  end
  return list
end

local function each_file(dir, fn)
  for _, e in ipairs(fs.list(dir) or {}) do
    local path = dir .. "/" .. e.name
    if e.type == "dir" then
      each_file(path, fn)
    elseif e.type == "file" then
      fn(path, fs.read(path, 1 << 28) or "")
    end
  end
end

local function search(t, where, text, keys)
  for _, key in ipairs(keys) do
    for _, form in ipairs(forms(key)) do
      t:no(text:find(form, 1, true), where .. " has a key")
    end
  end
end

local function command_lines()
  local parts = {}
  for _, e in ipairs(fs.list("/proc")) do
    if e.name:find("^%d+$") then
      parts[#parts + 1] = fs.read("/proc/" .. e.name .. "/cmdline", 65536)
    end
  end
  return table.concat(parts, "\n")
end

test("defect_10 keys appear nowhere but in the sandbox's key file",
function(t)
  local w = e2e.seeded(t, { prod = { args = { "--build-seconds", "2" } } })
  local keys = { w.dev.keys.alice, w.prod.keys.alice }
  local run = w:start({ "promote", HELLO, "--from", "dev", "--to", "prod",
    "-vv" })
  local seen = {}
  for _ = 1, 8 do
    task.sleep(0.25)
    seen[#seen + 1] = command_lines()
  end
  w:finish(run)
  t:eq(run.code, 0, run.all)
  search(t, "a process list", table.concat(seen, "\n"), keys)
  search(t, "the output", run.all, keys)
  -- A failure that quotes what it was doing.
  local bad = w:promote({ HELLO }, { PROD_KEY = w.dev.keys.bob })
  search(t, "the output", bad.all, { w.dev.keys.bob })
  each_file(w.dir, function(path, text)
    if not path:find("/keys%.json$") then
      search(t, path, text, keys)
    end
  end)
end)
