"""Dagster IO manager and resource for KitOps ModelKits."""
