---@meta godwit.core.http
-- In C: runtime/lua/http.c, runtime/net. One exchange; redirects and retries
-- are lualib/godwit/http.lua's.

---@class godwit.core.http
---@field guard godwit.core.http.guard
---@field url godwit.core.http.url
local M = {}

---@class godwit.core.http.Request
---@field method string
---@field url string
---@field headers? table<string, string>
---@field body? string|(string|godwit.Secret)[] Of a list, texts are sent as they
--- are and secrets as JSON strings.
---@field body_file? string
---@field sink_file? string The body of a 2xx goes here.
---@field max_body? integer Default 64 MiB.
---@field connect_timeout? number Seconds, as all of these.
---@field stall_timeout? number
---@field timeout? number
---@field answer_timeout? number
---@field auth? godwit.Secret
---@field auth_scheme? string
---@field auth_user? string
---@field auth_header? string
---@field ca? string
---@field cert? string
---@field cert_key? string
---@field insecure? boolean
---@field proxy? string
---@field no_proxy? string
---@field fresh? boolean A new connection.
---@field facts? boolean The answer, or the error, tells what the connection was like; with `fresh`.

---@class godwit.core.http.Facts
---@field resolved boolean The name has an address.
---@field connected boolean
---@field secured boolean TLS was agreed on.
---@field ip string Of the peer, a proxy if there is one; may be empty.
---@field port integer
---@field proxy_status integer What a proxy answered to CONNECT; 0: nothing.
---@field verify integer What OpenSSL found with the certificate (X509_V_…); 0: nothing.
---@field tls string "TLSv1.3"; empty: none, or refused.
---@field certificate { subject?: string, issuer?: string, start?: string, ["end"]?: string, names?: string }

---@class godwit.core.http.Response
---@field status integer
---@field headers table<string, string> Names in lower case.
---@field body string
---@field bytes_up integer
---@field bytes_down integer
---@field facts? godwit.core.http.Facts

---@async
---@param request godwit.core.http.Request
---@return godwit.core.http.Response?
---@return godwit.Err? e With `sent`, `url` and `method`, and `facts`.
function M.send(request) end

---@class godwit.core.http.guard
local guard = {}

--- Plan mode: nothing but reads from now on.
function guard.plan() end

---@return boolean
function guard.is_plan() end

--- Writes go to these origins only; nil just starts the restriction.
---@param origin string?
function guard.allow_write(origin) end

--- Nothing that a script asks for leaves, with that reason; nil: as before
--- again. A task that acts for a person (godwit.core.task) is not meant.
---@param why string?
function guard.shut(why) end

--- Ends that, and from the first call on lets out only what rules name: an
--- origin, or an origin and a path that all below it is meant with.
---@param place string? nil: no rule yet.
---@param verbs string? "GET POST", or "*".
---@param says string? What the permissions call it.
---@return boolean?
---@return godwit.Err?
function guard.rule(place, verbs, says) end

--- A proxy, or a file of certificates, that a profile names: with rules no
--- other is used.
---@param text string?
function guard.know(text) end

--- Limits the run: what was used before is included; kind `budget` when it is
--- used up.
---@param limits { requests?: integer, writes?: integer, deletes?: integer, bytes?: integer, minutes?: number }
function guard.budget(limits) end

--- What was used by now; `spent`: what the first refusal said.
---@return { requests: integer, writes: integer, deletes: integer, bytes: integer, spent?: string }
function guard.used() end

--- Takes from the budget for something that is no request.
---@param use { writes?: integer, deletes?: integer, bytes?: integer }
---@param what string "removing x was not done"
---@return boolean?
---@return godwit.Err?
function guard.take(use, what) end

---@class godwit.core.http.url
local url = {}

---@param text string
---@return { scheme: string, host: string, port: integer, path: string, query?: string, user?: string, origin: string }?
---@return godwit.Err?
function url.parse(text) end

---@param base string
---@param location string
---@return string?
---@return godwit.Err?
function url.resolve(base, location) end

---@param text string
---@return string
function url.encode(text) end

---@param text string
---@return string?
---@return godwit.Err?
function url.decode(text) end

return M
