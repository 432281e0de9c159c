"""measure() in a plain script: no pytest, no marker, only a question asked.

How many connections do ten calls of ``requests.get`` need, and how many ten calls of a session?
"""

from __future__ import annotations

import requests

from pytest_keepalive import KeepaliveServer, measure


def main() -> None:
    """Ask both ways of calling, and show what was seen."""
    with KeepaliveServer() as server:
        with measure() as seen:
            for _ in range(10):
                requests.get(server.url, timeout=5)
        print("requests.get:", seen.report(), sep="\n")

        with measure() as seen, requests.Session() as session:
            for _ in range(10):
                session.get(server.url, timeout=5)
        print("\nsession.get:", seen.report(), sep="\n")
        seen.assert_single(requests=10)


if __name__ == "__main__":
    main()
