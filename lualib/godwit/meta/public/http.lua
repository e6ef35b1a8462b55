---@meta
--- http: requests to any server.
---
--- Every function waits for the answer and lets other tasks run meanwhile. A
--- status outside `expect` (200 to 299) raises, and so does no answer at all;
--- with `expect = "any"` every answer is returned.
---
--- Raises by status `auth` (401, 403), `notfound` (404), `conflict` (409),
--- `limit` (429), `remote` (all others), with the answer as `e.response` and
--- the status as `e.status`; `net` or `timeout` when no answer came, then
--- `e.sent` says whether the server may have seen the request; `denied` for a
--- write that `--allow-write` does not name.
---
--- What cannot do harm is repeated, with growing, random pauses: `GET`, `HEAD`,
--- `PUT` and `DELETE` after a broken connection, 429, 502, 503 or 504; anything
--- that was never sent; anything turned away with 429 or 503 and `Retry-After`.
--- Who would have to wait longer than two minutes is told so (`limit`,
--- retryable). A redirect to another host takes no credentials along; it is not
--- followed with a request that changes something, nor from https to http.
---
--- Under `-n` requests other than `GET` and `HEAD` are not sent: they are
--- listed, and their result is unknown.
---
--- ```lua
--- local jira = godwit.secret "jira"
--- local r = http.get("https://jira.example.com/rest/api/2/search", {
---   query = { jql = "project = OPS", fields = { "status", "summary" } },
---   auth = jira, expect = { 200, 404 },
--- })
--- if r.status == 200 then
---   print(#r:json().issues, r.headers["content-type"])
--- end
--- ```

--- Requests.
---@class godwit.http
http = {}

--- How a request that failed is repeated.
---@class godwit.http.Retry
---@field attempts? integer The most. Default 4.
---@field base? number Seconds of the first pause, which doubles each time. Default 0.25.
---@field max_delay? number Seconds of the longest pause. Default 20.
---@field max_wait? number Seconds of the longest `Retry-After` that is waited for. Default 120.
---@field budget? number Seconds of all pauses together. Default 300.
---@field private random? function

--- Certificates of one request.
---@class godwit.http.Tls
---@field ca? string A file of certificate authorities.
---@field cert? string A file with the client's certificate.
---@field cert_key? string A file with its key.
---@field insecure? boolean Checks no certificate.

--- Options of a request. An unknown one is an error.
---@class godwit.http.Opts
---@field json? any Sent as JSON, with its content type.
---@field body? string Sent as it is.
---@field query? table<string, any>|string Encoded and appended; an array repeats its name, names are sorted.
---@field headers? table<string, string>
---@field auth? godwit.Secret Goes to its own hosts only.
---@field auth_scheme? string `Bearer`, `Simple`, `Basic`, "" or any word. Default: the secret's own, else `Bearer`.
---@field auth_user? string The user name for `Basic`.
---@field auth_header? string Default `Authorization`.
---@field expect? "any"|integer|integer[] Which statuses do not raise. Default: 200 to 299.
---@field timeout? number Seconds for each attempt as a whole. Default 60, and `answer_timeout` on top.
---@field connect_timeout? number Seconds until there is a connection. Default 30.
---@field stall_timeout? number Seconds in which nothing moves. Default 60.
---@field answer_timeout? number Seconds from the request's end to the answer's beginning.
---@field max_body? integer Bytes; a larger answer raises `limit`. Default 64 MiB.
---@field retry? false|integer|godwit.http.Retry `false`, or how many attempts, or more of it.
---@field idempotent? boolean It may be repeated though its method says no.
---@field redirects? integer|false How many are followed. Default 10.
---@field tls? godwit.http.Tls With `ca` or `insecure` a secret goes through no proxy but its own profile's.
---@field proxy? string In place of the environment's.
---@field no_proxy? string
---@field private ca? string
---@field private cert? string
---@field private cert_key? string
---@field private insecure? boolean
---@field private fresh? boolean
---@field private limiter? any

--- An answer.
---@class godwit.http.Response
---@field status integer
---@field headers table<string, string> Found in any spelling of their names.
---@field body string
---@field url string Where it came from, after redirects.
---@field method string
---@field bytes_up integer
---@field bytes_down integer
local response = {}

--- The body as JSON. Raises `remote` with what came instead, when it is
--- something else.
---@return any
function response:json() end

--- Sends a request of any method. Raises as the page's beginning says.
---@async
---@param method string|table Or one table with `method`, `url` and all options.
---@param url? string
---@param opts? godwit.http.Opts
---@return godwit.http.Response
function http.request(method, url, opts) end

--- Sends a GET.
---@async
---@param url string
---@param opts? godwit.http.Opts
---@return godwit.http.Response
function http.get(url, opts) end

--- Sends a HEAD; the answer has no body.
---@async
---@param url string
---@param opts? godwit.http.Opts
---@return godwit.http.Response
function http.head(url, opts) end

--- Sends a POST.
---@async
---@param url string
---@param opts? godwit.http.Opts
---@return godwit.http.Response
function http.post(url, opts) end

--- Sends a PUT.
---@async
---@param url string
---@param opts? godwit.http.Opts
---@return godwit.http.Response
function http.put(url, opts) end

--- Sends a PATCH.
---@async
---@param url string
---@param opts? godwit.http.Opts
---@return godwit.http.Response
function http.patch(url, opts) end

--- Sends a DELETE.
---@async
---@param url string
---@param opts? godwit.http.Opts
---@return godwit.http.Response
function http.delete(url, opts) end

--- The query part of an address for a table, as `query` of a request makes it:
--- values encoded, names sorted, arrays repeated; nil when there is none.
--- Raises for a value that is neither text, number nor boolean.
---@param query table<string, any>|string|nil
---@return string?
function http.query(query) end

return http
