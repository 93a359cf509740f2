"""The command line, the reports, and the classifier for scikit-learn."""

from .classifier import CrossbarClassifier

__all__ = ["CrossbarClassifier"]
