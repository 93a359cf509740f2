"""SCPI commands of a Keysight B2900 that set up sources and outputs."""

from collections.abc import Callable
from functools import partial

from .b2900_channel import AMP_RANGES, MOST_AMPERES, MOST_VOLTS, VOLT_RANGES, Channel, Quantity
from .b2900_data import real
from .readings import range_for
from .scpi import Call, CommandTree, boolean_of, number_of, word_of
from .scpi_errors import ScpiError

Find = Callable[[Call], Channel]
_LONGEST = 100_000.0
_MOST_POINTS = 100_000


def one(call: Call) -> str:
    """The only parameter of a command.

    Raises:
        ScpiError: none, or more than one.
    """
    if len(call.arguments) != 1:
        raise ScpiError(-108 if call.arguments else -109)
    return call.arguments[0]


def add_source_commands(tree: CommandTree, channel: Find) -> None:
    """Add `:SOURce` and `:OUTPut`."""
    quantities: tuple[tuple[str, Quantity], ...] = (("VOLTage", "V"), ("CURRent", "I"))
    for name, quantity in quantities:
        _add_quantity(tree, channel, name, quantity)
    tree.add(
        "[:SOURce#]:FUNCtion:MODE",
        lambda call: _set_function(channel(call), call),
        lambda call: "VOLT" if channel(call).function == "V" else "CURR",
    )
    tree.add(
        "[:SOURce#]:FUNCtion[:SHAPe]",
        lambda call: setattr(channel(call), "shape", word_of(one(call), "DC", "PULSe")),
        lambda call: channel(call).shape,
    )
    _seconds(tree, channel, "[:SOURce#]:PULSe:DELay", "pulse_delay", 0.0)
    _seconds(tree, channel, "[:SOURce#]:PULSe:WIDTh", "pulse_width", 50e-6)
    tree.add(
        "[:SOURce#]:SWEep:POINts",
        lambda call: _set_points(channel(call), number_of(one(call), 1, 2500)),
        lambda call: f"{channel(call).sweep_points}",
    )
    for ignored in (
        "[:SOURce#]:SWEep:DIRection", "[:SOURce#]:SWEep:SPACing", "[:SOURce#]:SWEep:STAir",
        "[:SOURce#]:SWEep:RANGing", "[:SOURce#]:WAIT[:STATe]", "[:SOURce#]:FUNCtion:TRIGgered:CONTinuous",
        ":OUTPut#:FILTer[:LPASs][:STATe]", ":OUTPut#:FILTer:AUTO", ":OUTPut#:HCAPacitance[:STATe]",
        ":OUTPut#:LOW", ":OUTPut#:OFF:AUTO", ":OUTPut#:RECall", ":OUTPut#:SAVE",
    ):  # fmt: skip
        tree.add(ignored, lambda _: None, lambda _: "0")
    tree.add(
        ":OUTPut#[:STATe]",
        lambda call: channel(call).switch(boolean_of(one(call))),
        lambda call: f"{int(channel(call).output)}",
    )
    tree.add(
        ":OUTPut#:OFF:MODE",
        lambda call: _set_off_mode(channel(call), word_of(one(call), "ZERO", "HIZ", "NORMal")),
        lambda call: channel(call).off_mode,
    )
    _flag(tree, channel, ":OUTPut#:ON:AUTO", "auto_on")
    _flag(tree, channel, ":OUTPut#:PROTection[:STATe]", "protection")


def _add_quantity(tree: CommandTree, channel: Find, name: str, quantity: Quantity) -> None:
    most = MOST_VOLTS if quantity == "V" else MOST_AMPERES
    scales = VOLT_RANGES if quantity == "V" else AMP_RANGES

    def level(call: Call) -> float:
        return number_of(one(call), -most, most, 0.0)

    def set_range(call: Call) -> None:
        found = channel(call)
        found.ranges[quantity] = range_for(number_of(one(call), -most, most), scales, 1.05)
        found.auto[quantity] = False

    def set_list(call: Call, append: bool) -> None:
        if not call.arguments:
            raise ScpiError(-109)
        found = channel(call)
        values = [number_of(text, -most, most) for text in call.arguments]
        kept = found.lists[quantity] + values if append else values
        if len(kept) > _MOST_POINTS:
            raise ScpiError(-222)
        found.lists[quantity] = kept

    def set_end(place: int, call: Call) -> None:
        channel(call).sweep[quantity][place] = level(call)

    def get_end(place: int, call: Call) -> str:
        return real(channel(call).sweep[quantity][place])

    header = f"[:SOURce#]:{name}"
    tree.add(
        f"{header}[:LEVel][:IMMediate][:AMPLitude]",
        lambda call: channel(call).set_level(quantity, level(call)),
        lambda call: real(channel(call).levels[quantity]),
    )
    tree.add(
        f"{header}[:LEVel]:TRIGgered[:AMPLitude]",
        lambda call: channel(call).triggered.update({quantity: level(call)}),
        lambda call: real(channel(call).triggered[quantity] or channel(call).levels[quantity]),
    )
    tree.add(
        f"{header}:MODE",
        lambda call: channel(call).mode.update({quantity: word_of(one(call), "FIXed", "LIST", "SWEep")}),
        lambda call: channel(call).mode[quantity],
    )
    tree.add(f"{header}:RANGe", set_range, lambda call: real(channel(call).ranges[quantity]))
    tree.add(
        f"{header}:RANGe:AUTO",
        lambda call: channel(call).auto.update({quantity: boolean_of(one(call))}),
        lambda call: f"{int(channel(call).auto[quantity])}",
    )
    tree.add(f"{header}:RANGe:AUTO:LLIMit", lambda _: None, lambda _: real(scales[0]))
    for place, end in enumerate(("STARt", "STOP")):
        tree.add(
            f"{header}:{end}",
            partial(set_end, place),
            partial(get_end, place),
        )
    tree.add(
        f"{header}:POINts",
        lambda call: _set_points(channel(call), number_of(one(call), 1, 2500)),
        lambda call: f"{channel(call).sweep_points}",
    )
    tree.add(
        f"[:SOURce#]:LIST:{name}",
        lambda call: set_list(call, append=False),
        lambda call: ",".join(real(value) for value in channel(call).lists[quantity]),
    )
    tree.add(f"[:SOURce#]:LIST:{name}:APPend", lambda call: set_list(call, append=True))
    tree.add(f"[:SOURce#]:LIST:{name}:POINts", read=lambda call: f"{len(channel(call).lists[quantity])}")


def _set_function(channel: Channel, call: Call) -> None:
    channel.function = "V" if word_of(one(call), "VOLTage", "CURRent") == "VOLT" else "I"
    channel.rest()


def _set_points(channel: Channel, points: float) -> None:
    channel.sweep_points = int(points)


def _set_off_mode(channel: Channel, mode: str) -> None:
    channel.off_mode = mode
    channel.apply()


def _seconds(tree: CommandTree, channel: Find, header: str, name: str, shortest: float) -> None:
    tree.add(
        header,
        lambda call: setattr(
            channel(call), name, round(number_of(one(call), shortest, _LONGEST, shortest) * 1e6) / 1e6
        ),
        lambda call: real(getattr(channel(call), name)),
    )


def _flag(tree: CommandTree, channel: Find, header: str, name: str) -> None:
    tree.add(
        header,
        lambda call: setattr(channel(call), name, boolean_of(one(call))),
        lambda call: f"{int(getattr(channel(call), name))}",
    )
