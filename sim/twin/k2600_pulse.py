"""The pulse functions that ship with a Keithley 2600B (KIPulse), written anew over its trigger model."""

from .lua import LuaMachine

_SCRIPT = """
local tests = {}

local function message(ok, text) return ok, text end

local function configure(smu, bias, level, limit, ton, toff, points, buffer, tag, current)
   if ton < 200e-6 then return message(false, "Illegal parameter value: ton is below 0.0002") end
   if ton < smu.measure.nplc / localnode.linefreq + 60e-6 then
      return message(false, "Illegal parameter value: ton is too short for measure.nplc")
   end
   if toff <= 0 then return message(false, "Illegal parameter value: toff") end
   if tests[tag] ~= nil and tests[tag].running then return message(false, "Tag already in use") end
   tests[tag] = {smu = smu, bias = bias, level = level, limit = limit, ton = ton, toff = toff,
                 points = points, buffer = buffer, current = current}
   return message(true, "")
end

function ConfigPulseVMeasureI(smu, bias, level, limit, ton, toff, points, buffer, tag)
   return configure(smu, bias, level, limit, ton, toff, points, buffer, tag, false)
end

function ConfigPulseIMeasureV(smu, bias, level, limit, ton, toff, points, buffer, tag)
   return configure(smu, bias, level, limit, ton, toff, points, buffer, tag, true)
end

local function prepare(test, first)
   local smu, timer = test.smu, trigger.timer
   smu.measure.delay = 0
   if test.current then
      smu.source.leveli = test.bias
      smu.trigger.source.listi({test.level})
      smu.trigger.source.limitv = test.limit
      smu.trigger.measure.v(test.buffer)
   else
      smu.source.levelv = test.bias
      smu.trigger.source.listv({test.level})
      smu.trigger.source.limiti = test.limit
      smu.trigger.measure.i(test.buffer)
   end
   smu.trigger.source.action, smu.trigger.measure.action = smu.ENABLE, smu.ENABLE
   smu.trigger.endpulse.action, smu.trigger.endsweep.action = smu.SOURCE_IDLE, smu.SOURCE_IDLE
   smu.trigger.count, smu.trigger.arm.count, smu.trigger.arm.stimulus = test.points, 1, 0
   local start, middle, stop = timer[first], timer[first + 1], timer[first + 2]
   start.reset() middle.reset() stop.reset()
   start.count, start.delay, start.passthrough = math.max(test.points - 1, 1), test.ton + test.toff, true
   middle.delay = math.max(0, test.ton - smu.measure.nplc / localnode.linefreq - 60e-6)
   stop.delay = test.ton
   middle.stimulus, stop.stimulus = start.EVENT_ID, start.EVENT_ID
   smu.trigger.source.stimulus = start.EVENT_ID
   smu.trigger.measure.stimulus = middle.EVENT_ID
   smu.trigger.endpulse.stimulus = stop.EVENT_ID
   return start
end

local function initiate(tags)
   local first, leader = 1, nil
   for _, tag in ipairs(tags) do
      if tests[tag] == nil then return message(false, "Unknown tag") end
   end
   for _, tag in ipairs(tags) do
      local start = prepare(tests[tag], first)
      leader = leader or tests[tag].smu
      first = first + 3
      start.stimulus = leader.trigger.ARMED_EVENT_ID
   end
   for k = table.getn(tags), 1, -1 do tests[tags[k]].smu.trigger.initiate() end
   waitcomplete()
   return message(true, "")
end

function InitiatePulseTest(tag) return initiate({tag}) end
function InitiatePulseTestDual(tag1, tag2) return initiate({tag1, tag2}) end
"""


def add_pulse_scripts(machine: LuaMachine) -> None:
    """Define ConfigPulseVMeasureI, ConfigPulseIMeasureV, InitiatePulseTest and InitiatePulseTestDual."""
    machine.run(_SCRIPT)
