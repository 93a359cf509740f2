"""Switching probability of a junction under a voltage pulse."""
