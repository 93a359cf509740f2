"""Random numbers of the simulator: what its draws are for, and the counter-based generator they come from."""

from ..draws import Word, Words, normal, philox_4x32, philox_round, uniform_pair

__all__ = [
    "DISTURB_STREAM",
    "EXTRA_STREAM",
    "NOISE_STREAM",
    "PULSE_STREAM",
    "Word",
    "Words",
    "normal",
    "philox_4x32",
    "philox_round",
    "uniform_pair",
]

PULSE_STREAM, DISTURB_STREAM, NOISE_STREAM, EXTRA_STREAM = 0, 1, 2, 3
"""What a draw is for; keeps, say, extra reads from shifting the flips of the next pulse."""
