--- Every command and every flag that help names is described in docs/.
local cli = require("support.cli")
local fs = require("godwit.core.fs")

local function read(path)
  return assert(fs.read(cli.source() .. "/" .. path, 1 << 20))
end

local function all_pages()
  local texts = { read("README.md") }
  for _, entry in ipairs(fs.list(cli.source() .. "/docs")) do
    if entry.name:find("%.md$") then
      texts[#texts + 1] = read("docs/" .. entry.name)
    end
  end
  return table.concat(texts, "\n")
end

-- The words a help page lists in its first column, under a title.
local function listed(help, title)
  local words = {}
  local part = assert((help .. "\n\n"):match("\n" .. title .. "\n(.-)\n\n"))
  for word in ("\n" .. part):gmatch("\n  (%a[%w-]*)") do
    words[#words + 1] = word
  end
  return words
end

local function names_flag(text, flag)
  return (" " .. text):find("[^%w-]" .. flag:gsub("%p", "%%%0") .. "%f[^%w-]")
    ~= nil
end

test("every command and flag is described", function(t)
  local home = cli.home(t)
  local help = home:expect(0, { "help" }).out
  local commands, pages = read("docs/cli.md"), all_pages()
  local words = listed(help, "Workflows")
  table.move(listed(help, "Commands"), 1, 99, #words + 1, words)
  t:ok(#words >= 15, table.concat(words, " "))
  local missing = {}
  for _, word in ipairs(words) do
    if not commands:find("\n| `" .. word:gsub("%p", "%%%0") .. "%f[%A]") and
      not commands:find(", `" .. word .. "`", 1, true) then
      missing[#missing + 1] = word
    end
    local seen = {}
    local page = home:expect(0, { "help", word }).out
    for flag in page:gmatch("%-%-[%[%]%a-]+") do
      flag = flag:gsub("%[no%-%]", "")
      if not seen[flag] and not names_flag(pages, flag)
        and not names_flag(pages, (flag:gsub("^%-%-", "--no-"))) then
        missing[#missing + 1] = word .. " " .. flag
      end
      seen[flag] = true
    end
  end
  t:eq(missing, {})
end)

-- Library, rooms of C, or the repository itself: as the page shortens names.
local function is_there(name)
  for _, form in ipairs({ "%s", "lualib/godwit/%s", "lualib/godwit/%s.lua",
      "runtime/%s" }) do
    if fs.stat(cli.source() .. "/" .. form:format((name:gsub("/$", "")))) then
      return true
    end
  end
  return false
end

test("architecture.md names what is there, and all of it", function(t)
  local text = read("docs/architecture.md")
  local named = {}
  for name in text:gmatch("`([%w_]+/[%w_/.]*)`") do
    t:ok(is_there(name) or name == "curl/multi.h" or name == "public/"
      or name == "run/", name)
  end
  local rooms = text:match("\n### Library\n(.-)\n## ")
  for cell in rooms:gmatch("\n|([^|]+)|") do
    for name in cell:gmatch("`([^`]+)`") do
      t:ok(is_there(name), name)
      named[name:match("^[^/]+")] = true
    end
  end
  for _, entry in ipairs(fs.list(cli.source() .. "/lualib/godwit")) do
    local name = entry.name:gsub("%.lua$", "")
    t:ok(named[name], name)
  end
  for _, entry in ipairs(fs.list(cli.source() .. "/runtime")) do
    t:ok(entry.type ~= "dir" or text:find("`runtime/" .. entry.name, 1, true),
      entry.name)
  end
  local list = text:match("what a script calls: ([^\n]-)%.\n")
  for _, name in ipairs({ "http", "git", "tree", "data", "copy", "json", "task",
      "step", "log" }) do
    t:ok(list:find("`" .. name .. "`", 1, true), name)
  end
end)
