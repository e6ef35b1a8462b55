---@meta
--- copy: what the bundled workflows do, as functions for your own.
---
--- Raises what goes wrong on the way, with what was done until then as
--- `e.record`; a refusal is no error but an outcome.
---
--- ```lua
--- -- mirror.lua
--- return {
---   summary = "Promotes all of an owner's algorithms, unpublished.",
---   params = { from = "cluster", to = "cluster", owner = "string" },
---   run = function(cx)
---     local p = cx.params
---     cx:each(p.from.algorithms:each { owner = p.owner }, function(a)
---       return copy.algorithm(a, p.to, { publish = "no" })
---     end, { kind = "algorithm" })
---   end,
--- }
--- ```
---
--- ```sh
--- godwit run mirror.lua --from dev --to prod --owner alice -n
--- ```
---
--- Accounts are an administrator's: both profiles need an `admin_key`.
---
--- ```lua
--- -- people.lua
--- return {
---   summary = "Takes a team's people and its organization to another cluster.",
---   params = { from = "cluster", to = "cluster", team = "string" },
---   run = function(cx)
---     local p = cx.params
---     local team = p.from.organizations:get(p.team)
---     cx:each(p.from.organizations:members(team), function(m)
---       return copy.user(p.from.users:get(m.username), p.to)
---     end, { kind = "user" })
---     cx:each({ team }, function(o)
---       return copy.organization(o, p.to, { without_missing_members = true })
---     end, { kind = "organization" })
---   end,
--- }
--- ```
---
--- ```sh
--- godwit run people.lua --from dev --to prod --team labs -n
--- ```

--- Promotions, and accounts that move.
---@class godwit.copy
copy = {}

--- Options of a promotion. They have the meaning and the defaults of the flags
--- of `godwit promote`.
---@class godwit.copy.Opts
---@field policy? string A policy's file, or a folder of them, as `--policy`. Default: the one of the owner in "policies".
---@field version? string "head" (default), "latest", X.Y.Z, a commit or a tag.
---@field to_owner? string The owner there. Default: the same.
---@field publish? "minor"|"major"|"revision"|"no"|false Which number goes up. Default "minor".
---@field callability? "private"|"public" Of what is published.
---@field message? string Of the commit. Default: the source's.
---@field overwrite_drift? boolean Puts the source's files on commits made there since.
---@field on_drift? "refuse"|"overwrite"|"merge" What becomes of a destination that has drifted; one of unknown origin cannot be merged with, "overwrite" adopts it.
---@field compare? fun(old: godwit.copy.Call, new: godwit.copy.Call): boolean?, string? Is given the answers of the published version and of the new commit to the sample input; false and why: built, not published.
---@field adopt? boolean Takes over an algorithm that was not made by this program.
---@field update_settings? boolean Changes settings that differ.
---@field without_secrets? boolean Goes on though secrets are missing there.
---@field with_data? boolean Copies the collections that the code names first.
---@field secrets? table<string, table> Values for secrets it lacks there, as in
--- { ["acme/*"] = { TOKEN = godwit.secret "token" } }; nothing is overwritten.
---@field call? boolean Calls it with its sample input. Default true.
---@field call_timeout? number Seconds. Default 300.
---@field build_timeout? number Seconds. Default 1800.

--- A call with the sample input.
---@class godwit.copy.Call
---@field result any
---@field metadata? table

--- What became of an item.
---@class godwit.Outcome
---@field outcome "created"|"updated"|"unchanged"|"skipped"|"waiting"|"refused"|"failed"
---@field ref? string "OWNER/NAME"
---@field to? string The algorithm there.
---@field type? string What kind of item it is, "algorithm".
---@field why? string For skipped, waiting, refused and failed.
---@field kind? string The error's kind.
---@field retryable? boolean A later attempt may succeed.
---@field wrote? boolean Something was written, whatever the outcome.
---@field log? string[] The end of a log, in lines, that `why` announces.
---@field commit? string The commit there.
---@field version? string The version there.
---@field source_commit? string
---@field source_version? string
---@field steps? table[] What was done, in order.
---@field files? { status: string, path: string }[] What changed there.
---@field differences? table[] Settings that differ.
---@field problems? string[] Why it was refused.
---@field warnings? string[]
---@field unknowable? string[] What only trying can tell.

--- Promotes one algorithm: creates it or brings it up to date, pushes one
--- commit, waits for its build, calls it, publishes it, remembers which version
--- is which. Nothing is done twice: a second call finds it `unchanged`. Raises
--- `usage` for an option that is none.
---@async
---@param a godwit.Algorithm
---@param to godwit.Cluster
---@param opts? godwit.copy.Opts
---@return godwit.Outcome
function copy.algorithm(a, to, opts) end

--- Options for a user.
---@class godwit.copy.UserOpts
---@field username? string The name there. Default: the policy's `map_user`, else the same.
---@field email? string The e-mail address there.
---@field update? boolean Changes full name, company and role where they differ.
---@field policy? string A policy's file, or a folder of them.
---@field from? godwit.Cluster Where the document is from, if a script made it.

--- Takes one user to another cluster. The same name and address there are the
--- same person, whose fields are compared; anything else that is in the way
--- makes it `refused`.
---@async
---@param u table A document, as `cluster.users:get` gives it.
---@param to godwit.Cluster
---@param opts? godwit.copy.UserOpts
---@return godwit.Outcome
function copy.user(u, to, opts) end

--- Options for an organization.
---@class godwit.copy.OrganizationOpts
---@field name? string The name there. Default: the policy's `map_owner`, else the same.
---@field type? string The name of its type there. Default: the same.
---@field users? table<string, string|false> Members' names there; false: left out. Others go by the policy's `map_user`.
---@field update? boolean Changes fields that differ.
---@field remove_members? boolean Takes out members who are none at the source.
---@field without_missing_members? boolean Leaves out members who are no users there.
---@field policy? string A policy's file, or a folder of them.
---@field from? godwit.Cluster Where the document is from, if a script made it.

--- Takes one organization to another cluster, with its members.
---@async
---@param o table A document, as `cluster.organizations:get` gives it.
---@param to godwit.Cluster
---@param opts? godwit.copy.OrganizationOpts
---@return godwit.Outcome
function copy.organization(o, to, opts) end

return copy
