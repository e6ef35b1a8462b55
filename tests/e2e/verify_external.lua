-- Algorithms whose code is kept at a Git host elsewhere, compared after a
-- promotion.
local e2e = require("support.e2e")
local external = require("support.external")

local HELLO = "acme/Hello"
local FILES = { { path = "src/Hello.py", data = "print('hello')\n" },
  { path = "algorithmia.conf", data = '{"username": "acme"}\n' } }

local function fields(r)
  local names = {}
  for i, d in ipairs(r.doc.items[1].differences or {}) do
    names[i] = d.field
  end
  return names
end

local function verify(w, words)
  return w:run({ "verify", HELLO, "--from", "dev", "--to", "prod", "--json",
    table.unpack(words or {}) }, external.ENV)
end

test("where the code is kept is compared by provider and address", function(t)
  local host = external.start(t)
  host:make("acme/hello")
  host:commit("acme/hello", FILES)
  local w = e2e.world(t)
  host:connect(w.dev, "gh")
  w:configure({ dev = { more = external.hosts({ host }) } })
  host:create(w.dev, "gh", HELLO, "acme/hello")
  host:release(w.dev, HELLO, "acme/hello", { { path = "x", data = "1" } })
  w.dev:publish(HELLO)
  w.prod:create(HELLO, { details = { label = "Hello" } })
  e2e.expect(w:run({ "promote", HELLO, "--from", "dev", "--to", "prod",
    "--update-settings" }, external.ENV), 0)
  local r = e2e.expect(verify(w), 7)
  t:eq(fields(r), { "source.scm" })
  t:match(r.doc.items[1].differences[1].source, "^github http://127")
  t:eq(r.doc.items[1].differences[1].destination, "internal")
  -- A policy that takes it to the cluster itself expects just that.
  local fs = require("godwit.core.fs")
  fs.mkdir(w.home .. "/policies", 448)
  assert(fs.write(w.home .. "/policies/acme.lua",
    "return { settings = { scm = 'internal' } }", 384))
  e2e.expect(verify(w), 0)
end)

test("both are built from one repository: its files are the same", function(t)
  local host = external.start(t)
  host:make("acme/hello")
  host:commit("acme/hello", FILES)
  local w = e2e.world(t)
  host:connect(w.dev, "gh")
  host:connect(w.prod, "hub")
  w:configure({ dev = { more = external.hosts({ host }) },
    prod = { more = external.hosts({ host }) } })
  host:create(w.dev, "gh", HELLO, "acme/hello")
  host:create(w.prod, "hub", "alice/Hello", "acme/hello")
  host:release(w.dev, HELLO, "acme/hello", { { path = "x", data = "1" } })
  w.dev:publish(HELLO)
  e2e.expect(w:run({ "promote", HELLO, "--from", "dev", "--to", "prod",
    "--to-owner", "alice", "--update-settings" }, external.ENV), 0)
  local r = e2e.expect(verify(w, { "--to-owner", "alice" }), 0)
  t:eq({ r.doc.items[1].outcome, r.doc.items[1].version },
    { "equal", "0.1.0" })
end)
