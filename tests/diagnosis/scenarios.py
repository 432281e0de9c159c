"""Each cause, provoked for real with each client in which it can occur; and cured."""

from __future__ import annotations

from tests.diagnosis import client_scenarios, server_scenarios  # noqa: F401 - they fill the table
from tests.diagnosis.stage import SCENARIOS

__all__ = ["SCENARIOS"]
