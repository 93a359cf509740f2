-- Builds the closed world of instrument scripts. Everything a script can reach is made here.
local aborted, emit, kilobytes = ...
local error, pcall, xpcall, type, tostring, select, setmetatable, getmetatable, loadstring, pairs =
   error, pcall, xpcall, type, tostring, select, setmetatable, getmetatable, loadstring, pairs
local math_max, format, concat, sub, find = math.max, string.format, table.concat, string.sub, string.find
local G, number_format = _G, "%.5e"
local machine, known, scripts = {}, setmetatable({}, {__mode = "k"}), {}

local count, beats, roof = collectgarbage, 0, kilobytes
debug.sethook(function()
   beats = beats + 1
   if beats % 50 == 0 and aborted() then error("User abort", 0) end
   if count("count") > roof then error("not enough memory", 0) end
end, "", 2000)

-- A script may catch errors, but not its own end, and never sees a value that is not Lua's own.
local function guard(ok, ...)
   if not ok then
      if aborted() then error("User abort", 0) end
      local value = ...
      if type(value) == "userdata" then return false, "internal error" end
   end
   return ok, ...
end

local function plain(value)
   if type(value) == "userdata" then return "internal error" end
   return value
end

local function compile(code, name)
   if type(code) ~= "string" or find(code, "^\27") then return nil, "x:1: unexpected symbol near '?'" end
   return loadstring(code, name or "=x")
end

local function text_of(value)
   if type(value) == "number" then return format(number_format, value) end
   return tostring(value)
end

local kept = {
   "error", "ipairs", "next", "pairs", "rawequal", "select", "setmetatable", "getmetatable", "tonumber",
   "tostring", "type", "unpack", "assert", "string", "math", "table", "rawget", "rawset", "_VERSION",
}
local world = {}
for _, name in pairs(kept) do world[name] = G[name] end
for name in pairs(G) do G[name] = nil end
for name, value in pairs(world) do G[name] = value end
G._G = G
world.string.dump = nil
-- A metatable of strings could be used to change what my own functions do; they use locals only.

G.pcall = function(f, ...) return guard(pcall(f, ...)) end
G.xpcall = function(f, handler)
   return guard(xpcall(f, function(value) return handler(plain(value)) end))
end
G.loadstring = function(code) return compile(code) end
G.gcinfo = function() return 0, 0 end
G.collectgarbage = function() return 0 end
G.print = function(...)
   local parts = {}
   for k = 1, select("#", ...) do parts[k] = text_of((select(k, ...))) end
   emit(concat(parts, "\t"))
end
G.makegetter = function(object, name) return function() return object[name] end end
G.makesetter = function(object, name) return function(value) object[name] = value end end

function machine.set_global(name, value) G[name] = value end
function machine.set_precision(digits) number_format = "%." .. (digits - 1) .. "e" end
function machine.identify(object) return known[object] end
function machine.wrap(f) return function(...) return f(...) end end

function machine.make(getters, setters, objects, luatype, index, assign, place)
   local get, set, object, mt = {}, {}, {}, {luatype = luatype}
   for name, f in pairs(getters) do get[name] = function() return f() end end
   for name, f in pairs(setters) do set[name] = function(value) f(value) end end
   for name, value in pairs(objects) do object[name] = value end
   mt.Getters, mt.Setters, mt.Objects = get, set, object
   mt.__index = function(_, name)
      local f = get[name]
      if f then return f() end
      local value = object[name]
      if value == nil and index and type(name) == "number" then return index(name) end
      return value
   end
   mt.__newindex = function(_, name, value)
      local f = set[name]
      if f then return f(value) end
      if assign and type(name) == "number" then return assign(name, value) end
      if get[name] or object[name] ~= nil then
         error("attempt to write read-only attribute '" .. tostring(name) .. "'", 2)
      end
      error("attempt to write unknown attribute '" .. tostring(name) .. "'", 2)
   end
   local shown = setmetatable({}, mt)
   known[shown] = place
   return shown
end

local function call(f)
   roof = math_max(kilobytes, count("count") + 512)
   local ok, value = xpcall(f, function(value) return plain(value) end)
   if ok then return 0, "" end
   return 2, tostring(value)
end

function machine.run(code)
   local f, message = compile(code)
   if not f then return 1, message end
   return call(f)
end

function machine.define(name, code)
   local f, message = compile(code)
   if not f then return 1, message end
   local script = {name = name, source = code, run = function() return f() end, save = function() end}
   script.list = function() emit("loadscript " .. name) emit(code) emit("endscript") end
   setmetatable(script, {__call = function() return f() end, luatype = "script"})
   scripts[name] = script
   if name ~= "" then G[name] = script end
   return 0, ""
end

function machine.run_script(name)
   if not scripts[name] then return 2, "attempt to call global '" .. name .. "' (a nil value)" end
   return call(scripts[name].run)
end

G.script = setmetatable({}, {__index = function(_, name)
   if name == "anonymous" then return scripts[""] end
end})
G.script.user, G.script.factory = {scripts = scripts}, {scripts = {}}
function G.script.new(code, name)
   local status, message = machine.define(name or "", code)
   if status ~= 0 then error(message, 0) end
   return scripts[name or ""]
end
G.script.load = G.script.new
function G.script.run(name)
   if scripts[name or ""] then return scripts[name or ""].run() end
end
function G.script.delete(name)
   scripts[name] = nil
   G[name] = nil
end

return machine
