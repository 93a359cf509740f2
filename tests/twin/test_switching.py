"""Switching trials through real drivers on emulated instruments, with their noise: measure, then fit."""

import math
from contextlib import ExitStack

import numpy as np

from mtjloop.drivers.bench import tile_views
from mtjloop.drivers.emulated import serve_bench
from mtjloop.protocols.calibration import calibrate
from mtjloop.protocols.journal import SilentMonitor
from mtjloop.protocols.recorded import RecordedCrossbar
from mtjloop.protocols.settings import PulseSettings, ReadSettings
from mtjloop.protocols.switching.campaign import Campaign
from mtjloop.protocols.switching.settings import BlockSettings, CharacterizeSettings, LineResistances
from mtjloop.protocols.switching.trial import TrialTile

from .benches import bench_text, described
from .opened import addressed, open_armed

READ = ReadSettings(0.1)
PULSE = PulseSettings(width=2e-4, search_from=0.1, search_to=0.6, program_unselected="half")


def test_devices_are_measured_through_instruments() -> None:
    with serve_bench(described(bench_text()), 3, noise=True) as served, ExitStack() as stack:
        description = addressed(bench_text(), served)
        bench = stack.enter_context(open_armed(description))
        tile = RecordedCrossbar(bench.crossbars[0], 0)
        found = calibrate(tile, READ, PULSE, 0.5, np.random.default_rng(1), SilentMonitor())
        settings = CharacterizeSettings(
            widths=(1e-4, 5e-3), block=BlockSettings(10, 2, 1), maximum=52, precision=None,
            lines=LineResistances(1.0, 1.0, 5.0),
        )  # fmt: skip
        trials = TrialTile(tile, found, READ, PULSE, settings.lines, None)
        campaign = Campaign(
            trials, [(1, 2), (4, 0)], settings, PULSE, np.random.default_rng(2), None, SilentMonitor()
        )
        result = campaign.run()
        assert bench.safe().proven
    assert result.blocks == 4 and result.unreadable == 0 and result.control_switched == 0
    assert result.trials + result.reset_failed == 2 * 2 * 4 * 12
    assert result.reset_failed <= 4
    truth = tile_views(description, 3)[0].parameters
    for polarity, devices in result.devices.items():
        name = "critical_voltage_up_V" if polarity > 0 else "critical_voltage_down_V"
        for device in devices:
            wanted = truth[name][device.row, device.column]
            assert abs(math.exp(device.theta[1]) / wanted - 1.0) < 4.0 * device.sigma[1]
