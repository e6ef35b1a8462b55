---@meta godwit.core.ledger
-- In C: runtime/lua/ledger.c, runtime/journal/ledger.c.

---@class godwit.core.ledger
local M = {}

---@class godwit.ledger.Row
---@field name? string Given to `put`.
---@field size? integer
---@field time? string As the listing spelled it when that was in it.
---@field md5? string Lower case hex.
---@field sha256? string
---@field written_at? string The server's date when we had written it.

---@class godwit.ledger: userdata
local ledger = {}

--- A row takes the place of what was known of that name, whole.
---@async
---@param place string "CLUSTER-ID OWNER/COLLECTION"
---@param rows godwit.ledger.Row[]
---@return true?
---@return godwit.Err?
function ledger:put(place, rows) end

---@async
---@param place string
---@param names string[]
---@return (godwit.ledger.Row|false)[]?
---@return godwit.Err?
function ledger:get(place, names) end

--- Without names all of that place.
---@async
---@param place string
---@param names? string[]
---@return true?
---@return godwit.Err?
function ledger:forget(place, names) end

function ledger:close() end

---@async
---@param path string
---@return godwit.ledger?
---@return godwit.Err?
function M.open(path) end

return M
