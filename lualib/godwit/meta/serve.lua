---@meta godwit.core.serve
-- In C: runtime/lua/serve.c, runtime/net.

---@class godwit.core.serve
local M = {}

---@class godwit.serve.server: userdata
---@field port integer
local server = {}

--- Stops accepting and waits for what runs.
---@async
function server:close() end

--- How many requests are being answered.
---@return integer
function server:running() end

---@class godwit.serve.request: userdata
---@field method string
---@field path string As it came.
---@field query? string
---@field headers table<string, string> Names in lower case.
---@field remote string
local request = {}

--- The next piece of the body; nil at its end.
---@async
---@return string?
---@return godwit.Err?
function request:read() end

--- The whole body; kind `limit` past max.
---@async
---@param max? integer
---@return string?
---@return godwit.Err?
function request:body(max) end

--- The whole answer.
---@param status integer
---@param headers? table<string, string>
---@param body? string
function request:respond(status, headers, body) end

--- Begins an answer in pieces.
---@param status integer
---@param headers? table<string, string>
function request:start(status, headers) end

--- Waits while the client is slow.
---@async
---@param chunk string
---@return true?
---@return godwit.Err?
function request:write(chunk) end

function request:finish() end

--- Whether the client went away.
---@return boolean
function request:closed() end

--- Each request is a task of the handler.
---@param opts { address: string, port: integer, handler: fun(req: godwit.serve.request) }
---@return godwit.serve.server?
---@return godwit.Err?
function M.listen(opts) end

return M
