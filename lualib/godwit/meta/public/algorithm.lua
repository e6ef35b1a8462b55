---@meta
--- algorithm: one algorithm of a cluster.
---
--- It comes from `cluster.algorithms`. Its fields are names; its methods ask or
--- tell the cluster, and raise as [the cluster's](cluster.md) do. Under `-n`
--- writes are listed, and later reads see what they would have done.
---
--- ```lua
--- -- cap.lua: an upper bound in forty algorithms, built and published
--- local dev = godwit.cluster "dev"
--- task.each(dev.algorithms:each { owner = "acme", name = "Fraud*" }, function(a)
---   local commit = a:edit("Cap numpy below 2", function(tree)
---     local req = tree:try_read "requirements.txt"
---     if req then tree:write("requirements.txt", (req:gsub("numpy%s*\n", "numpy<2\n"))) end
---   end)
---   if commit then
---     a:wait_build(commit)
---     a:publish { step = "revision" }
---   end
---   log.info("%s: %s", a.ref, commit or "nothing to do")
--- end, { jobs = 8, keep_going = true })
--- ```
---
--- ```sh
--- godwit run -n cap.lua
--- godwit run cap.lua --allow-write dev
--- ```

--- An algorithm.
---@class godwit.Algorithm
---@field cluster godwit.Cluster
---@field owner string
---@field name string
---@field ref string "OWNER/NAME"
---@field id? string Where the cluster told it.
local algorithm = {}

--- Its document, or that of a version. Raises `notfound`.
---@async
---@param ref? string A number or a commit. Without it, the algorithm itself.
---@return table
function algorithm:get(ref) end

--- Changes details and settings; what is so already is not written again, and
--- what is given as null or empty stays. "" clears `tagline` and `summary`.
---@async
---@param patch { details?: table, settings?: table }
---@return table doc
---@return "updated"|"unchanged" done
function algorithm:update(patch) end

--- Which versions.
---@class godwit.algorithm.VersionFilter
---@field published? boolean
---@field callable? boolean Public ones, or only private ones.

--- Iterates over the documents of its versions.
---@async
---@param filter? godwit.algorithm.VersionFilter
---@return fun(): table?
function algorithm:versions(filter) end

--- Iterates over its builds, newest first.
---@async
---@return fun(): table?
function algorithm:builds() end

--- Waits for the build of a commit and returns it. Raises `remote` with the end
--- of its log when it failed, `timeout` when there is none in time.
---@async
---@param commit string
---@param opts? { timeout?: number } `timeout` is in seconds. Default 1800.
---@return table build
function algorithm:wait_build(commit, opts) end

--- Builds the head of the main branch again and waits. Raises `remote` with the
--- end of its log when that fails.
---@async
---@return table doc
function algorithm:compile() end

--- How to publish.
---@class godwit.algorithm.PublishOpts
---@field step? "minor"|"major"|"revision" Which number goes up. Default "minor".
---@field callability? "private"|"public"
---@field notes? string Release notes.

--- Publishes the newest build, whoever made it. Raises `conflict` when it is
--- published already.
---@async
---@param opts? godwit.algorithm.PublishOpts
---@return table doc
function algorithm:publish(opts) end

--- How to call.
---@class godwit.algorithm.CallOpts
---@field version? string A number or a commit. Default: the latest public one.
---@field timeout? number Seconds.

--- Calls it. A text is sent as text, anything else as JSON. Raises `remote`
--- with the algorithm's own error when it fails.
---@async
---@param input any
---@param opts? godwit.algorithm.CallOpts
---@return any result
---@return table metadata
function algorithm:call(input, opts) end

--- Documents of its secrets: names and descriptions; values are never given
--- out.
---@async
---@return table[]
function algorithm:secrets() end

--- What a secret is set to.
---@class godwit.cluster.SecretSpec
---@field key string The environment variable it becomes.
---@field value? godwit.Secret|string
---@field short_name? string Default: the key.
---@field description? string
---@field provider? string Its name or id. Default: the cluster's default.

--- Makes sure that it has a secret. A value that is given is always set, since
--- nobody can read the one that is there; a secret of the configuration goes to
--- the addresses it is for only. Raises `usage` when the secret is not there
--- and no value is given, `refused` when there is no such provider.
---@async
---@param secret godwit.cluster.SecretSpec
---@return table doc
---@return "created"|"updated"|"unchanged" done
function algorithm:set_secret(secret) end

--- Its Git repository, for the functions of `git`.
---@async
---@param ref? string A version.
---@return godwit.git.Remote
function algorithm:remote(ref) end

--- The commit that a revision means. Raises `notfound`.
---@async
---@param rev? string "head" (default), "latest", X.Y.Z or a commit.
---@return string commit
function algorithm:commit(rev) end

--- The names of its repository's tags, the newest version first: numbers in a
--- name count as numbers (v1.10 before v1.9), and 1.0.0 is newer than 1.0.0-rc1.
---@async
---@param pattern? string A glob: "v*". Default: all.
---@return string[]
function algorithm:tags(pattern) end

--- The files of a revision, to read. Changes made to them go nowhere; `edit` is
--- for these.
---@async
---@param rev? string As for `commit`.
---@return godwit.Tree
function algorithm:tree(rev) end

--- Changes files on the main branch, without a checkout: `fn` is given them,
--- and what it made of them is pushed as one commit, which the cluster builds by
--- itself. Returns the commit; nil when nothing changed. Raises `conflict` when
--- somebody pushed meanwhile.
---@async
---@param message string Of the commit.
---@param fn fun(tree: godwit.Tree)
---@return string? commit
function algorithm:edit(message, fn) end
