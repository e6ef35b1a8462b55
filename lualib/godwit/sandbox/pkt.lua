--- Git's packet lines, as far as the sandbox reads and writes them: the side
--- band of a push's answer.
local M = {}

--- A packet of a payload.
function M.line(payload)
  return ("%04x"):format(#payload + 4) .. payload
end

--- Text for the side band that a client prints.
function M.progress(text)
  local out = {}
  for i = 1, #text, 65000 do
    out[#out + 1] = M.line("\2" .. text:sub(i, i + 64999))
  end
  return table.concat(out)
end

--- Splits a buffer into its complete packets.
---@return {text: string|nil, raw: string}[] packets text is nil for a flush
function M.split(buffer)
  local packets, at = {}, 1
  while true do
    local digits = buffer:sub(at, at + 3)
    local n = #digits == 4 and digits:find("^%x+$") and tonumber(digits, 16)
    if not n then return packets end
    if n < 4 then
      packets[#packets + 1] = { raw = digits }
      at = at + 4
    elseif #buffer < at + n - 1 then
      return packets
    else
      packets[#packets + 1] = { text = buffer:sub(at + 4, at + n - 1),
        raw = buffer:sub(at, at + n - 1) }
      at = at + n
    end
  end
end

--- Splits a push's answer before its report: what the side band said so far
--- and the rest. Nil when the client asked for no side band; its answer has
--- no place for our words.
---@return string|nil before, string|nil rest
function M.before_report(answer)
  local before = {}
  for _, p in ipairs(M.split(answer)) do
    local band = p.text and p.text:byte()
    if band == 1 or (not p.text and #before > 0) then
      local head = table.concat(before)
      return head, answer:sub(#head + 1)
    elseif band ~= 2 then
      return nil
    end
    before[#before + 1] = p.raw
  end
  return nil
end

return M
