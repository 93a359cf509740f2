"""Switching probabilities: measured, counted, fitted, compared."""
