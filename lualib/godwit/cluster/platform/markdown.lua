--- Turns a README into the HTML that becomes an algorithm's summary. Only
--- what READMEs use most: headings, paragraphs, lists, code, emphasis and
--- links; everything else stays text. Input is never trusted as HTML.
local M = {}

local ESCAPES = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;",
  ['"'] = "&quot;" }

local function escape(s)
  return (s:gsub('[&<>"]', ESCAPES))
end

local function inline(s)
  s = escape(s)
  s = s:gsub("`([^`]+)`", "<code>%1</code>")
  s = s:gsub("%*%*([^*]+)%*%*", "<strong>%1</strong>")
  s = s:gsub("%*([^*]+)%*", "<em>%1</em>")
  s = s:gsub("%[([^%]]+)%]%((https?://[^%s()]+)%)", '<a href="%2">%1</a>')
  return s
end

--- The HTML of a text in Markdown.
---@param text string
---@return string
function M.html(text)
  local out, para, list, code = {}, {}, nil, nil
  local function flush()
    if #para > 0 then
      out[#out + 1] = "<p>" .. inline(table.concat(para, " ")) .. "</p>"
      para = {}
    end
    if list then
      out[#out + 1] = "</ul>"
      list = nil
    end
  end
  for line in (text:gsub("\r\n?", "\n") .. "\n"):gmatch("(.-)\n") do
    if code then
      if line:find("^```") then
        out[#out + 1] = "<pre><code>" .. escape(table.concat(code, "\n"))
          .. "</code></pre>"
        code = nil
      else
        code[#code + 1] = line
      end
    elseif line:find("^```") then
      flush()
      code = {}
    elseif line:find("^#+%s") then
      flush()
      local marks, title = line:match("^(#+)%s+(.-)%s*#*$")
      local level = math.min(#marks, 6)
      out[#out + 1] = ("<h%d>%s</h%d>"):format(level, inline(title), level)
    elseif line:find("^%s*[-*+]%s+") then
      if not list then
        flush()
        list = true
        out[#out + 1] = "<ul>"
      end
      out[#out + 1] = "<li>" .. inline(line:match("^%s*[-*+]%s+(.*)$"))
        .. "</li>"
    elseif line:find("^%s*$") then
      flush()
    else
      if list then flush() end
      para[#para + 1] = line:match("^%s*(.-)%s*$")
    end
  end
  if code then
    out[#out + 1] = "<pre><code>" .. escape(table.concat(code, "\n"))
      .. "</code></pre>"
  end
  flush()
  return table.concat(out, "\n")
end

return M
