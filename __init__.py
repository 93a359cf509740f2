"""mtjloop: hardware-in-the-loop control and in-situ training of magnetic-tunnel-junction crossbars."""

__version__ = "0.1.0"
