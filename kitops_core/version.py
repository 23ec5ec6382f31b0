"""The version, in the one place where the build, the command and every request read it."""

__version__ = "0.1.0"

USER_AGENT = f"kitops-core/{__version__}"
"""What registries and object stores are told of who asks."""
