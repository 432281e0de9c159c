"""The few fields of a response head that are kept, and how.

Rules
1. Kept are the fields that tell whether and why a connection ends, and nothing else of the
   response.
2. No secret is kept: a challenge is reduced to the names of its schemes (RFC 9110, section
   11.6.1), a location loses its credentials and query values.
3. A value is cut at 200 characters: a server may send anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from pytest_keepalive._origin import without_secrets

_KEPT = frozenset(
    (
        "connection",
        "content-length",
        "content-type",
        "keep-alive",
        "location",
        "proxy-authenticate",
        "server",
        "transfer-encoding",
        "www-authenticate",
    )
)
_SCHEME = r"(?:^|,)\s*([A-Za-z][\w-]*)(?=\s+[^=\s]|\s*(?:,|$))"
_QUOTED = r'"(?:[^"\\]|\\.)*"?'
_LONGEST = 200


def kept_fields(fields: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Reduce a response head to what is kept.

    Args:
        fields: The names, in any case, and values of the fields.
    """
    return tuple(
        (lower, _kept_value(lower, value))
        for lower, value in ((name.lower(), value) for name, value in fields)
        if lower in _KEPT
    )


def forbids_reuse(http_version: str, connection: str | None) -> bool:
    """Tell whether a response head ends its connection (RFC 9112, section 9.3).

    Args:
        http_version: Such as ``HTTP/1.1``.
        connection: The value of the ``Connection`` field, or ``None``.
    """
    options = {option.strip().lower() for option in (connection or "").split(",")}
    if "close" in options:
        return True
    return http_version in ("HTTP/1.0", "HTTP/0.9") and "keep-alive" not in options


def _kept_value(name: str, value: str) -> str:
    if name.endswith("-authenticate"):
        value = ", ".join(re.findall(_SCHEME, re.sub(_QUOTED, "", value)))
    elif name == "location":
        value = without_secrets(value)
    return value[:_LONGEST]
