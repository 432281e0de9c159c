from __future__ import annotations

import copy
import pickle
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_keepalive._origin import (
    Origin,
    Pair,
    address_of,
    origin_of,
    pair_of,
    split_authority,
    without_secrets,
)

HOSTS = st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,20}[a-z0-9])?", fullmatch=True) | st.just("::1")
SCHEMES = st.sampled_from(["http", "https", "ws", "wss", "tcp", "grpc"])
PORTS = st.integers(1, 65535)
ORIGINS = st.builds(Origin, SCHEMES, HOSTS, PORTS)


@pytest.mark.parametrize(
    ("scheme", "host", "port", "text"),
    [
        ("http", "api.example.com", 8000, "http://api.example.com:8000"),
        ("http", "api.example.com", 80, "http://api.example.com"),
        ("https", "api.example.com", 443, "https://api.example.com"),
        ("https", "api.example.com", 80, "https://api.example.com:80"),
        ("wss", "api.example.com", 443, "wss://api.example.com"),
        ("tcp", "127.0.0.1", 80, "tcp://127.0.0.1:80"),
        ("http", "::1", 8000, "http://[::1]:8000"),
        ("HTTP", "API.Example.com", 8000, "http://api.example.com:8000"),
    ],
)
def test_an_origin_reads_as_its_url_without_the_default_port(
    scheme: str, host: str, port: int, text: str
) -> None:
    origin = Origin(scheme, host, port)
    assert origin == text
    assert repr(origin) == f"<Origin {text}>"
    assert (origin.scheme, origin.host, origin.port) == (scheme.lower(), host.lower(), port)


@given(ORIGINS)
def test_an_origin_survives_pickling_and_copying(origin: Origin) -> None:
    for twin in (pickle.loads(pickle.dumps(origin)), copy.copy(origin), copy.deepcopy(origin)):
        assert twin == origin
        assert (twin.scheme, twin.host, twin.port) == (origin.scheme, origin.host, origin.port)


@given(ORIGINS, st.sampled_from(["", "/", "/path/x", "?a=1", "#top"]))
def test_an_origin_is_found_again_in_a_url_that_has_it(origin: Origin, rest: str) -> None:
    found = origin_of(f"{origin}{rest}")
    if origin.scheme in ("tcp", "grpc"):
        # These have no default port to leave out, so theirs is always written.
        assert f":{origin.port}" in origin
    assert found == origin


def test_an_origin_is_found_behind_credentials() -> None:
    assert origin_of("https://user:p%40ss@api.example.com:8443/x") == "https://api.example.com:8443"


@pytest.mark.parametrize(
    "text",
    ["", "api.example.com", "/path", "://host", "http://", "http://host:port/", "http://h:99999"],
)
def test_what_is_no_absolute_url_has_no_origin(text: str) -> None:
    assert origin_of(text) is None


@given(st.text(max_size=40))
def test_no_text_at_all_breaks_the_search_for_an_origin(text: str) -> None:
    origin_of(text)
    origin_of(f"http://{text}")


@pytest.mark.parametrize(
    ("authority", "host", "port"),
    [
        ("host", "host", None),
        ("host:80", "host", 80),
        ("host:", "host", None),
        ("::1", "::1", None),
        ("[::1]", "::1", None),
        ("[::1]:80", "::1", 80),
    ],
)
def test_an_authority_is_split_into_host_and_port(
    authority: str, host: str, port: int | None
) -> None:
    assert split_authority(authority) == (host, port)


@pytest.mark.parametrize("authority", ["host:http", "host:65536", "host:-1", "host:٣", "[::1]80x"])
def test_a_port_that_is_no_number_is_refused(authority: str) -> None:
    with pytest.raises(ValueError, match="is not a TCP port"):
        split_authority(authority)


@pytest.mark.parametrize(
    ("sockname", "address"),
    [
        (("127.0.0.1", 80), ("127.0.0.1", 80)),
        (("::1", 80, 0, 0), ("::1", 80)),
        (("fe80::1%eth0", 80, 0, 2), ("fe80::1", 80)),
        (("FE80::1", 80, 7, 2), ("fe80::1", 80)),
        (("::ffff:10.0.0.1", 80, 0, 0), ("10.0.0.1", 80)),
        (("::ffff:10.0.0.1", 80), ("10.0.0.1", 80)),
        (("::ffff:0:1", 80, 0, 0), ("::ffff:0:1", 80)),
    ],
)
def test_an_address_is_reduced_to_host_and_port(
    sockname: tuple[object, ...], address: tuple[str, int]
) -> None:
    assert address_of(sockname) == address


@pytest.mark.parametrize(
    "sockname", ["/run/x.sock", b"\0abstract", None, (), ("host",), ("h", "p"), ["h", 80]]
)
def test_what_is_no_internet_address_has_none(sockname: object) -> None:
    assert address_of(sockname) is None
    assert pair_of(sockname, ("127.0.0.1", 80)) is None
    assert pair_of(("127.0.0.1", 80), sockname) is None


def test_a_pair_is_both_ends() -> None:
    found = pair_of(("::1", 50000, 0, 0), ("::1", 80, 0, 0))
    assert found == Pair(("::1", 50000), ("::1", 80))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://host/path", "http://host/path"),
        ("http://host/path?a=1&b=&c", "http://host/path?a=...&b=...&c"),
        ("http://user:secret@host/", "http://host/"),
        ("http://user@host:80/@x?y=@", "http://host:80/@x?y=..."),
        ("http://host/#secret", "http://host/"),
        ("/path?token=secret", "/path?token=..."),
        (f"/path?{'c' * 41}&a&{'c' * 64}==", "/path?...&a&..."),
        ("/path?hunter2&k=1", "/path?...&k=..."),
        (
            "/path?HUNTER&dG9rZW4=&b2F=&uploads&list-type=2&X1=",
            "/path?...&...&...&uploads&list-type=...&...",
        ),
        ("http://user:secret@host?a=secret", "http://host?a=..."),
        ("http://host/?next=http://user:secret@other/", "http://host/?next=..."),
    ],
)
def test_a_url_is_shown_without_credentials_and_query_values(url: str, shown: str) -> None:
    assert without_secrets(url) == shown


SECRETS = st.text(string.ascii_uppercase, min_size=4, max_size=12)


@given(SECRETS, SECRETS, SECRETS, st.sampled_from(["", ":8443"]))
def test_no_secret_survives_in_a_url(password: str, token: str, fragment: str, port: str) -> None:
    url = f"https://user:{password}@host{port}/path?token={token}&x=1#{fragment}"
    shown = without_secrets(url)
    assert shown == f"https://host{port}/path?token=...&x=..."
    assert without_secrets(shown) == shown
