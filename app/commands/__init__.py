"""The commands by group: arguments and options here, the work in modules imported when it is asked for."""
