---@meta
--- config: words of configuration files, `config.lua` and `godwit.config.lua`.
---
--- These are there while a configuration is read, not in scripts. `env`, `file`
--- and `command` work in your own file, and in a project's file that you trust
--- (`godwit trust FILE`); `secret` works in both. Nothing is read before a
--- cluster or secret is used. What the fields mean is said on
--- [the configuration's page](../configuration.md).
---
--- Raises `usage` with the file, the line and the nearest known name for a field
--- that is none; of a key that cannot be read, when it is needed.
---
--- ```lua
--- return {
---   clusters = {
---     dev = { api = "https://api.dev.example.com", key = env "DEV_KEY" },
---     prod = {
---       api = "https://api.prod.example.com", protected = true,
---       key = function(owner) return command { "pass", "show", "prod/" .. owner } end,
---       admin_key = file "~/.keys/prod-admin",
---     },
---   },
---   secrets = {
---     jira = { host = "https://jira.example.com", scheme = "Bearer", value = env "JIRA_TOKEN" },
---   },
---   defaults = { jobs = 4 },
--- }
--- ```

--- Where a key's text comes from.
---@class godwit.config.Source

--- A key, in any of its forms.
---@alias godwit.config.Key string|godwit.config.Source|fun(owner: string?): any

--- The table a configuration returns.
---@class godwit.Config
---@field clusters? table<string, godwit.config.Cluster>
---@field secrets? table<string, godwit.config.Secret>
---@field defaults? table<string, string|number|boolean> What a flag is when it is not given.
---@field policies? string The folder of policies. Default "policies".

--- A profile: `api` or `archive`, and how to get in.
---@class godwit.config.Cluster
---@field api? string
---@field archive? string
---@field key? godwit.config.Key
---@field admin_key? godwit.config.Key
---@field bearer_token? godwit.config.Key
---@field user? string
---@field git? string
---@field id? string
---@field ca? string
---@field cert? string
---@field cert_key? string
---@field proxy? string
---@field no_proxy? string
---@field max_in_flight? integer
---@field protected? boolean
---@field policy? string
---@field insecure? boolean
---@field hosts? table<string, godwit.config.Host> Git hosts that keep the code of some of its algorithms, by address.

--- A Git host of a cluster.
---@class godwit.config.Host
---@field key? string|godwit.config.Source A password or token.
---@field user? string Default "git".
---@field scheme? "Basic"|"Bearer" Default "Basic".
---@field ca? string Certificate authorities of that host.

--- A credential for scripts.
---@class godwit.config.Secret
---@field value godwit.config.Key
---@field host? string The origin it may be sent to.
---@field hosts? string[] Several of them.
---@field scheme? string "Bearer" (default), "Basic" or any word.
---@field user? string For "Basic".

--- The text of an environment variable.
---@param name string
---@return godwit.config.Source
function env(name) end

--- The text in a file, which must be mode 0600. A relative path starts at the
--- configuration's folder.
---@param name string
---@return godwit.config.Source
function file(name) end

--- A file with a key for each owner, as `godwit issue-keys` writes it: mode
--- 0600, lines of OWNER KEY LABEL. For a cluster's `key` only; `other` is for
--- owners that are not in the file.
---@param name string
---@param other? godwit.config.Key
---@return godwit.config.Source
function keys(name, other) end

--- What a program prints, given as a list of words; there is no shell.
---@param argv string[]
---@return godwit.config.Source
function command(argv) end

--- The secret of that name in your own file.
---@param name string
---@return godwit.config.Source
function secret(name) end
