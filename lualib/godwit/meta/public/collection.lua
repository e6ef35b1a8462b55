---@meta
--- collection: the data collections of a cluster, and their files.
---
--- They come from `cluster.data`. A collection's fields are names; its methods
--- ask or tell the cluster with the key of its owner, and raise as [the
--- cluster's](cluster.md) do. Under `-n` writes are listed, and later reads see
--- what they would have done.
---
--- An ACL says who may read: "public" (everybody on the cluster), "algorithms"
--- (the owner, and the owner's algorithms whoever calls them) or "private" (the
--- owner). The API's own lists (`{ "user://*" }`) do as well, and are what `get`
--- gives. Members of an organization may read and write what is its own.
---
--- ```lua
--- -- tidy.lua: old logs go, and nobody else reads what stays
--- local dev = godwit.cluster "dev"
--- for c in dev.data:each { owner = "acme", name = "logs*" } do
---   for f in c:files { name = "*.tmp" } do
---     c:remove(f.name)
---   end
---   log.info("%s: %s", c.ref, c:set_acl("private"))
--- end
--- ```
---
--- ```sh
--- godwit run -n tidy.lua
--- godwit run tidy.lua --allow-write dev
--- ```

--- The collections of a cluster.
---@class godwit.cluster.Collections
---@field private cluster godwit.Cluster
local collections = {}

--- Which collections.
---@class godwit.cluster.CollectionFilter
---@field owner? string Whose. Default: the key's own user.
---@field name? string A glob of `*` and `?`.

--- Iterates over the collections of an owner. The cluster is asked when the
--- loop begins.
---@async
---@param filter? godwit.cluster.CollectionFilter
---@return fun(): godwit.Collection?
function collections:each(filter) end

--- One collection. Raises `notfound`; `usage` unless it is named OWNER/NAME.
---@async
---@param ref string "OWNER/NAME"
---@return godwit.Collection
function collections:get(ref) end

--- As `get`, but returns nil and the error instead of raising it.
---@async
---@param ref string
---@return godwit.Collection?
---@return godwit.Err?
function collections:try_get(ref) end

--- What to create.
---@class godwit.cluster.CollectionSpec
---@field owner string
---@field name string Letters, digits and _, at most 30.
---@field acl? string|string[] Default: the cluster's, "algorithms".

--- Creates a collection. Raises `exists` when it is there.
---@async
---@param spec godwit.cluster.CollectionSpec
---@return godwit.Collection
function collections:create(spec) end

--- Makes sure that a collection is there, and has the ACL if one is given.
---@async
---@param spec godwit.cluster.CollectionSpec
---@return godwit.Collection
---@return "created"|"updated"|"unchanged" done
function collections:ensure(spec) end

--- A collection.
---@class godwit.Collection
---@field cluster godwit.Cluster
---@field owner string
---@field name string
---@field ref string "OWNER/NAME"
local collection = {}

--- Its document; `acl` is absent where the cluster does not show it. Raises
--- `notfound`.
---@async
---@return { owner: string, name: string, acl?: string[] }
function collection:get() end

--- A file of a list.
---@class godwit.collection.File
---@field name string
---@field size? integer
---@field time? number Seconds since 1970.

--- Which files.
---@class godwit.collection.Filter
---@field name? string A glob of `*` and `?`.

--- Iterates over its files, a page at a time.
---@async
---@param filter? godwit.collection.Filter
---@return fun(): godwit.collection.File?
function collection:files(filter) end

--- What a cluster tells of a file without sending it.
---@class godwit.collection.Head
---@field size? integer
---@field etag? string As it came.
---@field md5? string Where the etag is one.

--- What is known of a file; nil when there is none.
---@async
---@param file string
---@return godwit.collection.Head?
function collection:head(file) end

--- How to read.
---@class godwit.collection.ReadOpts
---@field max? integer Bytes. Default 64 MiB.

--- The bytes of a file. Raises `notfound`; `limit` for one that is larger.
---@async
---@param file string
---@param opts? godwit.collection.ReadOpts
---@return string
function collection:read(file, opts) end

--- Writes a file as a whole, whatever was there. For many files, or large ones,
--- use `data.copy`.
---@async
---@param file string
---@param bytes string
function collection:write(file, bytes) end

--- Removes a file; false when there was none. Raises `refused` where the
--- profile is protected.
---@async
---@param file string
---@return boolean
function collection:remove(file) end

--- Changes who may read it; what is so already is not written again.
---@async
---@param acl string|string[]
---@return "updated"|"unchanged" done
function collection:set_acl(acl) end

--- How to delete.
---@class godwit.collection.DeleteOpts
---@field force? boolean With all that is in it.

--- Removes the collection. Raises `conflict` when it is not empty, unless
--- `force`; `refused` where the profile is protected.
---@async
---@param opts? godwit.collection.DeleteOpts
function collection:delete(opts) end
