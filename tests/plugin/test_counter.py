from __future__ import annotations

import pytest

from .conftest import Run


def test_the_counter_knows_what_the_test_has_done_so_far(suite: Run) -> None:
    result = suite(
        """
        def test_so_far(keepalive_server, connection_counter):
            assert connection_counter.count == 0
            client = Client(keepalive_server)
            client.get(times=3)
            assert connection_counter.count == keepalive_server.accepted == 1
            assert connection_counter.connections == 1
            assert connection_counter.exchanges == len(keepalive_server.requests) == 3
            assert connection_counter.opened == 1
            assert connection_counter.reused == 2
            assert connection_counter.attempts == 1
            assert connection_counter.findings == ()
            assert connection_counter.exact
            assert connection_counter.blind_spots == ()
            assert connection_counter.to("127.0.0.1").count == 1
            assert connection_counter.per_origin()[keepalive_server.url].count == 1
            assert "1 connection; 3 exchanges" in connection_counter.report()
            connection_counter.assert_single(requests=3)
            connection_counter.assert_connections(exactly=1, min_reuse=0.6)
            assert repr(connection_counter).startswith("<ConnectionCounter <Recording 1 connection")
            client.close()
        """
    )
    result.assert_outcomes(passed=1)


def test_the_counter_begins_with_its_fixture_and_the_marker_with_the_call(suite: Run) -> None:
    result = suite(
        """
        @pytest.fixture
        def client(connection_counter, keepalive_server):
            client = Client(keepalive_server)
            client.get()
            yield client
            client.close()

        @pytest.mark.connections(opened_at_most=0, requests=1)
        def test_windows(client, connection_counter):
            client.get()
            assert connection_counter.opened == 1
            assert connection_counter.exchanges == 2
        """
    )
    result.assert_outcomes(passed=1)


def test_a_warm_pool_is_one_connection_used_and_none_opened(suite: Run) -> None:
    result = suite(
        """
        from pytest_keepalive._server import KeepaliveServer

        @pytest.fixture(scope="session")
        def warm():
            with KeepaliveServer() as server:
                client = Client(server)
                client.get()
                yield client
                client.close()

        @pytest.mark.single_connection(requests=1)
        @pytest.mark.connections(opened_at_most=0)
        def test_first(warm):
            warm.get()

        @pytest.mark.single_connection(requests=2)
        def test_second(warm, connection_counter):
            warm.get(times=2)
            (connection,) = connection_counter.connections
            assert not connection.opened_here
            assert [exchange.index for exchange in connection.exchanges] == [2, 3]
            assert connection_counter.opened == 0
        """
    )
    result.assert_outcomes(passed=2)


def test_a_block_is_measured_inside_the_test(suite: Run) -> None:
    result = suite(
        """
        def test_block(keepalive_server, connection_counter):
            get(keepalive_server)
            with connection_counter.measure() as seen:
                get(keepalive_server)
            assert (seen.count, connection_counter.count) == (1, 2)
        """
    )
    result.assert_outcomes(passed=1)


def test_an_ignored_destination_does_not_count_in_the_counter(suite: Run) -> None:
    result = suite(
        """
        def test_ignored(keepalive_server, connection_counter):
            get(keepalive_server)
            assert connection_counter.count == 0
            assert connection_counter.attempts == 0
        """,
        ini="keepalive_ignore = 127.0.0.*",
    )
    result.assert_outcomes(passed=1)


def test_a_failed_assertion_shows_the_evidence_once(suite: Run) -> None:
    result = suite(
        """
        def test_counted(keepalive_server, connection_counter):
            get(keepalive_server)
            get(keepalive_server)
            assert connection_counter.count == 1
        """
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["E *assert 2 == 1", "*Captured keepalive call*", "2 connections; 2 exchanges, *"]
    )


def test_the_evidence_has_what_fixtures_did_after_the_counter(suite: Run) -> None:
    result = suite(
        """
        @pytest.fixture
        def used(connection_counter, keepalive_server):
            get(keepalive_server)

        def test_counted(used):
            assert False
        """
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*Captured keepalive call*", "1 connection; 1 exchange, *"])


@pytest.mark.parametrize("where", ["setup", "teardown"])
@pytest.mark.parametrize(
    "claim", ["connection_counter.assert_single()", "assert connection_counter.count == 1"]
)
def test_a_fixture_that_asserts_shows_the_evidence_once(suite: Run, where: str, claim: str) -> None:
    before, after = (claim, "pass") if where == "setup" else ("pass", claim)
    result = suite(
        f"""
        @pytest.fixture
        def budget(connection_counter, keepalive_server):
            get(keepalive_server)
            get(keepalive_server)
            {before}
            yield
            {after}

        def test_within(budget):
            pass

        def test_next():
            assert False
        """
    )
    result.assert_outcomes(errors=1, failed=1, passed=1 if where == "teardown" else 0)
    result.stdout.fnmatch_lines(
        [f"*Captured keepalive {where}*", "2 connections; 2 exchanges, *", "    × 1, same line"]
    )
    assert result.stdout.str().count("2 connections; 2 exchanges, ") == 1
    # It is shown with the values of that frame, and its test has ended by then.
    result.stdout.fnmatch_lines(["connection_counter = <ConnectionCounter <Recording 2 conn*"])


def test_a_counter_that_is_used_after_its_test_is_a_clear_error(suite: Run) -> None:
    result = suite(
        """
        kept = []

        def test_keeps_it(connection_counter, keepalive_server):
            get(keepalive_server)
            kept.append(connection_counter)
            kept.append(connection_counter.to("127.0.0.1"))

        @pytest.mark.parametrize(
            "use",
            [
                lambda counter, view: counter.count,
                lambda counter, view: counter.assert_single(),
                lambda counter, view: counter.measure(),
                lambda counter, view: view.count,
                lambda counter, view: counter.report(),
            ],
        )
        def test_uses_it(use):
            with pytest.raises(RuntimeError) as caught:
                use(*kept)
            assert str(caught.value) == (
                "connection_counter was used after its test had ended "
                "(test_suite.py::test_keeps_it); take what you need from it inside the test"
            )
        """
    )
    result.assert_outcomes(passed=6)


def test_a_counter_asked_for_by_name_is_measured_too(suite: Run) -> None:
    result = suite(
        """
        def test_dynamic(request, keepalive_server):
            connection_counter = request.getfixturevalue("connection_counter")
            get(keepalive_server)
            assert connection_counter.count == 1
        """
    )
    result.assert_outcomes(passed=1)


def test_blocks_that_outlive_the_test_are_a_clear_error(suite: Run) -> None:
    result = suite(
        """
        def test_open(connection_counter):
            block = connection_counter.measure()
            block.__enter__()
            open_blocks.append(block)

        def test_next():
            with pytest.raises(IndexError):
                open_blocks[1]
            open_blocks[0].__exit__(None, None, None)

        open_blocks = []
        """
    )
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["E *RuntimeError: measure() blocks were closed out of order*"])


@pytest.mark.parametrize(
    ("library", "plugin"),
    [("asyncio", "pytest_asyncio.plugin"), ("trio", "pytest_trio.plugin")],
)
def test_asynchronous_tests_are_measured(suite: Run, library: str, plugin: str) -> None:
    pytest.importorskip(plugin)
    opens = {
        "asyncio": "(await asyncio.open_connection(server.host, server.port))[1].close()",
        "trio": "await (await trio.open_tcp_stream(server.host, server.port)).aclose()",
    }
    result = suite(
        f"""
        import {library}

        async def connect(server):
            {opens[library]}

        @pytest.mark.{library}
        @pytest.mark.single_connection
        async def test_one(keepalive_server, connection_counter):
            await connect(keepalive_server)
            assert connection_counter.count == 1
            with connection_counter.measure() as seen:
                pass
            assert seen.count == 0

        @pytest.mark.{library}
        @pytest.mark.single_connection
        async def test_two(keepalive_server):
            await connect(keepalive_server)
            await connect(keepalive_server)
        """,
        plugins=(plugin,),
        ini="asyncio_default_fixture_loop_scope = function" if library == "asyncio" else "",
    )
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["opened 2 connections to *127.0.0.1:*, limit is 1*"])
