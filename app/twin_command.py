"""`mtjloop twin`: serve emulated instruments around a simulated die, as a bench file wires them."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import yaml
from rich import box
from rich.console import Console
from rich.table import Table

from ..drivers.bench import BenchDescription, read_bench_file
from ..drivers.emulated import FAULT_NAMES, PROTOCOLS, FaultName, Protocol, Served, serve_bench
from ..errors import ConfigurationError
from .console import stop_requested
from .format import duration

_WRITTEN = "# Written by `mtjloop twin`"
_FAULT = re.compile(r"([a-z-]+)(?:=(\w+))?@([^:@]+)(?::(\d+))?")
_CONTACT = "stuck-relay"
_POLL = 0.2
"""A wait without an end would swallow signals on Windows, s."""


@dataclass(frozen=True)
class Fault:
    """A fault to arm on an instrument.

    Attributes:
        name: of the fault.
        instrument: of the bench file.
        skip: messages that pass untouched before.
        crosspoint: of a stuck relay.
    """

    name: FaultName
    instrument: str
    skip: int = 0
    crosspoint: str = "1A01"


def run_twin(
    bench_path: Path,
    *,
    write: Path | None = None,
    realtime: bool = False,
    seed: int = 0,
    noise: bool = True,
    faults: Sequence[str] = (),
    protocol: Protocol = "socket",
    port: int = 0,
    as_json: bool = False,
) -> None:
    """Serve the twin of a bench until a stop signal comes.

    Args:
        bench_path: bench file with the sections `smu` and `simulated`.
        write: where to write the bench file that points to the twin.
        realtime: whether bench time passes by the wall clock.
        seed: of the die, where the bench file leaves it open, and of the noise.
        noise: whether readings have noise and resolution.
        faults: as on the command line, see `parse_fault`.
        protocol: of all instruments.
        port: TCP port of the first instrument, the others follow; 0 takes free ones.
        as_json: print addresses as one JSON object in place of a table.

    Raises:
        ConfigurationError: see `serve_bench`, `parse_fault` and `pointed_to`.
    """
    bench = read_bench_file(bench_path)
    armed = [parse_fault(text) for text in faults]
    if write is not None:
        _refuse_to_overwrite(write)
    with (
        stop_requested() as stop,
        serve_bench(
            bench, seed, protocol=protocol, realtime=realtime, noise=noise, first_port=port
        ) as served,
    ):
        for fault in armed:
            _arm(served, fault)
        if write is not None:
            _write(write, pointed_to(bench, served, write))
        result = _result(bench, served, protocol, write)
        if as_json:
            print(json.dumps(result), flush=True)
        else:
            _print(result)
        while not stop.wait(_POLL):
            pass
        if not as_json:
            _print_end(served)


def parse_protocol(text: str) -> Protocol:
    """A protocol by its name.

    Raises:
        ConfigurationError: there is no such protocol.
    """
    if text not in PROTOCOLS:
        raise ConfigurationError(f"--protocol {text}: one of {', '.join(PROTOCOLS)} is accepted")
    return text


def parse_fault(text: str) -> Fault:
    """A fault as written on the command line: `NAME@INSTRUMENT`, `NAME@INSTRUMENT:SKIP` to let some messages
    pass before, `stuck-relay=1B05@INSTRUMENT`.

    Raises:
        ConfigurationError: it is written otherwise, or there is no such fault.
    """
    match = _FAULT.fullmatch(text)
    if match is None or match[1] not in FAULT_NAMES or (match[2] and match[1] != _CONTACT):
        raise ConfigurationError(
            f"--fault {text}: NAME@INSTRUMENT, NAME@INSTRUMENT:SKIP or {_CONTACT}=1B05@INSTRUMENT is "
            f"accepted, with NAME one of {', '.join(FAULT_NAMES)} and SKIP the messages that pass before"
        )
    return Fault(cast(FaultName, match[1]), match[3], int(match[4] or 0), match[2] or "1A01")


def pointed_to(bench: BenchDescription, served: Served, path: Path) -> str:
    """Text of the bench file with `backend: smu` and every resource replaced; all else, comments too, kept.

    Args:
        bench: as read.
        served: its twin.
        path: where the text will be; a chip memory is named so that it is found from there.
    """
    text = bench.text
    content = bench.content
    changes: list[tuple[tuple[str, ...], str | bool]] = [
        (("backend",), "smu"),
        (("smu", "visa_library"), "@py"),
        (("smu", "emulated"), True),
    ]
    changes += [
        (("smu", "instruments", name, "resource"), address.resource)
        for name, address in served.addresses.items()
    ]
    if content.simulated is not None and content.simulated.memory is not None:
        memory = (bench.path.parent / content.simulated.memory).resolve()
        if path.resolve().parent != bench.path.resolve().parent:
            changes.append((("simulated", "memory"), str(memory)))
    for keys, value in changes:
        text = _with_value(text, keys, value)
    if text.startswith(_WRITTEN):
        text = text.partition("\n")[2]
    return f"{_WRITTEN} from {bench.path.name}; its addresses hold while that runs.\n{text}"


def _with_value(text: str, keys: Sequence[str], value: str | bool) -> str:
    """YAML text with one scalar replaced in place; the last key is added to its mapping if it is absent."""
    node: object = yaml.compose(text, Loader=yaml.SafeLoader)
    for key in keys:
        if not isinstance(node, yaml.MappingNode):
            break
        found = next((inner for name, inner in node.value if name.value == key), None)
        if found is None:
            return _with_key(text, node, key, value)
        node = found
    if not isinstance(node, yaml.ScalarNode):
        raise ConfigurationError(f"{'.'.join(keys)}: no value stands there that could be replaced")
    return text[: node.start_mark.index] + json.dumps(value) + text[node.end_mark.index :]


def _with_key(text: str, node: yaml.MappingNode, key: str, value: str | bool) -> str:
    mark = node.value[0][0].start_mark
    gap = ", " if node.flow_style else "\n" + " " * mark.column
    return f"{text[: mark.index]}{key}: {json.dumps(value)}{gap}{text[mark.index :]}"


def _refuse_to_overwrite(path: Path) -> None:
    """Only what an earlier twin wrote is overwritten: the addresses of a real bench are precious."""
    try:
        with path.open(encoding="utf-8") as file:
            ours = file.readline().startswith(_WRITTEN)
    except FileNotFoundError:
        return
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"--write {path}: cannot be read ({error})") from None
    if not ours:
        raise ConfigurationError(
            f"--write {path}: exists already, and no twin wrote it; name another file, or delete it first"
        )


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"--write {path}: cannot be written ({error})") from error


def _arm(served: Served, fault: Fault) -> None:
    endpoint = served.endpoints.get(fault.instrument)
    if endpoint is None:
        raise ConfigurationError(
            f"--fault {fault.name}@{fault.instrument}: no such instrument; the bench file has "
            f"{', '.join(served.endpoints)}"
        )
    try:
        endpoint.arm(fault.name, skip=fault.skip, crosspoint=fault.crosspoint)
    except ValueError as error:
        raise ConfigurationError(f"--fault {fault.name}@{fault.instrument}: {error}") from None


def _result(
    bench: BenchDescription, served: Served, protocol: Protocol, write: Path | None
) -> dict[str, object]:
    smu = bench.content.smu
    models = {name: one.model for name, one in smu.instruments.items()} if smu else {}
    return {
        "bench": bench.content.name,
        "protocol": protocol,
        "instruments": {
            name: {
                "model": models[name],
                "resource": address.resource,
                "port": address.port,
                "device": address.device,
            }
            for name, address in served.addresses.items()
        },
        "written": None if write is None else str(write),
    }


def _print(result: dict[str, object]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    table = Table(box=box.SIMPLE_HEAD, title=f"twin of {result['bench']}")
    for heading in ("instrument", "model", "address"):
        table.add_column(heading, no_wrap=True)
    instruments = cast(dict[str, dict[str, str]], result["instruments"])
    for name, one in instruments.items():
        table.add_row(name, one["model"], one["resource"])
    console.print(table)
    if result["written"]:
        console.print(f"bench file: {result['written']}")
        console.print(f"next, in another terminal: mtjloop check {result['written']}")
    console.print("serving; Ctrl-C ends it")


def _print_end(served: Served) -> None:
    bench = served.bench
    console = Console(highlight=False, soft_wrap=True)
    console.print(
        f"{duration(bench.timeline.seconds)} of bench time, {len(bench.pulses)} pulses, {bench.switches} "
        f"relays moved, {bench.hot_switches} of them hot"
    )
    for warning in dict.fromkeys(bench.warnings):
        console.print(f"warning: {warning}")
