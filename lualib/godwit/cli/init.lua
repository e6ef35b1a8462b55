--- godwit init
local err = require("godwit.err")
local fs = require("godwit.core.fs")
local output = require("godwit.cli.output")
local places = require("godwit.config.places")

local USER = [[
-- Configuration of godwit, a Lua table. This file is yours: it may read the
-- environment (env), files (file, mode 0600) and programs (command).
-- A project's godwit.config.lua may have the same sections, but refers to
-- secrets of this file by name, unless you allow more with: godwit trust FILE

return {
  clusters = {
    -- One profile for each cluster, used as --from dev --to prod.
    --
    -- dev = {
    --   api = "https://api.dev.example.com",
    --   key = env "DEV_KEY",
    -- },
    -- prod = {
    --   api = "https://api.prod.example.com",
    --   -- git = "https://git.prod.example.com",  -- else: //api. -> //git.
    --   -- user = "releases",        -- the key's own user, else it is asked
    --   -- A key of its own for each owner:
    --   key = function(owner)
    --     return command { "pass", "show", "algorithmia/" .. owner }
    --   end,
    --   -- or the file that godwit issue-keys writes: key = keys "prod.keys",
    --   -- For users and organizations:
    --   -- admin_key = file "~/.keys/prod-admin",
    --   -- Git hosts that keep the code of some algorithms:
    --   -- hosts = {
    --   --   ["https://github.com"] = { user = "bot", key = env "GITHUB_TOKEN" },
    --   -- },
    --   -- ca = "/etc/ssl/certs/our-ca.pem",
    --   -- proxy = "http://proxy.example.com:3128",
    --   protected = true,            -- asks before it is written to
    -- },
    --
    -- A folder holding what a cluster has:
    -- backup = { archive = "~/algorithmia-backup" },
  },

  -- Credentials for scripts, each for the hosts named only:
  -- godwit.secret "jira"
  secrets = {
    -- jira = {
    --   host = "https://jira.example.com",
    --   scheme = "Bearer",
    --   value = env "JIRA_TOKEN",
    -- },
  },

  -- What a flag is when it is not given.
  defaults = {
    -- jobs = 4,
    -- publish = "minor",
  },
}
]]

local function create(path, text, mode)
  if fs.stat(path) then
    return false
  end
  local folder = path:match("^(.*)/[^/]*$")
  if folder then
    err.check(fs.mkdir(folder, tonumber("700", 8)))
  end
  err.check(fs.write(path, text, mode))
  return true
end

return {
  summary = "Writes a configuration to start from.",
  details = [[
Nothing of yours that exists is changed. In a project (a folder with a
godwit.config.lua or with policies), or with --editor, also .luarc.json and the
definitions it names (.godwit/meta), so that an editor with lua-language-server
knows what scripts can use. The definitions are brought up to date every time.]],
  params = {
    editor = { type = "boolean",
      help = "Writes settings and definitions for the editor here." },
  },
  no_config = true,
  run = function(cx)
    local path = places.config_file()
    local wrote = create(path, USER, tonumber("600", 8))
    local doc = { config = { path = path, created = wrote } }
    local lines = { wrote and ("Wrote %s; put your clusters in."):format(path)
      or ("%s is there already and stays as it is."):format(path) }
    local editor = require("godwit.cli.editor")
    if cx.args.editor or editor.is_project() then
      local more
      doc.editor, more = editor.write()
      table.move(more, 1, #more, #lines + 1, lines)
    end
    output.result(doc, table.concat(lines, "\n"))
    return 0
  end,
}
