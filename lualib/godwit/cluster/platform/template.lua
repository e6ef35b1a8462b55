--- The files a new algorithm starts with. A pure function of its arguments:
--- the same owner, name and time give the same commit id.
local M = {}

local PYTHON_MAIN = [[
from Algorithmia import ADK


# A call arrives here; what this function returns is the answer.
def apply(input):
    return "hello {}".format(str(input))


# Loading a model or opening a connection belongs into a load function, which
# runs once and hands its result to apply: ADK(apply, load)
algorithm = ADK(apply)
algorithm.init("Algorithmia")
]]

local PYTHON_TEST = [[
from . import __ALGO__


def test___ALGO__():
    assert __ALGO__.apply("Jane") == "hello Jane"
]]

local JAVA_MAIN = [[
package algorithmia.__ALGO__;

import com.algorithmia.*;
import com.algorithmia.algo.*;

public class __ALGO__ extends AbstractAlgorithm {
  @Override
  public AlgorithmResult apply(String input) {
    return new AlgorithmResult("hello " + input);
  }
}
]]

local JAVA_POM = [[
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>algorithmia</groupId>
  <artifactId>__ALGO__</artifactId>
  <version>1.0-SNAPSHOT</version>
</project>
]]

local R_MAIN = [[
library(algorithmia)

algorithm <- function(input) {
  paste("hello", input)
}

algo <- getAlgorithmHandler(algorithm)
algo$run()
]]

local LICENSES = {
  apache2 = "Licensed under the Apache License, Version 2.0.\n"
    .. "See http://www.apache.org/licenses/LICENSE-2.0\n",
  gpl3 = "Licensed under the GNU General Public License, version 3.\n"
    .. "See https://www.gnu.org/licenses/gpl-3.0.html\n",
  mit = "Licensed under the MIT License.\n"
    .. "See https://opensource.org/licenses/MIT\n",
}

local function python()
  return {
    { path = ".adk", data = "" },
    { path = "requirements.txt", data = "algorithmia>=1.0.0,<2.0\nsix\n" },
    { path = "src/__ALGO__.py", data = PYTHON_MAIN },
    { path = "src/__ALGO___test.py", data = PYTHON_TEST },
    { path = "src/__init__.py", data = "" },
  }
end

local function java()
  return {
    { path = "pom.xml", data = JAVA_POM },
    { path = "src/main/java/algorithmia/__ALGO__/__ALGO__.java",
      data = JAVA_MAIN },
  }
end

local function r()
  return {
    { path = "packages.txt", data = "" },
    { path = "src/__ALGO__.R", data = R_MAIN },
  }
end

local KINDS = {
  { "^python", python }, { "^anaconda", python }, { "^java", java },
  { "^scala", java }, { "^r%d*$", r },
}

local function source_files(language)
  for _, kind in ipairs(KINDS) do
    if language:find(kind[1]) then return kind[2]() end
  end
  return { { path = "src/__ALGO__.txt", data = "hello\n" } }
end

--- The file whose text decides whether the code is still the template's.
function M.main_file(language, name)
  for _, f in ipairs(source_files(language)) do
    if f.path:find("/__ALGO__%.") then
      return (f.path:gsub("__ALGO__", name)),
        (f.data:gsub("__ALGO__", name))
    end
  end
end

--- algorithmia.conf, with the spacing clusters write.
function M.conf(owner, name, language, time)
  return ('{\n  "username" : "%s",\n  "algoname" : "%s",\n'
    .. '  "language" : "%s",\n  "submitted_at" : %d\n}'):format(
    owner, name, language, math.floor(time * 1000))
end

--- The first commit's files, sorted by path.
---@param p {owner: string, name: string, language: string, license: string,
---  time: number}
---@return {path: string, data: string, mode: string}[]
function M.files(p)
  local files = source_files(p.language)
  for _, f in ipairs(files) do
    f.path = f.path:gsub("__ALGO__", p.name):gsub("__USER__", p.owner)
    f.data = f.data:gsub("__ALGO__", p.name):gsub("__USER__", p.owner)
  end
  files[#files + 1] = { path = "algorithmia.conf",
    data = M.conf(p.owner, p.name, p.language, p.time) }
  if LICENSES[p.license] then
    files[#files + 1] = { path = "LICENSE.txt", data = LICENSES[p.license] }
  end
  for _, f in ipairs(files) do f.mode = "100644" end
  table.sort(files, function(a, b) return a.path < b.path end)
  return files
end

--- The template as the environment catalogue hands it out, names still open.
function M.raw_files(language)
  local files = source_files(language)
  files[#files + 1] = { path = "algorithmia.conf",
    data = '{\n  "username" : "__USER__",\n  "algoname" : "__ALGO__",\n'
      .. '  "language" : "' .. language .. '"\n}' }
  return files
end

return M
