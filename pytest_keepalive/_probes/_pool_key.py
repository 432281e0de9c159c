"""What urllib3, and the forks of it, tell pools apart by.

Rules
1. No secret is kept: of what may carry credentials only that it is set, and four hexadecimal
   digits by which two of them differ; the URL of a proxy loses its credentials.
2. An object such as an ``SSLContext`` is shown by a number, so that two of them differ.
3. A client that is made anew for each request has the same key each time: one copy will do.
"""

from __future__ import annotations

from typing import Any

from pytest_keepalive._origin import without_secrets
from pytest_keepalive._probes._identity import Identities

_SECRET = frozenset(
    (
        "key_headers",
        "key_key_password",
        "key__proxy_headers",
        "key_proxy_headers",
        "key__socks_options",
    )
)
_PROXY = "key__proxy"

Fields = tuple[tuple[str, str], ...]


class PoolKeys:
    """Turns a ``PoolKey`` into text.

    Args:
        identities: Gives the numbers of objects.
    """

    def __init__(self, identities: Identities) -> None:
        self._identities = identities
        self._interned: dict[Fields, Fields] = {}

    def fields_of(self, key: Any) -> Fields:
        """Give the fields of a key that are set, as (name, text) pairs.

        Args:
            key: A named tuple, or ``None``.
        """
        if key is None:
            return ()
        fields = tuple(
            (name.removeprefix("key_"), self._text_of(name, value))
            for name, value in key._asdict().items()
            if value is not None
        )
        return self._interned.setdefault(fields, fields)

    def clear(self) -> None:
        """Forget the copies."""
        self._interned.clear()

    def _text_of(self, name: str, value: Any) -> str:
        if name in _SECRET:
            return f"set, {hash(str(value)) & 0xFFFF:04x}"
        if name == _PROXY:
            return without_secrets(str(value))
        if isinstance(value, (bool, int, float, str, tuple, frozenset)):
            return str(value)
        return f"{type(value).__name__} #{self._identities.number_of(value)}"
