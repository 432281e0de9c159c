from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_keepalive._probes._head import forbids_reuse, kept_fields


def test_only_fields_that_tell_of_the_connection_are_kept() -> None:
    fields = [
        ("Server", "nginx"),
        ("Set-Cookie", "session=secret"),
        ("CONNECTION", "close"),
        ("X-Api-Key", "secret"),
        ("Content-Length", "7"),
    ]
    assert kept_fields(fields) == (
        ("server", "nginx"),
        ("connection", "close"),
        ("content-length", "7"),
    )


@pytest.mark.parametrize("name", ["WWW-Authenticate", "Proxy-Authenticate"])
@pytest.mark.parametrize(
    ("challenge", "schemes"),
    [
        ("Negotiate", "Negotiate"),
        ("NTLM TlRMTVNTUAAC==", "NTLM"),
        ('Basic realm="secret room"', "Basic"),
        ('Digest realm="a", nonce="secret", qop="auth"', "Digest"),
        ('Negotiate, Basic realm="a", charset="UTF-8"', "Negotiate, Basic"),
        ('Basic realm="ask Bob, Secret , \\"Alice, Private\\""', "Basic"),
        ('Basic realm="never ends, Secret', "Basic"),
        ("", ""),
    ],
)
def test_a_challenge_is_reduced_to_its_schemes(name: str, challenge: str, schemes: str) -> None:
    assert kept_fields([(name, challenge)]) == ((name.lower(), schemes),)


def test_a_location_loses_its_secrets() -> None:
    fields = [("Location", "https://user:secret@host/x?token=secret#secret")]
    assert kept_fields(fields) == (("location", "https://host/x?token=..."),)


@given(st.sampled_from(["server", "location", "keep-alive", "www-authenticate"]), st.text())
def test_no_value_is_longer_than_200_characters(name: str, value: str) -> None:
    ((_, kept),) = kept_fields([(name, value * 50)])
    assert len(kept) <= 200


@pytest.mark.parametrize(
    ("version", "connection", "forbids"),
    [
        ("HTTP/1.1", None, False),
        ("HTTP/1.1", "keep-alive", False),
        ("HTTP/1.1", "close", True),
        ("HTTP/1.1", "Close", True),
        ("HTTP/1.1", "upgrade, close", True),
        ("HTTP/1.1", "closed", False),
        ("HTTP/1.0", None, True),
        ("HTTP/1.0", "Keep-Alive", False),
        ("HTTP/1.0", "keep-alive, close", True),
        ("HTTP/0.9", None, True),
        ("HTTP/2", None, False),
    ],
)
def test_a_head_forbids_reuse_as_rfc_9112_section_9_3_has_it(
    version: str, connection: str | None, forbids: bool
) -> None:
    assert forbids_reuse(version, connection) is forbids
