"""Switching probability of a junction under a voltage pulse.

Reduced units: overdrive i = V/V_c0, field h = H_z/H_k (h > 0 holds the initial state), thermal stability
factor Delta = E_b/kT, and time tau = t alpha gamma mu0 H_k/(1 + alpha^2). See docs/switching.md.
"""

from .arguments import ArgumentError
from .asymptotes import ballistic_error, escape_rate, overdrive_error, thermal_probability, thermal_rate
from .curves import curve_log_hazard_at, device_curves
from .direct import Solution, extrapolated, solve_fokker_planck
from .law import LAW_NAMES, Law, LawName, equivalent_time_at, log_hazard_at, make_law, probability_at
from .probability import equivalent_time, log_hazard, switching_probability
from .spectral import solve_by_legendre, terms_needed

__all__ = [
    "LAW_NAMES",
    "ArgumentError",
    "Law",
    "LawName",
    "Solution",
    "ballistic_error",
    "curve_log_hazard_at",
    "device_curves",
    "equivalent_time",
    "equivalent_time_at",
    "escape_rate",
    "extrapolated",
    "log_hazard",
    "log_hazard_at",
    "make_law",
    "overdrive_error",
    "probability_at",
    "solve_by_legendre",
    "solve_fokker_planck",
    "switching_probability",
    "terms_needed",
    "thermal_probability",
    "thermal_rate",
]
