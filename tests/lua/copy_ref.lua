-- What people type to name an algorithm and a version.
local ref = require("godwit.copy.ref")

local SHA = ("0123456789abcdef0123"):rep(2)

test("OWNER/NAME means its head", function(t)
  t:eq(ref.parse("acme/Hello"), { owner = "acme", name = "Hello",
    revision = { kind = "head" } })
end)

test("a version may be a number, a commit, head or latest", function(t)
  t:eq(ref.parse("acme/Hello/1.2.3").revision,
    { kind = "version", value = "1.2.3" })
  t:eq(ref.parse("acme/Hello/" .. SHA:upper()).revision,
    { kind = "commit", value = SHA })
  t:eq(ref.parse("acme/Hello/" .. SHA:sub(1, 12)).revision,
    { kind = "commit", value = SHA:sub(1, 12) })
  t:eq(ref.parse("acme/Hello", "latest").revision, { kind = "latest" })
  t:eq(ref.parse("acme/Hello/head").revision, { kind = "head" })
end)

test("a version and --source-version together are refused", function(t)
  t:raises("usage", function()
    ref.parse("acme/Hello/1.2.3", "latest")
  end, "%-%-source%-version")
end)

test("what is no name or version is refused with what is", function(t)
  for _, text in ipairs({ "Hello", "acme/", "/Hello", "acme/He-llo",
      "1acme/Hello", "acme/Hello/1.2", "acme/Hello/", "acme/Hello/1.2.3/x",
      "acme/Hello/abcdef", "a b/c", "acme/Hello/" .. SHA .. "0" }) do
    t:raises("usage", ref.parse, nil, text)
  end
end)

test("a tag is named by its name, or in full where that is something else",
function(t)
  t:eq(ref.revision("v1.2"), { kind = "tag", value = "v1.2" })
  t:eq(ref.revision("release/1.2"), { kind = "tag", value = "release/1.2" })
  for _, tag in ipairs({ "1.2.0", "1.2", "abcdef1", "head", "a/b" }) do
    t:eq(ref.revision("refs/tags/" .. tag), { kind = "tag", value = tag })
  end
  t:eq(ref.parse("acme/Hello/v1.2").revision, { kind = "tag", value = "v1.2" })
  for _, text in ipairs({ "", "-x", "a b", "a..b", "a~1", "a^", "a:b", "a?",
      "x.lock", "a/", "a//b", "a@{1}", "a\\b", "a\nb", "\xff",
      "refs/heads/master ", "refs/tags/", ("x"):rep(201) }) do
    t:raises("usage", ref.revision, "names no version", text)
  end
end)
