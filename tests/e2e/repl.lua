--- godwit repl, on a terminal of its own and without one.
local cli = require("support.cli")
local fs = require("godwit.core.fs")
local process = require("godwit.core.process")
local task = require("godwit.task")

-- The program on a terminal: type(text), wait(pattern) for what it prints
-- behind what was waited for last.
local PATIENCE = 30 -- seconds for what is waited for
local Terminal = {}
Terminal.__index = Terminal

local function start(t, home, words, opts)
  opts = opts or {}
  local quoted = { opts.before or "exec", cli.program() }
  for _, word in ipairs(words) do
    quoted[#quoted + 1] = "'" .. word:gsub("'", "'\\''") .. "'"
  end
  quoted[#quoted + 1] = opts.after
  local env = { SHELL = "/bin/sh", TERM = "xterm" }
  for _, more in ipairs { home.env, opts.env or {} } do
    for name, value in pairs(more) do
      env[name] = value
    end
  end
  local p = assert(process.start { argv = { "script", "-qec",
    table.concat(quoted, " "), "/dev/null" }, env = env, cwd = home.cwd,
    stdin = true, stdout = true, stderr = true })
  t:defer(function()
    p:kill(15)
    p:close_stdin()
    pcall(task.deadline, 10, p.wait, p)
  end)
  return setmetatable({ p = p, text = "", at = 1 }, Terminal)
end

function Terminal:type(text)
  self.p:write(text)
  return self
end

function Terminal:wait(pattern)
  while true do
    local from, to = self.text:find(pattern, self.at)
    if from then
      self.at = to + 1
      return self.text:match(pattern, from)
    end
    local ok, chunk = pcall(task.deadline, PATIENCE, self.p.read, self.p)
    if not ok or not chunk then
      error(("no %q in %q"):format(pattern, self.text:sub(self.at)), 2)
    end
    self.text = self.text .. chunk
  end
end

--- To the end: all that is printed yet, and the status.
function Terminal:rest()
  task.deadline(PATIENCE, function()
    for chunk in function() return self.p:read() end do
      self.text = self.text .. chunk
    end
  end)
  return self.text:sub(self.at), self.p:wait()
end

local function repl(t, home, words, opts)
  local term = start(t, home, { "repl", table.unpack(words or {}) }, opts)
  term.prompt = opts and opts.prompt or "godwit> "
  term:wait(term.prompt)
  return term
end

-- Types a line and waits for what it prints and the next prompt.
function Terminal:say(line, pattern)
  self:type(line .. "\n")
  if pattern then
    self:wait(pattern)
    return self:wait(self.prompt)
  end
  return self:wait("\r\n" .. self.prompt)
end

test("values, errors and several lines", function(t)
  local term = repl(t, cli.home(t))
  term:say("1 + 1", "\r\n2\r\n")
  term:say("_ * 21", "\r\n42\r\n")
  term:say("x = { b = 'two', 1, { true } }")
  term:say("x", "{ 1, { true }, b = \"two\" }\r\n")
  term:say("nil, 'a\\nb'", "\r\nnil\r\n\"a\\nb\"\r\n")
  term:type("for i = 1, 2 do\n"):wait("\r\n   %.%. ")
  term:type("print('line', i)\n"):wait("\r\n   %.%. ")
  term:say("end", "line\t?%s*1\r\nline\t?%s*2\r\n")
  term:say("nothing.here", "error: .-repl#%d+:1: attempt to index a nil value "
    .. "%(global 'nothing'%)")
  term:type("local y\n"):wait(term.prompt)
  term:type("function f()\n"):wait("%.%. ")
  term:type("  return no.thing\n"):wait("%.%. ")
  term:say("end")
  term:say("f()", "repl#%d+:2: attempt.-\n    1 | function f%(%)\r\n"
    .. "  > 2 |   return no%.thing\r\n.-called at repl#%d+:1")
  term:say("x = = 2", "unexpected symbol near '='")
  term:say("'ok'", "\"ok\"")
  term:type("\4")
  local _, code = term:rest()
  t:eq(code, 0)
end)

test("bytes that are no text become a mark", function(t)
  local term = repl(t, cli.home(t))
  -- Half a pair, beyond Unicode, longer than needed, none at all.
  for _, bad in ipairs { "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe0\x80\x80",
    "\xf0\x80\x80\x80", "\xff" } do
    term:say(("'%s' == '\\u{fffd}'"):format(bad), "\r\ntrue\r\n")
  end
  term:type("\4")
  local _, code = term:rest()
  t:eq(code, 0)
end)

test("what is waited for may wait, and Ctrl-C ends it, or clears the line",
  function(t)
    local term = repl(t, cli.home(t))
    term:say("task.sleep(0.01) return 'slept'", "\"slept\"")
    term:type("task.sleep(100)\n"):wait("100%)\r\n")
    task.sleep(0.2)
    term:type("\3"):wait("Interrupted%.\r\n" .. term.prompt)
    term:type("task.each({ 1, 2 }, function() while true do "
      .. "pcall(task.sleep, 100) end end)\n"):wait("end%)\r\n")
    task.sleep(0.2)
    term:type("\3"):wait("Interrupted%.\r\n" .. term.prompt)
    term:type("half a line")
    term:wait("half a line")
    term:type("\3"):wait("%^C\r\n" .. term.prompt)
    term:type("if true then\n"):wait("%.%. ")
    term:type("\3"):wait("%^C\r\n" .. term.prompt)
    term:say("7", "\r\n7\r\n")
    term:type("while true do end\n"):wait("end\r\n")
    task.sleep(0.2)
    term:type("\3"):wait("Interrupted%.\r\n" .. term.prompt)
    term:say("8", "\r\n8\r\n")
    term:type("\4")
    t:eq(select(2, term:rest()), 0)
  end)

test("a tab completes names, fields and methods", function(t)
  local term = repl(t, cli.home(t))
  term:say("htt\t.ge\t", "\r\nfunction\r\n")
  term:say("box = { first = { second = 5 } }")
  term:say("bo\t.fi\t.se\t", "\r\n5\r\n")
  term:say("('x'):rep(2) .. json.nu\t", "error")
  term:type("json.\t"):wait("array +decode +encode")
  term:type("\3"):wait("%^C\r\n" .. term.prompt)
  term:type("\4")
  t:eq(select(2, term:rest()), 0)
end)

test("completion asks no cluster", function(t)
  local home = cli.home(t)
  home:config([[return { clusters = {
    production = { api = "http://127.0.0.1:9", key = env "K" } } }]])
  local term = repl(t, home, nil, { env = { K = "simXsimXsimXsimX" } })
  term:say("c = godwit.cluster \"pro\t") -- and its quote
  term:say("c", "cluster production\r\n")
  term:type("c.\t"):wait("algorithms +data +environments")
  term:type("alg\t:\t"):wait("create +each +ensure +get +try_get")
  term:type("try\t"):wait("_get")
  term:type("\3"):wait("%^C\r\n" .. term.prompt)
  -- Nothing of a script's own is run for it.
  term:say("t = setmetatable({ field = 1 }, "
    .. "{ __index = function() print 'RAN' end })")
  term:say("t.fi\t", "\r\n1\r\n")
  term:type("t.nothing.\t"):wait("t%.nothing%.")
  term:type("\3"):wait("%^C\r\n" .. term.prompt)
  term:type("\4")
  term:rest()
  t:no(term.text:find("RAN\r\n"), term.text)
end)

test("history is kept for the next time, without secrets", function(t)
  local home = cli.home(t)
  home:config([[return { secrets = { jira = {
    host = "https://jira.example.com", value = env "JIRA" } } }]])
  local env = { JIRA = "hunter2-hunter2" }
  local path = home.dir .. "/.local/state/godwit/repl_history"
  local term = repl(t, home, nil, { env = env })
  term:say("early = 'hunter2-hunter2'")
  term:say("s = godwit.secret 'jira'")
  term:say("s", "%[secret jira%]")
  term:say("late = 'hunter2-hunter2'")
  term:say(" hidden = 1")
  term:say("last_of_all = 1")
  term:say("last_of_all = 1")
  t:no(fs.read(path):find("late = 'hunter2", 1, true))
  term:type("\4")
  t:eq(select(2, term:rest()), 0)
  t:eq(fs.read(path), "early = '[secret]'\ns = godwit.secret 'jira'\ns\n"
    .. "late = '[secret]'\nlast_of_all = 1\n")
  t:eq(fs.stat(path).mode & 511, 384)

  term = repl(t, home, nil, { env = env })
  term:type("\27[A"):wait("last_of_all = 1")
  -- Two back, one forward, and it runs again.
  term:type("\27[A\27[A\27[B\n"):wait("\r\n" .. term.prompt)
  term:say("late", "\r\n\"%[secret%]\"\r\n")
  term:type("\4")
  term:rest()
end)

test("the mode stands in the prompt, and holds", function(t)
  local home = cli.home(t)
  home:sandbox(t, "dev", "demo-dev", { "--build-seconds", "0" })
  local term = repl(t, home, { "-n" }, { prompt = "plan> " })
  term:say("a = godwit.cluster 'sandbox:dev'.algorithms:get 'acme/Tokenize'")
  term:say("a", "sandbox:dev:acme/Tokenize")
  term:say("a:compile()", "algorithm%.compile sandbox:dev:acme/Tokenize")
  term:say("a:call 'x'", "%(known after apply%)")
  term:type("\4")
  t:match(term:rest(), "Plan: 2 writes, none of them made%.")

  term = repl(t, home)
  term:say("a = godwit.cluster 'sandbox:dev'.algorithms:get 'acme/Tokenize'")
  term:say("a:update { details = { label = 'New' } }",
    "add %-%-allow%-write sandbox:dev")
  term:type("\4")
  term:rest()

  term = repl(t, home, { "--allow-write", "sandbox:dev" },
    { prompt = "write sandbox:dev> " })
  term:say("a = godwit.cluster 'sandbox:dev'.algorithms:get 'acme/Tokenize'")
  term:say("a:update { details = { label = 'New' } }.details.label",
    "\r\n\"New\"\r\n")
  term:type("\4")
  t:eq(select(2, term:rest()), 0)
end)

test("values are printed within limits", function(t)
  local term = repl(t, cli.home(t))
  term:say("t = {} t.me = t return t", "{ me = <the table above> }")
  term:say("{ { { { { { 1 } } } } } }", "{…}")
  term:say("l = {} for i = 1, 500 do l[i] = i end return l", "… 440 more")
  term:say("('x'):rep(5000)", "x\" … %(5000 bytes%)")
  term:say("{ ['a b'] = 1, ['end'] = 2, [10] = 3, [true] = 4 }",
    "{ %[10%] = 3, %[\"a b\"%] = 1, %[\"end\"%] = 2, %[true%] = 4 }")
  term:say("json.decode '{\"a\":[],\"b\":null,\"c\":1.5}'",
    "{ a = json%.array {}, b = json%.null, c = 1%.5 }")
  term:say("('a b'):gmatch '%a'", "iterator%? for x in _ do print%(x%) end")
  term:say("setmetatable({}, { __tostring = function() error 'no' end })",
    "%?\r\n")
  term:say("'\\27[2J\\u{202e}'", "\"\\x1b%[2J")
  t:no(term.text:find("\27[2J\"", 1, true))
  term:type("\4")
  term:rest()
end)

-- The shell behind the program says how it left the terminal.
test("the terminal is as it was, whatever ends the program", function(t)
  local home = cli.home(t)
  local opts = { before = "stty sane; ", env = { ASAN_OPTIONS = "" },
    after = "; echo \"ended $?\"; stty -a" }
  local function ends(how)
    local term = repl(t, home, { "-q" }, opts)
    how(term)
    local text = term:rest()
    t:match(text, " icanon")
    t:match(text, " echo ")
    return tonumber(text:match("ended (%d+)"))
  end
  local function signal(...)
    local signals = { ... }
    return function(term)
      term:say("godwit.version", "\"[%d.]+\"")
      term:type("half a line"):wait("half a line")
      local pid
      for _, entry in ipairs(fs.list("/proc")) do
        local line = entry.name:find("^%d+$")
          and fs.read("/proc/" .. entry.name .. "/cmdline", 4096)
        if line and line:find("godwit\0repl\0%-q")
          and (fs.read("/proc/" .. entry.name .. "/environ", 1 << 20) or "")
            :find("HOME=" .. home.dir, 1, true) then
          pid = entry.name
        end
      end
      for _, number in ipairs(signals) do
        require("support.gitrepo").run({ "kill", "-" .. number, pid })
      end
    end
  end
  t:eq(ends(function(term) term:type("\4") end), 0)
  t:eq(ends(signal("TERM")), 143)
  t:eq(ends(signal("HUP")), 129)
  t:eq(ends(signal("QUIT")), 131)
end)

test("without a terminal it reads lines", function(t)
  local home = cli.home(t)
  local function piped(text, ...)
    return home:run { "repl", "-q", stdin = text, ... }
  end
  local r = piped("x = 20\nx + 1\nfor i = 1, 2 do\nprint(i)\nend\n_")
  t:eq({ r.out, r.err, r.code }, { "21\n1\n2\n21\n", "", 0 })
  r = piped("nothing.x\n'still here'\nerr.throw('refused', 'no')\n")
  t:eq(r.out, "\"still here\"\n")
  t:match(r.err, "repl#1:1: attempt to index.-repl#3:1: no")
  t:eq(r.code, 1)
  r = piped("if true then\n")
  t:eq(r.code, 2)
  t:match(r.err, "repl#1:1: 'end' expected near <eof>")
  t:eq(piped("").code, 0)
  t:eq(piped("err.throw('denied', 'no')").code, 9)
  t:match(home:expect(2, { "repl", "--json", stdin = "1\n" }).err,
    "with %-%-json, use eval")
  t:no(fs.stat(home.dir .. "/.local/state/godwit/repl_history"))
  t:match(home:expect(0, { "repl", "-n", stdin =
    "http.post('http://127.0.0.1:9/x')\n" }).out, "http%.post http")
end)

test("a dumb terminal is enough", function(t)
  local term = repl(t, cli.home(t), nil, { env = { TERM = "dumb" } })
  term:say("6 * 7", "42\r\n")
  term:type("\4")
  t:eq(select(2, term:rest()), 0)
end)
