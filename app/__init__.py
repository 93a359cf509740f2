"""The command line and the reports."""
