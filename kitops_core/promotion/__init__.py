"""Channels, gates and records: how a kit moves from one environment to the next by its digest."""
