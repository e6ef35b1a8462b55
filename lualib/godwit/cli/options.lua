--- The flags every command takes, and those of commands that write. Each has
--- an environment variable: GODWIT_ and its name in capitals.
local M = {}

local function list(params)
  for i, p in ipairs(params) do
    p.flag = p.flag or "--" .. p.name:gsub("_", "-")
    p.order = i
  end
  return params
end

M.GLOBAL = list {
  { name = "help", short = "h", type = "boolean", env = false,
    help = "Shows this." },
  { name = "json", type = "boolean",
    help = "Prints the result as one JSON document." },
  { name = "quiet", short = "q", type = "boolean",
    help = "Prints the result and errors only." },
  { name = "verbose", short = "v", type = "count",
    help = "Says more; -vv says where each value is from." },
  { name = "color", type = "string", metavar = "WHEN", default = "auto",
    choices = { "auto", "always", "never" }, help = "Colors in the output." },
  { name = "config", type = "string", metavar = "FILE",
    help = "Reads FILE in place of your own configuration." },
  { name = "state_dir", type = "string", metavar = "DIR",
    help = "Keeps version map, trust and sandboxes in DIR." },
  { name = "no_input", type = "boolean",
    help = "Never asks; what would be asked is refused." },
  { name = "yes", short = "y", type = "boolean",
    help = "Answers questions with yes." },
  { name = "ca_cert", type = "string", metavar = "FILE",
    help = "Trusts the certificate authorities in FILE." },
  { name = "client_cert", type = "string", metavar = "FILE",
    help = "Certificate to identify this client with." },
  { name = "client_key", type = "string", metavar = "FILE",
    help = "Private key of --client-cert." },
  { name = "insecure", type = "boolean",
    help = "Does not check certificates. For protected clusters: refused." },
  { name = "jobs", short = "j", type = "integer", metavar = "N", min = 1,
    max = 256, help = "Works on at most N items at once, at each destination; "
      .. "default: 16." },
}

M.WRITING = list {
  { name = "dry_run", short = "n", type = "boolean",
    help = "Writes nothing, says what would be done." },
  { name = "allow_write", type = "string", metavar = "CLUSTER|DIR",
    many = true, help = "Lets the script write to CLUSTER, or to the folder "
      .. "DIR (a word with a '/'); may be repeated." },
  { name = "allow_read", type = "string", metavar = "DIR", many = true,
    help = "Lets the script read the folder DIR; may be repeated." },
  -- Code comes from where the command says, not from a file that lies about.
  { name = "lua_path", type = "string", metavar = "DIR", many = true,
    env = false, config = false, help = "Looks for a script's modules in DIR, "
      .. "after its own folder; may be repeated." },
}

--- The variable of a parameter: GODWIT_STATE_DIR.
---@param p table
---@return string|nil
function M.variable(p)
  if p.env == false or p.positional then
    return nil
  end
  local name = p.flag:gsub("^%-+", ""):gsub("%W", "_")
  return "GODWIT_" .. name:upper()
end

--- Variables that are no flag.
M.OTHER_VARIABLES = {
  GODWIT_PATH = true, GODWIT_MEMORY = true,
  GODWIT_GC_STRESS = true, GODWIT_BUILD = true, GODWIT_SOURCE = true, -- tests
}

return M
