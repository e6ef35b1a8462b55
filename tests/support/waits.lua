-- A module that waits while it is loaded; for a test that this is refused.
require("godwit.task").sleep(0)
