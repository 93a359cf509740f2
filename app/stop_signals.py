"""The signals that ask a program to stop."""

import signal

STOP_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)
)
"""Ctrl-C, a polite kill, a closed terminal (POSIX), Ctrl-Break (Windows)."""
