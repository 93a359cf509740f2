"""SCPI commands of a Keysight B2900 that set up measurements and triggers."""

from .b2900_channel import AMP_RANGES, MOST_AMPERES, MOST_VOLTS, VOLT_RANGES, Quantity
from .b2900_data import real
from .b2900_source_commands import Find, one
from .b2900_trigger import BOTH, SHORTEST_INTERVAL, Action, Layer, TriggerSystem
from .readings import range_for
from .scpi import INFINITE, Call, CommandTree, boolean_of, number_of, string_of, word_of
from .scpi_errors import ScpiError

_SHORTEST_APERTURE, _LONGEST_APERTURE = 8e-6, 2.0
_FUNCTIONS = ("VOLTage", "CURRent", "RESistance")
_SOURCES = ("AINT", "BUS", "TIMer", "INT1", "INT2", "LAN", "EXT1", "EXT2", "EXT3")


def add_sense_commands(tree: CommandTree, channel: Find) -> None:
    """Add `:SENSe`."""
    quantities: tuple[tuple[str, Quantity], ...] = (("VOLTage", "V"), ("CURRent", "I"))
    for name, quantity in quantities:
        _add_quantity(tree, channel, name, quantity)
    for name in (*(word for word, _ in quantities), "RESistance"):
        _add_aperture(tree, channel, f"[:SENSe#]:{name}")

    def switch_functions(call: Call, on: bool) -> None:
        if not call.arguments:
            raise ScpiError(-109)
        named = {word_of(string_of(text).split(":")[0], *_FUNCTIONS) for text in call.arguments}
        found = channel(call)
        found.measured = found.measured | named if on else found.measured - named

    tree.add(
        "[:SENSe#]:FUNCtion[:ON]",
        lambda call: switch_functions(call, True),
        lambda call: ",".join(f'"{name}"' for name in sorted(channel(call).measured)),
    )
    tree.add("[:SENSe#]:FUNCtion:OFF", lambda call: switch_functions(call, False))
    tree.add(
        "[:SENSe#]:FUNCtion:ON:ALL|[:SENSe#]:FUNCtion:ALL",
        lambda call: setattr(channel(call), "measured", {"VOLT", "CURR", "RES"}),
    )
    tree.add("[:SENSe#]:FUNCtion:OFF:ALL", lambda call: setattr(channel(call), "measured", set()))
    tree.add(
        "[:SENSe#]:REMote",
        lambda call: setattr(channel(call), "remote_sense", boolean_of(one(call))),
        lambda call: f"{int(channel(call).remote_sense)}",
    )
    for ignored in (
        "[:SENSe#]:WAIT[:STATe]", "[:SENSe#]:TOUTput[:STATe]", "[:SENSe#]:RESistance:MODE",
        "[:SENSe#]:RESistance:OCOMpensated", "[:SENSe#]:RESistance:RANGe",
        "[:SENSe#]:RESistance:RANGe:AUTO", "[:SENSe#]:AVERage[:STATe]",
    ):  # fmt: skip
        tree.add(ignored, lambda _: None, lambda _: "0")


def _add_quantity(tree: CommandTree, channel: Find, name: str, quantity: Quantity) -> None:
    most = MOST_VOLTS if quantity == "V" else MOST_AMPERES
    scales = VOLT_RANGES if quantity == "V" else AMP_RANGES
    header = f"[:SENSe#]:{name}[:DC]"

    def protect(call: Call) -> None:
        found = channel(call)
        found.limits[quantity] = abs(number_of(one(call), -most, most))
        if not found.limits[quantity]:
            raise ScpiError(-222)
        found.apply()

    def set_range(call: Call) -> None:
        found = channel(call)
        wanted = number_of(one(call), -most, most)
        found.sense_ranges[quantity] = range_for(wanted, scales, 1.05)
        found.sense_auto[quantity] = False

    tree.add(f"{header}:PROTection[:LEVel]", protect, lambda call: real(channel(call).limits[quantity]))
    tree.add(f"{header}:PROTection:TRIPped", read=lambda call: f"{int(channel(call).limited())}")
    tree.add(f"{header}:RANGe[:UPPer]", set_range, lambda call: real(channel(call).sense_ranges[quantity]))
    tree.add(
        f"{header}:RANGe:AUTO",
        lambda call: channel(call).sense_auto.update({quantity: boolean_of(one(call))}),
        lambda call: f"{int(channel(call).sense_auto[quantity])}",
    )
    for ignored in ("LLIMit", "ULIMit", "MODE", "THReshold"):
        tree.add(f"{header}:RANGe:AUTO:{ignored}", lambda _: None, lambda _: real(scales[0]))


def _add_aperture(tree: CommandTree, channel: Find, header: str) -> None:
    low, high = _SHORTEST_APERTURE, _LONGEST_APERTURE

    def set_cycles(call: Call) -> None:
        found = channel(call)
        cycles = number_of(one(call), low * found.linefreq, high * found.linefreq)
        found.aperture = cycles / found.linefreq

    tree.add(
        f"{header}[:DC]:APERture",
        lambda call: setattr(channel(call), "aperture", number_of(one(call), low, high)),
        lambda call: real(channel(call).aperture),
    )
    tree.add(
        f"{header}[:DC]:NPLCycles",
        set_cycles,
        lambda call: real(channel(call).aperture * channel(call).linefreq),
    )
    for ignored in ("APERture:AUTO", "NPLCycles:AUTO"):
        tree.add(f"{header}[:DC]:{ignored}", lambda _: None, lambda _: "0")


def add_trigger_commands(tree: CommandTree, system: TriggerSystem, check: Find) -> None:
    """Add `:TRIGger` and `:ARM`: source, count, delay and timer of each action or of both."""
    named: tuple[tuple[str, tuple[Action, ...]], ...] = (
        ("[:ALL]", BOTH), (":TRANsient", ("TRAN",)), (":ACQuire", ("ACQ",)),
    )  # fmt: skip
    for layer, part in (("TRIGger", "[:SEQuence]"), ("ARM", "[:SEQuence]")):
        for word, actions in named:
            header = f":{layer}#{part}{word}" if word != "[:ALL]" else f":{layer}#{word}"
            _add_layer(tree, system, check, header, layer, actions)


def _add_layer(
    tree: CommandTree,
    system: TriggerSystem,
    check: Find,
    header: str,
    layer: str,
    actions: tuple[Action, ...],
) -> None:
    def layers(call: Call) -> list[Layer]:
        check(call)
        plan = system.plans[call.channel - 1]
        side = plan.trigger if layer == "TRIGger" else plan.arm
        return [side[action] for action in actions]

    def write(call: Call, name: str, value: object) -> None:
        for found in layers(call):
            setattr(found, name, value)

    def count(call: Call) -> int:
        wanted = number_of(one(call), 1, INFINITE, 1)
        if wanted > 100_000:
            raise ScpiError(-222)
        return int(wanted)

    tree.add(
        f"{header}:SOURce[:SIGNal]",
        lambda call: write(call, "source", word_of(one(call), *_SOURCES)),
        lambda call: layers(call)[0].source,
    )
    tree.add(
        f"{header}:COUNt",
        lambda call: write(call, "count", count(call)),
        lambda call: f"{layers(call)[0].count}",
    )
    tree.add(
        f"{header}:DELay",
        lambda call: write(call, "delay", number_of(one(call), 0.0, 100_000.0, 0.0)),
        lambda call: real(layers(call)[0].delay),
    )
    tree.add(
        f"{header}:TIMer",
        lambda call: write(call, "timer", number_of(one(call), SHORTEST_INTERVAL, 100_000.0)),
        lambda call: real(layers(call)[0].timer),
    )
    tree.add(f"{header}:BYPass", lambda _: None, lambda _: "OFF")
