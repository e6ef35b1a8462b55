---@meta
--- data: collections of files, copied from cluster to cluster, to and from
--- folders.
---
--- What `godwit copy-data` does for one collection. Files that are the same
--- are left alone; others go straight from one side to the other. [Data](../data.md)
--- says how it is decided what is the same, and what is never done. It raises
--- what failed; what arrived until then is not copied again.
---
--- ```lua
--- -- mirror.lua: an owner's collections in a folder each
--- return {
---   summary = "Copies an owner's collections to a folder.",
---   params = { from = "cluster", owner = "string", out = "folder" },
---   run = function(cx)
---     local p = cx.params
---     cx:each(p.from.data:each { owner = p.owner }, function(c)
---       return data.copy(c, p.out .. "/" .. c.name, { exclude = "*.tmp" })
---     end, { kind = "collection" })
---   end,
--- }
--- ```
---
--- ```sh
--- godwit run mirror.lua --from dev --owner acme --out ./copies -n
--- ```

--- Data collections.
---@class godwit.data
data = {}

--- Options of a copy. They have the meaning and the defaults of the flags of
--- `godwit copy-data`. Sizes are numbers of bytes or texts such as "500MiB",
--- durations numbers of seconds or texts such as "2h".
---@class godwit.data.Opts
---@field include? string|string[] Globs of the files that are meant. Default: all.
---@field exclude? string|string[] Globs of files that are neither copied nor deleted.
---@field min_size? integer|string Smaller ones are not meant.
---@field max_size? integer|string Larger ones are not meant.
---@field newer? number|string Only files changed since a date, or within so long.
---@field older? number|string Only files not changed since.
---@field checksum? boolean Reads all files on both sides instead of trusting what is known of them.
---@field ignore_etag? boolean Takes what is sent, whatever ETags say; reads all files on both sides.
---@field delete? boolean Removes what the source does not have. Default: not.
---@field max_delete? integer More than so many are refused. Default 100.
---@field acl? "public"|"algorithms"|"private" Who may read it at last. Default: as at the source; from a folder a new one is private.
---@field bwlimit? integer|string Bytes a second.
---@field max_transfer? integer|string Ends, with the kind `budget`, before more bytes than that are copied.
---@field max_duration? number|string Ends, with the kind `budget`, after so long.

--- What became of a copy. Of the source's files: `files` = `copied` +
--- `unchanged` + `skipped` + `failed`.
---@class godwit.data.Copied: godwit.Outcome
---@field files integer Of the source.
---@field copied integer
---@field unchanged integer
---@field skipped integer Left out by the options.
---@field failed integer Not copied, for whatever reason.
---@field deleted integer
---@field bytes integer That were copied.

--- Makes one collection or folder have the files of another. A side is a
--- collection's handle, "CLUSTER:OWNER/COLLECTION", or a folder's path; as the
--- destination a cluster stands for the collection of the same name there.
--- Under `-n` both sides are compared and nothing is written. Raises
--- `notfound` when there is no source, `usage` for an option that is none and
--- for folders of which one is inside the other, and what went wrong on the
--- way, with the record as `e.record`; a refusal is no error but an outcome.
---@async
---@param from godwit.Collection|string
---@param to godwit.Collection|godwit.Cluster|string
---@param opts? godwit.data.Opts
---@return godwit.data.Copied
function data.copy(from, to, opts) end

return data
