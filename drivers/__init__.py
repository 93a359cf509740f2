"""The crossbar contract, its backends, the guard, and the way from a bench file to a ready crossbar."""
