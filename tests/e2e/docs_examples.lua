--- Every `sh` block of README.md and docs/ runs as it stands, on a page's two
--- clusters dev and prod, with the page's Lua files beside it. A `text` block
--- behind one is what it says, line by line, "…" for anything. Policies of a
--- page are loaded and checked.
local cli = require("support.cli")
local fs = require("godwit.core.fs")
local json = require("godwit.core.json")
local policies = require("godwit.policy.load")
local sys = require("godwit.core.sys")

local function blocks(text)
  local found, kind, lines = {}, nil, {}
  for line in (text .. "\n"):gmatch("(.-)\n") do
    local fence = line:match("^```(.*)$")
    if fence and not kind then
      kind, lines = fence, {}
    elseif fence then
      found[#found + 1] = { kind = kind,
        text = table.concat(lines, "\n") .. "\n" }
      kind = nil
    elseif kind then
      lines[#lines + 1] = line
    end
  end
  assert(not kind, "a block without its end")
  return found
end

-- A line as a pattern: blanks as they come, "…" for anything.
local function as_pattern(line)
  return (line:gsub("[%^%$%(%)%%%.%[%]%*%+%-%?]", "%%%0")
    :gsub("…", ".-"):gsub("%s+", "%%s+"))
end

-- The names of a page's titles in links, as GitHub makes them.
local function anchors_of(page)
  local text = fs.read(cli.source() .. "/" .. page, 1 << 20) or ""
  local names, in_block = {}, false
  for line in text:gmatch("[^\n]*") do
    in_block = in_block ~= (line:find("^```") ~= nil)
    local title = not in_block and line:match("^#+ (.*)")
    if title then
      names[(title:lower():gsub("[^%w_ -]", ""):gsub(" ", "-"))] = true
    end
  end
  return names
end

local function check_anchors(t, page)
  local text = fs.read(cli.source() .. "/" .. page, 1 << 20)
  local folder = page:match("^(.*/)") or ""
  for link, name in text:gmatch("%]%(([%w_./-]*)#([%w_-]+)%)") do
    local there = link == "" and page or folder .. link
    t:ok(anchors_of(there)[name], there .. "#" .. name)
  end
end

local function check_said(r, block, said)
  local at = 1
  for line in said.text:gmatch("[^\n]+") do
    local _, stop = r.all:find(as_pattern(line), at)
    if not stop then
      error(("no line\n%s\nin what was said by\n%s%s"):format(line,
        block.text, r.all), 0)
    end
    at = stop + 1
  end
end

local function profile(home, name, api)
  local text = fs.read(("%s/.local/state/godwit/sandboxes/%s/keys.json")
    :format(home.dir, name), 1 << 20)
  local rows, admin = {}, nil
  for _, a in ipairs(json.decode(text).accounts) do
    if a.kind == "standard" and a.label ~= "weak" then
      rows[#rows + 1] = ("%s = %q"):format(a.username, a.key)
    elseif a.kind == "admin" then
      admin = a.key
    end
  end
  return ([[%s = { api = %q, admin_key = %q, key = function(owner)
    return ({ %s })[owner or "acme"] end },]]):format(name, api, admin,
    table.concat(rows, ", "))
end

local function page_home(t)
  local home = cli.home(t)
  local dev = home:sandbox(t, "dev", "demo-dev")
  local prod = home:sandbox(t, "prod", "demo-prod")
  home:config("return { clusters = {" .. profile(home, "dev", dev)
    .. profile(home, "prod", prod) .. "} }")
  home:project("return {}")
  home.env.PATH = cli.program():match("^(.*)/") .. ":" .. home.env.PATH
  return home
end

local pages = { "README.md" }
for _, folder in ipairs({ "docs/", "docs/reference/" }) do
  for _, entry in ipairs(fs.list(cli.source() .. "/" .. folder)) do
    if entry.name:find("%.md$") then
      pages[#pages + 1] = folder .. entry.name
    end
  end
end

for _, page in ipairs(pages) do
  local found = blocks(assert(fs.read(cli.source() .. "/" .. page, 1 << 20)))
  local commands = 0
  for _, block in ipairs(found) do
    commands = commands + (block.kind == "sh" and 1 or 0)
  end
  if commands > 0 then
    test(page .. ": its commands run", function(t)
      local home = page_home(t)
      for _, block in ipairs(found) do
        local name = block.kind == "lua"
          and block.text:match("^%-%- ([%w_/-]+%.lua)")
        if name then
          home:write("work/" .. name, block.text)
        end
      end
      for i, block in ipairs(found) do
        if block.kind == "sh" then
          local r = home:run { argv = { "sh", "-eu", "-c", block.text } }
          if r.code ~= 0 then
            error(("exit %d of\n%s%s"):format(r.code, block.text, r.all), 0)
          end
          if found[i + 1] and found[i + 1].kind == "text" then
            check_said(r, block, found[i + 1])
          end
        end
      end
    end)
  end
  test(page .. ": its Lua is Lua", function(t)
    for _, block in ipairs(found) do
      if block.kind == "lua" then
        local chunk, why = sys.load(block.text, "=" .. page, {})
        t:ok(chunk, why)
      end
    end
  end)
  test(page .. ": its policies are policies", function(t)
    local folder = t:tmpdir()
    for _, block in ipairs(found) do
      local name = block.kind == "lua"
        and block.text:match("^%-%- policies/([%w_-]+%.lua)")
      if name then
        local path = folder .. "/" .. name
        assert(fs.write(path, block.text))
        local loaded = policies.load({ path = path, label = name,
          forced = false, origin = page })
        t:ok(next(loaded.points), name)
      end
    end
  end)
  test(page .. ": its links lead somewhere", function(t)
    check_anchors(t, page)
    local text = fs.read(cli.source() .. "/" .. page, 1 << 20)
    local folder = page:match("^(.*/)") or ""
    for link in text:gmatch("%]%(([%w_./-]+)[%w#-]*%)") do
      t:ok(fs.stat(cli.source() .. "/" .. folder .. link), link)
    end
  end)
end
