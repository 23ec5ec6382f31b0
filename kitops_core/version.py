"""The version, in the one place where the build, the command and every request read it."""

__version__ = "0.1.0"
