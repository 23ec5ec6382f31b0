"""Where integrations keep what is on its way into a registry; see :mod:`kitops_core.staged`."""

from __future__ import annotations

from kitops_core.staged import UNPUSHED, scratch

__all__ = ["UNPUSHED", "scratch"]
