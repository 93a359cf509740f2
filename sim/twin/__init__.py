"""The twin bench: emulated instruments, wired to one simulated die, on one clock."""
