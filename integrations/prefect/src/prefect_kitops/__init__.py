"""Prefect collection for KitOps ModelKits."""
