-- Servers that hang, cut, lie or send something else: one clear sentence, the
-- right exit code, nothing half-done reported as done.
local e2e = require("support.e2e")
local err = require("godwit.err")
local relay = require("support.relay")
local serve = require("godwit.core.serve")
local sys = require("godwit.core.sys")
local task = require("godwit.task")

local HELLO = "acme/Hello"

local function behind(t, side, on)
  local w = e2e.seeded(t)
  local box = w[side]
  local r = relay.start(t, box.api, on)
  w:configure({ [side] = { api = r.url } })
  return w, r
end

local HTML = { status = 200, headers = { ["Content-Type"] = "text/html" },
  body = "<html><body>Please log in</body></html>" }

local function one_sentence(t, r)
  t:ok(#r.item.why > 0)
  t:eq(r.item.outcome == "failed" or r.item.outcome == "refused", true)
end

test("a login page instead of JSON", function(t)
  local w = behind(t, "prod", function()
    return HTML
  end)
  local r = w:promote({ HELLO })
  t:ok(r.code == 1 or r.code == 5 or r.code == 6, r.all)
  one_sentence(t, r)
end)

test("a login page instead of a repository", function(t)
  local w = behind(t, "dev", function(seen)
    return seen.path:find("^/git/") and HTML or nil
  end)
  local r = w:promote({ HELLO })
  t:ok(r.code ~= 0 and r.code ~= 3, r.all)
  one_sentence(t, r)
  t:eq(w.prod:get(HELLO), nil)
end)

test("a source that closes in the middle of a pack", function(t)
  local w = behind(t, "dev", function(seen)
    return seen.path:find("/git%-upload%-pack$") and "cut" or nil
  end)
  local r = w:promote({ HELLO })
  t:ok(r.code == 1 or r.code == 5, r.all)
  one_sentence(t, r)
  t:eq(w.prod:get(HELLO), nil)
end)

test("a destination that closes in the middle of our pack", function(t)
  local w = behind(t, "prod", function(seen)
    return seen.method == "POST" and seen.path:find("/git%-receive%-pack$")
      and "cut" or nil
  end)
  local r = w:promote({ HELLO, "--build-timeout", "5" })
  t:ok(r.code == 1 or r.code == 5, r.all)
  one_sentence(t, r)
  t:eq(w.prod:versions(HELLO), {})
  -- What was done is said: the algorithm was created, nothing was pushed.
  t:eq(r.item.steps[1].step, "create")
  t:eq(r.item.steps[2], nil)
end)

test("a pack that is cut once is asked for again", function(t)
  local w, from = behind(t, "dev", function(seen)
    return seen.path:find("/git%-upload%-pack$") and seen.method == "POST"
      and seen.n == 1 and "cut" or nil
  end)
  e2e.expect(w:promote({ HELLO }), 0)
  t:eq(from:count("POST /git/acme/Hello.git/git-upload-pack"), 2)
end)

test("JSON nested beyond reason", function(t)
  local w = behind(t, "prod", function(seen)
    if seen.path == "/v1/algorithms/acme/Hello" then
      return { status = 200, headers = { ["Content-Type"] =
        "application/json" }, body = ("["):rep(100000) }
    end
  end)
  local r = w:promote({ HELLO })
  t:ok(r.code == 1, r.all)
  one_sentence(t, r)
end)

test("a redirect to somewhere else gets no key", function(t)
  local told = {}
  local elsewhere = relay.start(t, "http://127.0.0.1:1", function(seen)
    told[#told + 1] = seen.headers
    return { status = 200, headers = {}, body = "{}" }
  end)
  local w = behind(t, "prod", function(seen)
    if seen.path == "/v1/algorithms/acme/Hello" then
      return { status = 302, headers = { Location = elsewhere.url .. "/x" },
        body = "" }
    end
  end)
  local r = w:promote({ HELLO })
  t:ok(r.code == 1 or r.code == 6, r.all)
  one_sentence(t, r)
  for _, headers in ipairs(told) do
    t:eq(headers.authorization, nil)
    for _, value in pairs(headers) do
      t:no(value:find(w.prod.keys.alice, 1, true), "a header has the key")
    end
  end
end)

-- A server of our own before the cluster's: what the relay cannot send.
local function own_server(t, handler)
  local server = err.check(serve.listen({ address = "127.0.0.1", port = 0,
    handler = handler }))
  t:defer(function()
    server:close()
  end)
  return "http://127.0.0.1:" .. server.port
end

test("a body of 2 GB is refused long before its end", function(t)
  local w, sent = e2e.seeded(t), 0
  local chunk = '{"id": "' .. ("x"):rep(1 << 20)
  local api = own_server(t, function(req)
    req:start(200, { ["Content-Type"] = "application/json" })
    for _ = 1, 2048 do
      if req:closed() then
        return
      end
      req:write(chunk)
      sent = sent + #chunk
    end
    req:finish()
  end)
  w:configure({ prod = { api = api } })
  local r = e2e.expect(w:promote({ HELLO }), 1)
  t:match(r.item.why, "larger than")
  t:ok(sent < 400 << 20, sent)
end)

test("an answer that is cut in the middle", function(t)
  local w = behind(t, "prod", function(seen)
    return seen.path == "/v1/algorithms/acme/Hello" and "cut" or nil
  end)
  local r = e2e.expect(w:promote({ HELLO }), 5)
  one_sentence(t, r)
  t:eq(w.prod:get(HELLO), nil)
end)

test("a server that takes the request and never answers", function(t)
  local w = e2e.seeded(t)
  local api = own_server(t, function(req)
    while not req:closed() do
      task.sleep(0.2)
    end
  end)
  w:configure({ prod = { api = api } })
  local began = sys.monotonic()
  local r = e2e.expect(w:promote({ HELLO }), 5)
  one_sentence(t, r)
  t:match(r.item.why, "timeout")
  t:ok(sys.monotonic() - began < 100)
end)

test("a tree with names that leave it is refused", function(t)
  local w = e2e.seeded(t)
  for _, name in ipairs({ ".git", ".GIT", "..", "." }) do
    w.dev:bad_tree(HELLO, name)
    local r = e2e.expect(w:promote({ HELLO }), 6)
    t:match(r.item.why, "not safe")
    t:eq(w.prod:get(HELLO), nil)
  end
end)
