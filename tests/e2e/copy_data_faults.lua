-- godwit copy-data when things go wrong: one file among many, a kill, servers
-- that vanish, never end, change or tell nothing. Nothing half is called done.
local e2e = require("support.e2e")
local err = require("godwit.err")
local fs = require("godwit.core.fs")
local json = require("godwit.core.json")
local relay = require("support.relay")
local sys = require("godwit.core.sys")
local task = require("godwit.task")

local function fill(box, name, files, acl)
  box:put("acme", name, nil, nil, acl or { "user://*" })
  for file, text in pairs(files) do
    box:put("acme", name, file, text)
  end
end

local function many(n, text)
  local files = {}
  for i = 1, n do
    files[("file %03d"):format(i)] = text .. i
  end
  return files
end

local function run(w, words, env)
  local r = w:run({ "copy-data", "--json", table.unpack(words) }, env)
  r.item = r.doc and r.doc.items[1] or {}
  return r
end

local function between(w, words, env)
  return run(w, { "--from", "dev", "--to", "prod", table.unpack(words) }, env)
end

local function numbers(item)
  return { item.outcome, item.files, item.copied, item.unchanged,
    item.skipped, item.failed, item.deleted }
end

local function world(t, files, prepare)
  return e2e.world(t, function(dev, prod)
    fill(dev, "models", files)
    if prepare then
      prepare(dev, prod)
    end
  end)
end

-- The destination, or the source, behind a relay.
local function behind(t, w, side, on)
  local r = relay.start(t, w[side].api, on)
  w:configure({ [side] = { api = r.url } })
  return r
end

local function answer(status, text, headers)
  headers = headers or {}
  headers["Content-Type"] = "application/json"
  return { status = status, headers = headers,
    body = ('{"error":{"message":%q}}'):format(text) }
end

test("one failing file among good ones", function(t)
  local files = many(20, "x")
  local w = world(t, files)
  w.prod:put("acme", "models", "old", "x", {})
  behind(t, w, "prod", function(seen)
    if seen.method == "PUT" and seen.path:find("file%%20007") then
      return answer(400, "the disk dislikes sevens")
    end
  end)
  local r = e2e.expect(between(w, { "acme/models", "--delete" }), 1)
  t:eq(numbers(r.item), { "failed", 20, 19, 0, 0, 1, 0 })
  t:match(r.item.problems[1], '^"file 007": writing it: .*dislikes sevens')
  t:match(r.item.warnings[1], "nothing was deleted")
  t:match(r.item.warnings[2], "read by: private, until it is complete")
  local there, acl = w.prod:files("acme", "models")
  t:eq(there.old, "x")
  t:eq(there["file 008"], "x8")
  t:no(there["file 007"])
  t:eq(acl, {})
  w:configure()
  r = e2e.expect(between(w, { "acme/models", "--delete" }), 0)
  t:eq(numbers(r.item), { "updated", 20, 1, 19, 0, 0, 1 })
  t:eq(w.prod:files("acme", "models"), files)
end)

test("what fails for a passing reason is tried again, alone", function(t)
  local files = many(30, "x")
  local w = world(t, files)
  local r1 = behind(t, w, "prod", function(seen)
    if seen.method ~= "PUT" or seen.n > 1 then
      return nil
    elseif seen.path:find("file%%20003") then
      return answer(503, "busy", { ["Retry-After"] = "1" })
    elseif seen.path:find("file%%20004") then
      return answer(500, "oops")
    elseif seen.path:find("file%%20005") then
      return { status = 502, headers = { ["Content-Type"] = "text/html" },
        body = "<html>bad gateway" }
    end
  end)
  local r = e2e.expect(between(w, { "acme/models" }), 0)
  t:eq(numbers(r.item), { "created", 30, 30, 0, 0, 0, 0 })
  t:eq(r1:count("PUT"), 33)
  t:eq(w.prod:files("acme", "models"), files)
end)

test("so is a deletion", function(t)
  local w = world(t, { a = "x" }, function(_, prod)
    fill(prod, "models", { a = "x", b = "1", c = "2", d = "3" })
  end)
  local patience = 1
  local r1 = behind(t, w, "prod", function(seen)
    if seen.method == "DELETE" and seen.n <= patience
      and not seen.path:find("z$") then
      return answer(seen.path:find("b$") and 503 or 429, "busy",
        { ["Retry-After"] = "1" })
    end
  end)
  local r = e2e.expect(between(w, { "acme/models", "--delete" }), 0)
  t:eq(numbers(r.item), { "updated", 1, 0, 1, 0, 0, 3 })
  t:eq(r1:count("DELETE"), 6)
  t:eq(w.prod:files("acme", "models"), { a = "x" })
  -- Not for ever, nor beyond the time there is, nor what is refused.
  patience = math.huge
  w.prod:put("acme", "models", "b", "1")
  w.prod:put("acme", "models", "z", "1")
  r = e2e.expect(between(w, { "acme/models", "--delete" }), 5)
  t:match(r.item.problems[1], '^"b": deleting it: .*busy')
  t:match(json.encode(r.item.steps), '1 file that the source does not have"')
  local before = r1:count("DELETE")
  r = between(w, { "acme/models", "--delete", "--max-duration", "0.9s" })
  t:ok(r.code == 5 or r.code == 8, r.all)
  t:eq(r1:count("DELETE"), before + 1)
end)

test("who made the collection first does not stop the second for good",
  function(t)
    local w = world(t, { a = "x" })
    behind(t, w, "prod", function(seen)
      if seen.method == "POST" and seen.n == 1 then
        fill(w.prod, "models", { a = "y" }, { "user://*" })
      end
    end)
    local r = e2e.expect(between(w, { "acme/models" }), 5)
    t:eq(numbers(r.item), { "failed", 1, 0, 0, 0, 1, 0 })
    t:match(r.item.why, "somebody else made it since it was looked at")
    t:eq(w.prod:files("acme", "models"), { a = "y" })
    r = e2e.expect(between(w, { "acme/models" }), 0)
    t:eq(numbers(r.item), { "updated", 1, 1, 0, 0, 0, 0 })
    t:eq(w.prod:files("acme", "models"), { a = "x" })
  end)

test("a server that asks to be left alone for long: the rest is not tried",
  function(t)
    local files = many(400, "x")
    local w = world(t, files)
    local r1 = behind(t, w, "prod", function(seen)
      if seen.method == "PUT" and seen.path:find("file%%20003") then
        return answer(503, "busy", { ["Retry-After"] = "600" })
      end
    end)
    local r = e2e.expect(between(w, { "acme/models" }), 5)
    t:eq(r.item.outcome, "failed")
    t:eq(r.item.files, r.item.copied + r.item.failed)
    t:match(r.item.why, "the rest was not tried: the server asks to be left "
      .. "alone for 600 seconds")
    t:ok(r1:count("PUT") < 400)
    w:configure()
    r = e2e.expect(between(w, { "acme/models" }), 0)
    t:eq(w.prod:files("acme", "models"), files)
  end)

local function folder_of(box)
  return box.dir .. "/data/acme/models/files"
end

local function wait_for_files(folder)
  for _ = 1, 500 do
    task.sleep(0.02)
    local list = fs.stat(folder) and fs.list(folder) or {}
    if #list > 3 then return #list end
  end
  error("nothing arrived in " .. folder)
end

test("killed in the middle and run again, from cluster and to a folder",
  function(t)
    local files = many(60, ("y"):rep(2000))
    local w = world(t, files)
    local p = w:start({ "copy-data", "acme/models", "--from", "dev", "--to",
      "prod", "--bwlimit", "40KiB" })
    t:ok(wait_for_files(folder_of(w.prod)) < 60)
    p.process:kill(9)
    w:finish(p)
    local there, acl = w.prod:files("acme", "models")
    t:ok(next(there))
    t:eq(acl, {}) -- not for readers yet
    local r = e2e.expect(between(w, { "acme/models" }), 0)
    t:eq({ r.item.outcome, r.item.files, r.item.failed }, { "updated", 60, 0 })
    t:ok(r.item.unchanged > 0)
    there, acl = w.prod:files("acme", "models")
    t:eq(there, files)
    t:eq(acl, { "user://*" })
    t:eq(e2e.expect(between(w, { "acme/models" }), 0).item.outcome,
      "unchanged")
    -- a folder
    p = w:start({ "copy-data", "prod:acme/models", "./out", "--bwlimit",
      "40KiB" })
    wait_for_files(w.home .. "/out")
    p.process:kill(9)
    w:finish(p)
    r = e2e.expect(run(w, { "prod:acme/models", "./out" }), 0)
    for name, text in pairs(files) do
      t:eq(fs.read(w.home .. "/out/" .. name, 1 << 20), text)
    end
    t:eq(r.item.files, r.item.copied + r.item.unchanged)
    -- what the killed run left half written is no file of a collection
    r = e2e.expect(run(w, { "./out", "prod:acme/back" }), 0)
    t:eq({ r.item.files, r.item.copied }, { 60, 60 })
  end)

test("interrupted: what arrived stays, the rest comes next time", function(t)
  local files = many(60, ("z"):rep(2000))
  local w = world(t, files)
  local p = w:start({ "copy-data", "acme/models", "--from", "dev", "--to",
    "prod", "--json", "--bwlimit", "40KiB" })
  wait_for_files(folder_of(w.prod))
  p.process:kill(2)
  local r = e2e.expect(w:finish(p), 130)
  t:eq(r.doc.items[1].outcome, "failed")
  t:ok(r.doc.interrupted)
  t:eq(select(2, w.prod:files("acme", "models")), {})
  e2e.expect(between(w, { "acme/models" }), 0)
  t:eq(w.prod:files("acme", "models"), files)
end)

test("the time is up: what is under way is given up, never half a file",
  function(t)
    local files = many(60, ("z"):rep(2000))
    local w = world(t, files)
    local r = e2e.expect(between(w, { "acme/models", "--bwlimit", "40KiB",
      "--max-duration", "1s" }), 8)
    t:match(r.item.why, "max%-duration of 1 s is used up; %d+ files are left")
    t:eq(r.item.files, r.item.copied + r.item.failed)
    for name, text in pairs(w.prod:files("acme", "models")) do
      t:eq(text, files[name])
    end
    e2e.expect(between(w, { "acme/models" }), 0)
    t:eq(w.prod:files("acme", "models"), files)
  end)

test("an error inside of a success is one", function(t)
  local w = world(t, { a = "x", b = "y" })
  behind(t, w, "prod", function(seen)
    if seen.method == "PUT" and seen.path:find("/a$") then
      return { status = 200, headers = { ["Content-Type"] =
        "application/json" }, body = '{"error":{"message":"quota is full"}}' }
    end
  end)
  local r = e2e.expect(between(w, { "acme/models" }), 1)
  t:eq({ r.item.copied, r.item.failed }, { 1, 1 })
  t:match(r.item.problems[1], '"a": writing it: quota is full')
end)

test("a collection that vanishes while it is listed", function(t)
  local w = world(t, many(30, "x"), function(dev)
    dev:options({ data_page = 10 })
  end)
  behind(t, w, "dev", function(seen)
    if seen.query and seen.query:find("marker") then
      return answer(404, "no such collection")
    end
  end)
  local r = e2e.expect(between(w, { "acme/models", "--delete" }), 1)
  t:eq(r.item.outcome, "failed")
  t:match(r.item.why, "dev:acme/models vanished while it was listed")
  t:no(w.prod:files("acme", "models"))
  -- Who may no longer read it is shut out all the same.
  w.prod:put("acme", "models", "a", "x", { "user://*" })
  w.dev:put("acme", "models", nil, nil, {})
  r = e2e.expect(between(w, { "acme/models" }), 1)
  t:match(r.item.steps[1].text, "public %-> private")
  t:ok(r.item.wrote)
  t:eq(select(2, w.prod:files("acme", "models")), {})
end)

test("an empty answer does not end a list", function(t)
  local files = many(30, "x")
  local w = world(t, files, function(dev, prod)
    dev:options({ data_page = 10 })
    fill(prod, "models", files)
  end)
  for _, status in ipairs({ 200, 202, 204 }) do
    behind(t, w, "dev", function(seen)
      if seen.query and seen.query:find("marker") then
        return { status = status, headers = {}, body = "" }
      end
    end)
    local r = e2e.expect(between(w, { "acme/models", "--delete" }), 1)
    t:match(r.item.why, "the server's answer is not usable JSON: there is none")
    t:eq(w.prod:files("acme", "models"), files)
    r = e2e.expect(w:run({ "verify", "--from", "dev", "--to", "prod", "--only",
      "data", "--owner", "acme", "--json" }), 1)
    t:eq(r.doc.items[1].outcome, "unreadable")
  end
end)

test("a list without an end", function(t)
  local w = world(t, many(3, "x"), function(dev)
    dev:options({ endless_marker = true })
  end)
  local r = e2e.expect(between(w, { "acme/models" }), 1)
  t:match(r.item.why, "marker")
  t:no(w.prod:files("acme", "models"))
  -- one that changes its marker every time
  w.dev:stop()
  w.dev:options({})
  w.dev:start()
  local n = 0
  behind(t, w, "dev", function(seen)
    if seen.method == "GET" and seen.path:find("acme/models/?$") then
      n = n + 1
      local files = {}
      for i = 1, 2 do
        files[i] = ('{"filename":"%s","size":2,"last_modified":'
          .. '"2021-07-30T18:02:11.093Z"}'):format((n + i) % 4)
      end
      return { status = 200, headers = { ["Content-Type"] =
        "application/json" }, body = ('{"files":[%s],"marker":"m%d"}'):format(
          table.concat(files, ","), n) }
    end
  end)
  r = e2e.expect(between(w, { "acme/models" }), 1)
  t:match(r.item.why, "lists the same files again and again")
  t:no(w.prod:files("acme", "models"))
end)

test("a source that tells no digests: what changes on the way is seen",
  function(t)
    local w = world(t, { a = "first", b = "steady" }, function(dev, prod)
      dev:options({ etag = false })
      prod:options({ etag = false })
    end)
    local changed = false
    behind(t, w, "dev", function(seen, pass)
      if seen.method == "GET" and seen.path:find("models/a$")
        and not changed then
        changed = true
        local old = pass()
        task.sleep(0.01)
        w.dev:put("acme", "models", "a", "other") -- of the same size
        return old
      end
    end)
    local r = e2e.expect(between(w, { "acme/models" }), 0)
    t:eq(numbers(r.item), { "created", 2, 2, 0, 0, 0, 0 })
    t:eq(w.prod:files("acme", "models"), { a = "other", b = "steady" })
    w:configure()
    r = e2e.expect(between(w, { "acme/models" }), 0)
    t:eq(numbers(r.item), { "unchanged", 2, 0, 2, 0, 0, 0 })
    -- and one that never stands still is never called done
    local n = 0
    behind(t, w, "dev", function(seen, pass)
      if seen.method == "GET" and seen.path:find("models/a$") then
        local old = pass()
        n = n + 1
        task.sleep(0.01)
        w.dev:put("acme", "models", "a", ("new%02d"):format(n))
        return old
      end
    end)
    w.dev:put("acme", "models", "a", "moved on")
    r = e2e.expect(between(w, { "acme/models" }), 5)
    t:eq(numbers(r.item), { "failed", 2, 0, 1, 0, 1, 0 })
    t:match(r.item.problems[1], '"a": it keeps changing while it is read')
  end)

test("what is shorter or longer than its list says is not called done",
  function(t)
    for _, text in ipairs({ "all of", "all of it and more" }) do
      local w = world(t, { a = "all of it", b = "steady" }, function(dev, prod)
        dev:options({ etag = false })
        prod:options({ etag = false })
      end)
      local times = 1
      behind(t, w, "dev", function(seen, pass)
        if seen.method == "GET" and seen.path:find("models/a$")
          and seen.n <= times then
          local r = pass()
          r.body = text
          return r
        end
      end)
      local r = e2e.expect(between(w, { "acme/models" }), 0)
      t:eq(numbers(r.item), { "created", 2, 2, 0, 0, 0, 0 })
      t:eq(w.prod:files("acme", "models").a, "all of it")
      times = math.huge
      r = e2e.expect(run(w, { "dev:acme/models", "prod:acme/other" }), 5)
      t:eq(numbers(r.item), { "failed", 2, 1, 0, 0, 1, 0 })
      t:match(r.item.problems[1], '"a": ' .. #text .. " B came of it, every "
        .. "time, and its list says 9 B")
    end
  end)

local GOOD, BAD = "what it is", "what it IS"

-- A source that sends files called "a…" otherwise than they were stored, and
-- "b" not before so many of these were sent, or first of all.
local function damaged(t, w, patience)
  local sent = { a = 0, b = 0 }
  return behind(t, w, "dev", function(seen, pass)
    local kind = seen.method == "GET" and seen.path:match("models/([ab])%d*$")
    if not kind then
      return nil
    end
    for _ = 1, 250 do
      if patience == 0 and (kind == "b" or sent.b > 0)
        or patience > 0 and (kind == "a" or sent.a >= patience) then
        break
      end
      task.sleep(0.02)
    end
    local r = pass()
    r.body = kind == "a" and BAD or r.body
    sent[kind] = sent[kind] + 1
    return r
  end)
end

local NOT_STORED = ": it is not what was stored: its ETag "

for patience, title in pairs({ [0] = "first", [1] = "last" }) do
  test("a wrong digest is not passed on; what proves it comes " .. title,
    function(t)
      local w = world(t, { a = GOOD, b = "fine" })
      damaged(t, w, patience)
      -- Again, too, when nothing else is there to read.
      for run_no, unchanged in ipairs({ 0, 1, 1 }) do
        local r = e2e.expect(between(w, { "acme/models", run_no == 3
          and "--checksum" or nil }), 1)
        t:eq(numbers(r.item), { "failed", 2, 1 - unchanged, unchanged, 0, 1,
          0 })
        t:match(r.item.problems[1], '"a"' .. NOT_STORED .. "says .* every time")
        t:eq(w.prod:files("acme", "models"), { b = "fine" })
        t:eq(select(2, w.prod:files("acme", "models")), {})
      end
      local r = e2e.expect(between(w, { "acme/models", "--ignore-etag" }), 0)
      t:match(r.item.warnings[1], '^the ETag of 1 file is not the MD5.*: "a"$')
      t:eq(w.prod:files("acme", "models"), { a = BAD, b = "fine" })
      t:eq(select(2, w.prod:files("acme", "models")), { "user://*" })
    end)
end

test("a good file is not overwritten by a damaged one", function(t)
  for _, flag in ipairs({ "--keep-going", "--checksum" }) do
    local w = world(t, { a = GOOD, b = "fine" })
    w.prod:put("acme", "models", "a", "what it WAS", {})
    w.prod:put("acme", "models", "a", GOOD, {})
    damaged(t, w, 1)
    local r = e2e.expect(between(w, { "acme/models", flag }), 1)
    t:eq(numbers(r.item), { "failed", 2, 1, 0, 0, 1, 0 })
    t:eq(w.prod:files("acme", "models"), { a = GOOD, b = "fine" })
  end
end)

test("several damaged ones before a good one fail all the same", function(t)
  local w = world(t, { a1 = GOOD, a2 = GOOD, a3 = GOOD, a4 = GOOD, b = "fine" })
  damaged(t, w, 8)
  for _ = 1, 2 do
    local r = e2e.expect(between(w, { "acme/models" }), 1)
    t:eq({ r.item.outcome, r.item.failed }, { "failed", 4 })
    t:eq(r.item.copied + r.item.unchanged, 1)
    for i = 1, 4 do
      t:match(r.item.problems[i], '^"a%d"' .. NOT_STORED)
    end
    t:eq(select(2, w.prod:files("acme", "models")), {})
  end
end)

test("what was taken without proof is looked at again when there is one",
  function(t)
    local w = world(t, { a = GOOD, b = "fine" })
    damaged(t, w, 1)
    local r = e2e.expect(between(w, { "acme/models", "--include", "a" }), 0)
    t:match(r.item.warnings[1], "^the ETag of 1 file is not the MD5")
    r = e2e.expect(between(w, { "acme/models", "--include", "a" }), 0)
    t:eq(r.item.outcome, "unchanged")
    t:match(r.item.warnings[1], "^the ETag of 1 file is not the MD5")
    for _ = 1, 2 do
      r = e2e.expect(between(w, { "acme/models" }), 1)
      t:eq({ r.item.outcome, r.item.failed }, { "failed", 1 })
      t:match(r.item.problems[1], '^"a"' .. NOT_STORED)
    end
  end)

test("the proof outlasts a run that is killed", function(t)
  local large = ("fine"):rep(80000) -- known by its ETag, and not read again
  local w = world(t, { a = GOOD, b = large })
  local first = true
  behind(t, w, "dev", function(seen, pass)
    if seen.method ~= "GET" or not seen.path:find("models/a$") then
      return nil
    end
    if first then
      first = false
      task.sleep(6)
    end
    local r = pass()
    r.body = BAD
    return r
  end)
  local run_ = w:start({ "copy-data", "acme/models", "--from", "dev", "--to",
    "prod" })
  local there = folder_of(w.prod) .. "/b"
  for _ = 1, 500 do
    if fs.stat(there) then break end
    task.sleep(0.02)
  end
  task.sleep(0.5)
  run_.process:kill(9)
  w:finish(run_)
  for _ = 1, 2 do
    local r = e2e.expect(between(w, { "acme/models" }), 1)
    t:eq({ r.item.failed, r.item.copied + r.item.unchanged }, { 1, 1 })
    t:match(r.item.problems[1], '^"a"' .. NOT_STORED)
  end
  -- Without a ledger the bytes of the other side prove it.
  fs.remove(w.home .. "/.local/state/godwit/digests.db")
  err.check(fs.mkdir(w.home .. "/out", 448))
  err.check(fs.write(w.home .. "/out/b", large, 384))
  local r = e2e.expect(run(w, { "dev:acme/models", "./out" }), 1)
  t:eq(numbers(r.item), { "failed", 2, 0, 1, 0, 1, 0 })
  t:match(r.item.problems[1], '^"a"' .. NOT_STORED)
  t:no(fs.stat(w.home .. "/out/a"))
end)

test("bytes that are sent twice count twice", function(t)
  local w = world(t, { a = ("x"):rep(30000) })
  local times = 0
  behind(t, w, "prod", function(seen)
    if seen.method == "PUT" then
      times = times + 1
      return times < 4 and answer(503, "busy") or nil
    end
  end)
  local r = e2e.expect(between(w, { "acme/models", "--max-transfer", "70000" }),
    8)
  t:eq({ r.item.kind, times <= 3 }, { "budget", true })
  t:no(w.prod:files("acme", "models").a)
  times = 0
  e2e.expect(between(w, { "acme/models", "--max-transfer", "130000" }), 0)
end)

-- A server whose ETags look like MD5s and are none, as S3's of what it encrypts.
local function other_etags(t, w, side)
  return behind(t, w, side, function(seen, pass)
    local r = pass()
    if r.headers.etag then
      r.headers.etag = ('"%s"'):format(sys.hash("md5", side .. seen.path))
    end
    return r
  end)
end

test("ETags that look like MD5s and are none", function(t)
  local files = { a = "one", b = "two", empty = "", large = ("l"):rep(300000),
    larger = ("m"):rep(300001) }
  local w = world(t, files)
  local relays = { other_etags(t, w, "dev"), other_etags(t, w, "prod") }
  w:configure({ dev = { api = relays[1].url }, prod = { api = relays[2].url } })
  local r = e2e.expect(between(w, { "acme/models" }), 0)
  t:eq(numbers(r.item), { "created", 5, 5, 0, 0, 0, 0 })
  t:match(r.item.warnings[1], "^the ETag of 5 files is not the MD5")
  t:eq(w.prod:files("acme", "models"), files)
  r = e2e.expect(between(w, { "acme/models" }), 0)
  t:eq(numbers(r.item), { "unchanged", 5, 0, 5, 0, 0, 0 })
  r = e2e.expect(between(w, { "acme/models", "--checksum" }), 0)
  t:eq(numbers(r.item), { "unchanged", 5, 0, 5, 0, 0, 0 })
  -- Nothing is known of them: what they say is not believed.
  w.dev:put("acme", "big", nil, nil, { "user://*" })
  w.prod:put("acme", "big", nil, nil, { "user://*" })
  for _, name in ipairs({ "large", "larger" }) do
    w.dev:put("acme", "big", name, files[name])
    w.prod:put("acme", "big", name, files[name])
  end
  r = e2e.expect(between(w, { "acme/big", "-n" }), 0)
  t:eq(numbers(r.item), { "unchanged", 2, 0, 2, 0, 0, 0 })
  r = e2e.expect(w:run({ "verify", "--from", "dev", "--to", "prod", "--only",
    "data", "--owner", "acme", "--json" }), 0)
  t:eq(r.doc.counts.equal, 2)
  -- What changes on the way is seen all the same.
  w.dev:put("acme", "big", "larger", ("n"):rep(300001))
  r = e2e.expect(between(w, { "acme/big" }), 0)
  t:eq(numbers(r.item), { "updated", 2, 1, 1, 0, 0, 0 })
  t:eq(w.prod:files("acme", "big").larger, ("n"):rep(300001))
end)

test("ETags that are the same say nothing where others are none", function(t)
  local function by_name(seen, pass)
    local file = seen.path:match("/models/([^/]+)$")
    if file and (seen.method == "GET" or seen.method == "HEAD") then
      local r = pass()
      r.headers.etag = ('"%s"'):format(sys.hash("md5", file))
      return r
    end
  end
  local large = ("l"):rep(300000)
  local w = world(t, { a = "one", large = large .. "!", same = large },
    function(_, prod)
      fill(prod, "models", { a = "one", large = large .. "?", same = large })
    end)
  local urls = {}
  for _, side in ipairs({ "dev", "prod" }) do
    urls[side] = { api = relay.start(t, w[side].api, by_name).url }
  end
  w:configure(urls)
  local r = e2e.expect(w:run({ "verify", "--from", "dev", "--to", "prod",
    "--only", "data", "--owner", "acme", "--json" }), 7)
  t:eq(#r.doc.items[1].differences, 1)
  t:eq(r.doc.items[1].differences[1].field, "file large")
  r = e2e.expect(between(w, { "acme/models" }), 0)
  t:eq(numbers(r.item), { "updated", 3, 1, 2, 0, 0, 0 })
  t:eq(w.prod:files("acme", "models").large, large .. "!")
end)

test("a name that nothing can have fails alone", function(t)
  local w = world(t, { a = "one", b = "two" })
  behind(t, w, "dev", function(seen, pass)
    if seen.method == "GET" and seen.path:find("/acme/models$") then
      local r = pass()
      local doc = err.check(json.decode(r.body))
      for _, name in ipairs({ "../x", "a\27[31m", ("n"):rep(2000), "" }) do
        table.insert(doc.files, 1, { filename = name, size = 1,
          last_modified = "2021-07-30T18:02:11.093Z" })
      end
      r.body = json.encode(doc)
      return r
    end
  end)
  local r = e2e.expect(between(w, { "acme/models", "-n" }), 1)
  t:eq(r.item.outcome, "failed")
  r = e2e.expect(between(w, { "acme/models", "--delete" }), 1)
  t:eq(numbers(r.item), { "failed", 6, 2, 0, 0, 4, 0 })
  t:match(table.concat(r.item.problems, "\n"), "it has a / in it")
  t:no(r.all:find("\27[31m", 1, true))
  t:eq(w.prod:files("acme", "models"), { a = "one", b = "two" })
end)

test("a folder in a collection fails alone, though it has a page of its own",
  function(t)
    local w = world(t, { a = "one", b = "two" })
    behind(t, w, "dev", function(seen, pass)
      if seen.method ~= "GET" or not seen.path:find("/acme/models$") then
        return nil
      end
      local doc = { folders = json.array({ { name = "sub" } }) }
      if not (seen.query or ""):find("marker") then
        doc = err.check(json.decode(pass().body))
        doc.marker = "m"
      end
      return { status = 200, body = json.encode(doc), headers = {
        ["Content-Type"] = "application/json" } }
    end)
    local r = e2e.expect(between(w, { "acme/models", "--delete" }), 1)
    t:eq(numbers(r.item), { "failed", 3, 2, 0, 0, 1, 0 })
    t:match(r.item.problems[1], '"sub": it is a folder')
    r = e2e.expect(w:run({ "verify", "--from", "dev", "--to", "prod", "--only",
      "data", "--owner", "acme", "--json" }), 7) -- its ACL is still to come
    t:match(r.all, "sub.*it is a folder")
    r = e2e.expect(between(w, { "acme/models", "--exclude", "sub" }), 0)
    t:eq(numbers(r.item), { "updated", 3, 0, 2, 1, 0, 0 })
  end)

test("what the list does not tell is left out by filters, and that is said",
  function(t)
    local w = world(t, { a = "one", b = "two" })
    behind(t, w, "dev", function(seen, pass)
      if seen.method == "GET" and seen.path:find("/acme/models$") then
        local doc = err.check(json.decode(pass().body))
        for _, row in ipairs(doc.files) do
          row.last_modified = nil
          row.size = row.filename == "a" and row.size or nil
        end
        return { status = 200, body = json.encode(doc), headers = {
          ["Content-Type"] = "application/json" } }
      end
    end)
    local r = e2e.expect(between(w, { "acme/models", "--min-size", "1" }), 0)
    t:eq(numbers(r.item), { "created", 2, 1, 0, 1, 0, 0 })
    t:match(r.item.warnings[1], "1 file of dev:acme/models is left out, since "
      .. "the list does not tell the size")
    r = e2e.expect(between(w, { "acme/models", "--newer", "1d" }), 0)
    t:eq(numbers(r.item), { "unchanged", 2, 0, 0, 2, 0, 0 })
    t:match(r.item.warnings[1], "2 files of .* are left out, .*tell the time")
    r = e2e.expect(between(w, { "acme/models" }), 0)
    t:eq(numbers(r.item), { "updated", 2, 1, 1, 0, 0, 0 })
    t:eq(r.item.warnings, nil)
  end)

test("what is no file of an archive's collection fails alone", function(t)
  local w = world(t, { a = "one", b = "two" })
  local arch = w.dir .. "/arch"
  e2e.archive(arch, "arch")
  e2e.expect(run(w, { "acme/models", "--from", "dev", "--to", arch }), 0)
  local files = arch .. "/data/acme/models/files"
  t:ok(fs.write(files .. "/bad\xff", "x"))
  t:ok(fs.mkdir(files .. "/sub"))
  local r = e2e.expect(run(w, { arch .. ":acme/models", "./out/" }), 1)
  t:eq(numbers(r.item), { "failed", 4, 2, 0, 0, 2, 0 })
  local why = table.concat(r.item.problems, "\n")
  t:match(why, '"sub": it is a folder')
  t:match(why, '"bad\\255": it is not UTF%-8')
  t:eq(fs.read(w.home .. "/out/a"), "one")
  r = e2e.expect(run(w, { arch .. ":acme/models", "./out/", "--exclude", "bad*",
    "--exclude", "sub" }), 0)
  t:eq(numbers(r.item), { "unchanged", 4, 0, 2, 2, 0, 0 })
  r = w:run({ "verify", "--from", arch, "--to", "dev", "--only", "data",
    "--owner", "acme", "--json" })
  t:eq({ r.doc.items[1].outcome, r.doc.items[1].files }, { "unreadable", 2 })
  t:match(r.all, "sub.*it is a folder")
end)

test("a server that is gone: the rest is not tried", function(t)
  local w = world(t, many(200, "x"))
  behind(t, w, "prod", function(seen)
    if seen.method == "PUT" then
      return answer(403, "not you")
    end
  end)
  local r = e2e.expect(between(w, { "acme/models" }), 1)
  t:eq(numbers(r.item), { "failed", 200, 0, 0, 0, 200, 0 })
  t:match(r.item.why, "the rest was not tried: %d+ files in a row failed")
  t:match(r.item.problems[1], "not you")
end)

test("owners without a usable key are named before anything else", function(t)
  local w = world(t, { a = "x" })
  w.dev:put("alice", "mine", "m", "x")
  w.dev:put("bob", "his", "h", "x")
  w:configure({ dev = { more = [[key = function(owner)
    if owner == "alice" then return env "DEV_KEY" end
    if owner == "acme" then return env "ACME_KEY" end
  end]] } })
  local text = err.check(fs.read(w.home .. "/.config/godwit/config.lua", 1e4))
  err.check(fs.write(w.home .. "/.config/godwit/config.lua",
    (text:gsub('key = env "DEV_KEY", ', "")), 384))
  local r = e2e.expect(between(w, { "alice/*", "acme/*", "bob/*" },
    { ACME_KEY = "simNotAKey" }), 3)
  local by = {}
  for _, item in ipairs(r.doc.items) do
    by[item.ref] = item
  end
  t:eq(by["alice/mine"].outcome, "created")
  t:eq(by["acme/*"].outcome, "refused")
  t:match(by["bob/*"].problems[1], "no key for the owner bob")
  t:match(r.err, "there is no usable key for acme on dev, bob on dev")
end)

test("a ledger that is damaged or cannot be written stops nothing",
  function(t)
    local files = many(5, "x")
    local w = world(t, files)
    local r = e2e.expect(between(w, { "acme/models" },
      { GODWIT_FAULT = "ledger.put" }), 0)
    t:match(r.err, "what is known of files cannot be used")
    t:eq(w.prod:files("acme", "models"), files)
    local path = w.home .. "/.local/state/godwit/digests.db"
    err.check(fs.write(path, ("no database "):rep(100)))
    for _, suffix in ipairs({ "-wal", "-shm" }) do
      fs.remove(path .. suffix)
    end
    r = e2e.expect(between(w, { "acme/models" }), 0)
    t:match(r.err, "digests.db cannot be used")
    t:eq(numbers(r.item), { "unchanged", 5, 0, 5, 0, 0, 0 })
    fs.remove(path)
    e2e.expect(between(w, { "acme/models" }), 0)
    r = e2e.expect(between(w, { "acme/models" },
      { GODWIT_FAULT = "ledger.get" }), 0)
    t:eq(r.item.outcome, "unchanged")
  end)

test("no room for the table of names: one clear sentence", function(t)
  local w = world(t, many(5, "x"))
  local r = e2e.expect(between(w, { "acme/models" },
    { GODWIT_FAULT = "names.put" }), 1)
  t:match(r.item.why, "table of names: No space left")
  t:no(w.prod:files("acme", "models"))
end)
