"""Training on a simulated bench as one compiled loop: the functions of the loop in Python, and no Python."""
