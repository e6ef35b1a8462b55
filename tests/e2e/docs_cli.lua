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
