---@meta godwit.core.folder
-- In C: runtime/lua/folder.c. Folders of this machine, below which no link is
-- followed; paths are relative to one, "" is the folder itself.

---@class godwit.core.folder
local M = {}

---@class godwit.folder.root: userdata
local root = {}

---@alias godwit.folder.Done "unchanged"|"mode"|"written"

---@class godwit.folder.PutOpts
---@field new? boolean Nothing may be there: kind `conflict` else.
---@field dry? boolean Only says what would be done.
---@field executable? boolean

function root:close() end

--- Where it really is.
---@return string
function root:path() end

--- Sorted by name.
---@async
---@param dir string
---@return godwit.fs.Entry[]?
---@return godwit.Err?
function root:list(dir) end

--- Its entries, page by page, in no order: for folders too large to list.
---@return godwit.file.walker?
---@return godwit.Err?
function root:walk() end

--- A regular file and its permission bits; `conflict` when it changed
--- meanwhile.
---@async
---@param path string
---@param max integer
---@return string?
---@return integer|godwit.Err
function root:read(path, max) end

---@async
---@param path string
---@return string?
---@return godwit.Err?
function root:readlink(path) end

--- Compares, then writes under another name and moves it into place. The
--- folders on the way are made.
---@async
---@param path string
---@param data string
---@param opts? godwit.folder.PutOpts
---@return godwit.folder.Done?
---@return integer|godwit.Err bytes
function root:write(path, data, opts) end

--- The same path below another folder, with its permission bits.
---@async
---@param path string
---@param from godwit.folder.root
---@param opts? godwit.folder.PutOpts
---@return godwit.folder.Done?
---@return integer|godwit.Err bytes
function root:copy(path, from, opts) end

---@async
---@param path string
---@param target string
---@param opts? godwit.folder.PutOpts
---@return godwit.folder.Done?
---@return integer|godwit.Err
function root:link(path, target, opts) end

--- A file or a link, and the folders above it that get empty.
---@async
---@param path string
---@return true?
---@return godwit.Err?
function root:remove(path) end

--- What was done in that folder survives a power cut.
---@async
---@param dir string
---@return true?
---@return godwit.Err?
function root:sync(dir) end

--- For writing a missing folder is made. Kind `denied` for what a script may
--- not open.
---@param path string
---@param write? boolean
---@return godwit.folder.root?
---@return godwit.Err?
function M.open(path, write) end

--- A folder of the library's own (an archive's): what a script may open is
--- not asked. It must be there.
---@param path string
---@param write? boolean
---@return godwit.folder.root?
---@return godwit.Err?
function M.own(path, write) end

--- The same question as open's, without opening anything.
---@param path string
---@param write? boolean
---@return true?
---@return godwit.Err?
function M.may_open(path, write) end

--- Whether a file of this name is still being written, or was left so: then it
--- is nobody's.
---@param name string
---@return boolean
function M.is_temporary(name) end

--- Allows a folder and all below it; writing includes reading.
---@param path string
---@param write? boolean
---@return true?
---@return godwit.Err?
function M.allow(path, write) end

--- From here on only what is allowed is opened. `declared`: by a script's
--- permissions and not by flags; then an error says so.
---@param declared? boolean
function M.restrict(declared) end

--- From here on nothing is opened for writing.
function M.plan() end

return M
