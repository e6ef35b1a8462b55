---@meta godwit.core.git
-- In C: runtime/lua/git*.c, runtime/git. Everything that works on a store waits
-- for the git pool; what fails outside gives nil and an error.

---@class godwit.core.git
local M = {}

---@class godwit.git.Commit
---@field id string
---@field tree string
---@field parents string[]
---@field author { name: string, email: string, time: integer, offset: integer }
---@field committer { name: string, email: string, time: integer, offset: integer }
---@field message string

--- A bare repository under a lock.
---@class godwit.git.store: userdata
local store = {}

---@return string
function store:path() end

--- Also by <close> and by the collector.
function store:close() end

--- The object a reference points to, or nil.
---@async
---@param name string
---@return string?
---@return godwit.Err?
function store:ref(name) end

--- Compare and swap: `expected` is the old object, nil whatever it is.
---@async
---@param name string
---@param id string
---@param expected? string
---@return true?
---@return godwit.Err?
function store:set_ref(name, id, expected) end

---@async
---@param name string
---@param expected? string
---@return true?
---@return godwit.Err?
function store:delete_ref(name, expected) end

--- The branch HEAD names.
---@async
---@return string?
---@return godwit.Err?
function store:head() end

---@async
---@param name string
---@return true?
---@return godwit.Err?
function store:set_head(name) end

---@async
---@param id string
---@return boolean
function store:has(id) end

---@async
---@param id string
---@return godwit.git.Commit?
---@return godwit.Err?
function store:commit(id) end

--- A pure function of its arguments; returns the id.
---@async
---@param commit table tree, parents, author, committer, message
---@return string?
---@return godwit.Err?
function store:make_commit(commit) end

--- The first-parent history, newest first.
---@async
---@param id string
---@param opts? { limit?: integer }
---@return { id: string, tree: string, time: integer }[]?
---@return godwit.Err?
function store:history(id, opts) end

--- Whether `old` is `id` or one of its ancestors.
---@async
---@param id string
---@param old string
---@return boolean?
---@return godwit.Err?
function store:contains(id, old) end

--- All entries of a tree, recursive.
---@async
---@param tree string
---@param opts? { sizes?: boolean }
---@return { path: string, mode: integer, type: string, id: string, size?: integer }[]?
---@return godwit.Err?
function store:entries(tree, opts) end

---@async
---@param id string
---@param max? integer
---@return string?
---@return godwit.Err?
function store:blob(id, max) end

--- A file of a tree; nil without an error when there is none.
---@async
---@param tree string
---@param path string
---@param max? integer
---@return string?
---@return godwit.Err?
function store:read(tree, path, max) end

---@async
---@param data string
---@return string? id
---@return godwit.Err?
function store:write_blob(data) end

--- A new tree: entries replaced, added or removed.
---@async
---@param tree string
---@param edits table[] {path=, data=|id=, mode=} or {path=, remove=true}
---@return string? tree
---@return godwit.Err?
function store:edit(tree, edits) end

--- Three trees made into one; false and the conflicts when both sides did
--- something to a file.
---@async
---@param base? string
---@param ours string
---@param theirs string
---@return string|false|nil tree
---@return godwit.Err|{ path: string, ours: string, theirs: string, binary: boolean }[]|nil
function store:merge(base, ours, theirs) end

--- From one tree to another; nil is the empty tree.
---@async
---@param a? string
---@param b? string
---@return { status: "added"|"deleted"|"modified"|"mode", path: string }[]?
---@return godwit.Err?
function store:diff(a, b) end

--- What a promotion must name: LFS pointers and submodules.
---@async
---@param tree string
---@return { lfs: string[], submodules: string[] }?
---@return godwit.Err?
function store:scan(tree) end

--- Whether every name in it is safe.
---@async
---@param tree string
---@return true?
---@return godwit.Err?
function store:check_tree(tree) end

--- Opens a store, or makes it; its lock is held until it is closed.
---@async
---@param path string
---@param opts? { create?: boolean, lock?: boolean }
---@return godwit.git.store?
---@return godwit.Err?
function M.open_store(path, opts) end

---@async
---@param remote godwit.git.Remote
---@param opts? { service?: "upload-pack"|"receive-pack" }
---@return { refs: table<string, string>, head?: string, caps: table, advert: any }?
---@return godwit.Err?
function M.ls_remote(remote, opts) end

---@async
---@param to godwit.git.store
---@param remote godwit.git.Remote
---@param opts { commit?: string, refs?: string[], into?: string, advert?: any, progress?: function, stall?: number, timeout?: number, max_bytes?: integer }
---@return { bytes: integer, objects: integer }?
---@return godwit.Err?
function M.fetch(to, remote, opts) end

---@async
---@param from godwit.git.store
---@param remote godwit.git.Remote
---@param opts { commit: string, ref?: string, expected?: string, advert?: any, progress?: function, build_timeout?: number, stall?: number }
---@return { messages: string[] }?
---@return godwit.Err? e With `sent` when the answer was lost.
function M.push(from, remote, opts) end

--- Whether it is an object's id: 40 hexadecimal digits.
---@param v any
---@return boolean
function M.is_id(v) end

--- Whether a reference may have this name.
---@param name string
---@return true?
---@return godwit.Err?
function M.check_ref(name) end

return M
