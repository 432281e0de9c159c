"""``connection_counter``: what a test has done so far."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_keepalive._destination import Destination
from pytest_keepalive._events import Sink
from pytest_keepalive._instruments import instruments
from pytest_keepalive._limits import Limit
from pytest_keepalive._measure import Measurement
from pytest_keepalive._recording import Recording
from pytest_keepalive._verdict import hold
from pytest_keepalive._view import View

if TYPE_CHECKING:
    from pytest_keepalive._transports._httpx import AsyncHTTPTransport, HTTPTransport
    from pytest_keepalive._transports._urllib3 import PoolManager


class ConnectionCounter(View):
    """What one test has done since its fixture was made.

    Args:
        name: The test's, for the error of a late use.
        measurement: Not yet begun; it ends with ``close``.
        ignored: Destinations that never count.
    """

    def __init__(
        self, name: str, measurement: Measurement, ignored: tuple[Destination, ...] = ()
    ) -> None:
        super().__init__(self._recording)
        self._name = name
        self._measurement = measurement
        self._seen = measurement.__enter__()
        self._ignored = ignored
        self._ended = False

    @property
    def _whole(self) -> Recording:
        """Everything that it saw, for reports on its test: they come when it has ended."""
        return self._seen.recording.without(self._ignored)

    def measure(self) -> Measurement:
        """Measure a block inside the test: ``with connection_counter.measure() as seen``."""
        self._check_not_ended()
        return Measurement(self._measurement.patch)

    def httpx_transport(self, *args: Any, **kwargs: Any) -> HTTPTransport:
        """Make a ``httpx.HTTPTransport`` that is recorded until the test ends, patched or not.

        Args:
            args: Those of ``httpx.HTTPTransport``.
            kwargs: Those of ``httpx.HTTPTransport``.

        Raises:
            ImportError: httpx is not installed.
        """
        sink = self._transport_sink()
        from pytest_keepalive._transports._httpx import make_transport

        return make_transport(sink, *args, **kwargs)

    def async_httpx_transport(self, *args: Any, **kwargs: Any) -> AsyncHTTPTransport:
        """Make a ``httpx.AsyncHTTPTransport`` that is recorded until the test ends.

        Args:
            args: Those of ``httpx.AsyncHTTPTransport``.
            kwargs: Those of ``httpx.AsyncHTTPTransport``.

        Raises:
            ImportError: httpx is not installed.
        """
        sink = self._transport_sink()
        from pytest_keepalive._transports._httpx import make_async_transport

        return make_async_transport(sink, *args, **kwargs)

    def pool_manager(self, *args: Any, **kwargs: Any) -> PoolManager:
        """Make a ``urllib3.PoolManager`` that is recorded until the test ends, patched or not.

        Args:
            args: Those of ``urllib3.PoolManager``.
            kwargs: Those of ``urllib3.PoolManager``.

        Raises:
            ImportError: urllib3 is not installed.
        """
        sink = self._transport_sink()
        from pytest_keepalive._transports._urllib3 import make_pool_manager

        return make_pool_manager(sink, *args, **kwargs)

    def close(self) -> None:
        """End with the test."""
        self._ended = True
        self._measurement.__exit__(None, None, None)

    def _recording(self) -> Recording:
        self._check_not_ended()
        return self._whole

    def _transport_sink(self) -> Sink | None:
        """Give where a transport states its events, unless the probes see what it carries."""
        self._check_not_ended()
        return None if instruments.installed else instruments.transports

    def _check_not_ended(self) -> None:
        if self._ended:
            raise RuntimeError(
                f"connection_counter was used after its test had ended ({self._name}); "
                "take what you need from it inside the test"
            )

    def _hold(self, limit: Limit) -> None:
        __tracebackhide__ = True
        # With patches the evidence is a section of the test's report already.
        hold(self._take(), (limit,), evidence=not self._measurement.patch)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._whole!r}>"
