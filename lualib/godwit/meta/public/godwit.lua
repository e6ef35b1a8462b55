---@meta
--- godwit: what a script starts from: configured clusters, secrets, its own
--- arguments.
---
--- The only global that is no module: `require` does not find it, and it costs
--- nothing until one of its functions is called.
---
--- ```lua
--- -- labels.lua: what every algorithm of an owner is called
--- local owner = godwit.args[1] or "acme"
--- for a in godwit.cluster("dev").algorithms:each { owner = owner } do
---   print(a.ref, a:get().details.label)
--- end
--- ```
---
--- ```sh
--- godwit run labels.lua -- acme
--- ```

--- What a script starts from.
---@class godwit
---@field args string[] The words behind `--` of the command line. Read-only.
---@field version string Of the program, "0.1.0".
godwit = {}

--- A cluster, by what `--from` takes: a profile's name, an address,
--- `sandbox:NAME` or an archive folder (with a `/` in it). Its configuration is
--- read now, the cluster itself is not asked before a method is called.
--- Raises `usage` for a name that nothing has, with the nearest known one;
--- `denied` for one that the permissions of the script's head do not name.
---@async
---@param spec string
---@return godwit.Cluster
function godwit.cluster(spec) end

--- A credential of the configuration's `secrets`, by its name there. It is
--- opaque: it can be given as `auth` to requests and remotes of its own hosts,
--- and prints as "[secret NAME]". Raises `usage` when there is none of that
--- name or it cannot be read, `denied` when the permissions of the script's head
--- do not name it.
---@async
---@param name string
---@return godwit.Secret
function godwit.secret(name) end
