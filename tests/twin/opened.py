"""Benches of instruments opened over loopback sockets: real drivers and PyVISA here, the twin at the other
end."""

from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from types import TracebackType

from mtjloop.drivers.bench import Bench, BenchDescription, open_bench
from mtjloop.drivers.contract import Crossbar
from mtjloop.drivers.emulated import Served, TwinBench, serve_bench
from mtjloop.drivers.qualification import check_passively
from mtjloop.instruments.link import LinkState

from .benches import bench_text, described

_ADDRESSES = {"smu": "TCPIP0::192.0.2.1::5025::SOCKET", "matrix": "TCPIP0::192.0.2.2::5025::SOCKET"}


def addressed(text: str, served: Served, timeout: float = 60.0) -> BenchDescription:
    """A bench file of `benches` that leads to its twin.

    Args:
        text: of the bench file.
        served: its twin.
        timeout: for a reply, s; long because the first pulse of a process waits for compilers.
    """
    for name, address in _ADDRESSES.items():
        text = text.replace(f'"{address}"', f'"{served.resource(name)}", timeout: {timeout:g} s')
    return described(text)


def open_armed(description: BenchDescription, transcript: Path | None = None) -> Bench:
    """A bench that was checked, opened and armed."""
    checked = check_passively(description).qualification
    bench = open_bench(description, transcript=transcript)
    bench.arm(checked)
    return bench


class OpenedTwin(AbstractContextManager["OpenedTwin"]):
    """A bench of one source-measure unit and a 707B around a die of 6 x 5, served without noise and opened.

    Attributes:
        served: its servers and faults.
        description: the bench file that leads to them.
        bench: open.

    Args:
        model: of the source-measure unit.
        link: whether it has the matrix on its TSP-Link.
        timeout: for a reply, s.
        seed: of the die.
        change: old and new text of the bench file.
    """

    def __init__(
        self,
        model: str = "keithley-2600b",
        *,
        link: bool = False,
        timeout: float = 60.0,
        seed: int = 3,
        change: tuple[str, str] = ("", ""),
    ) -> None:
        self._stack = ExitStack()
        text = bench_text(model).replace(*change)
        if not link:
            text = text.replace("tsp_link: [smu, matrix]", "tsp_link: []")
        self.served: Served = self._stack.enter_context(serve_bench(described(text), seed, noise=False))
        self.description = addressed(text, self.served, timeout)
        try:
            self.bench: Bench = self._stack.enter_context(open_armed(self.description))
        except BaseException:
            self._stack.close()
            raise

    @property
    def twin(self) -> TwinBench:
        """The emulated bench."""
        return self.served.bench

    @property
    def crossbar(self) -> Crossbar:
        """The guarded crossbar."""
        return self.bench.crossbars[0]

    def be_impatient(self, timeout: float = 0.7) -> None:
        """Wait for the source only so long, s, until a reply fails to come; then as long as before."""
        instruments = self.crossbar._crossbar._instruments  # type: ignore[attr-defined]
        link = instruments.sources["smu"].link
        patient, become = link._timeout, link._become

        def became(state: LinkState, why: str) -> None:
            link._timeout = patient
            become(state, why)

        link._timeout, link._become = timeout, became

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
