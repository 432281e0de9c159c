from __future__ import annotations

from .conftest import Run


def test_what_is_left_open_is_decided_after_the_fixtures_are_gone(suite: Run) -> None:
    result = suite(
        """
@pytest.fixture
def client(keepalive_server):
    client = leak(keepalive_server)
    yield client
    client.close()

@pytest.mark.connections(left_open_at_most=0)
def test_leaks(keepalive_server):
    leak(keepalive_server)

@pytest.mark.connections(left_open_at_most=1)
def test_may_leak_one(keepalive_server):
    leak(keepalive_server)

@pytest.mark.connections(left_open_at_most=0, requests=2)
def test_fixture_closes(client):
    client.connection.close()
    client.get(times=2)

@pytest.mark.connections(left_open_at_most=0)
def test_closes(keepalive_server):
    get(keepalive_server)

@pytest.mark.connections(left_open_at_most=0, to="elsewhere.example.com")
def test_of_another_destination(keepalive_server):
    leak(keepalive_server)
"""
    )
    result.assert_outcomes(passed=5, errors=1)
    result.stdout.fnmatch_lines(
        [
            "*_ ERROR at teardown of test_leaks _*",
            "left 1 connection to http://127.0.0.1:* open, limit is 0",
            "*Captured keepalive teardown*",
            "1 connection; 1 exchange, *",
        ]
    )


def test_a_connection_that_the_server_has_closed_is_still_left_open(suite: Run) -> None:
    result = suite(
        """
@pytest.fixture
def server(make_keepalive_server):
    return make_keepalive_server()

@pytest.mark.connections(left_open_at_most=0)
def test_leaks(server):
    leak(server)
    server.drop_idle()
    server.wait_until_closed()
"""
    )
    result.assert_outcomes(passed=1, errors=1)


def test_a_broken_limit_and_a_leak_are_both_told(suite: Run) -> None:
    result = suite(
        """
@pytest.mark.connections(exactly=1, left_open_at_most=1)
def test_both(keepalive_server):
    leak(keepalive_server)
    leak(keepalive_server)
"""
    )
    result.assert_outcomes(failed=1, errors=1)
    result.stdout.fnmatch_lines_random(
        ["opened 2 connections to *, limit is 1", "left 2 connections to * open, limit is 1"]
    )


def test_a_test_that_failed_by_itself_is_not_asked_what_it_left_open(suite: Run) -> None:
    result = suite(
        """
@pytest.mark.connections(left_open_at_most=0)
def test_fails(keepalive_server):
    leak(keepalive_server)
    assert False
"""
    )
    result.assert_outcomes(failed=1)


def test_a_fixture_that_fails_to_tear_down_keeps_its_error(suite: Run) -> None:
    result = suite(
        """
@pytest.fixture
def broken():
    yield
    1 / 0

@pytest.mark.connections(left_open_at_most=0)
def test_leaks(broken, keepalive_server):
    leak(keepalive_server)
"""
    )
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["E *ZeroDivisionError*"])
    result.stdout.no_fnmatch_line("left 1 connection *")


def test_connections_of_fixtures_are_not_the_tests(suite: Run) -> None:
    result = suite(
        """
@pytest.fixture
def warm(keepalive_server):
    return leak(keepalive_server)

@pytest.mark.connections(left_open_at_most=0, requests=1)
def test_uses_it(warm):
    warm.get()
"""
    )
    result.assert_outcomes(passed=1)
