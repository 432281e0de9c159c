from __future__ import annotations

import sys

import pytest

from pytest_keepalive._surroundings import reasons_for_silence


@pytest.mark.parametrize(
    ("modules", "natives", "reasons"),
    [
        (
            ("urllib3", "respx", "vcr"),
            (),
            ("VCR.py or respx answers requests without a connection, and is loaded",),
        ),
        (
            ("urllib3",),
            ("grpcio", "pycurl"),
            (
                "grpcio or pycurl connects without Python's sockets, and is loaded: "
                "run with --keepalive-watch=kernel",
            ),
        ),
        (
            ("httpcore", "starlette.testclient"),
            (),
            ("starlette's TestClient calls the application in process, and is loaded",),
        ),
        (("os", "json"), (), ("no client library was imported",)),
        (("urllib3",), (), ("the client never connected in the window",)),
    ],
    ids=["mock", "native", "in-process", "no-client", "silent-client"],
)
def test_what_may_be_behind_the_silence_is_read_off_what_is_loaded(
    modules: tuple[str, ...], natives: tuple[str, ...], reasons: tuple[str, ...]
) -> None:
    assert reasons_for_silence(modules, natives) == reasons


def test_every_reason_is_told() -> None:
    modules = ("responses", "werkzeug.test")
    assert len(reasons_for_silence(modules, ("pycurl",))) == 4


def test_there_is_a_reason_for_this_very_process() -> None:
    assert reasons_for_silence(sys.modules, ())
