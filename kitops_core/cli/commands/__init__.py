"""The commands. Each module has the command it is named after as ``command``."""
