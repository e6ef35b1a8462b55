---@meta
--- git: repositories anywhere: references, stores, fetch, push, copies.
---
--- A remote names a repository and its credential; nothing is asked before it
--- is used. A store is a bare repository for a while, on this machine; the
--- program finds its place and removes it.
---
--- Raises `auth`, `notfound`, `net`, `timeout` and `remote` for what the server
--- says, `conflict` for a reference that is not where it was expected, `limit`
--- for too much, `denied` for a push that `--allow-write` does not name. A push
--- whose answer got lost raises with `e.sent`: look before you push again.
--- Under `-n` a push is listed and its result is unknown.
---
--- ```lua
--- -- refs.lua: branches and tags of an algorithm's repository
--- local a = godwit.cluster("dev").algorithms:get "acme/FraudScore"
--- local found = git.ls_remote(a:remote())
--- print(found.head, found.refs[found.head])
--- local store <close> = git.store()
--- git.fetch(store, a:remote(), { commit = found.refs[found.head] })
--- for _, c in ipairs(store:history(found.refs[found.head], { limit = 5 })) do
---   print(c.id, (store:commit(c.id).message:match "[^\n]*"))
--- end
--- ```
---
--- ```sh
--- godwit run refs.lua
--- ```
---
--- To another Git host:
---
--- ```lua
--- local forge = godwit.secret "forge"
--- local to = git.remote("https://git.example.com/acme/fraud.git", forge)
--- local a = godwit.cluster("dev").algorithms:get "acme/FraudScore"
--- log.info("%s", git.copy(a:remote(), to, { refs = { "heads/*", "tags/*" } }).outcome)
--- ```

--- Repositories.
---@class godwit.git
---@field COMMITTER table<string, string> Who makes the commits of this program: name and email.
git = {}

--- Options of a remote.
---@class godwit.git.RemoteOpts
---@field user? string The user name for `Basic`. Default: the address's, else "git".
---@field scheme? string Default `Basic`.
---@field tls? godwit.http.Tls
---@field proxy? string
---@field no_proxy? string

--- A repository and how to reach it.
---@class godwit.git.Remote
---@field url? string
---@field path? string Of an archive's repository: a folder; only from `a:remote()`.
---@field auth? godwit.Secret
---@field auth_user? string
---@field auth_scheme? string
---@field tls? godwit.http.Tls
---@field proxy? string
---@field no_proxy? string
---@field private limiter? any

--- What a server has.
---@class godwit.git.Refs
---@field refs table<string, string> Full names of branches and tags ("refs/heads/master"), and their objects.
---@field head? string The default branch, "refs/heads/master".
---@field head_id? string
---@field caps table What the server can do.
---@field advert any Given to one fetch or push, which then does not ask again.

--- Options of `ls_remote`.
---@class godwit.git.LsOpts
---@field service? "upload-pack"|"receive-pack" Whether for reading (default) or for a push.
---@field stall? number Seconds without a byte.
---@field timeout? number Seconds for the whole.

--- Options of a fetch.
---@class godwit.git.FetchOpts
---@field commit? string Fetched unless the store has it.
---@field refs? string[] Full names of branches and tags. Default: what holds the commit, else all.
---@field into? string Where they are kept, "refs/godwit/KEY".
---@field advert? any Of `ls_remote`.
---@field progress? fun(p: table) Is given { objects, total, bytes_up, bytes_down } or { message }.
---@field stall? number Seconds without a byte. Default 60.
---@field timeout? number Seconds for the whole. Default: none.
---@field max_bytes? integer Default 4 GiB.

--- Options of a push.
---@class godwit.git.PushOpts
---@field commit string
---@field ref string "refs/heads/master"
---@field expected? string The object it must be at; without it, it must not exist.
---@field advert? any Of `ls_remote` for "receive-pack".
---@field progress? fun(p: table)
---@field stall? number Seconds without a byte.
---@field build_timeout? number Seconds for the server's work after the last byte. Default 1800.

--- Describes a repository. The secret goes into a header, never into the
--- address. Raises `usage` for an address that is none.
---@param url string
---@param secret? godwit.Secret
---@param opts? godwit.git.RemoteOpts
---@return godwit.git.Remote
function git.remote(url, secret, opts) end

--- Asks for the branches and tags.
---@async
---@param remote godwit.git.Remote
---@param opts? godwit.git.LsOpts
---@return godwit.git.Refs
function git.ls_remote(remote, opts) end

--- Makes a store that is gone when it is closed:
--- `local store <close> = git.store()`.
---@async
---@return godwit.git.Store
function git.store() end

--- Fetches into a store.
---@async
---@param store godwit.git.Store
---@param remote godwit.git.Remote
---@param opts godwit.git.FetchOpts
---@return { bytes: integer, objects: integer }
function git.fetch(store, remote, opts) end

--- Pushes one commit to one reference. Raises `conflict` when the reference is
--- not at `expected`.
---@async
---@param store godwit.git.Store
---@param remote godwit.git.Remote
---@param opts godwit.git.PushOpts
---@return { messages: string[], bytes: integer }
function git.push(store, remote, opts) end

--- Which references are copied.
---@class godwit.git.CopyOpts
---@field refs? string[] Globs of names behind "refs/". Default: all branches and tags.

--- Copies branches and tags that the destination lacks or has older. Nothing is
--- deleted there and nothing overwritten: what is not a step forward raises
--- `conflict`.
---@async
---@param from godwit.git.Remote
---@param to godwit.git.Remote
---@param opts? godwit.git.CopyOpts
---@return { outcome: "created"|"updated"|"unchanged", refs: integer }
function git.copy(from, to, opts) end

--- Somebody in a commit. `time` is seconds since 1970, `offset` minutes east of
--- Greenwich.
---@alias godwit.git.Person { name: string, email: string, time: integer, offset: integer }

--- A commit.
---@class godwit.git.Commit
---@field id string 40 hexadecimal digits.
---@field tree string
---@field parents string[]
---@field author godwit.git.Person
---@field committer godwit.git.Person
---@field message string
---@field encoding? string

--- A bare repository for a while.
---@class godwit.git.Store
---@field private core any
local store = {}

--- The folder it is in.
---@return string
function store:path() end

--- Gives it back; also at the end of a `<close>` variable.
function store:close() end

--- The files of a commit, to read and edit; `save` writes them.
---@async
---@param commit string
---@return godwit.Tree
function store:tree(commit) end

--- A commit. Raises `notfound`.
---@async
---@param id string
---@return godwit.git.Commit
function store:commit(id) end

--- Whether an object is there.
---@async
---@param id string
---@return boolean
function store:has(id) end

--- Whether `old` is `id` or one of its ancestors.
---@async
---@param id string
---@param old string
---@return boolean
function store:contains(id, old) end

--- The first-parent history, newest first.
---@async
---@param id string
---@param opts? { limit?: integer }
---@return { id: string, tree: string, time: integer }[]
function store:history(id, opts) end

--- All entries of a tree and of the trees below it; with `sizes` also bytes.
---@async
---@param tree string
---@param opts? { sizes?: boolean }
---@return { path: string, mode: integer, type: string, id: string, size?: integer }[]
function store:entries(tree, opts) end

--- A file's contents, by its object. Raises `limit` when it is larger.
---@async
---@param id string
---@param max? integer Bytes.
---@return string
function store:blob(id, max) end

--- A file of a tree; nil when there is none.
---@async
---@param tree string
---@param path string
---@param max? integer Bytes.
---@return string?
function store:read(tree, path, max) end

--- What differs from one tree to another; nil is the empty one.
---@async
---@param a string?
---@param b? string
---@return { status: "added"|"deleted"|"modified"|"mode", path: string }[]
function store:diff(a, b) end

--- Large-file pointers and submodules of a tree.
---@async
---@param tree string
---@return { lfs: string[], submodules: string[] }
function store:scan(tree) end

--- Raises when a name in the tree could do harm on somebody's disk.
---@async
---@param tree string
---@return true
function store:check_tree(tree) end

--- Writes a file's contents; returns the object.
---@async
---@param data string
---@return string id
function store:write_blob(data) end

--- A new tree with entries replaced, added or removed: `{ path=, data= }`,
--- `{ path=, id=, mode= }` or `{ path=, remove = true }`.
---@async
---@param tree string?
---@param edits table[]
---@return string tree
function store:edit(tree, edits) end

--- A file that both sides of a merge did something to: what each did is "added",
--- "deleted", "changed", "mode", "none", or what it was turned into: "link",
--- "file", "submodule".
---@alias godwit.git.Conflict { path: string, ours: string, theirs: string, binary: boolean }

--- Merges in memory what `ours` and `theirs` did since `base`. Returns the
--- merged tree, or nil and the files in conflict. Renames are not guessed: they
--- are a file less and a file more.
---@async
---@param base string? Nil is the empty tree.
---@param ours string
---@param theirs string
---@return string? tree
---@return godwit.git.Conflict[]? conflicts
function store:merge(base, ours, theirs) end

--- Makes a commit and returns its id, which depends on nothing but this table.
---@async
---@param commit table tree, parents, author, committer, message; people as in a commit.
---@return string id
function store:make_commit(commit) end

--- The object a reference points to, or nil.
---@async
---@param name string "refs/heads/master"
---@return string?
function store:ref(name) end

--- Moves a reference. Raises `conflict` when it is not at `expected`.
---@async
---@param name string
---@param id string
---@param expected? string Nil: wherever it is.
---@return true
function store:set_ref(name, id, expected) end

--- Deletes a reference. Raises `conflict` when it is not at `expected`.
---@async
---@param name string
---@param expected? string
---@return true
function store:delete_ref(name, expected) end

--- The branch that HEAD names.
---@async
---@return string?
function store:head() end

--- Lets HEAD name a branch.
---@async
---@param name string
---@return true
function store:set_head(name) end

return git
