--- Repositories for tests, made by the git program, which is also what results
--- are compared with. Nothing of the user's or the machine's Git configuration
--- is read.
local process = require("godwit.core.process")
local sys = require("godwit.core.sys")

local M = {}

--- The environment of a git that knows nothing of this machine; more is merged.
function M.env(more)
  local env = {
    PATH = sys.env("PATH"),
    HOME = "/nonexistent",
    LC_ALL = "C",
    GIT_CONFIG_NOSYSTEM = "1",
    GIT_CONFIG_GLOBAL = "/dev/null",
    GIT_TERMINAL_PROMPT = "0",
    GIT_AUTHOR_NAME = "Ann Author",
    GIT_AUTHOR_EMAIL = "ann@example.com",
    GIT_AUTHOR_DATE = "1600000000 +0200",
    GIT_COMMITTER_NAME = "Carl Committer",
    GIT_COMMITTER_EMAIL = "carl@example.com",
    GIT_COMMITTER_DATE = "1600000100 -0130",
    GIT_CONFIG_COUNT = "3",
    GIT_CONFIG_KEY_0 = "safe.directory",
    GIT_CONFIG_VALUE_0 = "*",
    GIT_CONFIG_KEY_1 = "init.defaultBranch",
    GIT_CONFIG_VALUE_1 = "master",
    GIT_CONFIG_KEY_2 = "gc.auto",
    GIT_CONFIG_VALUE_2 = "0",
  }
  for k, v in pairs(more or {}) do
    env[k] = v
  end
  return env
end

--- Runs a program; returns its output, raises when its status is not 0.
--- opts: env, cwd, stdin (text), any (return output and status instead).
function M.run(argv, opts)
  opts = opts or {}
  local p <close> = assert(process.start({
    argv = argv, env = opts.env or M.env(), cwd = opts.cwd,
    stdin = opts.stdin ~= nil, stdout = true, stderr = true,
  }))
  if opts.stdin then
    p:write(opts.stdin)
    p:close_stdin()
  end
  local out, errors = {}, {}
  for chunk in function() return p:read() end do
    out[#out + 1] = chunk
  end
  for chunk in function() return p:read_err() end do
    errors[#errors + 1] = chunk
  end
  local code = p:wait()
  if opts.any then return table.concat(out), code, table.concat(errors) end
  if code ~= 0 then
    error(("%s: status %d: %s"):format(table.concat(argv, " "), code, table.concat(errors)), 2)
  end
  return table.concat(out)
end

--- `git -C dir …`; the last line end is cut off.
function M.git(dir, ...)
  return (M.run({ "git", "-C", dir, ... }):gsub("\n$", ""))
end

--- As M.git, with text on its input.
function M.feed(text, dir, ...)
  return (M.run({ "git", "-C", dir, ... }, { stdin = text }):gsub("\n$", ""))
end

--- A new bare repository.
function M.bare(dir)
  M.run({ "git", "init", "-q", "--bare", dir })
  return dir
end

--- A tree from a list of { mode, path, data } and { mode, path, id = }.
function M.tree(dir, files)
  local lines = {}
  for _, f in ipairs(files) do
    local id = f.id or M.feed(f[3], dir, "hash-object", "-w", "--stdin")
    lines[#lines + 1] = ("%s %s\t%s"):format(f[1], id, f[2])
  end
  local index = dir .. "/test-index"
  os.remove(index)
  local env = M.env({ GIT_INDEX_FILE = index })
  M.run({ "git", "-C", dir, "update-index", "--add", "--index-info" },
    { env = env, stdin = table.concat(lines, "\n") .. "\n" })
  return (M.run({ "git", "-C", dir, "write-tree" }, { env = env }):gsub("\n$", ""))
end

--- A commit on top of parents, to which `ref` then points.
function M.commit(dir, tree, message, parents, ref)
  local argv = { "commit-tree", tree, "-m", message }
  for _, p in ipairs(parents or {}) do
    argv[#argv + 1] = "-p"
    argv[#argv + 1] = p
  end
  local id = M.git(dir, table.unpack(argv))
  if ref then M.git(dir, "update-ref", ref, id) end
  return id
end

--- A bare repository with a few commits on master: dotfile, executable, link.
--- Returns the folder and the ids, oldest first.
function M.sample(dir, n)
  M.bare(dir)
  local ids, parent = {}, nil
  for i = 1, n or 2 do
    local tree = M.tree(dir, {
      { "100644", ".gitignore", "*.bin\n" },
      { "100644", "README.md", "version " .. i .. "\n" },
      { "100755", "bin/run", "#!/bin/sh\n" },
      { "120000", "link", "README.md" },
      { "100644", "src/algo.py", ("x = %d\n"):format(i):rep(50) },
    })
    parent = M.commit(dir, tree, "commit " .. i, { parent }, "refs/heads/master")
    ids[i] = parent
  end
  return dir, ids
end

return M
