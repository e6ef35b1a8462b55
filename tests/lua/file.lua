-- godwit.core.file: files in pieces.
local file = require("godwit.core.file")
local fs = require("godwit.core.fs")
local sys = require("godwit.core.sys")

local function kind(v, e)
  return v == nil and e and e.kind or nil
end

local function write(path, aside, ...)
  local f <close> = assert(file.create(aside))
  for _, piece in ipairs({ ... }) do assert(f:write(piece)) end
  return f:place(path)
end

test("written aside, placed as a whole, read in pieces", function(t)
  local dir = t:tmpdir()
  local md5, size, mtime, stamp = write(dir .. "/f", dir .. "/t", "he", "llo")
  t:eq({ md5, size }, { sys.hash("md5", "hello"), 5 })
  t:ok(math.abs(mtime - os.time()) < 60)
  t:eq(fs.stat(dir .. "/t"), nil)
  t:eq(fs.stat(dir .. "/f").mode, 384)
  local f <close>, n, time, same = file.open(dir .. "/f")
  t:eq({ n, time, same }, { 5, mtime, stamp })
  t:eq({ f:read(2), f:md5(), f:read(100), f:read(1) },
    { "he", md5, "llo", nil })
  write(dir .. "/f", dir .. "/t", "")
  t:eq(fs.read(dir .. "/f"), "")
  t:ok(select(4, file.open(dir .. "/f")) ~= stamp)
end)

test("what was not placed is gone", function(t)
  local dir = t:tmpdir()
  do
    local f <close> = t:ok(file.create(dir .. "/t"))
    t:ok(f:write("x"))
    t:eq(kind(file.create(dir .. "/t")), "exists")
    t:eq(kind(f:place(dir .. "/none/f")), "notfound")
  end
  t:eq(#fs.list(dir), 0)
  local f = t:ok(file.create(dir .. "/t"))
  f:close()
  f:close()
  t:raises(nil, f.write, "closed", f, "x")
  t:raises(nil, f.place, "closed", f, dir .. "/f")
end)

test("only regular files are opened, no link is followed", function(t)
  local dir = t:tmpdir()
  t:ok(fs.symlink("/etc/passwd", dir .. "/link"))
  t:eq(kind(file.open(dir .. "/link")), "io")
  t:eq(kind(file.open(dir)), "io")
  t:eq(kind(file.open("/dev/null")), "io")
  t:eq(kind(file.open(dir .. "/none")), "notfound")
  t:eq(kind(file.create(dir .. "/link")), "exists")
  t:ok(fs.symlink(dir, dir .. "/here"))
  t:eq(kind(file.walk(dir .. "/here")), "io")
  t:eq(kind(file.names(dir .. "/here")), "io")
end)

test("folders: names of files in order, entries as they come", function(t)
  local dir = t:tmpdir()
  for _, name in ipairs({ "b", "a b", "é", "A" }) do
    t:ok(fs.write(dir .. "/" .. name, name))
  end
  t:ok(fs.mkdir(dir .. "/sub"))
  t:ok(fs.symlink("a", dir .. "/link"))
  t:eq(file.names(dir), { "A", "a b", "b", "é" })
  t:eq(file.names(dir .. "/sub"), {})
  t:eq(kind(file.names(dir .. "/none")), "notfound")
  local w <close> = t:ok(file.walk(dir))
  local found, pages = {}, 0
  for rows in function() return w:next(2) end do
    pages = pages + 1
    for _, r in ipairs(rows) do
      found[#found + 1] = ("%s %s"):format(r.name, r.other and "other"
        or r.size)
    end
  end
  table.sort(found)
  t:eq({ pages, found }, { 3, { "A 1", "a b 3", "b 1", "link other",
    "sub other", "é 2" } })
  t:eq(w:next(2), nil)
  w:close()
  t:raises(nil, w.next, "closed", w, 1)
end)

test("what fails is told, and leaves nothing behind", function(t)
  local dir = t:tmpdir()
  t:ok(fs.write(dir .. "/f", "hello"))
  t:break_each(function()
    local md5, e = write(dir .. "/g", dir .. "/t", "x")
    if not md5 then error(e, 0) end
    local f <close> = file.open(dir .. "/f")
    local piece, problem = f:read(10)
    if problem then error(problem, 0) end
    return piece
  end, function()
    t:eq(fs.stat(dir .. "/t"), nil)
    fs.remove(dir .. "/g")
  end)
end)

test("without memory nothing is lost", function(t)
  local dir = t:tmpdir()
  t:ok(fs.write(dir .. "/f", "hello"))
  t:starve(function()
    local f <close> = assert(file.open(dir .. "/f"))
    local w <close> = assert(file.walk(dir))
    w:next(10)
    return f:read(5)
  end)
end)
