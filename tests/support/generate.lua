--- generate: whole clusters made by a number: the same number, the same
--- cluster. Odd names, all combinations of fields, ACLs and settings, trees and
--- files of many shapes. What was made is told, so that a test can change one
--- thing of it.
---
---   local made = generate.cluster(dir, "dev", 7)     -- an archive
---   local empty = generate.empty(dir2, "prod")       -- its counterpart
---   made.box        a box of support.e2e; closed
---   made.users, made.organizations                   names
---   made.collections   { owner=, name=, acl=, files = { {name=, size=} } }
---   made.algorithms    { owner=, name=, ref=, published=, files = {paths} }

local e2e = require("support.e2e")
local err = require("godwit.err")
local fs = require("godwit.core.fs")
local json = require("godwit.core.json")

local M = {}

-- numbers ------------------------------------------------------------------

local Random = {}
Random.__index = Random

--- Numbers that a seed decides (splitmix64), whatever Lua's own do.
---@param seed integer
function M.random(seed)
  return setmetatable({ state = (seed + 1) * 0xd1342543de82ef95 }, Random)
end

function Random:next()
  self.state = self.state + 0x9e3779b97f4a7c15
  local z = self.state
  z = (z ~ (z >> 30)) * 0xbf58476d1ce4e5b9
  z = (z ~ (z >> 27)) * 0x94d049bb133111eb
  return z ~ (z >> 31)
end

--- One of 1 to n.
function Random:below(n)
  return (self:next() >> 1) % n + 1
end

function Random:pick(list)
  return list[self:below(#list)]
end

function Random:chance(n)
  return self:below(n) == 1
end

function Random:bytes(n)
  local parts = {}
  for i = 1, (n + 7) // 8 do
    parts[i] = string.pack("<i8", self:next())
  end
  return table.concat(parts):sub(1, n)
end

--- A version 4 UUID.
function Random:uuid()
  local hex = ("%016x%016x"):format(self:next(), self:next())
  return ("%s-%s-4%s-8%s-%s"):format(hex:sub(1, 8), hex:sub(9, 12),
    hex:sub(13, 15), hex:sub(17, 19), hex:sub(20, 31))
end

-- names --------------------------------------------------------------------

local STEMS = { "a", "Zed", "data_1", "x_y_z", "CamelCase", "n0", "Q_",
  "under__score", "ABC123", "z" }

-- A name of at most 30 characters that nobody has, whatever the case.
local function account_name(r, taken)
  local stem, name, n = r:pick(STEMS), nil, 0
  repeat
    n = n + 1
    name = stem .. (n > 1 and tostring(n) or "")
    if r:chance(6) then
      name = (name .. ("_long"):rep(8)):sub(1, 30 - #tostring(n))
        .. (n > 1 and n or "")
    end
    name = name:sub(1, 30)
  until not taken[name:lower()]
  taken[name:lower()] = true
  return name
end

local TEXTS = { "Plain", "Ünïcödé 名前", "with \"quotes\" and \\", "<b>&amp;",
  "  spaces around  ", "tab\there", ("long "):rep(19), "emoji 🚀", "%s %d" }

--- A field that is absent, null, empty or a text.
local function optional(r, list)
  local n = r:below(5)
  if n == 1 then
    return nil
  elseif n == 2 then
    return json.null
  elseif n == 3 then
    return ""
  end
  return r:pick(list or TEXTS)
end

local FILE_NAMES = { "plain.txt", "with space.bin", "plus+sign", "per%cent%20",
  "ümläut.dat", "名前.txt", ".hidden", "..two", "a=b&c?d#e;f", "quote'\"`",
  "back\\slash", "Case", "case", "~tilde", "trailing.", "trailing ",
  "semi:colon|pipe", "e\u{301}.txt", "\u{e9}.txt", "[bracket]*", "-dash",
  ("n"):rep(255), "emoji🚀", "%2F", "null", "0" }

local SIZES = { 0, 1, 2, 15, 100, 4095, 4096, 4097, 65536, 65537 }

-- documents ----------------------------------------------------------------

local function write_json(path, doc)
  err.check(fs.write(path, json.encode(doc, { pretty = true }), 384))
end

local function user_doc(r, name)
  return { id = r:uuid(), username = name,
    email = name:lower() .. r:pick({ "", ".x", "+tag", "_1%" })
      .. "@" .. r:pick({ "example.com", "mail.example.org", "a-b.example.io" }),
    fullname = optional(r), company_name = optional(r),
    company_role = optional(r), resource_type = "user" }
end

local GROUPS = { "external_admin_group", "external_member_group",
  "external_executor_group" }

local function group(r)
  local n = r:below(6)
  if n == 1 then
    return nil
  elseif n == 2 then
    return json.null
  elseif n == 3 then
    return "cn=group,dc=example"
  elseif n == 4 then
    return json.array({})
  elseif n == 5 then
    return json.array({ "one" })
  end
  return json.array({ "b", "a", "c" })
end

local function members(r, users)
  local list, n = json.array({}), 0

  for _, name in ipairs(users) do
    if not r:chance(3) then
      n = n + 1
      list[n] = { username = name,
        role = (n == 1 or r:chance(5)) and "owner" or "member" }
    end
  end
  if n == 0 then
    list[1] = { username = r:pick(users), role = "owner" }
  end
  return list
end

local function organization_doc(r, name, types, users, i)
  local doc = { id = r:uuid(), org_name = name,
    org_label = r:pick(TEXTS), org_contact_name = r:pick(TEXTS),
    org_email = name:lower() .. "@example.com",
    org_url = optional(r, { "https://example.com/?a=b&c", "http://x" }),
    type_id = r:pick(types).id, org_created_at = "2020-11-30T23:51:40",
    resource_type = "organization", members = members(r, users) }

  if r:chance(2) then
    doc.external_id = ("ext/%d ü"):format(i)
  end
  for _, field in ipairs(GROUPS) do
    doc[field] = group(r)
  end
  return doc
end

local function write_types(box, r)
  local list = json.array({})
  for i, name in ipairs({ "basic", "legacy", "pro" }) do
    list[i] = { id = r:uuid(), name = name }
  end
  if r:chance(2) then
    list[1], list[3] = list[3], list[1]
  end
  write_json(box.dir .. "/organization-types.json", list)
  return list
end

-- data ---------------------------------------------------------------------

local ACLS = { {}, { "algo://.my/*" }, { "user://*" } }

local function collection(r, box, owner, name, i, most)
  local driver = box:driver()
  local made = { owner = owner, name = name, acl = ACLS[(i - 1) % 3 + 1],
    files = {} }

  driver:create_collection(owner, name, made.acl)
  local first = r:below(#FILE_NAMES)
  for n = 1, r:below(most + 1) - 1 do
    local file = FILE_NAMES[(first + n) % #FILE_NAMES + 1]
    local size = r:pick(SIZES)
    driver:write_file(owner, name, file, r:bytes(size))
    made.files[n] = { name = file, size = size }
  end
  return made
end

-- algorithms ---------------------------------------------------------------

local LICENSES = { "apl", "mit", "apache2", "gpl3" }

local function settings(r, i)
  local license = LICENSES[i % 4 + 1]
  return { license = license,
    source_visibility = license ~= "apl" and "open"
      or r:pick({ "open", "closed" }),
    network_access = i % 2 == 0 and "full" or "isolated",
    pipeline_enabled = i % 3 == 0 }
end

local ENTRIES = {
  { path = ".dockerignore", data = "x\n" },
  { path = ".gitignore", data = "*.bin\n" },
  { path = "model/weights.bin", size = 4096 },
  { path = "bin/run.sh", data = "#!/bin/sh\n", mode = 33261 },
  { path = "bin/link", data = "run.sh", mode = 40960 },
  { path = "src/名前 ü.py", data = "# ünïcode\r\n" },
  { path = "deep/er/and/deeper/file", data = "" },
  { path = "README.md", data = "# Title\n\ntext\n" },
  { path = "with space/and 'quote'", data = "x" },
  { path = "requirements.txt", remove = true },
}

-- Which entries a commit changes; at least one. What is gone does not go again.
local function edits(r, gone)
  local list, seen = {}, false
  for _, e in ipairs(ENTRIES) do
    if r:chance(2) and not (e.remove and (r:chance(2) or gone[e.path])) then
      gone[e.path] = e.remove
      list[#list + 1] = { path = e.path, remove = e.remove, mode = e.mode,
        data = not e.remove and (e.size and r:bytes(e.size) or e.data) or nil }
      seen = seen or not e.remove
    end
  end
  if not seen then
    list[#list + 1] = { path = "n" .. r:below(1000), data = r:bytes(8) }
  end
  return list
end

local SAMPLES = { '"world"', '{"a": [1, 2.5]}', "plain text", "ünïcode" }

local function algorithm(r, box, owner, name, i)
  local ref = owner .. "/" .. name
  local made = { owner = owner, name = name, ref = ref, published = {},
    files = {} }

  box:create(ref, { settings = settings(r, i), sample_input = r:pick(SAMPLES),
    details = { label = r:chance(3) and name or r:pick(TEXTS),
      tagline = r:chance(2) and r:pick(TEXTS) or nil,
      summary = r:chance(3) and "<p>sum&amp;mary</p>" or nil } })
  local gone = {}
  for _ = 1, i % 3 do -- none: nothing beyond the template
    local changes = edits(r, gone)
    for _, e in ipairs(changes) do
      made.files[e.path] = not e.remove or nil
    end
    changes[#changes + 1] = { path = "count.txt", data = r:bytes(4) }
    box:commit(ref, changes, { message = "Change " .. r:pick(TEXTS) .. "\n" })
    if r:chance(2) then
      made.published[#made.published + 1] = box:publish(ref, {
        step = r:pick({ "minor", "major" }),
        callability = #made.published == 0 and r:pick({ "private", "public" })
          or "private" })
    end
  end
  return made
end

-- clusters -----------------------------------------------------------------

local function blank(dir, name)
  local box = e2e.archive(dir, name)
  for _, path in ipairs({ "users/alice", "users/bob",
      "organizations/acme" }) do
    err.check(fs.remove(dir .. "/" .. path .. ".json"))
  end
  return box
end

local function close(box)
  if box.open then
    box.open:close()
    box.open = nil
  end
end

--- A cluster with nothing in it but what one has from the beginning: the same
--- environments and types of organizations, under other ids.
---@param dir string
---@param name string
---@return support.Box
function M.empty(dir, name)
  local box = blank(dir, name)
  write_types(box, M.random(#name + 1000))
  return box
end

--- A cluster that the number decides. `sizes` says how many of each at most.
---@param dir string
---@param name string
---@param seed integer
---@param sizes? { users: integer?, organizations: integer?, collections: integer?, files: integer?, algorithms: integer? }
---@return table made
function M.cluster(dir, name, seed, sizes)
  local n = setmetatable(sizes or {}, { __index = { users = 6,
    organizations = 3, collections = 5, files = 8, algorithms = 4 } })
  local r, box, taken = M.random(seed), blank(dir, name), {}
  local made = { box = box, users = {}, organizations = {}, collections = {},
    algorithms = {} }
  local types = write_types(box, r)

  for i = 1, n.users do
    made.users[i] = account_name(r, taken)
    write_json(("%s/users/%s.json"):format(dir, made.users[i]),
      user_doc(r, made.users[i]))
  end
  for i = 1, n.organizations do
    local org = account_name(r, taken)
    made.organizations[i] = org
    write_json(("%s/organizations/%s.json"):format(dir, org),
      organization_doc(r, org, types, made.users, i))
  end
  local owners = table.move(made.organizations, 1, n.organizations,
    n.users + 1, { table.unpack(made.users) })
  local names = {}
  for i = 1, n.collections do
    made.collections[i] = collection(r, box, r:pick(owners),
      account_name(r, names), i, n.files)
  end
  for i = 1, n.algorithms do
    made.algorithms[i] = algorithm(r, box, r:pick(owners),
      account_name(r, names), i)
  end
  close(box)
  return made
end

return M
