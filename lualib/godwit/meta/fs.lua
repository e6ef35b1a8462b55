---@meta godwit.core.fs
-- In C: runtime/lua/fs.c. All but `cwd` give nil and an error for what fails.

---@class godwit.core.fs
local M = {}

---@class godwit.fs.Entry
---@field name? string Absent from stat.
---@field type "file"|"dir"|"link"|"other"
---@field size integer
---@field mtime number
---@field mode integer Permission bits.
---@field ctime? number Of stat only: when anything about it changed.
---@field inode? integer Of stat only.

--- A whole file; kind `limit` past max (default 64 MiB).
---@param path string
---@param max? integer
---@return string?
---@return godwit.Err?
function M.read(path, max) end

--- Writes a new file, syncs it and puts it in place of the old one.
---@async
---@param path string
---@param data string
---@param mode? integer Default 0600.
---@return true?
---@return godwit.Err?
function M.write(path, data, mode) end

--- Sorted by name.
---@param path string
---@return godwit.fs.Entry[]?
---@return godwit.Err?
function M.list(path) end

--- Of the name itself: links are not followed.
---@param path string
---@return godwit.fs.Entry?
---@return godwit.Err?
function M.stat(path) end

--- With its parents; an existing folder is fine.
---@param path string
---@param mode? integer Default 0700.
---@return true?
---@return godwit.Err?
function M.mkdir(path, mode) end

--- A file, a link, or an empty folder.
---@param path string
---@return true?
---@return godwit.Err?
function M.remove(path) end

--- A folder with all in it; missing is fine.
---@param path string
---@return true?
---@return godwit.Err?
function M.remove_tree(path) end

---@param from string
---@param to string
---@return true?
---@return godwit.Err?
function M.rename(from, to) end

---@param target string
---@param path string
---@return true?
---@return godwit.Err?
function M.symlink(target, path) end

--- A new empty folder of its own, 0700.
---@param dir string
---@param prefix string
---@return string?
---@return godwit.Err?
function M.mktemp(dir, prefix) end

---@return string
function M.cwd() end

---@param path string
---@return string?
---@return godwit.Err?
function M.realpath(path) end

--- Whether a tree may hold a file of that name: no "/", no "..", no ".git" in
--- any spelling, at most 255 bytes.
---@param name string
---@return boolean
function M.is_name(name) end

---@class godwit.lock: userdata
local lock = {}

function lock:close() end

--- Leaves a text in the lock's file, behind its first line; it stays there.
---@param text string Shorter than 256 bytes.
---@return true?
---@return godwit.Err?
function lock:note(text) end

--- One process at a time; never waits: kind `locked`.
---@param path string
---@return godwit.lock?
---@return godwit.Err?
function M.lock(path) end

--- Whether somebody holds that lock; nothing is made or written.
---@param path string
---@return boolean?
---@return godwit.Err?
function M.locked(path) end

--- Whether this process may write it (for a folder: in it), without trying.
---@param path string
---@return boolean
function M.may_write(path) end

--- Bytes free for this user on the file system of a path.
---@param path string
---@return integer?
---@return godwit.Err?
function M.space(path) end

return M
