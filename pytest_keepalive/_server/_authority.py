"""A throw-away certificate authority, so that TLS is real and verified on loopback.

One authority serves the whole process: a client that trusts one server trusts the others,
so that a redirect or a host alias can be told from a certificate that differs.
"""

from __future__ import annotations

import os
import ssl
import tempfile
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import trustme


class Identity:
    """The certificate of one server, and the authority that vouches for it.

    Args:
        hosts: Names and addresses that the certificate is for.
        protocols: What the server offers in ALPN, the best first.
    """

    def __init__(self, hosts: tuple[str, ...], protocols: tuple[str, ...]) -> None:
        authority = _authority()
        self._file = ""
        self._closed = False
        self.server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.server_context.set_alpn_protocols(list(protocols))
        authority.issue_cert(*hosts).configure_cert(self.server_context)
        self.authority_pem = authority.cert_pem.bytes().decode()

    @property
    def ca_file(self) -> str:
        """The path of a file with the authority's certificate, written when first asked for.

        Raises:
            RuntimeError: It was removed already.
        """
        if self._closed:
            raise RuntimeError("the server is closed, and the authority's file is gone")
        self._file = self._file or _write_file(self.authority_pem)
        return self._file

    def client_context(self) -> ssl.SSLContext:
        """Make a context that trusts the authority and nothing else."""
        return ssl.create_default_context(cadata=self.authority_pem)

    def close(self) -> None:
        """Remove the file; nothing is left on disk."""
        self._closed = True
        if self._file:
            os.unlink(self._file)
            self._file = ""


@cache
def _authority() -> trustme.CA:
    try:
        import trustme
    except ImportError:
        message = "a TLS server needs trustme: pip install pytest-keepalive[tls]"
        raise ImportError(message) from None
    return trustme.CA(organization_name="pytest-keepalive, for tests only")


def _write_file(text: str) -> str:
    descriptor, path = tempfile.mkstemp(prefix="keepalive-authority-", suffix=".pem")
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    return path
