--- people: worlds of e2e.lua with users and organizations in them, an
--- administrator's key for both clusters, and ways to look at what arrived.

local e2e = require("support.e2e")
local err = require("godwit.err")
local fs = require("godwit.core.fs")
local http = require("godwit.cluster.http")
local json = require("godwit.core.json")
local secret = require("godwit.core.secret")
local sys = require("godwit.core.sys")

local M = {}

local function write(path, doc)
  err.check(fs.mkdir(path:match("^(.*)/"), 448))
  err.check(fs.write(path, json.encode(doc, { pretty = true }), 384))
end

--- Puts a user into a folder that nobody serves.
function M.user(box, name, fields)
  local doc = { id = sys.uuid(), username = name, fullname = name,
    email = name .. "@example.com", resource_type = "user" }
  for k, v in pairs(fields or {}) do
    doc[k] = v ~= json.null and v or nil
  end
  write(box.dir .. "/users/" .. name .. ".json", doc)
end

--- Puts an organization into it; members are "name" or "name:role".
function M.organization(box, name, members, fields)
  local doc = { id = sys.uuid(), org_name = name, org_label = name .. " label",
    org_contact_name = "Contact", org_email = name .. "@example.com",
    resource_type = "organization", org_created_at = "2021-01-01T00:00:00",
    members = json.array({}) }
  for i, text in ipairs(members or {}) do
    local user, role = text:match("^(.-):(.*)$")
    doc.members[i] = { username = user or text, role = role or "member" }
  end
  for k, v in pairs(fields or {}) do
    doc[k] = v
  end
  write(box.dir .. "/organizations/" .. name .. ".json", doc)
end

--- Gives it types of organizations, with ids of its own.
function M.types(box, names)
  local rows, ids = json.array({}), {}
  for i, name in ipairs(names) do
    ids[name] = sys.uuid()
    rows[i] = { id = ids[name], name = name }
  end
  write(box.dir .. "/organization-types.json", rows)
  return ids
end

--- A world whose profiles have the administrators' keys. `changes` as
--- World:configure takes it.
function M.configure(w, changes)
  changes = changes or {}
  for _, box in ipairs(w.boxes) do
    local c = changes[box.name] or {}
    changes[box.name] = { api = c.api, more = ("admin_key = env %q, %s"):format(
      box.name:upper() .. "_ADMIN", c.more or "") }
  end
  w:configure(changes)
end

function M.world(t, prepare, opts)
  local w = e2e.world(t, prepare, opts)
  M.configure(w)
  return w
end

local function env_of(w, env)
  local all = {}
  for _, box in ipairs(w.boxes) do
    all[box.name:upper() .. "_ADMIN"] = box.admin_key
  end
  for k, v in pairs(env or {}) do
    all[k] = v
  end
  return all
end

--- Starts a workflow from dev to prod, with --json.
function M.start(w, name, words, env)
  local argv = { name, "--from", "dev", "--to", "prod", "--json" }
  table.move(words or {}, 1, #(words or {}), #argv + 1, argv)
  return w:start(argv, env_of(w, env))
end

--- Starts anything with the administrators' keys in the environment.
function M.launch(w, argv)
  return w:start(argv, env_of(w))
end

--- Gives the result by ref: r.by["alice"].
function M.finish(w, run)
  local r = w:finish(run)
  r.items, r.by = r.doc and r.doc.items or {}, {}
  for _, item in ipairs(r.items) do
    r.by[item.ref] = item
  end
  return r
end

function M.run(w, name, words, env)
  return M.finish(w, M.start(w, name, words, env))
end

--- Runs anything with the administrators' keys in the environment.
function M.godwit(w, argv, env)
  return w:run(argv, env_of(w, env))
end

--- The driver of an administrator.
function M.admin(box)
  local function key(text, label)
    return secret.new(text, { label = label, origins = { box.api } })
  end
  return http.open({ name = box.name, kind = "http", api = box.api, id = box.id,
    admin_key = key(box.admin_key, "admin"),
    key = box.keys.alice and key(box.keys.alice, "alice") })
end

--- "alice:owner" of every member, by name.
function M.members(box, org)
  local out = {}
  for m in M.admin(box):each_member(org) do
    out[#out + 1] = m.username .. ":" .. m.role
  end
  table.sort(out)
  return out
end

--- What the server has: "alice created" of every item, in order.
function M.words(r)
  local out = {}
  for i, item in ipairs(r.items) do
    out[i] = item.ref .. " " .. item.outcome
  end
  return out
end

--- Fails unless each of these has one item, and all are counted once.
---@param refs string[] What the test knows to be meant, in any order.
function M.reconcile(t, r, refs)
  local sum, seen, wanted = 0, {}, { table.unpack(refs) }
  for _, count in pairs(r.doc.counts) do
    sum = sum + count
  end
  t:eq(sum, #refs)
  for i, item in ipairs(r.doc.items) do
    seen[i] = item.ref
  end
  table.sort(seen)
  table.sort(wanted)
  t:eq(seen, wanted)
end

return M
