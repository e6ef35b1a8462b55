---@meta
--- tree: the files of a commit, read and edited without a checkout.
---
--- A tree comes from `a:tree(rev)`, `a:edit(message, fn)`, a policy's
--- `transform` or a store. Edits stay in memory until they are pushed or saved.
--- Paths are those of Git, "dir/file". In a glob `*` and `?` stay within one
--- name, `**` goes through folders, `[a-z]` and `[!a-z]` are sets and `\` takes
--- the meaning of the next character; the whole path must match.
---
--- Raises `notfound` for a file that is not there; `usage` for a path that leads
--- out of the tree, is absolute, has a NUL or a name over 255 bytes, or is `.git`
--- in any spelling; `conflict` where a file is and a folder is needed, or the
--- other way round; `limit` for a file over 64 MiB.
---
--- ```lua
--- -- prepare.lua: other names for prod, without tests
--- local a = godwit.cluster("dev").algorithms:get "acme/FraudScore"
--- local commit = a:edit("Point to prod", function(tree)
---   tree:replace("src/*.py", "data://dev_", "data://prod_")
---   tree:filter { "!tests/**", "!**/*.ipynb" }
---   local req = tree:try_read "requirements.txt"
---   if req then tree:write("requirements.txt", (req:gsub("numpy%s*\n", "numpy<2\n"))) end
--- end)
--- log.info("%s", commit or "nothing to do")
--- ```
---
--- ```sh
--- godwit run -n prepare.lua
--- ```

--- Trees.
---@class godwit.tree
---@field MAX integer The largest file that is read, in bytes.
tree = {}

--- What `tree.sync` copies and deletes.
---@class godwit.tree.SyncOpts
---@field include? string|string[] Globs of what is copied. Default: all.
---@field exclude? string|string[] Globs of what is neither copied nor deleted; one that matches a folder is for all in it, which is then not even opened.
---@field delete? boolean Whether what the source does not have is removed, and what is in the way of a file or folder. Default: no.
---@field max_delete? integer When more would go, nothing is done. Default 100.

--- What `tree.sync` did. In a plan: what it would do.
---@class godwit.tree.Synced
---@field outcome "created"|"updated"|"unchanged"
---@field files integer Files and links of the source that were chosen.
---@field written integer
---@field unchanged integer
---@field deleted integer
---@field skipped integer What is never copied: `.git`, and submodules of a tree.
---@field bytes integer Of the files that were written.

--- Makes `to` have the files of `from`. Each is a tree or the path of a folder
--- of this machine, for which a script needs `--allow-read` or
--- `--allow-write`. Everything is looked at before the first write; a file
--- with the same size and contents is left alone; each file is there whole or
--- as it was. Modes are kept, and links as links: none is followed, on
--- neither side. Raises `denied` for a folder that is not allowed; `refused`
--- for a pipe, device or socket, for a path no tree can hold, for more
--- deletions than `max_delete`, and for any deletion when the source has no
--- file; `conflict` where a file is and a folder is needed, and (retryable)
--- for a file that changes while it is read; `io` for a full disk.
---@async
---@param from string|godwit.Tree
---@param to string|godwit.Tree
---@param opts? godwit.tree.SyncOpts
---@return godwit.tree.Synced
function tree.sync(from, to, opts) end

--- The files of a commit, with the edits made to them.
---@class godwit.Tree
---@field id string? The tree that was opened, nil of an empty one.
---@field private store table
---@field private edits table
---@field private files? table
local files = {}

--- The contents of a file; of a symbolic link, where it points. Raises
--- `notfound`.
---@async
---@param path string
---@return string
function files:read(path) end

--- As `read`, but returns nil and the error instead of raising it.
---@async
---@param path string
---@return string?
---@return godwit.Err?
function files:try_read(path) end

--- Whether there is a file of that path, or a folder with files in it.
---@async
---@param path string
---@return boolean
function files:exists(path) end

--- The mode of a file as Git writes it: "100644", "100755" or, of a link,
--- "120000". Raises `notfound`.
---@async
---@param path string
---@return string
function files:mode(path) end

--- Iterates over the paths of the files that match, in order. The list is made
--- when it is called: the loop may edit the tree.
---@async
---@param glob? string Default: all.
---@return fun(): string?
function files:each(glob) end

--- Writes a file. A new one is an ordinary file, one that is there keeps its
--- mode. Raises `usage` or `conflict` for a path that cannot be.
---@async
---@param path string
---@param bytes string
function files:write(path, bytes) end

--- Removes the files that match; returns how many.
---@async
---@param glob string
---@return integer
function files:remove(glob) end

--- Keeps the files that match one of the globs and none of those with `!` in
--- front; with `!` alone, all others are kept. Returns how many went. Raises
--- `usage` rather than leave nothing.
---@async
---@param globs string|string[]
---@return integer
function files:filter(globs) end

--- Moves a file, or a folder with all in it. Over an existing file it replaces
--- it. Raises `notfound`, `conflict`, or `usage` into itself.
---@async
---@param from string
---@param to string
function files:move(from, to) end

--- Makes a file executable (`"+x"`, `"755"`) or not (`"-x"`, `"644"`): all that
--- Git remembers. Raises `usage` for links.
---@async
---@param path string
---@param mode string|integer
function files:chmod(path, mode) end

--- `string.gsub` on the contents of each matching file. Binary files (with a
--- zero byte) and links are left alone. Returns how many files changed.
---@async
---@param glob string
---@param pattern string
---@param repl string|table|function
---@return integer
function files:replace(glob, pattern, repl) end

--- Other marks of `template`.
---@class godwit.tree.TemplateOpts
---@field open? string Default `{{`.
---@field close? string Default `}}`.

--- Replaces `{{name}}` in each matching file by `values[name]`, or by what
--- `values(name, path)` returns. Binary files and links are left alone, and so
--- is what stands between the marks and is no name. Returns how many files
--- changed. Raises `usage` with file and line for a name without a value, and
--- then nothing is changed.
---@async
---@param glob string
---@param values table<string, string|number|boolean>|fun(name: string, path: string): any
---@param opts? godwit.tree.TemplateOpts
---@return integer
function files:template(glob, values, opts) end

--- Writes the tree into its repository and returns its id: the one before when
--- nothing changed. Needed with a store of one's own only; `a:edit` does it.
---@async
---@return string id
function files:save() end

return tree
