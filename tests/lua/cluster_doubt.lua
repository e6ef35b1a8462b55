-- Writes whose answer is lost: the server has done it, or not, and cuts.
local effect = require("godwit.effect")
local http = require("godwit.cluster.http")
local json = require("godwit.core.json")
local odd = require("support.oddcluster")
local settle = require("godwit.effect.settle")
local task = require("godwit.task")

require("godwit.log").setup({ quiet = true })
settle.timing.scale = 0.01

local COMMIT = ("a"):rep(40)
local HELLO = "/v1/algorithms/acme/Hello"
local DOC = { id = "1", name = "Hello", details = { label = "Hello" },
  settings = { algorithm_callability = "private" } }

local function page(...)
  return { json = { results = json.array({ ... }) } }
end

local function missing()
  return { status = 404, json = { error = "No such algorithm" } }
end

local function count(server, line)
  local n = 0
  for _, l in ipairs(server:log()) do
    n = n + (l == line and 1 or 0)
  end
  return n
end

test("a create that was done is not made again", function(t)
  local there = false
  local server = odd.start(t, {
    ["GET " .. HELLO] = function()
      return there and { json = DOC } or missing()
    end,
    ["POST /v1/algorithms/acme"] = function(_, req)
      there = true
      return odd.cut(req)
    end,
  })
  local driver = http.open(server:profile())
  local before = effect.counts.settled
  t:eq(driver:create_algorithm("acme", { name = "Hello" }).id, "1")
  t:eq(count(server, "POST /v1/algorithms/acme"), 1)
  t:eq(effect.counts.settled, before + 1)
end)

test("a create that was not done is made again", function(t)
  local posts, there = 0, false
  local server = odd.start(t, {
    ["GET " .. HELLO] = function()
      return there and { json = DOC } or missing()
    end,
    ["POST /v1/algorithms/acme"] = function(_, req)
      posts = posts + 1
      if posts == 1 then
        return odd.cut(req)
      end
      there = true
      return { status = 201, json = DOC }
    end,
  })
  local driver = http.open(server:profile())
  t:eq(driver:create_algorithm("acme", { name = "Hello" }).id, "1")
  t:eq(posts, 2)
end)

test("a gateway's 504 is a lost answer, too", function(t)
  local there = false
  local server = odd.start(t, {
    ["GET " .. HELLO] = function()
      return there and { json = DOC } or missing()
    end,
    ["POST /v1/algorithms/acme"] = function()
      there = true
      return { status = 504, body = "<html>timeout</html>",
        type = "text/html" }
    end,
  })
  local driver = http.open(server:profile())
  t:eq(driver:create_algorithm("acme", { name = "Hello" }).id, "1")
  t:eq(count(server, "POST /v1/algorithms/acme"), 1)
end)

-- A cluster with one build of COMMIT, whose publishes are what `on_publish`
-- makes of them.
local function publishing(t, on_publish)
  local state = { published = {} }
  local server
  server = odd.start(t, {
    ["GET " .. HELLO] = { json = DOC },
    ["GET " .. HELLO .. "/builds"] = page({ build_id = "b1",
      status = "succeeded", commit_sha = COMMIT }),
    ["GET " .. HELLO .. "/versions"] = function()
      return page(table.unpack(state.published))
    end,
    ["POST " .. HELLO .. "/versions"] = function(seen, req)
      return on_publish(state, seen, req)
    end,
  })
  return http.open(server:profile()), server, state
end

local function release(state, number, commit)
  table.insert(state.published, 1, { version_info = {
    semantic_version = number, git_hash = commit or COMMIT } })
end

test("a publish that was done gives its number, once", function(t)
  local driver, server = publishing(t, function(state, _, req)
    release(state, "0.1.0")
    return odd.cut(req)
  end)
  local doc = driver:publish("acme", "Hello", {})
  t:eq(doc.version_info.semantic_version, "0.1.0")
  t:eq(count(server, "POST " .. HELLO .. "/versions"), 1)
end)

test("a number that was there before proves nothing", function(t)
  local posts = 0
  local driver, _, state = publishing(t, function(state, _, req)
    posts = posts + 1
    if posts == 1 then
      return odd.cut(req)
    end
    release(state, "0.2.0")
    return { json = state.published[1] }
  end)
  release(state, "0.1.0")
  local doc = driver:publish("acme", "Hello", {})
  t:eq(doc.version_info.semantic_version, "0.2.0")
  t:eq(posts, 2)
end)

test("another commit's new number is neither ours nor a reason to repeat",
  function(t)
    local posts = 0
    local driver = publishing(t, function(state, _, req)
      posts = posts + 1
      release(state, "0.1.0", ("b"):rep(40))
      return odd.cut(req)
    end)
    local e = t:raises("net", driver.publish, "look before repeating", driver,
      "acme", "Hello", {})
    t:ok(e.in_doubt)
    t:eq(posts, 1)
  end)

test("a publish that comes late makes the repeat a 1007, which is settled",
  function(t)
    local posts = 0
    local driver = publishing(t, function(state, _, req)
      posts = posts + 1
      if posts == 1 then
        return odd.cut(req) -- it will be at work for a while
      end
      release(state, "0.1.0")
      return { status = 400, json = { error = { code = 1007,
        message = "Version already published" } } }
    end)
    local doc = driver:publish("acme", "Hello", {})
    t:eq(doc.version_info.semantic_version, "0.1.0")
  end)

test("a compile that was started is waited for", function(t)
  local builds = { { build_id = "b1", status = "succeeded",
    commit_sha = COMMIT } }
  local looks = 0
  local server = odd.start(t, {
    ["GET " .. HELLO .. "/builds"] = function()
      looks = looks + 1
      if looks == 4 then
        builds[1].status = "succeeded"
      end
      return page(table.unpack(builds))
    end,
    ["GET " .. HELLO .. "/versions/" .. COMMIT] = { json = { name = "Hello",
      version_info = { git_hash = COMMIT } } },
    ["POST " .. HELLO .. "/compile"] = function(_, req)
      table.insert(builds, 1, { build_id = "b2", status = "in-progress",
        commit_sha = COMMIT })
      return odd.cut(req)
    end,
  })
  local driver = http.open(server:profile())
  local doc = driver:compile("acme", "Hello")
  t:ok(doc.compilation.successful)
  t:eq(doc.build.build_id, "b2")
  t:eq(count(server, "POST " .. HELLO .. "/compile"), 1)
end)

test("an update in doubt is sent again", function(t)
  local puts = 0
  local server = odd.start(t, {
    ["GET " .. HELLO] = { json = DOC },
    ["PUT " .. HELLO] = function(_, req)
      puts = puts + 1
      return puts == 1 and odd.cut(req) or { json = DOC }
    end,
  })
  local driver = http.open(server:profile())
  driver:update_algorithm("acme", "Hello", { details = { tagline = "x" } })
  t:eq(puts, 2)
end)

test("a call in doubt is reported, never repeated", function(t)
  local calls = 0
  local server = odd.start(t, {
    ["POST /v1/algo/acme/Hello/" .. COMMIT] = function(_, req)
      calls = calls + 1
      return odd.cut(req)
    end,
  })
  local driver = http.open(server:profile())
  local e = t:raises("net", driver.call, nil, driver, "acme", "Hello", COMMIT,
    { text = "x" })
  t:ok(e.in_doubt)
  t:eq(calls, 1)
end)

test("a cluster that stays away leaves it in doubt", function(t)
  local server
  server = odd.start(t, {
    ["GET " .. HELLO] = { missing(), { status = 403, json = {} } },
    ["POST /v1/algorithms/acme"] = function(_, req)
      return odd.cut(req)
    end,
  })
  local driver = http.open(server:profile())
  local e = t:raises("net", driver.create_algorithm, "look before repeating",
    driver, "acme", { name = "Hello" })
  t:ok(e.in_doubt)
  t:eq(count(server, "POST /v1/algorithms/acme"), 1)
end)

--- Permission and order ------------------------------------------------------

test("two tasks that update one algorithm without order are told", function(t)
  local server = odd.start(t, { ["*"] = { json = DOC } })
  local driver = http.open(server:profile({ name = "order" }))
  t:raises("conflict", function()
    task.each({ "a", "b" }, function(tagline)
      driver:update_algorithm("acme", "Hello",
        { details = { tagline = tagline } })
    end)
  end, "two tasks write order:acme/Hello")
end)

test("without --allow-write nothing is written, and the flag is named",
  function(t)
    local server = odd.start(t, { ["*"] = { json = DOC } })
    local one = http.open(server:profile({ name = "one" }))
    local two = http.open(server:profile({ name = "two", id = "two" }))
    effect.allow_write("one")
    one:update_algorithm("acme", "Hello", { details = { tagline = "x" } })
    local requests = #server.requests
    t:raises("denied", two.update_algorithm, "%-%-allow%-write two", two,
      "acme", "Hello", { details = { tagline = "x" } })
    t:eq(#server.requests, requests + 1) -- only the read before it
    effect.allow_write("two")
    two:update_algorithm("acme", "Hello", { details = { tagline = "x" } })
  end)
