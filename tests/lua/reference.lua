-- What scripts can reach is described in lualib/godwit/meta/public, nothing
-- else is, and docs/reference is made from it. With GODWIT_WRITE_REFERENCE the
-- pages are written instead of compared: cmake --build build --target reference
local annotations = require("support.annotations")
local cli = require("support.cli")
local closed = require("godwit.closed")
local fs = require("godwit.core.fs")
local modules = require("godwit.core.modules")
local public = require("support.public")
local reference = require("support.reference")
local sys = require("godwit.core.sys")

local META = "lualib/godwit/meta/public"
local PAGES = "docs/reference"

local function read(path)
  return assert(fs.read(cli.source() .. "/" .. path, 1 << 20))
end

local function definitions()
  local files = {}
  for _, entry in ipairs(fs.list(cli.source() .. "/" .. META)) do
    files[#files + 1] = { name = META .. "/" .. entry.name,
      text = read(META .. "/" .. entry.name) }
  end
  return files
end

local function pages()
  return annotations.parse_all(definitions())
end

--- Everything that is described, under the names the walk uses.
local function described(list)
  local found = { functions = {}, fields = {}, classes = {} }
  for _, page in ipairs(list) do
    local class_of = {}
    for _, class in ipairs(page.classes) do
      local key = class.global and class.var or class.name
      if class.var then class_of[class.var] = { class = class, key = key } end
      found.classes[class.name] = page
      found.fields[key] = {}
      for _, field in ipairs(class.doc.fields) do
        found.fields[key][field.name] = field
      end
    end
    for _, f in ipairs(page.functions) do
      local owner = class_of[f.owner]
      local name = owner and owner.key .. f.sep .. f.name or f.full
      found.functions[name] = { doc = f.doc, page = page, params = f.params,
        line = f.line }
    end
  end
  return found
end

local function report(t, problems)
  table.sort(problems)
  if #problems > 0 then
    -- Printed here: an error's text is one line.
    sys.write(2, table.concat(problems, "\n\n") .. "\n\nafterwards: "
      .. "cmake --build build --target reference\n\n")
    error(("%d things to write, see above"):format(#problems), 0)
  end
  t:ok(true)
end

--- What to write for a function that nothing describes.
local function stub(name, fn)
  local p = public.parameters(fn) or { names = {}, more = true }
  local names = { table.unpack(p.names) }
  if p.more then names[#names + 1] = "..." end
  local lines = { "--- What it does, what it returns. Raises `…` when …" }
  for _, param in ipairs(names) do
    lines[#lines + 1] = ("---@param %s any What it is."):format(param)
  end
  lines[#lines + 1] = ("---@return any\nfunction %s(%s) end"):format(
    name:gsub("^godwit%.[%w_.]*:", "THE_LOCAL_OF_ITS_CLASS:"),
    table.concat(names, ", "))
  return table.concat(lines, "\n")
end

local function home_of(name, docs)
  local class = name:match("^(.*):")
  local page = class and docs.classes[class]
  return page and page.file
    or ("%s/%s.lua"):format(META, name:match("^[%w_]+"))
end

--- What differs between functions that are there and functions described.
local function disagreements(real, docs)
  local problems = {}
  for name, fn in pairs(real) do
    if not docs.functions[name] then
      local file, line = public.where(fn)
      problems[#problems + 1] = ("scripts can reach %s (%s:%s), and nothing "
        .. "describes it; write in %s:\n\n%s\n\n(or hide it: HIDDEN in "
        .. "lualib/godwit/closed.lua, or a name with _)"):format(name,
        file or "C", line or "-", home_of(name, docs), stub(name, fn))
    end
  end
  for name, f in pairs(docs.functions) do
    if not real[name] then
      problems[#problems + 1] = ("%s:%d describes %s, which scripts cannot "
        .. "reach: take it out, or register it"):format(f.page.file, f.line,
        name)
    end
  end
  return problems
end

--- Parameters by another name, or another number of them.
local function other_parameters(name, fn, f)
  local p = public.parameters(fn)
  if not p then return nil end
  local want = { table.unpack(f.params) }
  local dots = want[#want] == "..."
  if dots then table.remove(want) end
  local same = dots == p.more or p.more
  for i = 1, math.max(#want, #p.names) do
    if want[i] ~= p.names[i] and not (p.more and not p.names[i]) then
      same = false
    end
  end
  if not same then
    local file, line = public.where(fn)
    return ("%s:%d: %s(%s) is %s(%s) in %s:%d: use the same names"):format(
      f.page.file, f.line, name, table.concat(f.params, ", "), name,
      table.concat(p.names, ", ") .. (p.more and ", ..." or ""), file, line)
  end
end

--- The functions a configuration file has, beside Lua's.
local function config_words()
  local make = public.upvalue(require("godwit.config.file").read, "environment")
  local words = {}
  for name, value in pairs(make({ full = true })) do
    if type(value) == "function" and _G[name] == nil then words[name] = value end
  end
  return words
end

local function reachable(t)
  local all, samples = {}, public.samples(t)
  for _, list in ipairs({ public.globals().functions,
    public.objects(samples).functions, config_words() }) do
    for name, fn in pairs(list) do
      all[name] = fn
    end
  end
  return all, samples
end

test("every function a script can reach is described, and no other", function(t)
  report(t, disagreements(reachable(t), described(pages())))
end)

test("both directions of disagreement are found, with what to write", function(t)
  local real, docs = reachable(t), described(pages())
  docs.functions["http.get"] = nil
  docs.functions["godwit.Tree:read"] = nil
  docs.functions["http.gone"] = { page = { file = "http.lua" }, line = 7 }
  local problems = table.concat(disagreements(real, docs), "\n")
  t:match(problems, "reach http%.get %(lualib/godwit/http%.lua:%d+%)")
  t:match(problems, "write in lualib/godwit/meta/public/http%.lua:")
  t:match(problems, "%-%-%-@param opts any What it is%.\n%-%-%-@return any\n"
    .. "function http%.get%(url, opts%) end")
  t:match(problems, "reach godwit%.Tree:read .-public/tree%.lua:")
  t:match(problems, "http%.lua:7 describes http%.gone, which scripts cannot")
end)

test("parameters are called what they are called in the library", function(t)
  local real, docs, problems = reachable(t), described(pages()), {}
  for name, f in pairs(docs.functions) do
    if real[name] then
      problems[#problems + 1] = other_parameters(name, real[name], f)
    end
  end
  report(t, problems)
  local fake = { page = { file = "x" }, line = 1, params = { "a", "c" } }
  t:match(other_parameters("f", function(a, b) return a, b end, fake),
    "f%(a, c%) is f%(a, b%)")
  t:ok(other_parameters("f", function(a) return a end, fake))
  t:no(other_parameters("f", function(a, ...) return a, ... end, fake))
end)

test("fields of modules and objects are described, and are there", function(t)
  local docs, problems = described(pages()), {}
  local real = public.objects(public.samples(t)).fields
  for name in pairs(public.globals().values) do
    local module, key = name:match("^(.-)%.(.*)$")
    real[module] = real[module] or {}
    real[module][key] = true
  end
  for class, fields in pairs(real) do
    for name in pairs(fields) do
      if not (docs.fields[class] or {})[name] then
        problems[#problems + 1] = ("%s has the field %s: ---@field %s (or "
          .. "---@field private %s) of its @class in %s"):format(class, name,
          name, name, META)
      end
    end
    for name, field in pairs(docs.fields[class] or {}) do
      if fields[name] == nil and not field.optional then
        problems[#problems + 1] = ("%s has no field %s, as %s says"):format(
          class, name, META)
      end
    end
  end
  report(t, problems)
end)

test("a policy's tree has a tree's methods, but for save", function(t)
  local docs = described(pages())
  local given = public.upvalue(require("godwit.policy.given").tree, "TREE")
  for name in pairs(docs.functions) do
    local method = name:match("^godwit%.Tree:(.*)$")
    if method then
      t:eq(given[method] or false, method ~= "save", name)
    end
  end
end)

test("every class whose objects scripts hold is walked", function(t)
  local covered, problems = public.covered(public.samples(t)), {}
  for _, name in ipairs(modules.names("godwit/")) do
    local file = "lualib/" .. name
    local _, n = modules.source(name):gsub("= methods%.%l+%(", "")
    if n > (covered[file] or 0) and not public.INTERNAL[file] then
      problems[#problems + 1] = ("%s makes %d classes for scripts "
        .. "(methods.of, methods.strict), and %d of them are walked: add an object of each to "
        .. "samples() of tests/support/public.lua and describe it in %s; "
        .. "or, if scripts never get one, name the file in INTERNAL there")
        :format(file, n, covered[file] or 0, META)
    end
  end
  report(t, problems)
end)

--- Options that are described, against those the library knows.
local OPTIONS = {
  ["godwit.http.Opts"] = function()
    local known = {}
    for name in pairs(public.upvalue(require("godwit.http").request, "OPTIONS")) do
      known[name] = true
    end
    -- Of request's one table, and of files, which scripts do not have.
    for _, name in ipairs({ "method", "url", "from_file", "to_file" }) do
      known[name] = nil
    end
    return known
  end,
  ["godwit.http.Retry"] = function()
    local known = { random = true }
    for name in pairs(require("godwit.http.retry").DEFAULTS) do
      known[name] = true
    end
    return known
  end,
  ["godwit.http.Tls"] = function()
    return public.upvalue(require("godwit.http").request, "TLS")
  end,
  ["godwit.copy.Opts"] = function()
    return public.upvalue(require("godwit.copy.algorithm").run, "KNOWN")
  end,
  ["godwit.data.Opts"] = function()
    return public.upvalue(public.upvalue(require("godwit.data").copy,
      "check_options"), "KNOWN")
  end,
  ["godwit.Policy"] = function()
    return require("godwit.policy.check").POINTS
  end,
  ["godwit.policy.Settings"] = function()
    return require("godwit.policy.check").SETTINGS
  end,
  ["godwit.Config"] = function()
    return public.upvalue(require("godwit.config.schema").check, "TOP")
  end,
  ["godwit.config.Cluster"] = function()
    return public.upvalue(require("godwit.config.schema").check, "CLUSTER")
  end,
  ["godwit.config.Secret"] = function()
    return public.upvalue(require("godwit.config.schema").check, "SECRET")
  end,
}

test("options are those the library knows", function(t)
  local docs, problems = described(pages()), {}
  for class, list in pairs(OPTIONS) do
    local known = list()
    for name in pairs(known) do
      if not docs.fields[class][name] then
        problems[#problems + 1] = ("%s: nothing describes the option %s: "
          .. "---@field %s? in %s"):format(class, name, name,
          docs.classes[class].file)
      end
    end
    for name in pairs(docs.fields[class]) do
      if known[name] == nil then
        problems[#problems + 1] = ("%s: %s describes the option %s, which "
          .. "nothing knows"):format(class, docs.classes[class].file, name)
      end
    end
  end
  report(t, problems)
end)

test("the kinds of errors are those the library raises", function(t)
  local listed, problems = {}, {}
  for kind in read(META .. "/err.lua"):gmatch("\n%-%-%- | `(%w+)` |") do
    listed[kind] = true
  end
  local function alias(text)
    local kinds = {}
    for kind in text:match("@alias godwit%.err%.Kind(.-)\n\n"):gmatch('"(%w+)"') do
      kinds[kind] = true
    end
    return kinds
  end
  t:eq(alias(read(META .. "/err.lua")), listed)
  t:eq(alias(read("lualib/godwit/err.lua")), listed)
  for _, name in ipairs(modules.names("godwit/")) do
    for _, pattern in ipairs({ 'err%.throw%(%s*"(%w+)"',
      'err%.new%(?%s*{%s*kind = "(%w+)"' }) do
      for kind in modules.source(name):gmatch(pattern) do
        if not listed[kind] then
          problems[#problems + 1] = ("lualib/%s raises the kind %s: name it in "
            .. "godwit.err.Kind of lualib/godwit/err.lua and %s/err.lua")
            :format(name, kind, META)
        end
      end
    end
  end
  report(t, problems)
end)

test("every module that can be required is described", function(t)
  local docs, globals = described(pages()), public.globals().modules
  for name in closed.public_names():gmatch("%S+") do
    t:ok(docs.classes["godwit." .. name], "nothing describes " .. name)
  end
  for _, name in ipairs(globals) do
    t:ok(docs.fields[name], "nothing describes the global " .. name)
  end
end)

test("the names of Lua's own are those of the page", function(t)
  local listed = {}
  for line in read(META .. "/lua.lua"):gmatch("[^\n]+") do
    local first, names = line:match("^%-%-%- | (%S+) | (.*) |$")
    local prefix = first and (first == "basic" and "" or first:gsub("`", "")
      .. ".")
    for name in (names or ""):gmatch("`([%w_]+)`") do
      listed[prefix .. name] = true
    end
  end
  local problems = {}
  for name in pairs(public.standard()) do
    if not listed[name] then problems[#problems + 1] = "not in the table: " .. name end
  end
  for name in pairs(listed) do
    if not public.standard()[name] then
      problems[#problems + 1] = "in the table, but not there: " .. name
    end
  end
  report(t, problems)
end)

local function lines_of(file)
  local lines = {}
  for line in (read(file) .. "\n"):gmatch("(.-)\n") do
    lines[#lines + 1] = line
  end
  return lines
end

--- The comment right above a line, nil without one. Between them may stand the
--- beginning of a loop that makes several functions.
local function comment_above(lines, at)
  local from = at - 1
  while from > 1 and at - from < 8 and lines[from]:find("%S")
    and not lines[from]:find("^%s*%-%-") do
    from = from - 1
  end
  local comment = {}
  while from > 0 and lines[from]:find("^%s*%-%-") do
    table.insert(comment, 1, lines[from])
    from = from - 1
  end
  return #comment > 0 and table.concat(comment, "\n") or nil
end

--- The parameters a comment names with @param, in order.
local function named_in(comment)
  local names = {}
  for name in comment:gmatch("%-%-%-@param ([%w_.]+)") do
    names[#names + 1] = name
  end
  return names
end

test("every public function of the library is annotated", function(t)
  local files, problems, docs = {}, {}, described(pages())
  for name, fn in pairs(reachable(t)) do
    local file, at = public.where(fn)
    if file then
      files[file] = files[file] or lines_of(file)
      local lines = files[file]
      local comment = comment_above(lines, at)
      local p = public.parameters(fn)
      if p.more then p.names[#p.names + 1] = "..." end
      local want = table.concat(p.names, ", ")
      if not comment then
        problems[#problems + 1] = ("%s:%d: say above %s what it does, with "
          .. "---@param and ---@return"):format(file, at, name)
      elseif lines[at]:find("^function ")
        and table.concat(named_in(comment), ", ") ~= want then
        problems[#problems + 1] = ("%s:%d: above %s(%s) stands @param for (%s)")
          :format(file, at, name, want,
          table.concat(named_in(comment), ", "))
      elseif lines[at]:find("^function ") and docs.functions[name]
        and (#docs.functions[name].doc.returns > 0)
          ~= (comment:find("@return", 1, true) ~= nil) then
        problems[#problems + 1] = ("%s:%d: of %s and its definition one says "
          .. "@return, the other does not"):format(file, at, name)
      elseif comment:gsub("%-%-%-?@[^\n]*", ""):gsub("[%s%-]", "") == "" then
        problems[#problems + 1] = ("%s:%d: say above %s what it does"):format(
          file, at, name)
      end
    end
  end
  report(t, problems)
end)

test("annotations of the library name real parameters", function(t)
  local problems = {}
  for _, name in ipairs(modules.names("godwit/")) do
    local file = "lualib/" .. name
    local lines = not name:find("meta/", 1, true) and lines_of(file) or {}
    for at, line in ipairs(lines) do
      local params = line:match("^function [%w_.:]+%((.*)%)")
        or line:match("^local function [%w_]+%((.*)%)")
      local comment = params and lines[at - 1]:find("^%-%-")
        and comment_above(lines, at)
      for _, one in ipairs(comment and named_in(comment) or {}) do
        if not (", " .. params .. ","):find(", " .. one .. ",", 1, true) then
          problems[#problems + 1] = ("%s:%d: there is no parameter %s"):format(
            file, at, one)
        end
      end
    end
  end
  report(t, problems)
end)

test("every page has an example, and says what is raised", function(t)
  for _, page in ipairs(pages()) do
    local text = table.concat(page.text, "\n")
    t:ok(text:find("\n```lua\n", 1, true), page.file .. ": an example")
    local said = text:find("[Rr]aises?%f[^%w]") or page.title == "godwit"
      or page.title == "step"
    t:ok(said, page.file .. ": a paragraph that begins with Raises")
  end
end)

test("definitions are Lua, and compiled in", function(t)
  local names = {}
  for i, f in ipairs(definitions()) do
    t:ok(sys.load(f.text, "=" .. f.name, {}))
    names[i] = f.name:gsub("^lualib/", "")
    t:ok(modules.source(names[i]) == f.text, f.name .. " is compiled in as it "
      .. "was before: build again")
  end
  t:eq(modules.names("godwit/meta/public/"), names)
end)

test("docs/reference is what the definitions say", function(t)
  local made = reference.make(pages())
  local folder = cli.source() .. "/" .. PAGES
  local writing = sys.env("GODWIT_WRITE_REFERENCE")
  if writing then assert(fs.mkdir(folder, tonumber("755", 8))) end
  for name, text in pairs(made) do
    if writing then
      assert(fs.write(folder .. "/" .. name, text, tonumber("644", 8)))
    elseif fs.read(folder .. "/" .. name, 1 << 20) ~= text then
      error(("%s/%s is not what %s says; make it with: cmake --build build "
        .. "--target reference"):format(PAGES, name, META), 0)
    end
  end
  for _, entry in ipairs(fs.list(folder)) do
    if not made[entry.name] then
      if not writing then
        error(("%s/%s is made from nothing"):format(PAGES, entry.name), 0)
      end
      fs.remove(folder .. "/" .. entry.name)
    end
  end
end)

test("links between the pages lead to headings", function(t)
  local made, headings, links = reference.make(pages()), {}, 0
  for name, text in pairs(made) do
    headings[name] = {}
    for heading in text:gmatch("\n#+ ([^\n]+)") do
      headings[name][heading:lower():gsub("[^%w_-]", "")] = true
    end
  end
  for name, text in pairs(made) do
    for page, anchor in text:gmatch("%]%(([%w_]*%.?m?d?)#([%w_-]+)%)") do
      links = links + 1
      local target = headings[page == "" and name or page]
      t:ok(target and target[anchor], ("%s: %s#%s"):format(name, page, anchor))
    end
  end
  t:ok(links > 100)
end)
