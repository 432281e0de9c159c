"""Bodies of responses that take more than one read."""

from __future__ import annotations

BODY = b"x" * 300_000
CHUNKS = [b"x" * 40_000] * 8
# Of this one much has not come when its head has.
BIG = b"x" * 3_000_000
