"""The simulated die: device, die, array, network solve. Knows nothing else of mtjloop."""
