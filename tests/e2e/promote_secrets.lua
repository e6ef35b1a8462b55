-- --secrets: what the destination lacks is set from a file; nothing is
-- overwritten, and the values are nowhere to be found afterwards.
local e2e = require("support.e2e")
local fs = require("godwit.core.fs")
local json = require("godwit.core.json")

local HELLO = "acme/Hello"
local LINES = "-----BEGIN-----\nmiddle-of-it\n-----END-----"

local function docs(keys)
  local list = json.array({})
  for i, key in ipairs(keys) do
    list[i] = { id = "s" .. i, short_name = key:lower(), secret_key = key,
      description = "what " .. key .. " is", owner_type = "algorithm" }
  end
  return list
end

local function write(path, doc)
  assert(fs.write(path, type(doc) == "string" and doc or json.encode(doc),
    384))
end

local function secrets(box, ref, keys)
  write(box.dir .. "/algorithms/" .. ref .. "/secrets.json", docs(keys))
end

local function keys_at(box, ref)
  local keys = {}
  for i, doc in ipairs(box:driver():list_secrets((ref or HELLO)
    :match("^(.*)/(.*)$"))) do
    keys[i] = doc.secret_key
  end
  return keys
end

-- A world whose acme/Hello uses TOKEN and PASSWORD.
local function start(t, more)
  return e2e.world(t, function(dev, prod)
    e2e.seed(dev)
    secrets(dev, HELLO, { "TOKEN", "PASSWORD" })
    if more then
      more(dev, prod)
    end
  end)
end

local FILE = [[
return {
  ["acme/*"] = {
    TOKEN = env "THE_TOKEN",
    PASSWORD = { value = command { "printf", "%s\n%s\n%s\n", "-----BEGIN-----",
      "middle-of-it", "-----END-----" }, description = "a pass word" },
  },
}
]]

local function file(w, text, mode)
  local path = w.dir .. "/values.lua"
  write(path, text or FILE)
  os.execute(("chmod %s %s"):format(mode or "600", path))
  return path
end

local TOKEN = { THE_TOKEN = "tok-3n\"of\\prod" }

-- Nowhere: not in what was said, not in a file of the world. What each part
-- looks like in JSON, URLs and base64 is looked for as well.
local function nowhere(t, w, path)
  fs.remove(path)
  for _, text in ipairs({ "tok%-3n", "dG9rLTNu", "middle%-of%-it",
    "bWlkZGxlLW9m" }) do
    t:no(w.said:find(text), "said " .. text)
    local p = io.popen(("grep -rlaE '%s' '%s'"):format(
      (text:gsub("%%", "")), w.dir))
    t:eq(p:read("a"), "")
    p:close()
  end
end

test("the first promotion sets them, a repeat changes nothing", function(t)
  local w = start(t)
  local path = file(w)
  local r = e2e.expect(w:promote({ HELLO, "--secrets", path, "-vv" }, TOKEN),
    0)
  t:eq(r.item.outcome, "created")
  t:match(table.concat(r.doc.notes, "\n"), "but for those of %-%-secrets")
  local texts = {}
  for _, s in ipairs(r.item.steps) do
    texts[#texts + 1] = s.symbol .. " " .. s.text
  end
  t:match(table.concat(texts, "\n"),
    "^%+ algorithm prod:acme/Hello\n%+ secret TOKEN\n%+ secret PASSWORD\n")
  t:eq(keys_at(w.prod), { "TOKEN", "PASSWORD" })
  local list = w.prod:driver():list_secrets("acme", "Hello")
  t:eq({ list[1].description, list[2].description, list[2].short_name },
    { "what TOKEN is", "a pass word", "password" })
  t:eq(w.prod:versions(HELLO), { "0.1.0" })

  r = e2e.expect(w:promote({ HELLO, "--secrets", path, "-vv" }, TOKEN), 0)
  t:eq(r.item.outcome, "unchanged")
  t:eq(w.prod:driver():list_secrets("acme", "Hello"), list)
  -- without the file there is nothing missing any more
  t:eq(e2e.expect(w:promote({ HELLO }), 0).item.outcome, "unchanged")
  -- what nobody needs is not read
  write(path, 'return { ["acme/Hello"] = { TOKEN = env "NOT_SET" } }')
  t:eq(e2e.expect(w:promote({ HELLO, "--secrets", path }), 0).item.outcome,
    "unchanged")
  nowhere(t, w, path)
end)

test("one that went missing is set though nothing else has changed",
function(t)
  local w = start(t)
  local path = file(w)
  e2e.expect(w:promote({ HELLO, "--secrets", path }, TOKEN), 0)
  local driver = w.prod:driver()
  driver:delete_secret("acme", "Hello",
    driver:list_secrets("acme", "Hello")[1])
  t:eq(e2e.expect(w:promote({ HELLO }), 0).item.outcome, "unchanged")
  local r = e2e.expect(w:promote({ HELLO, "--secrets", path }, TOKEN), 0)
  t:eq(r.item.outcome, "updated")
  t:eq(#r.item.steps, 1)
  t:eq(keys_at(w.prod), { "PASSWORD", "TOKEN" })
  t:eq(w.prod:versions(HELLO), { "0.1.0" })
  nowhere(t, w, path)
end)

test("a plan lists them, sets nothing and shows no value", function(t)
  local w = start(t)
  local path = file(w)
  local r = e2e.expect(w:promote({ HELLO, "--secrets", path, "-n" }, TOKEN), 0)
  t:match(json.encode(r.doc), "secret TOKEN")
  r = e2e.expect(w:run({ "promote", HELLO, "--from", "dev", "--to", "prod",
    "-n", "-vv", "--secrets", path }, TOKEN), 0)
  t:match(r.all, "%+ secret PASSWORD")
  t:eq(w.prod:get(HELLO), nil)
  nowhere(t, w, path)
end)

test("what is there is not overwritten, what is not given is a problem",
function(t)
  local w = start(t)
  local path = file(w, 'return { ["acme/Hello"] = { TOKEN = env "THE_TOKEN" } }')
  local r = e2e.expect(w:promote({ HELLO, "--secrets", path }, TOKEN), 6)
  t:match(r.item.why, "lacks the secret PASSWORD of the source")
  t:match(r.item.why, "%-%-secrets FILE")
  t:eq(w.prod:get(HELLO), nil)
  r = e2e.expect(w:promote({ HELLO, "--secrets", path, "--publish", "no" },
    TOKEN), 0)
  t:eq(keys_at(w.prod), { "TOKEN" })
  t:match(r.item.warnings[1], "lacks the secret PASSWORD")
  local before = w.prod:driver():list_secrets("acme", "Hello")[1]
  path = file(w)
  e2e.expect(w:promote({ HELLO, "--secrets", path }, TOKEN), 0)
  t:eq(keys_at(w.prod), { "TOKEN", "PASSWORD" })
  t:eq(w.prod:driver():list_secrets("acme", "Hello")[1], before)
  nowhere(t, w, path)
end)

test("what is given and not at the source is said once", function(t)
  local w = start(t, function(dev)
    e2e.seed(dev, "acme/Other")
  end)
  local path = file(w, [[return {
    ["acme/*"] = { TOKEN = env "THE_TOKEN", PASSWORD = "written-here",
      OLD_ONE = "xxxxxxxx" },
    ["acme/Other"] = { TOKEN = "yyyyyyyy" },
    ["labs/*"] = { TOKEN = "zzzzzzzz" },
  }]])
  local r = e2e.expect(w:promote({ HELLO, "acme/Other", "--secrets", path },
    TOKEN), 0)
  t:eq(keys_at(w.prod), { "TOKEN", "PASSWORD" })
  t:eq(select(2, r.err:gsub("OLD_ONE", "")), 1)
  t:match(r.err, "gives OLD_ONE for acme/%*, but the source has no such")
  t:match(r.err, "gives TOKEN for acme/Other, but")
  t:no(r.err:find("labs", 1, true))
  t:no(r.err:find("gives PASSWORD", 1, true))
  nowhere(t, w, path)
end)

test("a file that others can read, or that says something else", function(t)
  local w = start(t)
  local function refused(text, why, mode)
    local path = file(w, text, mode)
    local r = e2e.expect(w:promote({ HELLO, "--secrets", path }, TOKEN), 2)
    t:match(r.err, why)
    t:no(r.err:find("tok-3n", 1, true))
  end
  refused(FILE, "others can read it; run: chmod 600 ", "640")
  refused(FILE, "chmod 600", "604")
  refused("return 3", "values%.lua:1: expected a table of OWNER/NAME")
  refused("return {", "values%.lua:1")
  refused('return {\n  acme = { A = "x" } }',
    "values%.lua:2: acme: expected OWNER/NAME or a glob")
  refused('return { ["a/b/c"] = {} }', "expected OWNER/NAME")
  refused('return { ["acme/H[ae]llo"] = {} }', "expected OWNER/NAME")
  refused('return { ["acme/Hello"] = "x" }', "expected a table, as in")
  refused('return {\n  ["*/Hello"] = {\n    A = 3 } }',
    "values%.lua:3: %*/Hello%.A: expected env, file, command or a text, not a")
  refused('return { ["acme/Hello"] = { A = "" } }', "A: is empty")
  refused('return { ["acme/Hello"] = { A = { vlaue = "x" } } }',
    "A%.vlaue: unknown field; did you mean 'value'")
  refused('return { ["acme/Hello"] = { A = { description = "x" } } }',
    "A: needs a value")
  refused('return { ["acme/Hello"] = { A = { value = "x", provider = 3 } } }',
    "A%.provider: expected a text")
  refused('return { ["acme/Hello"] = { A = secret "jira" } }',
    "goes to its own host only")
  local r = e2e.expect(w:promote({ HELLO, "--secrets", w.dir .. "/none" }), 2)
  t:match(r.err, "there is no file")
  t:eq(w.prod:get(HELLO), nil)
end)

test("a project does not choose the file", function(t)
  local w = start(t)
  write(w.home .. "/godwit.config.lua",
    'return { defaults = { secrets = "values.lua" } }')
  local r = e2e.expect(w:promote({ HELLO }), 2)
  t:match(r.err, "defaults%.secrets: this is given for each run")
end)

test("values that cannot be had are problems before the first write",
function(t)
  local w = start(t)
  local function refused(value, why)
    local path = file(w, ('return { ["acme/Hello"] = { TOKEN = %s, '
      .. 'PASSWORD = "12345678" } }'):format(value))
    local r = e2e.expect(w:promote({ HELLO, "--secrets", path }), 6)
    t:match(r.item.why, why)
    t:eq(w.prod:get(HELLO), nil)
  end
  refused('env "NOT_SET"', "variable NOT_SET is not set")
  refused('command { "false" }', "the command false failed with status 1")
  refused('file "nothing"', "there is no file")
  refused('"bytes \\xff"', "is not UTF%-8 text")
  refused('{ value = "x-x-x-x", provider = "vault" }',
    "no secret provider vault; it has algorithmia_internal")
  local path = file(w, [[return {
    ["acme/*"] = { TOKEN = "first one" },
    ["*/Hello"] = { TOKEN = "second one", PASSWORD = "12345678" } }]])
  local r = e2e.expect(w:promote({ HELLO, "--secrets", path }), 6)
  t:match(r.item.why, "gives TOKEN for acme/Hello twice, as %*/Hello and as "
    .. "acme/%*: name acme/Hello itself")
  path = file(w, [[return {
    ["acme/*"] = { TOKEN = "first one" },
    ["*/Hello"] = { TOKEN = "second one", PASSWORD = "12345678" },
    ["acme/Hello"] = { TOKEN = "this one" } }]])
  e2e.expect(w:promote({ HELLO, "--secrets", path }), 0)
  t:eq(keys_at(w.prod), { "TOKEN", "PASSWORD" })
end)

test("without a default provider it is a problem; one may be named",
function(t)
  local provider = json.array({ { id = "p-1", name = "vault",
    isEnabled = true, isDefault = false } })
  local w = start(t, function(_, prod)
    write(prod.dir .. "/secret-providers.json", provider)
  end)
  local path = file(w)
  local r = e2e.expect(w:promote({ HELLO, "--secrets", path }, TOKEN), 6)
  t:match(r.item.why, "prod has no default secret provider %[8002%]")
  t:match(r.item.why, "it has vault")
  t:eq(w.prod:get(HELLO), nil)
  path = file(w, [[return { ["acme/Hello"] = {
    TOKEN = { value = env "THE_TOKEN", provider = "vault" },
    PASSWORD = { value = "12345678", provider = "p-1" } } }]])
  e2e.expect(w:promote({ HELLO, "--secrets", path }, TOKEN), 0)
  t:eq(w.prod:driver():list_secrets("acme", "Hello")[1].provider_id, "p-1")
end)

test("several destinations, one of them a folder", function(t)
  local w = start(t)
  w:add("third")
  local path = file(w)
  local count = w.dir .. "/count"
  write(path, ([[return { ["acme/Hello"] = { TOKEN = env "THE_TOKEN",
    PASSWORD = command { "sh", "-c", "echo x >> %s; echo middle-of-it" } } }]])
    :format(count))
  local folder = w.dir .. "/folder"
  e2e.archive(folder, "folder")
  e2e.expect(w:run({ "promote", HELLO, "--from", "dev", "--to", "prod",
    "--to", "third", "--to", folder, "--secrets", path, "-vv" }, TOKEN), 0)
  for _, box in ipairs({ w.prod, w.third }) do
    t:eq(keys_at(box), { "TOKEN", "PASSWORD" })
  end
  t:eq(#json.decode(assert(fs.read(folder
    .. "/algorithms/acme/Hello/secrets.json", 1 << 20))), 2)
  t:eq(fs.read(count, 100), "x\n") -- a command is asked once
  nowhere(t, w, path)
end)

test("a script sets one where it may write, and a plan shows no value",
function(t)
  local w = start(t)
  local code = [[local a = godwit.cluster("dev").algorithms:get "acme/Hello"
    print(select(2, a:set_secret { key = "NEW", value = "middle-of-it" }))]]
  local r = e2e.expect(w:run({ "eval", code }), 9)
  t:match(r.err, "secret.create")
  t:match(r.err, "%-%-allow%-write dev")
  r = e2e.expect(w:run({ "eval", "-n", code }), 0)
  t:match(r.all, "secret%.create dev:acme/Hello/secrets/NEW")
  t:eq(keys_at(w.dev), { "TOKEN", "PASSWORD" })
  r = e2e.expect(w:run({ "eval", "--allow-write", "dev", code }), 0)
  t:eq(r.out, "created\n")
  t:eq(keys_at(w.dev), { "TOKEN", "PASSWORD", "NEW" })
  w.said = w.said:gsub('"middle%-of%-it"', "") -- the code itself, in a plan
  nowhere(t, w, w.dir .. "/values.lua")
end)

test("a command that fails is asked once", function(t)
  local w = start(t, function(dev)
    for _, name in ipairs({ "acme/B", "acme/C" }) do
      e2e.seed(dev, name)
      secrets(dev, name, { "TOKEN" })
    end
  end)
  local count = w.dir .. "/count"
  local path = file(w, ([[return { ["acme/*"] = { PASSWORD = "12345678",
    TOKEN = command { "sh", "-c", "echo x >> %s; exit 3" } } }]])
    :format(count))
  local r = e2e.expect(w:promote({ HELLO, "acme/B", "acme/C", "--secrets",
    path }), 6)
  t:eq(r.doc.counts.refused, 3)
  for _, item in ipairs(r.items) do
    t:match(item.why, "the command sh failed with status 3")
  end
  t:eq(fs.read(count, 100), "x\n")
end)

test("copy.algorithm takes the same, as texts and secrets", function(t)
  local w = start(t)
  write(w.home .. "/go.lua", [[
    local dev, prod = godwit.cluster "dev", godwit.cluster "prod"
    local a = dev.algorithms:get "acme/Hello"
    print(pcall(copy.algorithm, a, prod, { secrets = { acme = {} } }))
    local r = copy.algorithm(a, prod, { secrets = { ["acme/H*"] = {
      TOKEN = godwit.secret "token", PASSWORD = "middle-of-it" } } })
    print(r.outcome)
    local ok, e = pcall(copy.algorithm, a, prod, { to_owner = "alice",
      secrets = { ["acme/*"] = { TOKEN = godwit.secret "elsewhere",
      PASSWORD = "12345678" } } })
    print(ok, e)
  ]])
  local path = w.home .. "/.config/godwit/config.lua"
  local text = assert(fs.read(path, 1 << 20))
  write(path, (text:gsub("%} %}%s*$", function()
    return ('}, secrets = { token = { host = %q, value = env "THE_TOKEN" }, '
      .. 'elsewhere = { host = "https://x.example.com", value = env '
      .. '"THE_TOKEN" } } }'):format(w.prod.api)
  end)))
  local r = e2e.expect(w:run({ "run", "./go.lua", "--allow-write", "prod",
    "-vv" }, TOKEN), 0)
  t:match(r.out, "copy.algorithm: secrets: acme: expected OWNER/NAME")
  t:match(r.out, "\ncreated\n")
  t:match(r.out, "must not be sent to " .. w.prod.api:gsub("%p", "%%%0"))
  t:eq(keys_at(w.prod), { "TOKEN", "PASSWORD" })
  fs.remove(w.home .. "/go.lua")
  nowhere(t, w, path)
end)
