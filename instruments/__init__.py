"""Real instruments: one file per model, on links that never hide a fault.

A *link* (`VisaLink`, `SerialLink`) moves lines of text and knows whether a reply may still be on its way.
An *instrument* (`Keithley2600B`, `KeysightB2900`, `Keithley707B`) knows the literal commands of one model.
What an experiment may use of it is a *capability* (`SourceMeasure`, `PulseSource`, `SwitchMatrix`). SI
units.
"""

from .capabilities import (
    ChannelLimits,
    ChannelSettings,
    PulseLimits,
    PulseSource,
    PulseTrain,
    Reading,
    Readings,
    RoutedReadings,
    RoutedReads,
    RoutedSource,
    SafeOff,
    SourceCosts,
    SourceMeasure,
    SwitchMatrix,
)
from .keithley_707b import Keithley707B, Keithley3706A
from .keithley_2600b import Keithley2600B
from .keithley_2600b_routed import RoutedKeithley2600B
from .keysight_b2900 import KeysightB2900
from .link import Link
from .opening import open_link
from .serial_link import SerialLink, SerialSettings
from .transcript import Transcript
from .visa_link import VisaLink

__all__ = [
    "ChannelLimits",
    "ChannelSettings",
    "Keithley707B",
    "Keithley2600B",
    "Keithley3706A",
    "KeysightB2900",
    "Link",
    "PulseLimits",
    "PulseSource",
    "PulseTrain",
    "Reading",
    "Readings",
    "RoutedKeithley2600B",
    "RoutedReadings",
    "RoutedReads",
    "RoutedSource",
    "SafeOff",
    "SerialLink",
    "SerialSettings",
    "SourceCosts",
    "SourceMeasure",
    "SwitchMatrix",
    "Transcript",
    "VisaLink",
    "open_link",
]
