--- template: the policy that `godwit new policy` writes: every point there is,
--- as a comment that is Lua once its two dashes are gone.
local M = {}

local TEXT = [[
--- The rules for promoting %s.
---
--- Which of these points there are is up to you; take the two dashes away from
--- a block to have it. The thing asked about comes first, cx last:
---
---   cx.from cx.to      the two clusters       cx.params    what was typed
---   cx.commit          the source commit      cx.dry_run   nothing is written
---   cx.owner cx.name   the destination's      cx.policy    this file
---   cx:refuse(why)     this one is refused    cx:wait(why) in a gate: not yet
---
--- All that is given can be read, not changed. `http`, `json`, `log`, `task`
--- and godwit.secret "NAME" are there, as for any script; secrets are in your
--- configuration. The whole story: docs/policies.md.

return {
  --- Which algorithms: globs of OWNER/NAME, "!" excludes; or a function that
  --- answers true, or false and why.
  -- select = { "*/*", "!*/Test*" },

  --- Which revision, unless one is typed: head, latest, X.Y.Z, a commit or a
  --- tag; nothing: the algorithm is skipped. a:tags lists the newest first.
  -- revision = function(a, cx)
  --   return a:tags("v*")[1]
  -- end,

  --- What they are called at the destination: tables, or functions.
  -- map_owner = { acme = "acme_prod" },
  -- map_name = function(name, cx)
  --   return name .. "_prod"
  -- end,

  --- Environments by their display names, or a function of the source's.
  -- map_environment = { ["Python 3.8"] = "Python 3.8 + CUDA" },

  --- Who users are there, for accounts, members and owners of data:
  --- a name, or a table of username, email, fullname, company_name,
  --- company_role; nothing: left out. Names and tables may stand in a table.
  -- map_user = function(user, cx)
  --   return { username = user.username .. "_prod", email = user.email }
  -- end,

  --- Settings that differ from the source's: label tagline summary
  --- source_visibility license network_access pipeline_enabled callability
  --- environment sample_input scm repository_owner repository_name.
  -- settings = function(settings, cx)
  --   return { tagline = (settings.tagline or "") .. " (" .. cx.to.name .. ")" }
  -- end,

  --- Edits the files, without a checkout.
  -- transform = function(tree, cx)
  --   tree:replace("src/*.py", "data://dev_", "data://prod_")
  -- end,

  --- The commit's message.
  -- message = function(commit, cx)
  --   return "Release: " .. commit.message
  -- end,

  --- How it is published: minor, major, revision, no.
  -- version_step = function(a, cx)
  --   return cx.commit.message:find("BREAKING", 1, true) and "major" or "minor"
  -- end,

  --- The last word before anything is written.
  -- gate = function(a, cx)
  --   if not cx.commit.message:find "OPS%%-%%d+" then
  --     return cx:refuse "no OPS-nnn in the commit message"
  --   end
  -- end,

  --- A destination somebody changed (state.kind is "drifted"), or that is not
  --- from this source ("unknown"): refuse, overwrite or merge.
  -- on_drift = function(state, cx)
  --   return state.kind == "drifted" and "merge" or "refuse"
  -- end,

  --- The answers of the published version and of the new one to the sample
  --- input; false and why: the new one is not published.
  -- compare = function(old, new, cx)
  --   return type(old.result) == type(new.result), "it answers otherwise"
  -- end,

  --- When an item has ended, whatever became of it.
  -- after = function(record, cx)
  --   log.info("%%s: %%s", record.to, record.outcome)
  -- end,
}
]]

--- The text of a new policy.
---@param name string The owner's, or "default".
---@return string
function M.text(name)
  return TEXT:format(name == "default"
    and "what has no policy of its owner's" or "the algorithms of " .. name)
end

return M
