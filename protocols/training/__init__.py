"""In-situ training by stochastic switching."""
