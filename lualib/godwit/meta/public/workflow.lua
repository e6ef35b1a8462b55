---@meta
--- workflow: a script with a declared head: its parameters become flags with
--- help.
---
--- A file that returns a table with `run` is a workflow. It may write to the
--- clusters that are given to it as parameters, without `--allow-write`; one
--- called `from` is read only. With `permissions` in its head it reaches what
--- these name and nothing else, and `godwit inspect FILE` prints them.
---
--- Raises `usage` for parameters that are missing or wrong before `run` is
--- called; what an item's function raises becomes its outcome `failed`.
---
--- ```lua
--- -- touch.lua
--- return {
---   summary = "Compiles the head of each algorithm of an owner.",
---   params = {
---     on = "cluster",
---     owner = { "string", help = "Whose algorithms" },
---     most = { "integer", default = 10, help = "How many at most" },
---   },
---   run = function(cx)
---     local p, n = cx.params, 0
---     cx:each(p.on.algorithms:each { owner = p.owner }, function(a)
---       n = n + 1
---       if n > p.most then return "skipped" end
---       a:compile()
---       return "updated"
---     end, { kind = "algorithm" })
---   end,
--- }
--- ```
---
--- ```sh
--- godwit run touch.lua --help
--- godwit run touch.lua --on dev --owner alice --most 2
--- ```

--- The table a workflow's file returns.
---@class godwit.workflow.Head
---@field summary? string One sentence for the help.
---@field usage? string In place of the usage made from the parameters.
---@field params? table<string, godwit.workflow.Type|godwit.workflow.Param> By name; an underscore is a dash in the flag.
---@field permissions? godwit.workflow.Permissions
---@field reads? boolean|string It reads only: the host refuses every request that is a write, and nobody is asked about protected clusters. The name of a boolean parameter: so it is with that flag.
---@field check? fun(params: table<string, any>) Raises what is wrong with the parameters, before a cluster is opened or anybody asked; a cluster is still the text given.
---@field run fun(cx: godwit.workflow.Cx): any

--- What a workflow needs; the host lets it reach nothing else. See "Permissions"
--- in the page on scripts.
---@class godwit.workflow.Permissions
---@field clusters? table<string, "read"|"write"> By the name of a parameter of type cluster; or, of a cluster of the configuration, in brackets and quotes.
---@field hosts? table<string, string[]> Methods by address: "https://HOST", or "https://HOST/PATH" for all below that path. `GET` includes HEAD and Git fetches, `POST` Git pushes.
---@field secrets? string[] Names for `godwit.secret`.
---@field read? string[] Folders: a path, or "$NAME" for a parameter of type folder.
---@field write? string[] The same, for writing and reading.
---@field budgets? { requests: integer?, writes: integer?, deletes: integer?, bytes: integer?, minutes: number? } What is used up ends the run with exit code 8.

--- The type of a parameter. A `cluster` is given as a handle.
---@alias godwit.workflow.Type "string"|"integer"|"number"|"boolean"|"cluster"|"folder"

--- A parameter: `{ "string", help = "Whose" }`. It must be given unless it has a
--- default, is a boolean or says `optional`.
---@class godwit.workflow.Param
---@field [integer] godwit.workflow.Type First, or as `type`.
---@field type? godwit.workflow.Type
---@field help? string
---@field default? any
---@field optional? boolean
---@field required? boolean
---@field choices? string[]
---@field min? number
---@field max? number
---@field positional? boolean A word, not a flag.
---@field many? boolean May be given several times; is a list.
---@field reads? boolean Of a cluster: it is only read, though it be not called `from`.
---@field flag? string Default: "--" and its name.
---@field short? string A letter: "-o".
---@field metavar? string Its name in the help.
---@field order? integer Where it stands in the help.

--- What `run` is given.
---@class godwit.workflow.Cx
---@field params table<string, any> As their types say.
---@field given table<string, boolean> Which parameters were given, and not taken by default.
---@field dry_run boolean Whether this is `-n`.
---@field from? godwit.Cluster The parameter `from`.
---@field to? godwit.Cluster The parameter `to`.
---@field result godwit.workflow.Result
---@field private jobs integer
---@field private on_progress? function
local cx = {}

--- What a run comes to.
---@class godwit.workflow.Result
---@field items godwit.Outcome[]
---@field counts table<string, integer> By outcome; their sum is what was listed.
---@field exit integer
---@field notes string[]
---@field interrupted? boolean
---@field budget? string Which budget ended the run.
---@field used? { requests: integer, writes: integer, deletes: integer, bytes: integer } With permissions.
---@field dry_run? boolean
---@field comparison? { from: string, to: string, strict: boolean } Of `verify`: what was compared.

--- How to go through items.
---@class godwit.workflow.EachOpts
---@field kind? string What an item is, "algorithm".
---@field jobs? integer How many at once. Default: `--jobs`.
---@field failed? fun(item: any, record: godwit.Outcome): godwit.Outcome Makes the record of what failed.

--- Runs `fn` for each item, several at a time. It returns an outcome word or a
--- table with one; nothing and what is raised are failures of that item only.
--- Every item gets a record; their counts make the exit code.
---@async
---@param items table|fun(): any
---@param fn fun(item: any): any
---@param opts? godwit.workflow.EachOpts
---@return godwit.Outcome[]
function cx:each(items, fn, opts) end

--- Runs a bundled workflow with parameters of its own, by their names with `_`
--- where a flag has `-`; a cluster is a handle or the name of one. It writes only
--- where this run may write. What it came to is returned, and is no part of this
--- run's result. Raises `usage` for parameters that are none, `denied` for one
--- that names a file (a script has none), and what stopped all of it.
---@async
---@param name string "verify"
---@param params? table<string, any>
---@return godwit.workflow.Result
function cx:call(name, params) end

--- An outcome: this item is refused.
---@param why string
---@return godwit.Outcome
function cx:refuse(why) end

--- An outcome: this item waits for something outside.
---@param why string
---@return godwit.Outcome
function cx:wait(why) end

--- Says something about the whole run, once.
---@param fmt string
---@param ... any
function cx:note(fmt, ...) end

--- Says where an item is; without a phase it has ended.
---@param ref string
---@param phase? string
---@param detail? string
function cx:progress(ref, phase, detail) end

--- The counts and the exit code so far.
---@return godwit.workflow.Result
function cx:finish() end
