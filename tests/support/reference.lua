--- reference: makes docs/reference from the definition files, one page each,
--- and the index. Pure: pages as support.annotations reads them in, texts out.
local M = {}

local NOTE = "<!-- Made from lualib/godwit/meta/public/%s.lua. Change that "
  .. "file, then: cmake --build build --target reference -->\n"

--- The anchor that a heading gets where the page is shown.
local function anchor(heading)
  return (heading:lower():gsub("[^%w_ -]", ""):gsub(" ", "-"))
end

--- Which page and heading describes a named type.
local function places(pages)
  local found = {}
  for _, page in ipairs(pages) do
    for _, list in ipairs({ page.classes, page.aliases }) do
      for _, one in ipairs(list) do
        -- A module is its page.
        found[one.name] = { page = page.title,
          anchor = anchor(one.global and page.title or one.name) }
      end
    end
  end
  return found
end

local Writer = {}
Writer.__index = Writer

function Writer:add(fmt, ...)
  self.lines[#self.lines + 1] = select("#", ...) > 0 and fmt:format(...) or fmt
end

function Writer:text(list)
  for _, line in ipairs(list) do
    self:add("%s", line)
  end
  if #list > 0 then self:add("") end
end

local function cell(text)
  return (text:gsub("|", "\\|"))
end

--- A type as code; it leads to the first named type in it.
function Writer:type(kind)
  local code = "`" .. kind .. "`"
  for name in kind:gmatch("godwit[%w_.]*") do
    local at = self.places[name]
    if at then
      local file = at.page ~= self.page.title and at.page .. ".md" or ""
      return ("[%s](%s#%s)"):format(code, file, at.anchor)
    end
  end
  return code
end

local function first_sentence(doc)
  local text = table.concat(doc.text, " "):gsub("%s+", " ")
  -- Not at a full stop inside of code: "a.b", "X.Y.Z".
  return (text:match("^(.-%.)%s%u") or text:match("^(.-%.)%s`") or text)
end

local function signature(f)
  local params, returns = {}, {}
  for i, p in ipairs(f.doc.params) do
    params[i] = ("%s%s: %s"):format(p.name, p.optional and "?" or "", p.type)
  end
  for i, r in ipairs(f.doc.returns) do
    returns[i] = r.type .. (r.name and " " .. r.name or r.text == "..." and " ..."
      or "")
  end
  local text = ("%s(%s)"):format(f.full, table.concat(params, ", "))
  if #returns > 0 then text = text .. " -> " .. table.concat(returns, ", ") end
  return text
end

function Writer:parameters(f)
  local any = false
  for _, p in ipairs(f.doc.params) do
    local named = p.type:find("godwit", 1, true)
    if p.text ~= "" or named then
      self:add("- `%s`: %s%s", p.name, named and self:type(p.type) or "",
        p.text ~= "" and (named and ". " or "") .. p.text or "")
      any = true
    end
  end
  for _, r in ipairs(f.doc.returns) do
    if r.type:find("godwit", 1, true) then
      self:add("- returns %s%s", self:type(r.type),
        r.text ~= "" and ". " .. r.text or "")
      any = true
    end
  end
  if any then self:add("") end
end

function Writer:fn(f)
  self:add("### %s", f.full)
  self:add("")
  self:add("```")
  self:add("%s%s", signature(f), f.doc.async and "   -- waits" or "")
  self:add("```")
  self:add("")
  self:text(f.doc.text)
  self:parameters(f)
end

local function names_of(f)
  local names = {}
  for i, p in ipairs(f.doc.params) do
    names[i] = p.name .. (p.optional and "?" or "")
  end
  return table.concat(names, ", ")
end

function Writer:functions(list)
  if #list == 0 then return end
  self:add("| | |")
  self:add("|---|---|")
  for _, f in ipairs(list) do
    self:add("| [`%s(%s)`](#%s) | %s |", f.full, names_of(f), anchor(f.full),
      cell(first_sentence(f.doc)))
  end
  self:add("")
  for _, f in ipairs(list) do
    self:fn(f)
  end
end

function Writer:fields(list)
  local rows = {}
  for _, field in ipairs(list) do
    if not field.private then
      rows[#rows + 1] = ("| `%s%s` | %s | %s |"):format(field.name,
        field.optional and "?" or "", cell(self:type(field.type)),
        cell(field.text))
    end
  end
  if #rows == 0 then return end
  self:add("| Field | Type | |")
  self:add("|---|---|---|")
  self:text(rows)
end

local function functions_of(page, var)
  local list = {}
  for _, f in ipairs(page.functions) do
    if f.owner == (var or "") then list[#list + 1] = f end
  end
  return list
end

function Writer:class(class)
  local functions = class.var and functions_of(self.page, class.var) or {}
  if class.global then
    self:add(#functions > 0 and "## Functions" or "## Fields")
    self:add("")
  else
    self:add("## %s", class.name)
    self:add("")
    self:text(class.doc.text)
  end
  self:fields(class.doc.fields)
  self:functions(functions)
end

function Writer:alias(alias)
  self:add("## %s", alias.name)
  self:add("")
  self:text(alias.doc.text)
  self:add("`%s`", alias.doc.type)
  self:add("")
end

local function capital(text)
  return (text:gsub("^%l", string.upper))
end

local function finish(lines)
  return (table.concat(lines, "\n"):gsub("\n+$", "") .. "\n")
end

--- The text of a page.
local function page_text(page, where)
  local w = setmetatable({ lines = {}, page = page, places = where }, Writer)
  w:add(NOTE, page.title)
  w:add("# %s", page.title)
  w:add("")
  w:add("%s", capital(page.summary))
  w:text(page.text)
  if not page.text[1] then w:add("") end
  local loose = functions_of(page, nil)
  if #loose > 0 then
    w:add("## Functions")
    w:add("")
    w:functions(loose)
  end
  for _, class in ipairs(page.classes) do
    w:class(class)
  end
  for _, alias in ipairs(page.aliases) do
    w:alias(alias)
  end
  return finish(w.lines)
end

local INDEX = [[
# Reference

Everything a script can reach, a page for each module or kind of object. [The guide](../scripting.md) says how to begin. The pages
are made from the definitions that `godwit init --editor` gives to your editor, and a test compares both with what the program
registers.

Signatures name parameters and types as LuaCATS does: `opts?` may be left out, `string?` may be nil. "waits" means that other
tasks run meanwhile. The modules are globals in scripts, and the same through `require "http"` or `require "godwit.http"`.

| Page | About |
|---|---|
]]

--- All pages: { ["http.md"] = text }.
---@param pages table[]
---@return table<string, string>
function M.make(pages)
  local where, texts = places(pages), {}
  local index = {}
  for _, page in ipairs(pages) do
    texts[page.title .. ".md"] = page_text(page, where)
    index[#index + 1] = ("| [%s](%s.md) | %s |"):format(page.title, page.title,
      cell(page.summary))
  end
  texts["README.md"] = NOTE:format("*"):gsub("/%*%.lua", "") .. "\n" .. INDEX
    .. finish(index)
  return texts
end

return M
