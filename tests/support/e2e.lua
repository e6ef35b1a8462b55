--- e2e: whole clusters and the whole program for a test. `world` makes a
--- folder with a home of its own and two sandboxes, "dev" and "prod"; `run`
--- runs the program in it and gives back all it said.

local archive = require("godwit.cluster.archive")
local cluster = require("godwit.cluster")
local err = require("godwit.err")
local fs = require("godwit.core.fs")
local git = require("godwit.core.git")
local http = require("godwit.core.http")
local json = require("godwit.core.json")
local process = require("godwit.core.process")
local secret = require("godwit.core.secret")
local sys = require("godwit.core.sys")
local task = require("godwit.task")

local M = {}

M.PROGRAM = (sys.env("GODWIT_BUILD") or "build") .. "/godwit"
local PROGRAM = M.PROGRAM

M.ENVIRONMENTS = {
  { spec = "5b0c2b6e-0000-4000-8000-0000000000a1", name = "Python 3.8",
    machine = "CPU", language = "python3" },
  { spec = "5b0c2b6e-0000-4000-8000-0000000000a2", name = "Java 11",
    machine = "CPU", language = "java11" },
}

local function write_json(path, doc)
  err.check(fs.write(path, json.encode(doc, { pretty = true }), 384))
end

local function read_json(path)
  return err.check(json.decode(err.check(fs.read(path, 1 << 24))))
end
M.read_json = read_json

-- Ids differ between clusters, so they are made from the cluster's name.
local function environment_id(box, i)
  return sys.hash("sha256", box .. i):gsub(
    "^(%x%x%x%x%x%x%x%x)(%x%x%x%x)(%x%x%x)(%x%x%x)(%x%x%x%x%x%x%x%x%x%x%x%x).*$",
    "%1-%2-4%3-8%4-%5")
end

local function environment_docs(name, list)
  local docs = json.array({})
  for i, e in ipairs(list) do
    docs[i] = { id = (environment_id(name, i)),
      environment_specification_id = e.spec, display_name = e.name,
      description = e.name, machine_type = e.machine,
      created_at = "2021-07-30T18:02:11.093",
      language = { name = e.language, display_name = e.language,
        configuration = "{}" } }
  end
  return docs
end

---@class support.Box
---@field name string
---@field dir string
---@field api? string While its server runs.
local Box = {}
Box.__index = Box

--- Makes an archive with two users, an organization of both, and the
--- environments of every test.
function M.archive(dir, name, opts)
  opts = opts or {}
  fs.mkdir(dir, 448)
  archive.create(dir):close()
  for _, sub in ipairs({ "users", "organizations" }) do
    fs.mkdir(dir .. "/" .. sub, 448)
  end
  for _, user in ipairs({ "alice", "bob" }) do
    write_json(dir .. "/users/" .. user .. ".json", { id = sys.uuid(),
      username = user, email = user .. "@" .. name .. ".example.com",
      fullname = user })
  end
  write_json(dir .. "/organizations/acme.json", { id = sys.uuid(),
    org_name = "acme", org_label = "Acme",
    org_email = "acme@" .. name .. ".example.com",
    members = json.array({ { username = "alice", role = "owner" },
      { username = "bob", role = "member" } }) })
  write_json(dir .. "/environments.json",
    environment_docs(name, opts.environments or M.ENVIRONMENTS))
  write_json(dir .. "/languages.json", json.array({
    { name = "python3", display_name = "Python 3", configuration = "{}" },
    { name = "java11", display_name = "Java 11", configuration = "{}" } }))
  write_json(dir .. "/scms.json", json.array({ { id = "internal",
    provider = "internal", default = true, enabled = true } }))
  return setmetatable({ name = name, dir = dir }, Box)
end

local function copy_folder(from, to)
  fs.mkdir(to, 448)
  for _, e in ipairs(fs.list(from)) do
    local a, b = from .. "/" .. e.name, to .. "/" .. e.name
    if e.type == "dir" then
      copy_folder(a, b)
    elseif e.type == "file" then
      err.check(fs.write(b, err.check(fs.read(a, 1 << 28)), e.mode & 511))
    end
  end
end

--- A second cluster with everything the first one has; both are stopped.
function M.copy(box, dir, name)
  copy_folder(box.dir, dir)
  for _, file in ipairs({ "sandbox.json", "lock" }) do
    fs.remove(dir .. "/" .. file)
  end
  local about = read_json(dir .. "/archive.json")
  about.id = sys.uuid()
  write_json(dir .. "/archive.json", about)
  return setmetatable({ name = name, dir = dir }, Box)
end

--- The driver tests use behind the program's back: the folder's while nobody
--- serves it, else the server's.
function Box:driver()
  if not self.open then
    self.open = self.api and cluster.open({ kind = "http", name = self.name,
      api = self.api, user = "alice",
      key = secret.new(self.keys.alice, { label = self.name,
        origins = { self.api } }) })
      or archive.open({ kind = "archive", name = self.name, dir = self.dir })
  end
  return self.open
end

-- The same for collections: each owner's with the owner's key.
local function data_driver(box)
  if not box.api then return box:driver() end
  if not box.data_open then
    box.data_open = cluster.open({ kind = "http", name = box.name,
      api = box.api, key = function(owner)
        return secret.new(box.keys[owner] or box.keys.alice,
          { label = box.name, origins = { box.api } })
      end })
  end
  return box.data_open
end

--- Puts a file into a collection, which is made if need be, with that ACL (a
--- list); one that is there gets the ACL if one is given.
function Box:put(owner, collection, name, bytes, acl)
  local driver = data_driver(self)
  local doc = driver:try_get_collection(owner, collection)
  if not doc then
    driver:create_collection(owner, collection, acl)
  elseif acl then
    driver:set_acl(owner, collection, acl)
  end
  if name then driver:write_file(owner, collection, name, bytes) end
end

--- A collection's files, { name = bytes }, and its ACL; nil when there is none.
function Box:files(owner, collection)
  local driver = data_driver(self)
  local doc = driver:try_get_collection(owner, collection)
  if not doc then return nil end
  local out = {}
  for page in driver:each_file_page(owner, collection) do
    for _, row in ipairs(page) do
      out[row.name] = driver:read_file(owner, collection, row.name)
    end
  end
  return out, doc.acl
end

local function forget_driver(box)
  box.data_open = nil
  if box.open and box.open.kind == "archive" then
    box.open:close()
  end
  box.open = nil
end

--- Creates an algorithm.
function Box:create(ref, opts)
  opts = opts or {}
  local owner, name = ref:match("^(.-)/(.*)$")
  local settings = { source_visibility = "closed", license = "apl",
    network_access = "full", pipeline_enabled = true,
    algorithm_environment = (environment_id(self.name, 1)) }
  for k, v in pairs(opts.settings or {}) do
    settings[k] = v
  end
  return self:driver():create_algorithm(owner, { name = name,
    details = opts.details or { label = name, tagline = "a tagline" },
    settings = settings,
    version_info = { sample_input = opts.sample_input or '"world"' } })
end

local function with_store(box, fn)
  local dir = err.check(fs.mktemp(box.scratch or "/tmp", "store"))
  local store = err.check(git.open_store(dir .. "/s.git"))
  local ok, a = pcall(fn, store)
  store:close()
  fs.remove_tree(dir)
  if not ok then
    error(a, 0)
  end
  return a
end

local clock = 1600000000

--- Commits edits ({path=, data=, mode=} or {path=, remove=true}) on the tip
--- and pushes; returns the commit's id.
function Box:commit(ref, edits, opts)
  opts = opts or {}
  local owner, name = ref:match("^(.-)/(.*)$")
  local driver = self:driver()
  return with_store(self, function(store)
    local tip = driver:git_tip(owner, name)
    driver:git_fetch(owner, name, store, { commit = tip.commit })
    local parent = store:commit(tip.commit)
    clock = clock + 60
    local by = { name = opts.author or "Ann Author",
      email = "ann@example.com", time = clock, offset = 120 }
    local id = store:make_commit({
      tree = err.check(store:edit(opts.tree or parent.tree, edits)),
      parents = { tip.commit }, author = by, committer = by,
      message = opts.message or "Change " .. edits[1].path .. "\n" })
    driver:push(owner, name, { store = store, commit = id,
      expected = tip.commit })
    return id
  end)
end

--- Publishes the newest build; returns the number.
function Box:publish(ref, opts)
  opts = opts or {}
  local owner, name = ref:match("^(.-)/(.*)$")
  local doc = self:driver():publish(owner, name, {
    version_info = { version_type = opts.step or "minor",
      release_notes = opts.notes },
    settings = { algorithm_callability = opts.callability or "private" } })
  return doc.version_info.semantic_version
end

local function split(ref)
  return ref:match("^(.-)/(.*)$")
end

function Box:get(ref)
  return self:driver():try_get_algorithm(split(ref))
end

function Box:tip(ref)
  local owner, name = split(ref)
  return self:driver():git_tip(owner, name).commit
end

--- The published numbers, newest first as the cluster lists them.
function Box:versions(ref)
  local owner, name = split(ref)
  local list = {}
  for doc in self:driver():each_version(owner, name, { published = true }) do
    list[#list + 1] = doc.version_info.semantic_version
  end
  return list
end

function Box:builds(ref)
  local owner, name = split(ref)
  local list = {}
  for build in self:driver():each_build(owner, name) do
    list[#list + 1] = build
  end
  return list
end

--- Everything of the tip: the commit, its history, and {path = mode id}.
function Box:read(ref)
  local owner, name = split(ref)
  local driver = self:driver()
  return with_store(self, function(store)
    local tip = driver:git_tip(owner, name)
    driver:git_fetch(owner, name, store, { commit = tip.commit })
    local commit, files = store:commit(tip.commit), {}
    for _, e in ipairs(store:entries(commit.tree)) do
      files[e.path] = string.format("%o %s", e.mode, e.id)
    end
    local texts = setmetatable({}, { __index = function(_, path)
      return with_store(self, function(again)
        driver:git_fetch(owner, name, again, { commit = tip.commit })
        return again:read(commit.tree, path, 1 << 20)
      end)
    end })
    return { commit = commit, files = files, texts = texts,
      history = store:history(tip.commit) }
  end)
end

-- Runs git on the algorithm's repository in the folder, as no client could.
local function raw_git(box, ref, argv, input)
  local words = { "git", "--git-dir=" .. box.dir .. "/git/" .. ref .. ".git",
    table.unpack(argv) }
  local p <close> = err.check(process.start({ argv = words, stdout = true,
    stdin = input ~= nil, env = { PATH = sys.env("PATH"), HOME = box.dir,
      GIT_AUTHOR_NAME = "x", GIT_AUTHOR_EMAIL = "x@x",
      GIT_COMMITTER_NAME = "x", GIT_COMMITTER_EMAIL = "x@x" } }))
  if input then
    p:write(input)
    p:close_stdin()
  end
  local out = {}
  for chunk in function() return p:read() end do
    out[#out + 1] = chunk
  end
  if p:wait() ~= 0 then
    error("git " .. table.concat(argv, " ") .. " failed", 0)
  end
  return (table.concat(out):gsub("%s+$", ""))
end

--- Puts a tree with this name in it on top of master.
function Box:bad_tree(ref, name)
  local blob = raw_git(self, ref, { "hash-object", "-w", "--stdin" }, "x")
  return self:raw_tree(ref, "100644 blob " .. blob .. "\t" .. name)
end

--- Puts a tree of one entry ("mode type id\tname") on top of master. A name
--- with a slash is refused by git, so folders are made of trees.
function Box:raw_tree(ref, entry)
  local folder, name = entry:match("\t([^/]+)/([^/]+)$")
  if folder then
    local inner = raw_git(self, ref, { "mktree", "--missing" },
      entry:match("^(.*)\t") .. "\t" .. name .. "\n")
    entry = "040000 tree " .. inner .. "\t" .. folder
  end
  local tree = raw_git(self, ref, { "mktree", "--missing" }, entry .. "\n")
  local commit = raw_git(self, ref, { "commit-tree", tree, "-p", "master",
    "-m", "bad" })
  raw_git(self, ref, { "update-ref", "refs/heads/master", commit })
  return commit
end

--- Puts a tag into the repository; with a message an annotated one.
function Box:tag(ref, name, commit, message)
  raw_git(self, ref, message
    and { "tag", "-a", "-m", message, name, commit } or { "tag", name, commit })
end

--- Puts master back to a commit, as no push may.
function Box:reset(ref, commit)
  raw_git(self, ref, { "update-ref", "refs/heads/master", commit })
end

--- Gives a user's key other permissions; between two starts of the server.
function Box:permissions(username, permissions)
  local path = self.dir .. "/keys.json"
  local doc = read_json(path)
  for _, a in ipairs(doc.accounts) do
    if a.username == username and a.kind ~= "admin" then
      a.permissions = {}
      for k, v in pairs(require("godwit.sandbox.keys").FULL) do
        a.permissions[k] = v
      end
      for k, v in pairs(permissions) do
        a.permissions[k] = v
      end
    end
  end
  write_json(path, doc)
end

--- Makes the server misbehave: {fail_builds = true, …}; before it starts.
function Box:options(options)
  write_json(self.dir .. "/options.json", options)
end

-- Servers ----------------------------------------------------------------

local function drain(p, method)
  local parts = {}
  return task.spawn(function()
    for chunk in function() return p[method](p) end do
      parts[#parts + 1] = chunk
    end
  end), parts
end

local function answers(api)
  local r = http.send({ method = "GET",
    url = api .. "/v1/algorithm-environments/edge/languages", timeout = 2 })
  return r ~= nil
end

local function read_keys(box)
  box.keys = {}
  for _, a in ipairs(read_json(box.dir .. "/keys.json").accounts) do
    if a.kind == "admin" then
      box.admin_key = a.key
    else
      box.keys[a.username] = a.key
    end
  end
end

--- Serves the archive.
function Box:start(opts)
  opts = opts or {}
  forget_driver(self)
  local argv = { PROGRAM, "sandbox", "--dir", self.dir, "--listen",
    opts.listen or "127.0.0.1:0" }
  for _, a in ipairs(opts.args or {}) do
    argv[#argv + 1] = a
  end
  self.process = err.check(process.start({ argv = argv,
    env = { HOME = self.dir, PATH = sys.env("PATH"), TMPDIR = "/tmp" },
    stdout = true, stderr = true }))
  local out, err_parts
  self.readers = {}
  self.readers[1], out = drain(self.process, "read")
  self.readers[2], err_parts = drain(self.process, "read_err")
  for _ = 1, 200 do
    task.sleep(0.05)
    local about = fs.stat(self.dir .. "/sandbox.json")
      and fs.stat(self.dir .. "/keys.json")
      and read_json(self.dir .. "/sandbox.json")
    -- An older server left the same address there.
    if about and about.pid == self.process.pid and answers(about.api) then
      self.api, self.id = about.api, about.id
      read_keys(self)
      return self
    end
  end
  error("the sandbox did not start: " .. table.concat(err_parts)
    .. table.concat(out), 0)
end

--- Stops its server; signal 9 leaves no time to tidy up.
function Box:stop(signal)
  if not self.process then
    return
  end
  forget_driver(self)
  self.process:kill(signal or 15)
  self.process:wait()
  for _, reader in ipairs(self.readers) do
    task.join(reader)
  end
  self.process, self.api = nil, nil
end

-- The world --------------------------------------------------------------

---@class support.World
---@field home string
---@field dev support.Box
---@field prod support.Box
local World = {}
World.__index = World

--- A home and two served clusters. `prepare(dev, prod)` fills their folders
--- before they are served.
function M.world(t, prepare, opts)
  opts = opts or {}
  local dir = t:tmpdir()
  local w = setmetatable({ dir = dir, home = dir .. "/home" }, World)
  fs.mkdir(w.home .. "/.config/godwit", 448)
  w.dev = M.archive(dir .. "/dev", "dev", opts.dev)
  w.prod = M.archive(dir .. "/prod", "prod", opts.prod)
  w.dev.scratch, w.prod.scratch = dir, dir
  if prepare then
    prepare(w.dev, w.prod)
  end
  w.boxes = { w.dev, w.prod }
  t:defer(function()
    for _, box in ipairs(w.boxes) do
      box:stop()
    end
  end)
  w.dev:start(opts.dev)
  w.prod:start(opts.prod)
  w:configure()
  return w
end

--- One more cluster, served and configured.
function World:add(name, opts)
  local box = M.archive(self.dir .. "/" .. name, name, opts)
  box.scratch = self.dir
  if opts and opts.options then
    box:options(opts.options)
  end
  self.boxes[#self.boxes + 1] = box
  self[name] = box:start(opts)
  self:configure()
  return box
end

--- Writes the configuration: keys come from the environment, so that they are
--- in no file but the sandboxes' own.
function World:configure(changes)
  changes = changes or {}
  local lines = { "return { clusters = {" }
  for _, box in ipairs(self.boxes) do
    local c = changes[box.name] or {}
    lines[#lines + 1] = string.format(
      "  %s = { api = %q, key = env %q, %s },", box.name, c.api or box.api,
      box.name:upper() .. "_KEY", c.more or "")
  end
  lines[#lines + 1] = "} }\n"
  err.check(fs.write(self.home .. "/.config/godwit/config.lua",
    table.concat(lines, "\n"), 384))
end

function World:env(more)
  local env = { HOME = self.home, PATH = sys.env("PATH"), TMPDIR = self.dir,
    ASAN_OPTIONS = sys.env("ASAN_OPTIONS"),
    LSAN_OPTIONS = sys.env("LSAN_OPTIONS"),
    UBSAN_OPTIONS = sys.env("UBSAN_OPTIONS"),
    TSAN_OPTIONS = sys.env("TSAN_OPTIONS") }
  for _, box in ipairs(self.boxes) do
    env[box.name:upper() .. "_KEY"] = box.keys.alice
  end
  for k, v in pairs(more or {}) do
    env[k] = v or nil
  end
  return env
end

--- Starts the program; `finish` waits for its end.
function World:start(argv, env)
  return self:start_as({ PROGRAM, table.unpack(argv) }, env)
end

--- Starts any command in this world.
function World:start_as(words, env)
  local run = { argv = words }
  run.process = err.check(process.start({ argv = words, env = self:env(env),
    cwd = self.home, stdout = true, stderr = true }))
  run.readers = {}
  run.readers[1], run.out_parts = drain(run.process, "read")
  run.readers[2], run.err_parts = drain(run.process, "read_err")
  return run
end

---@return {code: integer, out: string, err: string, doc: any}
function World:finish(run)
  for _, reader in ipairs(run.readers) do
    task.join(reader)
  end
  run.code = run.process:wait()
  run.out = table.concat(run.out_parts)
  run.err = table.concat(run.err_parts)
  run.all = run.out .. run.err
  run.doc = run.out:find("^%s*{") and json.decode(run.out) or nil
  self.said = (self.said or "") .. run.all
  return run
end

--- Runs the program to its end.
function World:run(argv, env)
  return self:finish(self:start(argv, env))
end

--- Runs godwit, killed at a request that a relay sees; that it came so far is
--- checked.
---@param t table
---@param to table The relay.
---@param write { [1]: string, [2]: string, [3]: string } What it is called, its
--- method, and a pattern of its path.
---@param after boolean Once it was answered; else it is never sent.
---@param argv string[]
function World:killed_at(t, to, write, after, argv)
  local run, reached
  to.on = function(seen, pass)
    if run and seen.method == write[2] and seen.path:find(write[3]) then
      reached = true
      if after then
        pass()
      end
      run.process:kill(9)
      run = nil
      return "cut"
    end
  end
  run = self:start(argv)
  self:finish(run)
  to.on = nil
  t:ok(reached, "never reached " .. write[1])
end

--- Promotes from dev to prod and gives the result with --json.
function World:promote(words, env)
  local argv = { "promote", "--from", "dev", "--to", "prod", "--json" }
  for _, word in ipairs(words) do
    argv[#argv + 1] = word
  end
  local r = self:run(argv, env)
  r.items = r.doc and r.doc.items or {}
  r.item = r.items[1] or {}
  return r
end

--- The usual source: settings that are not the defaults, dotfiles, a file
--- tracked in spite of .gitignore, an executable, a symbolic link, template
--- files that were removed, and 0.1.0 published from it.
---@return string commit
function M.seed(dev, ref)
  ref = ref or "acme/Hello"
  dev:create(ref, { settings = { source_visibility = "open", license = "mit",
    network_access = "isolated", pipeline_enabled = false },
    details = { label = "Hello there", tagline = "greets" } })
  local commit = dev:commit(ref, {
    { path = ".dockerignore", data = "secret\n" },
    { path = ".gitignore", data = "*.bin\n" },
    { path = "model/weights.bin", data = ("0123456789abcdef"):rep(4096) },
    { path = "bin/run.sh", data = "#!/bin/sh\necho hi\n", mode = 33261 },
    { path = "bin/link", data = "run.sh", mode = 40960 },
    { path = "requirements.txt", remove = true },
  }, { message = "Add a model\n\nIt is big.\n" })
  dev:publish(ref, { callability = "private" })
  return commit
end

--- Makes more of one algorithm of a folder that nobody serves: the same
--- history under other names. Faster than seeding each.
---@param box support.Box
---@param ref string
---@param names string[]
function M.multiply(box, ref, names)
  local owner, name = ref:match("^(.-)/(.*)$")
  for _, other in ipairs(names) do
    for _, sub in ipairs({ "/algorithms/", "/git/" }) do
      local base = box.dir .. sub .. owner .. "/"
      local ending = sub == "/git/" and ".git" or ""
      copy_folder(base .. name .. ending, base .. other .. ending)
    end
    local path = box.dir .. "/algorithms/" .. owner .. "/" .. other
      .. "/algorithm.json"
    local doc = read_json(path)
    doc.id, doc.name = sys.uuid(), other
    write_json(path, doc)
  end
end

--- Seeds acme/A1 to acme/A`count`, all alike.
---@param box support.Box
---@param count integer
---@param seed? fun(box: support.Box, ref: string)  Makes the first; else M.seed.
function M.seed_fleet(box, count, seed)
  (seed or M.seed)(box, "acme/A1")
  local names = {}
  for i = 2, count do
    names[i - 1] = "A" .. i
  end
  M.multiply(box, "acme/A1", names)
end

--- A world whose dev has the usual source.
function M.seeded(t, opts)
  local commit
  local w = M.world(t, function(dev)
    commit = M.seed(dev)
  end, opts)
  return w, commit
end

--- Fails with everything that was said unless the exit code is this.
function M.expect(r, code)
  if r.code ~= code then
    error(string.format("exit %s, expected %d\nstdout: %s\nstderr: %s",
      tostring(r.code), code, r.out, r.err), 2)
  end
  return r
end

return M
