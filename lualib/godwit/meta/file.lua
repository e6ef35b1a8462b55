---@meta godwit.core.file
-- In C: runtime/lua/file.c, runtime/tree/file.c. Regular files in pieces; a
-- link in a path's last place is not followed. What fails is nil and an error.

---@class godwit.core.file
local M = {}

---@class godwit.file.reader: userdata
local reader = {}

--- The next bytes, at most 16 MiB; nil at the end.
---@param max integer
---@return string?
---@return godwit.Err?
function reader:read(max) end

--- Of the whole file, in hex.
---@async
---@return string?
---@return godwit.Err?
function reader:md5() end

function reader:close() end

---@param path string
---@return godwit.file.reader?
---@return integer|godwit.Err size
---@return number mtime
---@return string stamp Another one when the file is.
function M.open(path) end

---@class godwit.file.writer: userdata
local writer = {}

---@param data string
---@return true?
---@return godwit.Err?
function writer:write(data) end

--- Puts it in the place of what is there, and closes it.
---@param path string On the same file system.
---@return string? md5
---@return integer|godwit.Err size
---@return number mtime
---@return string stamp
function writer:place(path) end

--- Removes what was not placed.
function writer:close() end

--- A new file, 0600; kind `exists` when the name is taken. Not synced.
---@param path string
---@return godwit.file.writer?
---@return godwit.Err?
function M.create(path) end

--- The names of a folder's regular files, sorted as bytes.
---@async
---@param dir string
---@return string[]?
---@return godwit.Err?
function M.names(dir) end

---@class godwit.file.walker: userdata
local walker = {}

--- The next entries, in no order; nil at the end. `other`: what it is, if no
--- regular file.
---@param max integer
---@return { name: string, size: integer, time: number, other?: "dir"|"link"|"other" }[]?
---@return godwit.Err?
function walker:next(max) end

function walker:close() end

---@param dir string
---@return godwit.file.walker?
---@return godwit.Err?
function M.walk(dir) end

return M
