"""Names of what `mtjloop fit` leaves in a run."""

FIT_FILE = "fit.json"
DIE_FILE = "fitted-die.yaml"
