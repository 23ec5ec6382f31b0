"""Prefect collection for KitOps ModelKits.

Prefect imports every collection when it starts, so importing this one imports neither Prefect nor the engine.
"""

__version__ = "0.1.0"
