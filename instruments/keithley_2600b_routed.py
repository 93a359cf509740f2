"""A Keithley 2600B whose scripts switch the relays of a matrix on its TSP-Link: one round trip a read.

The commands of a remote node are those of the instrument, after `node[n].` (Series 2600B reference manual,
TSP-Link nodes). Errors of all nodes come to the queue of the node that is spoken to (manual, errorqueue).
"""

from collections.abc import Collection

from ..errors import IdentityError, InstrumentError
from .capabilities import PulseTrain, Readings, RoutedReadings, RoutedReads
from .keithley_2600b import Keithley2600B
from .link import Link
from .values import doubles, floats, in_range, number

VERSION = "mtjloop routed 1"

MOST_READS = 100
"""Most reads in one message. Unverified: the length of line that the instrument takes."""

SCRIPT = f"""
mtjloop_routed_version = "{VERSION}"

function mtjloop_route(m, points)
  if smua.source.output ~= smua.OUTPUT_OFF then return "smua is on" end
  if smub and smub.source.output ~= smub.OUTPUT_OFF then return "smub is on" end
  if points == "" then m.open("allslots") else m.exclusiveclose(points) end
  waitcomplete()
  local found = m.getclose("allslots") or ""
  local same = string.len(found) == string.len(points) and errorqueue.count == 0
  local at = 1
  while same and at <= string.len(points) do
    local comma = string.find(points, ",", at, true) or string.len(points) + 1
    same = string.find(found, string.sub(points, at, comma - 1), 1, true) ~= nil
    at = comma + 1
  end
  if not same then return "closed are " .. found end
end

function mtjloop_routed_pulse(m, points, smus, lists, k, n, width, period, wait, nplc, cycle)
  local wrong = mtjloop_route(m, points)
  if wrong then
    print("mtjloop relays", wrong)
  else
    mtjloop_pulse(smus, lists, k, n, width, period, wait, nplc, cycle)
  end
end

function mtjloop_routed_reads(m, a, b, levels, driven, reads, sensed, ways, settle, nplc)
  if a.measure.nplc ~= nplc then a.measure.nplc = nplc end
  if b.measure.nplc ~= nplc then b.measure.nplc = nplc end
  b.source.levelv = 0
  b.nvbuffer1.clear()
  local limited, wrong, up = 0, nil, true
  for r = 1, reads do
    a.source.levelv = levels[r]
    for w = 1, ways do
      local points = up and sensed[w] or sensed[ways + 1 - w]
      if driven[r] ~= "" and points ~= "" then points = driven[r] .. "," .. points
      elseif points == "" then points = driven[r] end
      wrong = mtjloop_route(m, points)
      if wrong then break end
      b.source.output = b.OUTPUT_ON
      a.source.output = a.OUTPUT_ON
      if a.source.output == a.OUTPUT_ON and b.source.output == b.OUTPUT_ON then
        if settle > 0 then delay(settle) end
        b.measure.i(b.nvbuffer1)
        if a.source.compliance or b.source.compliance then limited = limited + 1 end
      else
        wrong = "an output stayed off"
      end
      a.source.output = a.OUTPUT_OFF
      b.source.output = b.OUTPUT_OFF
      if wrong then break end
    end
    if wrong then break end
    up = not up
  end
  a.source.levelv = 0
  if wrong or b.nvbuffer1.n ~= reads * ways then
    print("mtjloop relays", wrong or "measurements are missing")
  else
    printbuffer(1, reads * ways, b.nvbuffer1.readings)
    print("mtjloop limited", limited)
  end
end
"""


class RoutedKeithley2600B(Keithley2600B):
    """A Keithley 2600B that switches the relays of a matrix on its TSP-Link; see `RoutedSource`.

    `join` must be called once after opening.
    """

    _node = 0
    _operate_time = 0.0

    def join(self, node: int, matrix: Link, operate_time: float) -> None:
        """Find the matrix on the link and load the script that switches its relays; nothing moves.

        Args:
            node: number of the matrix on the TSP-Link.
            matrix: a link of its own to the matrix, whose identity the node must have.
            operate_time: longest time of one change of relays, s, waited for beside everything else.

        Raises:
            IdentityError: another instrument, or none, is at this node.
        """
        try:
            if self.ask("print(tsplink.state)", str) != "online":
                self.call(["tsplink.reset()"], timeout=10.0)
            (found,), _ = self.call([f"print(node[{node}].model, node[{node}].serialno)"])
        except InstrumentError as error:
            raise IdentityError(
                f"nothing answers as node {node} of the TSP-Link of {self._link.resource} ({error}); check "
                "the cable and the node numbers, or take tsp_link out of the bench file"
            ) from error
        model, _, serial = found.partition("\t")
        if model not in matrix.identity or serial.strip() not in matrix.identity:
            raise IdentityError(
                f"node {node} of the TSP-Link of {self._link.resource} is {model} {serial}, and "
                f"{matrix.resource} is {matrix.identity!r}; put tsp_link into the order of the nodes"
            )
        if self.ask("print(mtjloop_routed_version)", str) != VERSION:
            self.load_script(SCRIPT)
        self._node, self._operate_time = node, operate_time

    def routed_pulse(self, points: Collection[str], train: PulseTrain) -> Readings:
        """Switch relays and give a train, in one round trip; see `RoutedSource.routed_pulse`."""
        return self._pulse(["mtjloop_routed_pulse", self._matrix(), _quoted(points)], train, True)

    def routed_reads(self, reads: RoutedReads, settle: float) -> RoutedReadings:
        """Reads through the matrix, `MOST_READS` in one round trip; see `RoutedSource.routed_reads`."""
        in_range("settle", settle, 0.0, 100.0, "s")
        in_range("reads times ways of measuring", len(reads.levels) * len(reads.sensed), 1, 1e6, "")
        currents: list[tuple[float, ...]] = []
        limited = 0
        most = MOST_READS
        for start in range(0, len(reads.levels), most):
            part = RoutedReads(
                reads.drive,
                reads.meter,
                reads.levels[start : start + most],
                reads.driven[start : start + most],
                reads.sensed,
            )
            measured, more = self._reads(part, settle)
            currents += measured
            limited += more
        return RoutedReadings(tuple(currents), limited)

    def _reads(self, reads: RoutedReads, settle: float) -> tuple[list[tuple[float, ...]], int]:
        count, ways = len(reads.levels), len(reads.sensed)
        time = self._configured(reads.meter).integration
        levels = ", ".join(number(self._level(reads.drive, one)) for one in reads.levels)
        driven = ", ".join(map(_quoted, reads.driven))
        sensed = ", ".join(map(_quoted, reads.sensed))
        command = (
            f"mtjloop_routed_reads({self._matrix()}, {self._smu(reads.drive)}, {self._smu(reads.meter)}, "
            f"{{{levels}}}, {{{driven}}}, {count}, {{{sensed}}}, {ways}, {number(settle)}, "
            f"{self._nplc(time)})"
        )
        duration = count * ways * (4.0 * time + settle + self._operate_time + 0.01)
        block = 8 * count * ways if self._numbers == "real64" else 0
        lines, data = self.call([command], timeout=duration + self._link.timeout, block=block)
        self._refuse_relays(lines)
        values = doubles(data) if data is not None else self._parsed(command, lines.pop(0), floats)
        if len(values) != count * ways or len(lines) != 1 or not lines[0].startswith("mtjloop limited\t"):
            raise self._nonsense(command, "; ".join(lines), f"{count * ways} numbers expected")
        limited = self._parsed(command, lines[0].partition("\t")[2], float)
        measured: list[list[float]] = [[0.0] * ways for _ in range(count)]
        for value, (read, way) in zip(values, reads.order(), strict=True):
            measured[read][way] = value
        return [tuple(one) for one in measured], int(limited)

    def _matrix(self) -> str:
        if self._node < 1:
            raise InstrumentError(0, f"{self._link.resource} was not joined to its matrix")
        return f"node[{self._node}].channel"


def _quoted(points: Collection[str]) -> str:
    return f'"{",".join(sorted(points))}"'
