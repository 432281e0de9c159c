from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_keepalive._destination import parse_destination
from pytest_keepalive._events import Outcome
from pytest_keepalive._origin import Origin

from . import facts

API = facts.connection(
    origin=Origin("https", "api.example.com", 443),
    peer=("10.0.0.7", 443),
    asked_for="edge.example.net",
)
LOOPBACK = facts.connection(origin=Origin("http", "::1", 8080), peer=("::1", 8080))
BARE = facts.connection(origin=Origin("tcp", "10.0.0.9", 6379), peer=("10.0.0.9", 6379))
PROXIED = facts.connection(
    origin=Origin("http", "proxy.local", 3128),
    peer=("10.0.0.1", 3128),
    exchanges=[
        facts.exchange(0, url="http://first.example.com/a"),
        facts.exchange(1, url="http://second.example.com:8000/b"),
        facts.exchange(2, url="*"),
    ],
)


@pytest.mark.parametrize(
    "pattern",
    [
        "api.example.com",
        "API.example.com",
        "api.example.com:443",
        "https://api.example.com",
        "https://api.example.com/v1/users?page=2",
        "https://user:secret@api.example.com",
        "*.example.com",
        "api.*",
        "*",
        "*:443",
        "*://api.example.com",
        "http*://api.example.com:443",
        "api.example.com:4*",
        "api.example.com:44?",
        "[ab]pi.example.com",
        "10.0.0.7",
        "10.0.0.*",
        "10.0.0.7:443",
        "edge.example.net",
        "https://edge.example.net",
    ],
)
def test_a_destination_is_matched_by_its_name_its_address_and_globs(pattern: str) -> None:
    assert parse_destination(pattern).matches(API)


@pytest.mark.parametrize(
    "pattern",
    [
        "example.com",
        "api.example.com:80",
        "api.example.com:8443",
        "http://api.example.com",
        "https://api.example.com:8443",
        "http://api.example.com:443",
        "*.example.org",
        "?.example.com",
        "10.0.0.8",
        "10.0.0.7:80",
    ],
)
def test_another_destination_is_not_matched(pattern: str) -> None:
    assert not parse_destination(pattern).matches(API)


@pytest.mark.parametrize("pattern", ["::1", "[::1]", "[::1]:8080", "http://[::1]:8080", "::*"])
def test_an_ipv6_address_is_matched_with_and_without_brackets(pattern: str) -> None:
    assert parse_destination(pattern).matches(LOOPBACK)
    assert not parse_destination(pattern).matches(API)


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("10.0.0.9", True),
        ("http://10.0.0.9:6379", True),
        ("redis://10.0.0.9:6379", True),
        ("http://10.0.0.9", False),
        ("redis://10.0.0.9:6380", False),
    ],
)
def test_a_connection_of_unknown_scheme_matches_every_scheme(pattern: str, matches: bool) -> None:
    assert parse_destination(pattern).matches(BARE) is matches


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("proxy.local", True),
        ("first.example.com", True),
        ("first.example.com:80", True),
        ("second.example.com:8000", True),
        ("http://second.example.com:8000", True),
        ("second.example.com:80", False),
        ("third.example.com", False),
    ],
)
def test_a_connection_to_a_forward_proxy_goes_to_each_origin_it_carries(
    pattern: str, matches: bool
) -> None:
    assert parse_destination(pattern).matches(PROXIED) is matches


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("10.0.0.7", True),
        ("10.0.0.7:443", True),
        ("api.example.com", True),
        ("https://api.example.com", True),
        ("api.example.com:80", False),
        ("other.example.com", False),
    ],
)
def test_an_attempt_is_matched_by_the_name_it_was_resolved_from(
    pattern: str, matches: bool
) -> None:
    attempt = facts.attempted(
        outcome=Outcome.FAILED, peer=("10.0.0.7", 443), asked_for="api.example.com"
    )
    assert parse_destination(pattern).matches_attempt(attempt) is matches


def test_an_attempt_without_a_name_is_matched_by_its_address_alone() -> None:
    attempt = facts.attempted(outcome=Outcome.FAILED, peer=("10.0.0.7", 443))
    assert parse_destination("10.0.0.7").matches_attempt(attempt)
    assert not parse_destination("api.example.com").matches_attempt(attempt)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "...",
        "?",
        "two words",
        "api.example.com:",
        "api.example.com:http",
        "api.example.com:70000",
        "api.example.com:٣",
        "://api.example.com",
        "ht tp://api.example.com",
        "http://",
        "http:///path",
        "[::1",
        "[::1]x",
        "api.example.com/v1",
        "user@api.example.com",
        "1:2:zz",
        "api\n.example.com",
        "x" * 20 + "$",
    ],
)
def test_what_is_no_host_url_or_glob_is_refused_by_its_text(text: str) -> None:
    with pytest.raises(ValueError, match="is no host, URL or glob") as caught:
        parse_destination(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize("value", [None, 8080, b"host", ["host"], ("host", 80)])
def test_what_is_no_text_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="must be text"):
        parse_destination(value)


@given(st.text(max_size=30))
def test_any_text_is_either_a_destination_or_refused(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert parse_destination(text).matches(API) in (True, False)


@given(
    st.sampled_from(["http", "https"]),
    st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,20}[a-z0-9])?", fullmatch=True) | st.just("::1"),
    st.integers(1, 65535),
)
def test_every_origin_matches_its_own_connection_and_no_other_port(
    scheme: str, host: str, port: int
) -> None:
    origin = Origin(scheme, host, port)
    other = Origin(scheme, host, port % 65535 + 1)
    destination = parse_destination(str(origin))
    assert destination.matches(facts.connection(origin=origin, peer=("10.0.0.1", port)))
    assert not destination.matches(
        facts.connection(origin=other, peer=("10.0.0.1", other.port), exchanges=0)
    )
