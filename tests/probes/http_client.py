"""How http.client is asked, where nothing depends on how."""

from __future__ import annotations

import http.client


def get(client: http.client.HTTPConnection, path: str = "/", **fields: str) -> bytes:
    client.request("GET", path, headers=fields)
    return client.getresponse().read()
