local json = require("godwit.core.json")
local build = require("godwit.cluster.platform.build")
local files = require("godwit.sandbox.seed_files")
local git = require("godwit.cluster.platform.git")
local platform = require("godwit.cluster.platform")
local platform_data = require("godwit.cluster.platform.data")
local rules = require("godwit.cluster.platform.rules")
local seed = require("godwit.sandbox.seed")
local template = require("godwit.cluster.platform.template")

--- The demo's algorithms and collections, made through the platform as their owners would
--- have made them, at fixed times. Development has what a promotion has to
--- get right: a large model tracked in spite of .gitignore, dotfiles, an
--- executable, a symbolic link, releases and commits after them, settings
--- that are no defaults. Production has one algorithm that was once copied by
--- hand.
local M = {}

local START = 1609752600 -- 2021-01-04 09:30 UTC
local DAY = 86400
local ALICE = { name = "Alice Example", email = "alice@example.com" }
local BOB = { name = "Bob Example", email = "bob@example.com" }
local ACME = { username = "acme", kind = "standard" }
local ALICE_CALLS = { username = "alice", kind = "standard" }

local Maker = {}
Maker.__index = Maker

function Maker:body(name, label, tagline, settings, sample)
  local s = { source_visibility = "closed", license = "apl",
    network_access = "full", pipeline_enabled = true,
    algorithm_environment = seed.environment(self.store, "Python 3.8") }
  for k, v in pairs(settings or {}) do s[k] = v end
  return { name = name, details = { label = label, tagline = tagline },
    settings = s, version_info = { sample_input = sample } }
end

---@async
function Maker:create(caller, owner, body)
  self.clock = self.clock + DAY
  self.platform:create(caller, owner, body)
end

--- Commits changes, a day each, as one push.
---@async
function Maker:push(owner, name, commits)
  for _, c in ipairs(commits) do
    self.clock = self.clock + DAY
    c.time = self.clock
  end
  local repo = self.store:repo(owner, name)
  git.commit(repo, commits)
  self.clock = self.clock + 60
  return build.wait(self.platform:pushed(owner, name, git.head(repo)))
end

---@async
function Maker:publish(caller, owner, name, body)
  self.clock = self.clock + 3600
  self.platform:publish(caller, owner, name, body)
end

local function file(path, data, mode)
  return { path = path, data = data, mode = mode }
end

---@async
local function fraud_score(m)
  m:create(ACME, "acme", m:body("FraudScore", "Fraud Score",
    "How likely a card payment is fraud", { network_access = "isolated",
      pipeline_enabled = false },
    '{"amount": 4200, "country": "DE", "hour": 3}'))
  m:push("acme", "FraudScore", {
    { message = "Score payments with the trained model\n", author = ALICE,
      files = {
        file(".gitignore", files.FRAUD_IGNORE),
        file(".dockerignore", ".venv\n"),
        file("README.md", files.FRAUD_README),
        file("bin/train.sh", files.FRAUD_TRAIN, "100755"),
        file("config/fraud.json", files.FRAUD_CONFIG),
        file("model/fraud.bin", files.bytes(files.MODEL_SIZE, 7)),
        file("model/current", "fraud.bin", "120000"),
        file("src/FraudScore.py", files.FRAUD_MAIN),
        file("requirements.txt", "algorithmia>=1.0.0,<2.0\n"),
        { path = "src/FraudScore_test.py", remove = true },
      } },
  })
  m:publish(ACME, "acme", "FraudScore", {
    version_info = { version_type = "minor",
      release_notes = "The first model" } })
  m:push("acme", "FraudScore", {
    { message = "Add a threshold for Sweden\n", author = BOB, files = {
      file("config/fraud.json",
        (files.FRAUD_CONFIG:gsub('"US"', '"SE", "US"'))) } },
  })
  m:publish(ACME, "acme", "FraudScore", {
    version_info = { version_type = "revision",
      release_notes = "Sweden" } })
  m:push("acme", "FraudScore", {
    { message = "Use the larger of two scores\n", author = ALICE, files = {
      file("src/FraudScore.py", files.FRAUD_MAIN_2) } },
    { message = "Explain the model in the README\n", author = BOB, files = {
      file("README.md", files.FRAUD_README
        .. "\nSince version fraud-8 the larger of two scores counts.\n") } },
  })
end

---@async
local function tokenize(m, by_hand)
  local made = START + 20 * DAY
  m.clock = made + (by_hand and 10 or -1) * DAY
  m:create(ACME, "acme", m:body("Tokenize", "Tokenize",
    "Words of a text", { source_visibility = "open", license = "mit" },
    "Hello, World"))
  local change = { message = "Split into words\n", author = ALICE, files = {
    file("README.md", files.TOKENIZE_README),
    file("src/Tokenize.py", files.TOKENIZE_MAIN) } }
  if by_hand then -- as the old script did it: the source's files, unchanged
    change.message, change.author = "Migrated from dev\n", BOB
    change.files[2].data = files.TOKENIZE_MAIN:gsub("'%]", "]")
    change.files[3] = file("algorithmia.conf",
      template.conf("acme", "Tokenize", "python3", made))
  end
  m:push("acme", "Tokenize", { change })
  m:publish(ACME, "acme", "Tokenize", {
    version_info = { version_type = "major" },
    settings = { algorithm_callability = "public" } })
end

---@async
local function hello(m)
  m:create(ALICE_CALLS, "alice", m:body("Hello", "Hello", "Greets", {},
    "Jane"))
  m.clock = m.clock + 600
  m.platform:compile(ALICE_CALLS, "alice", "Hello")
  m:publish(ALICE_CALLS, "alice", "Hello", {})
end

---@async
local function image_tagger(m)
  m:create(ACME, "acme", m:body("ImageTagger", "Image Tagger",
    "Tags a picture", { algorithm_environment =
      seed.environment(m.store, "PyTorch 1.6") }, '{"url": "cat.png"}'))
  m:push("acme", "ImageTagger", {
    { message = "Tag pictures\n", author = BOB, files = {
      file("src/ImageTagger.py", files.TAGGER_MAIN),
      file("requirements.txt", "algorithmia>=1.0.0,<2.0\ntorch==1.6\n") } },
  })
end

---@async
local function notify(m)
  m:create(ACME, "acme", m:body("Notify", "Notify",
    "Tells the fraud desk", {}, "a test"))
  m:push("acme", "Notify", {
    { message = "Send to the chat\n", author = BOB, files = {
      file("src/Notify.py", files.NOTIFY_MAIN) } },
  })
  m:publish(ACME, "acme", "Notify", {})
  local record = m.store:record("acme", "Notify")
  local at = rules.time(m.clock)
  m.store:write("algorithms/acme/Notify/secrets.json", json.array({ {
    id = seed.uuid(m.store.id, "secret", "CHAT_TOKEN"),
    short_name = "chat", description = "Token of the chat",
    secret_key = "CHAT_TOKEN", owner_type = "algorithm",
    owner_id = record.id, created = at, modified = at,
    provider_id = seed.uuid(m.store.id, "secret-provider"),
  } }))
end

---@async
local function broken(m)
  m:create(ACME, "acme", m:body("Forecast", "Forecast",
    "Next week's payments", {}, '{"weeks": 1}'))
  m:push("acme", "Forecast", {
    { message = "Try a library that is not there\n", author = BOB, files = {
      file("requirements.txt",
        "algorithmia>=1.0.0,<2.0\nsandbox-build-fails\n") } },
  })
end

--- An algorithm whose source is on another Git host.
---@async
local function external(m)
  m.clock = m.clock + DAY
  local scm = m.store:read("scms.json")[2]
  m.store:mkdir("algorithms/acme/Geocode/builds")
  m.store:write("algorithms/acme/Geocode/algorithm.json", {
    id = seed.uuid(m.store.id, "algorithm", "Geocode"), name = "Geocode",
    owner = "acme", details = { label = "Geocode", tagline = "" },
    settings = { source_visibility = "closed", license = "apl",
      network_access = "full", pipeline_enabled = true,
      insights_enabled = false,
      algorithm_environment = seed.environment(m.store, "Python 3.8") },
    source = { scm = scm.id, repository_owner = "acme",
      repository_name = "geocode",
      repository_https_url = "https://github.com/acme/geocode",
      repository_ssh_url = "git@github.com:acme/geocode.git" },
    version_info = {}, created = rules.time(m.clock),
    created_seconds = m.clock,
  })
end

-- Who may read what, and names that have to be encoded.
local COLLECTIONS = {
  { "acme", "models", { "algo://.my/*" }, {
    ["fraud-7.bin"] = files.bytes(65536, 11),
    ["fraud-8.bin"] = files.bytes(65536, 12),
    ["labels 2021.csv"] = "id,label\n1,fraud\n2,fine\n",
    ["größe+50%.json"] = '{"threshold": 0.5}\n' } },
  { "acme", "samples", { "user://*" }, {
    ["payment.json"] = '{"amount": 4200, "country": "DE", "hour": 3}\n' } },
  { "acme", "audit", {}, { ["2021-01.log"] = "alice read models\n" } },
  { "alice", "notes", {}, { ["todo.txt"] = "train fraud-9\n" } },
}

local OLD_SAMPLES = { "acme", "samples", { "user://*" }, {
  ["payment.json"] = '{"amount": 42, "country": "DE", "hour": 3}\n' } }

---@async
local function collection(m, owner, name, acl, contents)
  local data, c = platform_data.of(m.platform), { owner = owner, name = name }
  data:create(platform.EVERYTHING, c, { read = json.array(acl) })
  for file_name, bytes in pairs(contents) do
    local upload <close> = data:upload(c, file_name)
    upload:write(bytes)
    upload:finish()
  end
end

--- Plants the algorithms and collections of development or production.
---@async
function M.plant(store, prod)
  local m = setmetatable({ store = store, clock = START }, Maker)
  m.platform = platform.new(store, { now = function() return m.clock end })
  if prod then
    tokenize(m, true)
    collection(m, table.unpack(OLD_SAMPLES))
    return
  end
  fraud_score(m)
  tokenize(m)
  hello(m)
  notify(m)
  image_tagger(m)
  broken(m)
  external(m)
  for _, c in ipairs(COLLECTIONS) do collection(m, table.unpack(c)) end
end

return M
