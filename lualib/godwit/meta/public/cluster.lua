---@meta
--- cluster: a cluster, and what it lists.
---
--- A handle comes from `godwit.cluster` or a workflow's parameter of type
--- `cluster`. It carries names only: no field of it asks the cluster. Documents
--- are plain tables with the API's own names.
---
--- Raises `auth` for keys that are missing or not enough, `notfound`, `exists`
--- and `conflict` by what the cluster says, `net`, `timeout`, `limit` and
--- `remote` for the way there, `denied` for a write to a cluster that
--- `--allow-write` does not name. Each with the request's method, address,
--- status and code where there was one.
---
--- ```lua
--- -- ensure.lua: an algorithm that should be there, with these settings
--- local dev = godwit.cluster "dev"
--- local a, done = dev.algorithms:ensure {
---   owner = "acme", name = "FraudScore",
---   settings = { network_access = "full" },
--- }
--- log.info("%s: %s", a.ref, done)
--- for env in dev.environments:each { name = "Python 3*" } do
---   print(env.id, env.display_name)
--- end
--- ```
---
--- ```sh
--- godwit run -n ensure.lua
--- godwit run ensure.lua --allow-write dev
--- ```

--- A cluster.
---@class godwit.Cluster
---@field name string As it was asked for.
---@field id string Its identity in version maps and commits.
---@field kind string "http" or "archive".
---@field algorithms godwit.cluster.Algorithms
---@field users godwit.cluster.Accounts
---@field organizations godwit.cluster.Organizations
---@field data godwit.cluster.Collections
---@field environments godwit.cluster.Catalogue
---@field scms godwit.cluster.Catalogue
local cluster = {}

--- The user name of the key, or of the key used for that owner. It is asked
--- once.
---@async
---@param owner? string
---@return string
function cluster:whoami(owner) end

--- Which algorithms.
---@class godwit.cluster.Filter
---@field owner? string Whose. Default: the key's own user.
---@field name? string A glob of `*` and `?`.

--- What to create. `details`, `settings`, `source` and `version_info` are the
--- API's.
---@class godwit.cluster.Spec
---@field owner string
---@field name string
---@field details? table
---@field settings? table
---@field source? table Only for `create`.
---@field version_info? table Only for `create`.

--- The algorithms of a cluster.
---@class godwit.cluster.Algorithms
---@field private cluster godwit.Cluster
local algorithms = {}

--- Iterates over the algorithms of an owner. The cluster is asked when the loop
--- begins.
---@async
---@param filter? godwit.cluster.Filter
---@return fun(): godwit.Algorithm?
function algorithms:each(filter) end

--- One algorithm. Raises `notfound`; `usage` unless it is named OWNER/NAME.
---@async
---@param ref string "OWNER/NAME"
---@return godwit.Algorithm
function algorithms:get(ref) end

--- As `get`, but returns nil and the error instead of raising it.
---@async
---@param ref string
---@return godwit.Algorithm?
---@return godwit.Err?
function algorithms:try_get(ref) end

--- Creates an algorithm; without `details.label` its name is the label. Raises
--- `exists` when it is there.
---@async
---@param spec godwit.cluster.Spec
---@return godwit.Algorithm
function algorithms:create(spec) end

--- Makes sure that an algorithm is there with the details and settings given;
--- what is so already is not written again.
---@async
---@param spec godwit.cluster.Spec
---@return godwit.Algorithm
---@return "created"|"updated"|"unchanged" done
function algorithms:ensure(spec) end

--- What a cluster offers and nobody changes from here: environments, SCMs.
---@class godwit.cluster.Catalogue
local catalogue = {}

--- Iterates over the documents that match: `name` is a glob, other fields must
--- be equal (`language = "python3"`).
---@async
---@param filter? table<string, any>
---@return fun(): table?
function catalogue:each(filter) end

--- The one with that id or name. Raises `notfound` when there is none, and
--- `conflict` when several have that name.
---@async
---@param ref string
---@return table
function catalogue:get(ref) end

--- As `get`, but returns nil and the error instead of raising it.
---@async
---@param ref string
---@return table?
---@return godwit.Err?
function catalogue:try_get(ref) end

--- The users of a cluster. They are an administrator's to see and to make: the
--- profile's `admin_key` is used, and without one `auth` is raised. Nobody is
--- deleted from here: a deleted name can never be had again.
---@class godwit.cluster.Accounts
local accounts = {}

--- Which users or organizations.
---@class godwit.cluster.AccountFilter
---@field name? string A glob of `*` and `?`.

--- Iterates over the documents of those whose name matches.
---@async
---@param filter? godwit.cluster.AccountFilter
---@return fun(): table?
function accounts:each(filter) end

--- The document of the one with that name. Raises `notfound`.
---@async
---@param name string
---@return table
function accounts:get(name) end

--- As `get`, but returns nil and the error instead of raising it.
---@async
---@param name string
---@return table?
---@return godwit.Err?
function accounts:try_get(name) end

--- Creates a user of `username`, `email`, `fullname`, `company_name`,
--- `company_role`, without the platform's sample algorithm. Raises `exists`
--- when the name or the address is taken, or was once.
---@async
---@param spec table
---@return table
function accounts:create(spec) end

--- Makes sure that a user is there and has the fields given; the others, and
--- those given as null or empty, stay as they are. Raises `conflict` when the
--- one of that name has another e-mail address, which cannot change.
---@async
---@param spec table As for `create`.
---@return table
---@return "created"|"updated"|"unchanged" done
function accounts:ensure(spec) end

--- The organizations of a cluster, an administrator's, too.
---@class godwit.cluster.Organizations
local organizations = {}

--- Iterates over the documents of those whose `org_name` matches.
---@async
---@param filter? godwit.cluster.AccountFilter
---@return fun(): table?
function organizations:each(filter) end

--- The document of the one with that name. Raises `notfound`.
---@async
---@param name string
---@return table
function organizations:get(name) end

--- As `get`, but returns nil and the error instead of raising it.
---@async
---@param name string
---@return table?
---@return godwit.Err?
function organizations:try_get(name) end

--- Creates an organization of `org_name`, `org_label`, `org_contact_name`,
--- `org_email` and the API's other fields; `type` is a type's name. The
--- key's account becomes its first owner. Raises `exists`.
---@async
---@param spec table
---@return table
function organizations:create(spec) end

--- Makes sure that an organization is there and has the fields given; the
--- others, and those given as null or empty, stay as they are.
---@async
---@param spec table As for `create`.
---@return table
---@return "created"|"updated"|"unchanged" done
function organizations:ensure(spec) end

--- A member: a name, and "owner", "member", "invited" or "unknown".
---@alias godwit.cluster.Member { username: string, role: string }

--- Iterates over the members of an organization, each once.
---@async
---@param org string|table Its name, or its document.
---@return fun(): godwit.cluster.Member?
function organizations:members(org) end

--- Makes a user a member; no role can be given. Raises `notfound`.
---@async
---@param org string|table
---@param user string
---@return "created"|"unchanged" done
function organizations:add_member(org, user) end

--- Takes a member out; who is none is as it should be. Raises `conflict` for
--- the last owner, and `refused` where the profile is protected.
---@async
---@param org string|table
---@param user string
function organizations:remove_member(org, user) end

--- The types an organization can have there.
---@async
---@return { id: string, name: string }[]
function organizations:types() end
