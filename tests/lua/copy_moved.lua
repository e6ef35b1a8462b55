-- What is said of a transfer under way.
local moved = require("godwit.copy.moved")

test("objects, bytes, rate and time left", function(t)
  local now = 0
  local tell = moved.teller("down", function() return now end)
  t:eq(tell({ objects = 0, total = 0, bytes_down = 0 }), "0 B")
  t:eq(tell({ objects = 5, total = 20, bytes_down = 2048, bytes_up = 1 }),
    "5 of 20 objects, 2.0 KiB")
  now = 10
  t:eq(tell({ objects = 5, total = 20, bytes_down = 10 << 20 }),
    "5 of 20 objects, 10.0 MiB, 1.0 MiB/s, 30 s left")
  t:eq(tell({ objects = 20, total = 20, bytes_down = 10 << 20 }),
    "20 of 20 objects, 10.0 MiB, 1.0 MiB/s")
end)

test("a server's words are one line of text", function(t)
  local tell = moved.teller("up")
  t:eq(tell({ objects = 1, total = 2, bytes_up = 3 }), "1 of 2 objects, 3 B")
  t:eq(tell({ message = "\n" }), "1 of 2 objects, 3 B")
  t:eq(tell({ message = "one\ntwo\27[2J\n" }), "two [2J")
end)
