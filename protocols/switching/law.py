"""The one window from experiments to the switching law: mathematics of one junction, with no chip behind it.

A fit must use the very law that a simulated die runs on, or measure -> fit -> dry run would carry the
difference of two implementations. `sim.switching` holds no die, no state and no draw, so a protocol that
imports it learns nothing of a chip; every other module of the simulator stays out of reach (import contracts
in pyproject.toml).
"""

from ...sim.switching import LAW_NAMES, Law, LawName, log_hazard_at, make_law

__all__ = ["LAW_NAMES", "Law", "LawName", "fitted_law", "log_hazard_at"]


def fitted_law(name: LawName) -> Law:
    """The law as fits take it: time counted in its own unit, seconds over tau_D or over tau0.

    Raises:
        ArgumentError: there is no such law.
    """
    return make_law(name, None if name == "fokker-planck" else 1.0)
