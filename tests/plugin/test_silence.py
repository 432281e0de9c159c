"""Nothing passes vacuously."""

from __future__ import annotations

import pytest

from .conftest import Run


def test_a_test_that_makes_no_connection_fails_with_a_message_of_its_own(suite: Run) -> None:
    result = suite(
        """
        @pytest.mark.single_connection
        def test_nothing():
            pass

        @pytest.mark.connections(at_most=3)
        def test_nothing_either():
            pass

        @pytest.mark.connections(exactly=0)
        def test_nothing_was_promised():
            pass

        @pytest.mark.single_connection
        def test_refused():
            with pytest.raises(ConnectionRefusedError):
                http.client.HTTPConnection("127.0.0.1", 1).request("GET", "/")
        """
    )
    result.assert_outcomes(passed=1, failed=3)
    result.stdout.fnmatch_lines(
        [
            "*_ test_nothing _*",
            "nothing was measured: no connection was seen (*)",
            "*_ test_nothing_either _*",
            "nothing was measured: no connection was seen (*)",
            "*_ test_refused _*",
            "nothing was measured: no connection was seen (*)",
            "*Captured keepalive call*",
            "1 attempt to 127.0.0.1:1 failed: ECONNREFUSED",
        ]
    )


def test_a_mock_is_named(suite: Run) -> None:
    pytest.importorskip("respx")
    result = suite(
        """
        import httpx
        import respx

        @pytest.mark.single_connection
        @respx.mock
        def test_mocked():
            respx.get("http://api.example.com/").respond(200)
            assert httpx.get("http://api.example.com/").status_code == 200
        """
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["nothing was measured: *respx*answers requests without a connection, and is loaded*"]
    )


def test_a_connection_to_somewhere_else_is_named(suite: Run) -> None:
    result = suite(
        """
        @pytest.mark.single_connection(to="api.example.com")
        def test_elsewhere(keepalive_server):
            get(keepalive_server)
        """
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "nothing was measured: no connection to api.example.com was seen, only 1 connection to "
            "http://127.0.0.1:*"
        ]
    )


def test_connections_that_carried_nothing_are_not_used(suite: Run) -> None:
    result = suite(
        """
        import socket

        @pytest.mark.single_connection(used_only=True)
        def test_speculative(keepalive_server):
            address = keepalive_server.host, keepalive_server.port
            client = Client(keepalive_server)
            client.connection.connect()
            client.close()

        @pytest.mark.connections(exactly=2)
        def test_counted_by_default(keepalive_server):
            Client(keepalive_server).connection.connect()
            get(keepalive_server)
        """,
        "-W",
        "ignore::ResourceWarning",
        "-W",
        "ignore::pytest.PytestUnraisableExceptionWarning",
    )
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["nothing was measured: no connection carried anything"])
