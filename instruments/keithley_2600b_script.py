"""The TSP helper script of the Keithley 2600B driver, loaded once when the instrument is opened.

It only defines functions. The trigger model is that of the maker's pulsed sweep example
(KE26XXB_Pulsed_Sweep_Dual); both channels start from the armed event of the first one, which the manual
gives as a stimulus for a timer. The source is plain Lua that old and new interpreters read alike.
"""

VERSION = "mtjloop 2"

SCRIPT = f"""
mtjloop_version = "{VERSION}"

function mtjloop_fill(n, level)
  local levels = {{}}
  for i = 1, n do levels[i] = level end
  return levels
end

function mtjloop_start(smus, k, nplc, cycle)
  for c = 1, k do
    if smus[c].measure.nplc ~= nplc[c] then smus[c].measure.nplc = nplc[c] end
    smus[c].source.levelv = 0
    smus[c].nvbuffer1.clear()
    smus[c].nvbuffer2.clear()
    if cycle then smus[c].source.output = smus[c].OUTPUT_ON end
  end
  for c = 1, k do
    if smus[c].source.output ~= smus[c].OUTPUT_ON then return false end
  end
  return true
end

function mtjloop_stop(smus, k, n, cycle)
  local a, b = smus[1], smus[2]
  for c = 1, k do
    smus[c].source.levelv = 0
    if cycle then smus[c].source.output = smus[c].OUTPUT_OFF end
  end
  for c = 1, k do
    if smus[c].nvbuffer1.n ~= n then
      print("mtjloop short", smus[c].nvbuffer1.n)
      return
    end
  end
  if k == 1 then
    printbuffer(1, n, a.nvbuffer1.readings, a.nvbuffer2.readings, a.nvbuffer1.statuses)
  else
    printbuffer(1, n, a.nvbuffer1.readings, a.nvbuffer2.readings, a.nvbuffer1.statuses,
      b.nvbuffer1.readings, b.nvbuffer2.readings, b.nvbuffer1.statuses)
  end
end

function mtjloop_timers()
  for t = 1, 3 do
    trigger.timer[t].reset()
    trigger.timer[t].clear()
  end
end

function mtjloop_pulse(smus, lists, k, n, width, period, wait, nplc, cycle)
  mtjloop_timers()
  trigger.timer[1].count = n > 1 and n - 1 or 1
  trigger.timer[1].delay = period
  trigger.timer[1].passthrough = true
  trigger.timer[1].stimulus = smus[1].trigger.ARMED_EVENT_ID
  trigger.timer[2].count = 1
  trigger.timer[2].delay = wait
  trigger.timer[2].passthrough = false
  trigger.timer[2].stimulus = trigger.timer[1].EVENT_ID
  trigger.timer[3].count = 1
  trigger.timer[3].delay = width
  trigger.timer[3].passthrough = false
  trigger.timer[3].stimulus = trigger.timer[1].EVENT_ID
  for c = 1, k do
    local s = smus[c]
    s.trigger.source.listv(lists[c])
    s.trigger.source.action = s.ENABLE
    s.trigger.measure.iv(s.nvbuffer1, s.nvbuffer2)
    s.trigger.measure.action = s.ENABLE
    s.trigger.endpulse.action = s.SOURCE_IDLE
    s.trigger.endsweep.action = s.SOURCE_IDLE
    s.trigger.count = n
    s.trigger.arm.count = 1
    s.trigger.arm.stimulus = 0
    s.trigger.source.stimulus = trigger.timer[1].EVENT_ID
    s.trigger.measure.stimulus = trigger.timer[2].EVENT_ID
    s.trigger.endpulse.stimulus = trigger.timer[3].EVENT_ID
  end
  if not mtjloop_start(smus, k, nplc, cycle) then
    mtjloop_stop(smus, k, -1, cycle)
    return
  end
  for c = k, 1, -1 do smus[c].trigger.initiate() end
  waitcomplete()
  mtjloop_timers()
  mtjloop_stop(smus, k, n, cycle)
end

function mtjloop_steps(smus, lists, k, n, settle, nplc, cycle)
  if not mtjloop_start(smus, k, nplc, cycle) then
    mtjloop_stop(smus, k, -1, cycle)
    return
  end
  for i = 1, n do
    for c = 1, k do smus[c].source.levelv = lists[c][i] end
    if settle > 0 then delay(settle) end
    for c = 1, k do smus[c].measure.iv(smus[c].nvbuffer1, smus[c].nvbuffer2) end
  end
  mtjloop_stop(smus, k, n, cycle)
end
"""
