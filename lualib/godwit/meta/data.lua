---@meta godwit.core.data
-- In C: runtime/lua/data.c, runtime/data. Many files from one end to another,
-- each GET feeding a PUT; what failed is reported, and repeated by Lua.

---@class godwit.core.data
local M = {}

--- Where bytes come from or go to: the fields of a request
--- (godwit.core.http.Request) that are the same for every file, `url` ending
--- with a slash, the file's name being put behind it, percent-encoded; or an
--- open folder.
---@class godwit.data.End: godwit.core.http.Request
---@field url? string
---@field folder? godwit.folder.root
---@field temp? godwit.folder.root Where parts are written, on the same file system.
---@field private? boolean Files are their owner's only (0600).
---@field etags? godwit.cluster.Etags For who reads: whether ETags are digests.

---@class godwit.data.Opts
---@field start? integer Pairs at a time at first; 32.
---@field max? integer And at most; 256.
---@field buffer? integer Bytes of a file in memory at most; 512 KiB.
---@field rate? number Bytes a second, all together.
---@field md5? boolean Is made; true.
---@field sha256? boolean Is made; false.
---@field etag? boolean A source's ETag that looks like an MD5 must be it; true.
---@field quota? godwit.data.quota Of bytes beyond those that files are listed with.

---@class godwit.data.Job
---@field name string As it is, not encoded.
---@field to? string Its name at the other end, if that differs.
---@field size? integer As it was listed.
---@field delay? number Seconds before it begins.
---@field etag? boolean As the option, for this file; true.

---@class godwit.data.Result
---@field name string
---@field ok? true It arrived whole (without a destination: was read whole).
---@field bytes integer That were read.
---@field status? integer
---@field md5? string
---@field sha256? string
---@field source_etag? string
---@field date? string The destination's, as it wrote the file.
---@field took integer Milliseconds, of one that is `ok`.
---@field modified? number Time of the file it became in a folder.
---@field err? godwit.Err Then with:
---@field stage? "read"|"write"
---@field sent? boolean The destination may have been changed.
---@field retry_after? integer Seconds.
---@field over? true It has more bytes than were listed, and than the quota had left.
---@field announced? integer How many it has at least, of one that is `over`.
---@field other_etag? true It came whole, and its ETag is another MD5 than it has;
---then `bytes`, `md5` and `source_etag` are as they were read.
---@field body? string The beginning of an answer that is an error, or speaks of one.

---@class godwit.data.copier: userdata
local copier = {}

--- Waits while very many are queued, so results are best taken by another
--- task. One that does both goes on when thousands of results wait.
---@async
---@param jobs godwit.data.Job[]
---@return true
function copier:submit(jobs) end

--- At least one result; nil when `finish` was called and all are taken.
---@async
---@return godwit.data.Result[]?
function copier:wait() end

--- No more jobs will come.
function copier:finish() end

--- All that waits or runs ends as a result of kind `cancelled`.
function copier:cancel() end

--- What was written to a folder survives a power cut.
---@async
---@return true?
---@return godwit.Err?
function copier:flush() end

---@param rate number? Bytes a second; nil: no limit.
---@param owed number? Bytes that another copier had read too early.
function copier:rate(rate, owed) end

---@param max integer Pairs at a time at most.
function copier:limit(max) end

---@return { in_flight: integer, limit: integer, queued: integer, done: integer, bytes: integer, owed: number }
function copier:stats() end

--- Bytes that copiers may transfer together. Who submits a job takes its listed
--- size; what comes beyond that the copier takes as it comes.
---@class godwit.data.quota: userdata
local quota = {}

--- False, and nothing is taken, when fewer are left.
---@param bytes integer
---@return boolean
function quota:take(bytes) end

--- They were transferred, whatever is left.
---@param bytes integer
function quota:charge(bytes) end

---@return integer bytes Negative: more were transferred.
function quota:left() end

---@param bytes integer
---@return godwit.data.quota
function M.quota(bytes) end

--- Without `to` files are read and hashed only.
---@param from godwit.data.End
---@param to? godwit.data.End
---@param opts? godwit.data.Opts
---@return godwit.data.copier?
---@return godwit.Err?
function M.copier(from, to, opts) end

return M
