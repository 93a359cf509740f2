"""What happened: run directory, event log, reading back."""
