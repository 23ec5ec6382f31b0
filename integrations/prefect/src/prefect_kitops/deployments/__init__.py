"""Steps for ``prefect.yaml``."""
