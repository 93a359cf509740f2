"""Somebody else's driver works on the twin: `keithley2600` of PyPI, over real PyVISA.

It explores the object tree of the instrument and drives sweeps with blenders, an interface trigger and
status polling. Install it with the extra `peers`; without it these tests are skipped.
"""

import pytest

from mtjloop.sim.twin.server import serve

from .conftest import keithley_bench, tell

keithley2600 = pytest.importorskip("keithley2600")
pytestmark = pytest.mark.filterwarnings("ignore")


def test_explore_set_measure_and_sweep() -> None:
    bench = keithley_bench()
    tell(bench, "matrix", 'channel.close("1A01,1B05")')
    with serve(bench) as served:
        k = keithley2600.Keithley2600(served.resource("smu"), raise_keithley_errors=True, timeout=10_000)
        try:
            assert k.localnode.model == "2636B"
            k.apply_voltage(k.smua, 0.1)
            k.apply_voltage(k.smub, 0.0)
            assert k.smua.source.levelv == pytest.approx(0.1)
            assert k.smua.measure.i() == pytest.approx(-k.smub.measure.i(), rel=1e-3)
            assert k.smua.measure.i() > 1e-6
            k.set_integration_time(k.smua, 0.001)
            volts, amperes = k.voltage_sweep_single_smu(
                smu=k.smua, smu_sweeplist=[0.02, 0.04, 0.06], t_int=0.1, delay=-1, pulsed=False
            )
            assert volts == pytest.approx([0.02, 0.04, 0.06], rel=1e-3)
            assert amperes[2] == pytest.approx(3 * amperes[0], rel=1e-3)
            with pytest.raises(keithley2600.keithley_driver.KeithleyError, match="Parameter too big"):
                k.smua.source.levelv = 1000
        finally:
            k.disconnect()
