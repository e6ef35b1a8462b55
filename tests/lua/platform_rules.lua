-- The platform's rules that need neither disk nor network.
local markdown = require("godwit.cluster.platform.markdown")
local rules = require("godwit.cluster.platform.rules")
local template = require("godwit.cluster.platform.template")
local pkt = require("godwit.sandbox.pkt")

test("numbers only grow, a step resets what is below it", function(t)
  t:eq(rules.next_version(nil, "minor"), "0.1.0")
  t:eq(rules.next_version(nil, "major"), "1.0.0")
  t:eq(rules.next_version(nil, "revision"), "0.0.1")
  t:eq(rules.next_version("1.2.3", "major"), "2.0.0")
  t:eq(rules.next_version("1.2.3", "minor"), "1.3.0")
  t:eq(rules.next_version("1.2.9", "revision"), "1.2.10")
  t:eq(rules.compare_versions("1.10.0", "1.9.9"), 1)
end)

test("a version step is minor by default, patch is a revision", function(t)
  t:eq(rules.version_step(nil), "minor")
  t:eq(rules.version_step("patch"), "revision")
  local e = t:raises(nil, rules.version_step, "version_type", "huge")
  t:eq({ e.status, e.code }, { 400, 6001 })
end)

test("version references", function(t)
  local sha = ("a1"):rep(20)
  t:eq(rules.parse_ref(nil).kind, "latest")
  t:eq(rules.parse_ref("latestPrivate").kind, "latestPrivate")
  t:eq(rules.parse_ref(sha).kind, "sha")
  t:eq(rules.parse_ref("1.2.3").kind, "version")
  t:eq(rules.parse_ref("1.2.*").prefix, "1.2.")
  t:eq(rules.parse_ref("1.2").prefix, "1.2.")
  t:eq(rules.parse_ref("1").prefix, "1.")
  t:eq(rules.parse_ref("1.*").prefix, "1.")
  for _, bad in ipairs({ "v1", "1.2.3.4", "../x", "1..2", sha .. "0" }) do
    t:eq(rules.parse_ref(bad), nil)
  end
end)

test("names", function(t)
  for _, good in ipairs({ "a", "acme_1", ("x"):rep(30) }) do
    t:ok(rules.is_account(good))
  end
  for _, bad in ipairs({ "", "1a", "a-b", "a/b", "..", "a\0", ("x"):rep(31),
    "é" }) do
    t:no(rules.is_account(bad))
    if #bad < 31 then t:no(rules.is_algorithm(bad)) end
  end
  t:ok(rules.is_algorithm(("x"):rep(64)))
  t:no(rules.is_algorithm(("x"):rep(65)))
  t:ok(rules.is_uuid("123e4567-e89b-42d3-a456-426614174000"))
  t:no(rules.is_uuid("123e4567-e89b-42d3-a456-42661417400z"))
end)

test("times have milliseconds and Z", function(t)
  t:eq(rules.time(0), "1970-01-01T00:00:00.000Z")
  t:eq(rules.time(1627668131.093), "2021-07-30T18:02:11.093Z")
  t:eq(rules.time(951782400), "2000-02-29T00:00:00.000Z")
end)

test("permissions change with a major step only", function(t)
  local last = { settings = { algorithm_callability = "private",
    network_access = "full", pipeline_enabled = true } }
  local record = { network_access = "isolated", pipeline_enabled = true }
  t:eq(rules.permissions({}, record, last, "minor").network_access, "full")
  t:eq(rules.permissions({}, record, last, "major").network_access,
    "isolated")
  local e = t:raises(nil, rules.permissions, "major",
    { algorithm_callability = "public" }, record, last, "minor")
  t:eq({ e.status, e.code }, { 400, 2015 })
  t:eq(rules.permissions({ algorithm_callability = "public" }, record, nil,
    "minor").algorithm_callability, "public")
end)

test("the template is a pure function", function(t)
  local p = { owner = "acme", name = "Hello", language = "python3",
    license = "apl", time = 1588888888.888 }
  local files = template.files(p)
  local names = {}
  for _, f in ipairs(files) do names[#names + 1] = f.path end
  t:eq(names, { ".adk", "algorithmia.conf", "requirements.txt",
    "src/Hello.py", "src/Hello_test.py", "src/__init__.py" })
  t:eq(files[2].data, '{\n  "username" : "acme",\n  "algoname" : "Hello",\n'
    .. '  "language" : "python3",\n  "submitted_at" : 1588888888888\n}')
  t:eq(template.files(p), files)
  p.license = "mit"
  t:eq(template.files(p)[1].path, ".adk")
  t:eq(template.files(p)[2].path, "LICENSE.txt")
  local path, text = template.main_file("python3", "Hello")
  t:eq({ path, text }, { "src/Hello.py", files[4].data })
end)

test("a README becomes HTML, never more", function(t)
  t:eq(markdown.html("# A <b>\n\nx *y*\nz `<i>`\n\n- one\n- two\n"),
    "<h1>A &lt;b&gt;</h1>\n<p>x <em>y</em> z <code>&lt;i&gt;</code></p>\n"
    .. "<ul>\n<li>one</li>\n<li>two</li>\n</ul>")
  t:eq(markdown.html("```\na<b\n```"), "<pre><code>a&lt;b</code></pre>")
end)

test("a push's answer is split before its report", function(t)
  local progress = pkt.line("\2unpacking\n")
  local report = pkt.line("\1" .. pkt.line("unpack ok\n")
    .. pkt.line("ok refs/heads/master\n") .. "0000") .. "0000"
  t:eq({ pkt.before_report(progress .. report) }, { progress, report })
  t:eq({ pkt.before_report(report) }, { "", report })
  t:eq(pkt.before_report(pkt.line("unpack ok\n") .. "0000"), nil)
  t:eq(pkt.before_report(""), nil)
  t:eq(#pkt.split(pkt.progress(("x"):rep(70000))), 2)
end)
