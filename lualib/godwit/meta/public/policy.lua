---@meta
--- policy: a team's own rules for promotions, in a file that returns a table.
---
--- A destination profile's `policy`, else `--policy FILE|FOLDER`, else
--- `policies/OWNER.lua` by the source's owner, else `policies/default.lua`. Every
--- point may be left out. The thing asked about comes first, `cx` last, and what
--- is given is read-only but for the tree of `transform`, which has all of
--- [a tree's methods](tree.md) but `save`. [The guide](../policies.md) has an
--- example of each point that is run.
---
--- Raises `usage` with the policy's line for a point that is none, with the
--- nearest one, or a wrong value; `policy` for a wrong answer, an error, a change of what was
--- given, or computing for ever, which is a failure of that algorithm only. A
--- policy is a script: it has all modules, and writes elsewhere need
--- `--allow-write`.
---
--- ```lua
--- -- acme.lua
--- return {
---   select = { "acme/*", "!acme/*Test" },
---   revision = function(a, cx) return a:tags("v*")[1] end,
---   map_environment = { ["Python 3.8"] = "Python 3.8 + CUDA" },
---   transform = function(tree, cx)
---     tree:replace("src/*.py", "data://dev_", "data://prod_")
---   end,
---   version_step = "minor",
---   gate = function(a, cx)
---     local id = cx.commit.message:match "OPS%-%d+"
---     if not id then return cx:refuse "no OPS-nnn in the commit message" end
---     local r = http.get("https://jira.example.com/rest/api/2/issue/" .. id,
---       { auth = godwit.secret "jira" })
---     if r:json().fields.status.name ~= "Approved" then
---       return cx:wait(id .. " is not approved")
---     end
---   end,
--- }
--- ```

--- The table a policy's file returns. A field is a point at which a promotion
--- asks: with a table or a text the answer itself, with a function what it
--- returns.
---@class godwit.Policy
---@field select? string[]|fun(a: godwit.Algorithm, cx: godwit.policy.Cx): any Whether it is promoted: globs of OWNER/NAME, of which `!` excludes; or true, or false and why it is skipped.
---@field revision? string|fun(a: godwit.Algorithm, cx: godwit.policy.Cx): string? Which revision: "head", "latest", X.Y.Z, a commit or a tag. Nil: it is skipped.
---@field map_owner? table<string, string>|fun(owner: string, cx: godwit.policy.Cx): string? The owner there. Nil: the same.
---@field map_name? table<string, string>|fun(name: string, cx: godwit.policy.Cx): string? The name there. Nil: the same.
---@field map_environment? table<string, string>|fun(env: table, cx: godwit.policy.Cx): string? The name of the environment there; `env` is the source's document. Nil: the usual mapping.
---@field map_user? table<string, string|godwit.policy.User|false>|fun(user: table, cx: godwit.policy.Cx): string|godwit.policy.User|nil Who a user is there, for `migrate-users`, members and `copy.user`; `user` is the source's document. A function's nil and a table's false: left out.
---@field settings? godwit.policy.Settings|fun(settings: godwit.policy.Settings, cx: godwit.policy.Cx): godwit.policy.Settings? What is set otherwise there.
---@field transform? fun(tree: godwit.Tree, cx: godwit.policy.Cx) Edits the files. The result is what is expected there from then on.
---@field message? string|fun(commit: godwit.policy.Commit, cx: godwit.policy.Cx): string? Of the commit there. Nil: the source's.
---@field version_step? "minor"|"major"|"revision"|"no"|false|fun(a: godwit.Algorithm, cx: godwit.policy.Cx): any Which number goes up; "no" or false: it is not published.
---@field gate? fun(a: godwit.Algorithm, cx: godwit.policy.Cx) Lets it pass, or calls `cx:refuse(why)` or `cx:wait(why)`.
---@field on_drift? "refuse"|"overwrite"|"merge"|fun(state: godwit.policy.Drift, cx: godwit.policy.Cx): string? What becomes of changes made there. Nil: the flags decide.
---@field compare? fun(old: godwit.policy.Call, new: godwit.policy.Call, cx: godwit.policy.Cx): boolean?, string? Asked before publishing: false and why, it is not published.
---@field after? fun(record: godwit.Outcome, cx: godwit.policy.Cx) Told of the outcome, whatever it is.

--- A user there; a field that is not given is the source's.
---@class godwit.policy.User
---@field username? string
---@field email? string
---@field fullname? string
---@field company_name? string
---@field company_role? string

--- Settings by name, not by id.
---@class godwit.policy.Settings
---@field label? string
---@field tagline? string
---@field summary? string
---@field source_visibility? "open"|"closed"
---@field license? string
---@field network_access? "full"|"isolated"
---@field pipeline_enabled? boolean
---@field callability? "public"|"private"
---@field environment? string
---@field sample_input? string
---@field scm? string
---@field repository_owner? string
---@field repository_name? string

--- The source commit.
---@alias godwit.policy.Commit { id: string, message: string, author: godwit.git.Person, committer: godwit.git.Person, parents: string[] }

--- What was found at the destination: commits made there since (`drifted`), or
--- an algorithm this program did not make (`unknown`).
---@class godwit.policy.Drift
---@field kind "drifted"|"unknown"
---@field commits { id: string, author: string, subject: string }[]
---@field files { status: string, path: string }[]

--- A call with the sample input: of the version published there, and of the one
--- to be published.
---@class godwit.policy.Call
---@field result any
---@field metadata? table

--- What a point is given last.
---@class godwit.policy.Cx
---@field params table<string, any> Of the workflow.
---@field dry_run boolean Whether this is `-n`.
---@field from godwit.Cluster
---@field to godwit.Cluster
---@field commit? godwit.policy.Commit The source commit, from `transform` on.
---@field policy string The policy's file.
---@field owner? string At the destination.
---@field name? string At the destination.
local cx = {}

--- Refuses this algorithm, at any point before the promotion has ended.
---@param why string
---@return any
function cx:refuse(why) end

--- Lets this algorithm wait for something outside. In `gate` only.
---@param why string
---@return any
function cx:wait(why) end
