"""Why connections were opened: pure functions from a recording to findings."""

from __future__ import annotations

from pytest_keepalive._diagnosis._causes import Cause
from pytest_keepalive._diagnosis._diagnose import diagnose
from pytest_keepalive._diagnosis._finding import Finding

__all__ = ["Cause", "Finding", "diagnose"]
