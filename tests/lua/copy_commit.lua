-- The commit of a promotion is a pure function of what goes into it.
local commit = require("godwit.copy.commit")

local SHA = ("a"):rep(40)
local ORIGIN = { cluster = "https://api.dev.example.com", owner = "acme",
  name = "Hello", commit = SHA }
local LINE = "Godwit-Source: https://api.dev.example.com acme/Hello " .. SHA

test("the trailer ends the message and is found again", function(t)
  local text = commit.message("Add a model\n\nIt is big.\n", ORIGIN)
  t:eq(text, "Add a model\n\nIt is big.\n\n" .. LINE .. "\n")
  t:eq(commit.parse(text), ORIGIN)
end)

test("it joins trailers that are there, in one paragraph", function(t)
  local text = commit.message("Add\n\nSigned-off-by: A <a@x>\n", ORIGIN)
  t:eq(text, "Add\n\nSigned-off-by: A <a@x>\n" .. LINE .. "\n")
end)

test("ends of lines are made one at once, however many they are", function(t)
  local text = commit.message("Add\r\r\r\n\r\nIt is big.\r\n", ORIGIN)
  t:eq(text, "Add\n\nIt is big.\n\n" .. LINE .. "\n")
  t:eq(commit.message(text, ORIGIN), text)
end)

test("a subject that looks like a trailer stays the subject", function(t)
  t:eq(commit.message("net: refuse", ORIGIN), "net: refuse\n\n" .. LINE
    .. "\n")
end)

test("a second promotion replaces the trailer of the first", function(t)
  local first = commit.message("Add", { cluster = "other", owner = "o",
    name = "N", commit = ("b"):rep(40) })
  local text = commit.message(first, ORIGIN)
  t:eq(commit.parse(text), ORIGIN)
  t:no(text:find("other", 1, true))
end)

test("text in the body is no trailer", function(t)
  t:eq(commit.parse("Add\n\n" .. LINE .. "\nand more text\n"), nil)
  t:eq(commit.parse("Add\n\n" .. LINE:sub(1, -2) .. "\n"), nil)
  t:eq(commit.parse(LINE), nil)
end)

test("an empty message gets a subject", function(t)
  t:match(commit.message("", ORIGIN), "^Promoted from acme/Hello\n\n")
end)

local function by(time)
  return { name = "A", email = "a@x", time = time, offset = 60 }
end

test("author as the source's, committer fixed, the later date", function(t)
  local src = { id = SHA, message = "m", author = by(5), committer = by(10) }
  local function fields(parent_time)
    return commit.fields({ tree = "t", source = src, origin = ORIGIN,
      parent = { id = "p", committer = by(parent_time) } })
  end
  t:eq(fields(20).committer,
    { name = "godwit", email = "godwit@localhost", time = 20, offset = 0 })
  t:eq(fields(1).committer.time, 10)
  t:eq(fields(1).author, src.author)
  t:eq(fields(1).parents, { "p" })
  t:eq(fields(1), fields(1))
end)

test("a hand that copies the trailer is not taken for ours", function(t)
  local text = commit.message("Add", ORIGIN)
  t:eq(commit.origin({ committer = by(1), message = text }), nil)
  t:eq(commit.origin({ committer = commit.COMMITTER, message = text }), ORIGIN)
end)
