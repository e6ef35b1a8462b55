local cli = require("support.cli")
local fs = require("godwit.core.fs")
local json = require("godwit.core.json")
local task = require("godwit.task")

--- The program on a terminal of its own: all it prints there, and its status.
local function on_terminal(home, words, answer, env)
  local quoted = { "exec", cli.program() }
  for _, word in ipairs(words) do
    quoted[#quoted + 1] = "'" .. word:gsub("'", "'\\''") .. "'"
  end
  env = env or {}
  env.SHELL, env.TERM = "/bin/sh", env.TERM or "xterm"
  return home:run { argv = { "script", "-qec", table.concat(quoted, " "),
    "/dev/null" }, stdin = answer or "", env = env }
end

local SLOW = [[
return { params = { to = "cluster" }, run = function(cx)
  cx:progress("acme/Hello", "build", "in the queue")
  task.sleep(0.5)
  log.info("a line between")
  cx:progress("acme/Hello", "publish")
  cx:each({ "acme/Hello" }, function() return "created" end)
end }]]

test("progress is one line that changes, on a terminal only", function(t)
  local home = cli.home(t)
  home:sandbox(t, "dev", "empty")
  home:write("work/slow.lua", SLOW)
  local words = { "run", "slow.lua", "--to", "sandbox:dev" }
  local r = on_terminal(home, words)
  t:eq(r.code, 0, r.out)
  t:match(r.out, "\r\27%[Kacme/Hello: building, in the queue")
  t:match(r.out, "\r\27%[Ka line between")
  t:match(r.out, "\27%[32mcreated")
  r = on_terminal(home, words, nil, { TERM = "dumb" })
  t:no(r.out:find("\27"))
  r = on_terminal(home, { "-q", table.unpack(words) })
  t:no(r.out:find("building"))
  r = home:expect(0, words)
  t:no(r.all:find("[\r\27]"))
  t:match(r.err, "acme/Hello: building, in the queue\n")
end)

test("how far one large file is, is told while it is copied", function(t)
  local home = cli.home(t)
  home:sandbox(t, "dev", "demo-dev")
  home:write("work/models/big.bin", ("x"):rep(3 << 20))
  local r = on_terminal(home, { "copy-data", "./models",
    "sandbox:dev:acme/big", "--bwlimit", "1MiB" })
  t:eq(r.code, 0, r.out)
  t:match(r.out, "0 of 1 files, %d%.%d MiB of 3%.0 MiB, [%d.]+ %a+/s, %d s left")
end)

test("a protected cluster asks on a terminal", function(t)
  local home = cli.home(t)
  home:config([[return { clusters = { prod = { protected = true,
    api = "http://127.0.0.1:9", key = env "K" } } }]])
  local words = { "eval", "'ran'", "--allow-write", "prod" }
  local r = on_terminal(home, words, "y\n", { K = "x" })
  t:match(r.out, "prod is protected%. Write to it%? %[y/N%]")
  t:match(r.out, "ran\r\n")
  t:eq(r.code, 0)
  for _, answer in ipairs { "n\n", "\n", "yess\n", "\4" } do
    r = on_terminal(home, words, answer, { K = "x" })
    t:eq(r.code, 6)
    t:match(r.out, "the answer was no; nothing was written")
    t:no(r.out:find("ran\r"))
  end
  r = on_terminal(home, { "--no-input", table.unpack(words) }, "y\n",
    { K = "x" })
  t:eq(r.code, 2)
end)

local function every_file(dir, fn)
  for _, entry in ipairs(fs.list(dir) or {}) do
    local path = dir .. "/" .. entry.name
    if entry.type == "dir" then
      every_file(path, fn)
    elseif entry.type == "file" then
      fn(path)
    end
  end
end

test("an interrupted promotion says so and goes on when given again", function(t)
  local home = cli.home(t)
  home:sandbox(t, "dev", "demo-dev")
  home:sandbox(t, "prod", "demo-prod", { "--build-seconds", "4" })
  local words = { "promote", "alice/Hello", "--from", "sandbox:dev", "--to",
    "sandbox:prod" }
  local p = home:start(words)
  local text = ""
  while not text:find("pushing") and not text:find("building") do
    text = text .. assert(p:read_err(), text)
  end
  task.sleep(0.3)
  p:kill(2)
  local out = ""
  for chunk in function() return p:read() end do
    out = out .. chunk
  end
  for chunk in function() return p:read_err() end do
    text = text .. chunk
  end
  t:eq(p:wait(), 130)
  t:match(text, "Interrupted%. To go on: godwit promote alice/Hello %-%-from "
    .. "sandbox:dev %-%-to sandbox:prod\n$")
  t:match(out, "failed +alice/Hello")
  t:match(home:expect(0, words).out, "published as 0%.1%.0")
  t:match(home:expect(0, words).out, "1 unchanged%.")
  words[#words + 1] = "--json"
  local doc = json.decode(home:expect(0, words).out)
  t:eq({ doc.workflow, doc.mode, doc.items[1].outcome, doc.counts.unchanged },
    { "promote", "apply", "unchanged", 1 })
  doc = json.decode(home:expect(0, { "version-map", "alice/Hello",
    "--json" }).out)
  t:eq({ #doc.rows, doc.rows[1].dest_version }, { 1, "0.1.0" })
  t:match(home:expect(0, { "version-map", "alice/Hello" }).out,
    "^sandbox:dev:alice/Hello .- %-> sandbox:prod:alice/Hello 0%.1%.0 ")
  doc = json.decode(home:expect(0, { "version-map", "alice/Hello",
    "--rebuild", "--to", "sandbox:prod", "--from", "sandbox:dev",
    "--state-dir", home.dir .. "/.local/state/godwit", "--json" }).out)
  t:eq({ doc.found, doc.added }, { 1, 0 })
  home:expect(2, { "version-map", "alice/Hello", "--rebuild" })
  home:expect(2, { "version-map", "Hello" })
end)

test("keys are in no file but the sandbox's own", function(t)
  local home = cli.home(t)
  home:sandbox(t, "dev", "demo-dev")
  home:sandbox(t, "prod", "demo-prod")
  home:expect(0, { "promote", "acme/FraudScore", "--from", "sandbox:dev",
    "--to", "sandbox:prod" })
  local keys, seen = {}, 0
  for _, name in ipairs { "dev", "prod" } do
    local text = fs.read(("%s/.local/state/godwit/sandboxes/%s/keys.json")
      :format(home.dir, name), 1 << 20)
    for key in text:gmatch('"(sim%w+)"') do
      keys[#keys + 1] = key
    end
  end
  t:ok(#keys > 4)
  every_file(home.dir, function(path)
    seen = seen + 1
    if not path:find("/keys%.json$") then
      local text = fs.read(path, 1 << 26)
      for _, key in ipairs(keys) do
        t:no(text:find(key, 1, true), path)
      end
    end
  end)
  t:ok(seen > 20)
end)

test("what others wrote does not steer the terminal", function(t)
  local home = cli.home(t)
  home:write("work/steer.lua", [[print("\27]0;title\7 \u{9b}2J \u{202e}") ]]
    .. [[log.warn("\27[8mhidden") error("\27[2J\r")]])
  local r = on_terminal(home, { "run", "./steer.lua" })
  t:eq(r.code, 1, r.out)
  t:match(r.out, "\\x1b%]0;title\\x07 \\u{9b}2J \\u{202e}")
  for _, sequence in ipairs({ "\27]", "\27%[8m", "\27%[2J", "\u{9b}" }) do
    t:no(r.out:find(sequence), r.out)
  end
  -- A pipe gets from print what was printed.
  r = home:run { "run", "./steer.lua" }
  t:match(r.out, "\27]0;title\7")
  t:match(r.err, "\\x1b%[8mhidden")
end)
