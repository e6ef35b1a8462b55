-- store:merge beside git's own merge, over trees made by a seeded dice.
local git = require("godwit.git")
local repo = require("support.gitrepo")

local function open(t)
  local dir = repo.bare(t:tmpdir() .. "/r.git")
  local store = git.open_store(dir)
  t:defer(function()
    store:close()
  end)
  return store, dir
end

local PATHS = { "a", "b", "d/a", "d/b", "d/e/a", "a.b", "x" }

-- No two paths look alike: git would take one for the other, renamed.
local function lines(dice, path)
  local text = {}
  for i = 1, 12 do
    text[i] = path .. i .. " " .. (dice(10) == 1 and dice(3) or 0)
  end
  return table.concat(text, "\n") .. "\n"
end

local function new_file(dice, path)
  local kind = dice(8)
  if kind == 1 then return { mode = 40960, data = path .. dice(2) } end
  return { mode = kind == 2 and 33261 or 33188, data = kind == 3 and path .. "\0" .. dice(2) or lines(dice, path) }
end

-- A change of some files; what is above or below a new one goes.
local function vary(files, dice, odds)
  local out = {}
  for path, f in pairs(files) do
    out[path] = f
  end
  for _, path in ipairs(PATHS) do
    if dice(odds) == 1 then
      out[path] = dice(4) > 1 and new_file(dice, path) or nil
    elseif out[path] and dice(odds * 2) == 1 and out[path].mode ~= 40960 then
      out[path] = { mode = out[path].mode == 33188 and 33261 or 33188, data = out[path].data }
    end
    if dice(40) == 1 then -- a folder becomes a file
      for other in pairs(out) do
        if other:find("^d/") then out[other] = nil end
      end
      out.d = new_file(dice, "d")
    elseif out.d and path:find("^d/") and out[path] then
      out.d = nil
    end
  end
  return out
end

local function save(store, files)
  local edits = {}
  for path, f in pairs(files) do
    edits[#edits + 1] = { path = path, mode = f.mode, data = f.data }
  end
  return assert(store.core:edit(nil, edits))
end

test("random trees merge as git merges them", function(t)
  local store, dir = open(t)
  local state = 20240229
  local function dice(n)
    state = (state * 1103515245 + 12345) % 2147483648
    return (state >> 8) % n + 1
  end
  local clean, conflicts = 0, 0
  for round = 1, 60 do
    local first = {}
    for _, path in ipairs(PATHS) do
      if dice(4) > 1 then first[path] = new_file(dice, path) end
    end
    local base = save(store, first)
    local ours, theirs = save(store, vary(first, dice, 5)), save(store, vary(first, dice, 5))
    local b = repo.commit(dir, base, "base")
    local o, h = repo.commit(dir, ours, "ours", { b }), repo.commit(dir, theirs, "theirs", { b })
    local text, code = repo.run({ "git", "-C", dir, "-c", "merge.renames=false", "merge-tree", "--write-tree",
      "--no-messages", o, h }, { any = true })
    local id, found = store:merge(base, ours, theirs)
    local what = "round " .. round .. ": " .. base .. " " .. ours .. " " .. theirs
    if id then
      clean = clean + 1
      t:eq(code, 0, what)
      t:eq(id, text:match("^%x+"), what)
    elseif code == 0 then
      -- git is bolder: a deletion wins over a change of mode, and two new
      -- files are merged by the lines they have in common.
      local bold = false
      for _, c in ipairs(found) do
        local did = c.ours .. " " .. c.theirs
        bold = bold or did == "deleted mode" or did == "mode deleted" or did == "added added"
          or did == "file file"
      end
      t:ok(bold, what)
    else
      conflicts = conflicts + 1
      t:no(id, what)
      t:ok(found and #found > 0, what)
    end
    local _, again = store:merge(base, theirs, ours)
    t:eq(#(again or {}), #(found or {}), what)
  end
  t:ok(clean > 5 and conflicts > 5, clean .. " clean, " .. conflicts .. " not")
  t:eq(repo.git(dir, "fsck", "--strict", "--no-dangling"), "")
end)

test("conflicts say what each side did", function(t)
  local store = open(t)
  local base = save(store, { a = { mode = 33188, data = "1\n" }, b = { mode = 33188, data = "b" } })
  local ours = save(store, { a = { mode = 33188, data = "2\n" }, b = { mode = 33188, data = "b\0b" } })
  local theirs = save(store, { b = { mode = 33188, data = "b\0c" } })
  local id, found = store:merge(base, ours, theirs)
  t:no(id)
  t:eq(found, { { path = "a", ours = "changed", theirs = "deleted", binary = false },
    { path = "b", ours = "changed", theirs = "changed", binary = true } })
  t:eq(store:merge(nil, ours, ours), ours)
  t:raises("notfound", function() store:merge(base, ours, ("1"):rep(40)) end)
  t:raises(nil, function() store:merge(base, ours) end, "string expected")
end)

test("a tree no name of which is safe is not merged", function(t)
  local store, dir = open(t)
  local blob = repo.feed("x", dir, "hash-object", "-w", "--stdin")
  local function raw(name)
    return repo.feed("100644 blob " .. blob .. "\t" .. name .. "\n", dir, "mktree")
  end
  local base, evil = save(store, {}), raw("..")
  local id, e = store.core:merge(base, base, evil)
  t:no(id == evil and not e and store.core:check_tree(evil), "it would still have to pass check_tree")
end)

test("folders that hold one folder twice, again and again, end", function(t)
  local store, dir = open(t)
  local function tower(text)
    local blob = repo.feed(text, dir, "hash-object", "-w", "--stdin")
    local id = repo.feed(("100644 blob %s\tf\n"):format(blob), dir, "mktree")
    for _ = 1, 20 do
      id = repo.feed(("040000 tree %s\ta\n040000 tree %s\tb\n"):format(id, id), dir, "mktree")
    end
    return id
  end
  local base, ours, theirs = tower("1\n2\n3\n4\n5\n"), tower("0\n2\n3\n4\n5\n"), tower("1\n2\n3\n4\n6\n")
  local e = t:raises("limit", store.merge, "names would have to be looked at", store, base, ours, theirs)
  t:no(e.retryable)
end)
