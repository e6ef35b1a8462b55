--- annotations: reads the definition files of lualib/godwit/meta/public, which
--- are the one text on what scripts can reach: for editors as they are, for
--- docs/reference through support.reference, for tests/lua/reference.lua as
--- what has to agree with what is registered. Strict: what an editor would
--- pass over in silence is an error here, with the line to change.
local M = {}

-- types --------------------------------------------------------------------

local function skip(text, at)
  return text:find("[^ ]", at) or #text + 1
end

local parse_type

local function list_of(text, at, close, item)
  at = skip(text, at)
  while text:sub(at, at) ~= close do
    at = item(text, at)
    if not at then return nil end
    at = skip(text, at)
    local c = text:sub(at, at)
    if c == "," then
      at = skip(text, at + 1)
    elseif c ~= close then
      return nil
    end
  end
  return at + 1
end

--- "name?: type" or "[type]: type" or just "...".
local function named(text, at)
  local stop = select(2, text:find("^[%w_.]+%??", at))
  if text:sub(at, at) == "[" then
    stop = parse_type(text, at + 1)
    if not stop or text:sub(stop, stop) ~= "]" then return nil end
  elseif text:sub(at, at + 2) == "..." and stop == at + 2
    and not text:find("^%s*:", stop + 1) then
    return stop + 1 -- of a function: whatever it is
  end
  if not stop then return nil end
  local colon = select(2, text:find("^%s*:", stop + 1))
  return colon and parse_type(text, skip(text, colon + 1)) or nil
end

local function parse_fun(text, at)
  at = list_of(text, at + 4, ")", named)
  if not at then return nil end
  local colon = select(2, text:find("^%s*:%s*", at))
  if not colon then return at end
  at = parse_type(text, colon + 1)
  while at and text:find("^, ", at) do -- several results, or the next item
    local stop = parse_type(text, at + 2)
    if not stop or text:find("^%s*:", stop) then break end
    at = stop
  end
  return at
end

local function parse_atom(text, at)
  local c = text:sub(at, at)
  if c == "{" then
    return list_of(text, at + 1, "}", named)
  elseif c == "(" then
    local stop = parse_type(text, skip(text, at + 1))
    return stop and text:sub(stop, stop) == ")" and stop + 1 or nil
  elseif c == '"' then
    local stop = text:find('"', at + 1, true)
    return stop and stop + 1
  elseif text:find("^fun%(", at) then
    return parse_fun(text, at)
  end
  local stop = select(2, text:find("^[%a_][%w_]*", at))
  while stop and text:find("^%.[%a_]", stop + 1) do
    stop = select(2, text:find("^%.[%w_]+", stop + 1))
  end
  if not stop then
    stop = select(2, text:find("^%-?%d+", at))
  end
  if stop and text:sub(stop + 1, stop + 1) == "<" then
    return list_of(text, stop + 2, ">", parse_type)
  end
  return stop and stop + 1
end

--- The position behind the type that begins there, or nil.
function parse_type(text, at)
  repeat
    at = parse_atom(text, at)
    if not at then return nil end
    while text:find("^%[%]", at) or text:find("^%?", at) do
      at = at + (text:sub(at, at) == "?" and 1 or 2)
    end
    local bar = select(2, text:find("^ ?| ?", at))
    local more = bar ~= nil
    at = more and bar + 1 or at
  until not more
  return at
end

-- blocks -------------------------------------------------------------------

local function fail(file, line, fmt, ...)
  error(("%s:%d: %s"):format(file, line, fmt:format(...)), 0)
end

--- A type and what is said behind it.
local function typed(file, line, text)
  local stop = parse_type(text, 1)
  if not stop or not text:find("^ ", stop) and stop <= #text then
    fail(file, line, "no type the checker can read: %s", text)
  end
  return text:sub(1, stop - 1), (text:sub(stop):gsub("^ +", ""))
end

local TAGS = {}

function TAGS.param(file, line, doc, text)
  local name, optional, rest = text:match("^([%a_.][%w_.]*)(%??) +(.+)$")
  if not name then
    fail(file, line, "@param is NAME TYPE what it is, not: %s", text)
  end
  local kind, what = typed(file, line, rest)
  doc.params[#doc.params + 1] = { name = name, optional = optional == "?",
    type = kind, text = what, line = line }
  return doc.params[#doc.params]
end

TAGS["return"] = function(file, line, doc, text)
  local kind, rest = typed(file, line, text)
  local name, what = rest:match("^([%a_][%w_]*)%f[^%w_] *(.*)$")
  -- A name is a word in lower case; what is said begins with a capital.
  if not name or name:find("^%u") then name, what = nil, rest end
  doc.returns[#doc.returns + 1] = { type = kind, name = name, text = what }
  return doc.returns[#doc.returns]
end

function TAGS.field(file, line, doc, text)
  local private = text:match("^private +")
  text = text:gsub("^private +", "")
  local name, optional, rest = text:match("^([%a_][%w_]*)(%??) +(.+)$")
  if not name then
    name, optional, rest = text:match("^(%[[%a]+%])(%??) +(.+)$")
  end
  if not name then
    fail(file, line, "@field is NAME TYPE what it is, not: %s", text)
  end
  local kind, what = typed(file, line, rest)
  doc.fields[#doc.fields + 1] = { name = name, optional = optional == "?",
    type = kind, text = what, private = private ~= nil, line = line }
  return doc.fields[#doc.fields]
end

function TAGS.class(file, line, doc, text)
  local name, parent = text:match("^([%a_][%w_.]*)$"), nil
  if not name then
    name, parent = text:match("^([%a_][%w_.]*): ([%a_][%w_.]*)$")
  end
  if not name then fail(file, line, "@class is NAME or NAME: PARENT") end
  doc.class, doc.parent = name, parent
end

function TAGS.alias(file, line, doc, text)
  local name, rest = text:match("^([%a_][%w_.]*) +(.+)$")
  if not name then fail(file, line, "@alias is NAME TYPE") end
  doc.alias, doc.type = name, typed(file, line, rest)
end

function TAGS.generic(file, line, doc, text)
  doc.generic = text:match("^(%a)$") or text:match("^(%a): %a+$")
  if not doc.generic then fail(file, line, "@generic is one letter") end
end

function TAGS.async(_, _, doc)
  doc.async = true
end

function TAGS.overload(file, line, doc, text)
  doc.overloads = doc.overloads or {}
  doc.overloads[#doc.overloads + 1] = (typed(file, line, text))
end

--- Wants a function, and none of what a function takes.
function TAGS.meta() end

local function new_doc(line)
  return { text = {}, params = {}, returns = {}, fields = {}, line = line }
end

local function read_line(file, line, doc, text)
  local tag, rest = text:match("^%-%-%-@(%a+) ?(.*)$")
  if tag then
    if not TAGS[tag] then fail(file, line, "unknown tag @%s", tag) end
    doc.last = TAGS[tag](file, line, doc, rest)
    doc.tagged = true
    return
  end
  local said = text:match("^%-%-%- ?(.*)$")
  if not said then fail(file, line, "a comment here begins with ---") end
  if doc.last and doc.last.text then -- goes on with the tag above
    doc.last.text = doc.last.text .. " " .. said
  elseif doc.tagged then
    fail(file, line, "text stands before the tags")
  else
    doc.text[#doc.text + 1] = said
  end
end

local function names_of(list)
  local names = {}
  for name in list:gmatch("[^, ]+") do
    names[#names + 1] = name
  end
  return names
end

--- What stands below a comment.
local function statement(file, line, text)
  local target, params = text:match("^function ([%w_.:]+)%((.-)%) end$")
  if target then
    return { kind = "function", target = target, params = names_of(params) }
  end
  local var = text:match("^local ([%w_]+) = {}$")
  if var then return { kind = "local", target = var } end
  var = text:match("^([%w_]+) = {}$")
  if var then return { kind = "global", target = var } end
  var = text:match("^return ([%w_]+)$")
  if var then return { kind = "return", target = var } end
  fail(file, line, "a definition file has `function a.b(c) end`, "
    .. "`a = {}`, `local a = {}` and `return a` only, not: %s", text)
end

-- a file -------------------------------------------------------------------

local function check_function(file, doc, s)
  local documented = {}
  for i, p in ipairs(doc.params) do
    documented[i] = p.name
  end
  local want, have = table.concat(s.params, ", "), table.concat(documented, ", ")
  if want ~= have then
    fail(file, doc.line, "%s(%s) has @param for (%s)", s.target, want, have)
  end
  if #doc.fields > 0 or doc.class then
    fail(file, doc.line, "%s is a function and has no @field", s.target)
  end
  if #doc.text == 0 then
    fail(file, doc.line, "say above %s what it does", s.target)
  end
end

local function paragraph_ends(doc, file)
  local first = doc.text[1] or ""
  if doc.class and #doc.text == 0 then
    fail(file, doc.line, "say above @class %s what it is", doc.class)
  end
  if first ~= "" and not first:find("^%u") and not first:find("^`")
    and not first:find("^\"") then
    fail(file, doc.line, "a text begins with a capital: %s", first)
  end
end

local function close_block(page, file, doc, code, line)
  local s = code and statement(file, line, code)
  if not s and not doc.tagged then
    fail(file, doc.line, "a comment that describes nothing")
  elseif s and s.kind == "return" then
    return
  end
  paragraph_ends(doc, file)
  if s and s.kind == "function" then
    check_function(file, doc, s)
    local owner, sep, name = s.target:match("^(.-)([.:]?)([%w_]+)$")
    page.functions[#page.functions + 1] = { owner = owner, sep = sep,
      name = name, full = s.target, doc = doc, params = s.params,
      line = line }
  elseif doc.class then
    page.classes[#page.classes + 1] = { name = doc.class, doc = doc,
      parent = doc.parent, var = s and s.target,
      global = s and s.kind == "global" }
  elseif doc.alias then
    page.aliases[#page.aliases + 1] = { name = doc.alias, doc = doc }
  else
    fail(file, doc.line, "this describes neither a function nor a @class")
  end
end

--- The comment that opens the file: "name: what it is." and the page's text.
local function opening(page, file, lines)
  local first = (lines[1] or ""):match("^%-%-%- (.+)$") or ""
  page.title, page.summary = first:match("^([%w_]+): (.+)$")
  if not page.title then
    fail(file, 2, "the second line is: --- NAME: what the page is about")
  end
  page.text = {}
  for i = 2, #lines do
    page.text[#page.text + 1] = lines[i]:match("^%-%-%- ?(.*)$")
      or fail(file, i + 1, "the page's text begins with ---")
  end
  -- The summary may go on until the first empty line.
  while page.text[1] and page.text[1] ~= "" do
    page.summary = page.summary .. " " .. table.remove(page.text, 1)
  end
end

--- Reads one definition file.
---@param text string
---@param file string For messages.
---@return table page { title, summary, text, functions, classes, aliases }
function M.parse(text, file)
  local page = { file = file, functions = {}, classes = {}, aliases = {} }
  local doc, first, n = nil, {}, 0
  for line in (text .. "\n"):gmatch("(.-)\n") do
    n = n + 1
    if n == 1 then
      if line ~= "---@meta" then fail(file, 1, "the first line is ---@meta") end
    elseif first then
      if line:find("^%-%-%-") then
        first[#first + 1] = line
      else
        opening(page, file, first)
        first = nil
      end
    elseif line:find("^%-%-") then
      doc = doc or new_doc(n)
      read_line(file, n, doc, line)
    elseif line == "" then
      if doc then close_block(page, file, doc, nil, n) end
      doc = nil
    elseif line:find("^return ") then
      statement(file, n, line)
    else
      close_block(page, file, doc or new_doc(n), line, n)
      doc = nil
    end
  end
  return page
end

-- all files ----------------------------------------------------------------

local BASE = {}
for name in ([[any nil boolean number integer string table function thread
  userdata lightuserdata true false self]]):gmatch("%S+") do
  BASE[name] = true
end

local function words_of(kind)
  return kind:gsub('"[^"]*"', ""):gsub("[%a_][%w_]*%??%s*:", "")
    :gmatch("[%a_][%w_.]*")
end

local function check_types(page, known, doc)
  local function check(kind)
    for word in words_of(kind) do
      if not BASE[word] and not known[word] and word ~= "fun"
        and word ~= doc.generic then
        fail(page.file, doc.line, "nothing describes the type %s", word)
      end
    end
  end
  for _, list in ipairs({ doc.params, doc.returns, doc.fields }) do
    for _, one in ipairs(list) do
      check(one.type)
    end
  end
  if doc.type then check(doc.type) end
  if doc.parent then check(doc.parent) end
end

--- Reads all of them; types named in one may be described in another.
---@param files { name: string, text: string }[] In the order of the index.
---@return table[] pages
function M.parse_all(files)
  local pages, known = {}, {}
  for i, f in ipairs(files) do
    pages[i] = M.parse(f.text, f.name)
    for _, list in ipairs({ pages[i].classes, pages[i].aliases }) do
      for _, one in ipairs(list) do
        if known[one.name] then
          fail(f.name, one.doc.line, "%s is described twice", one.name)
        end
        known[one.name] = pages[i]
      end
    end
  end
  for _, page in ipairs(pages) do
    for _, list in ipairs({ page.functions, page.classes, page.aliases }) do
      for _, one in ipairs(list) do
        check_types(page, known, one.doc)
      end
    end
  end
  return pages
end

return M
