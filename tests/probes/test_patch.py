from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pytest_keepalive._events import Event, Trouble
from pytest_keepalive._probes._patch import Patches, SeamGone, observing


def counting(calls: list[str], name: str = "ours") -> Callable[[Any], Any]:
    """Make wrappers that note each call."""

    def make(original: Any) -> Any:
        def wrapper(*args: Any) -> Any:
            calls.append(name)
            return original(*args)

        return wrapper

    return make


@pytest.fixture
def patches() -> Patches:
    return Patches()


def client() -> Any:
    class Base:
        def inherited(self) -> str:
            """Do what the base does."""
            return "inherited"

    class Client(Base):
        def own(self) -> str:
            """Do what it does itself."""
            return "own"

    return Client


def test_a_wrapper_is_called_and_taken_away_again(patches: Patches) -> None:
    calls: list[str] = []
    cls = client()
    original = vars(cls)["own"]
    patches.wrap(cls, "own", counting(calls))
    assert cls().own() == "own"
    assert calls == ["ours"]
    patches.restore()
    assert vars(cls)["own"] is original
    cls().own()
    assert calls == ["ours"]


def test_what_was_inherited_is_inherited_again(patches: Patches) -> None:
    calls: list[str] = []
    cls = client()
    patches.wrap(cls, "inherited", counting(calls))
    assert cls().inherited() == "inherited"
    assert calls == ["ours"]
    patches.restore()
    assert "inherited" not in vars(cls)


def test_a_wrapper_looks_like_what_it_stands_for(patches: Patches) -> None:
    cls = client()
    patches.wrap(cls, "own", counting([]))
    assert cls.own.__name__ == "own"
    assert cls.own.__doc__ == "Do what it does itself."
    assert cls.own.__wrapped__.__qualname__ == "client.<locals>.Client.own"


def test_wrapping_again_does_nothing(patches: Patches) -> None:
    calls: list[str] = []
    cls = client()
    for _ in range(3):
        patches.wrap(cls, "own", counting(calls))
    cls().own()
    assert calls == ["ours"]


def test_two_probes_may_wrap_the_same_name() -> None:
    calls: list[str] = []
    cls = client()
    original = vars(cls)["own"]
    first, second = Patches(), Patches()
    first.wrap(cls, "own", counting(calls, "first"))
    second.wrap(cls, "own", counting(calls, "second"))
    cls().own()
    assert calls == ["second", "first"]
    second.restore()
    first.restore()
    assert vars(cls)["own"] is original


def test_what_somebody_put_over_ours_stays(patches: Patches) -> None:
    calls: list[str] = []
    cls = client()
    patches.wrap(cls, "own", counting(calls))
    theirs = counting(calls, "theirs")(cls.own)
    cls.own = theirs
    patches.restore()
    assert vars(cls)["own"] is theirs
    assert cls().own() == "own"
    assert calls == ["theirs", "ours"]


def test_what_somebody_put_in_our_place_is_wrapped_and_stays_theirs(patches: Patches) -> None:
    calls: list[str] = []
    cls = client()
    patches.wrap(cls, "own", counting(calls))

    def theirs(self: Any) -> str:
        return "theirs"

    cls.own = theirs
    patches.wrap(cls, "own", counting(calls))
    assert cls().own() == "theirs"
    assert calls == ["ours"]
    patches.restore()
    assert vars(cls)["own"] is theirs


def test_a_static_method_is_put_back_as_one(patches: Patches) -> None:
    class Client:
        @staticmethod
        def make() -> str:
            return "made"

    original = vars(Client)["make"]
    patches.wrap(Client, "make", lambda present: staticmethod(lambda: present()))
    assert Client.make() == "made"
    patches.restore()
    assert vars(Client)["make"] is original


def test_a_name_that_is_gone_is_named(patches: Patches) -> None:
    cls = client()
    with pytest.raises(SeamGone) as caught:
        patches.wrap(cls, "gone", counting([]))
    assert caught.value.seam == f"{__name__}.client.<locals>.Client.gone"
    import http

    with pytest.raises(SeamGone) as caught:
        patches.wrap(http, "gone", counting([]))
    assert caught.value.seam == "http.gone"


def test_a_callable_with_an_odd_name_can_be_wrapped(patches: Patches) -> None:
    class Odd:
        __name__ = 3

        def __call__(self, *args: Any) -> str:
            return "odd"

    calls: list[str] = []
    cls = client()
    cls.own = Odd()
    patches.wrap(cls, "own", counting(calls))
    assert cls().own() == "odd"
    assert calls == ["ours"]


class Observer:
    client = "odd-client"

    def __init__(self) -> None:
        self.stated: list[Event] = []
        self.sink = self.stated.append

    @observing
    def look(self, what: Any) -> Any:
        return 1 / what


def test_an_observation_that_fails_is_a_fact_and_no_error() -> None:
    observer = Observer()
    assert observer.look(2) == 0.5
    assert observer.look(0) is None
    assert observer.stated == [
        Trouble("odd-client", "its probe failed with ZeroDivisionError('division by zero')")
    ]


def test_an_observation_may_be_interrupted() -> None:
    class Interrupted(Observer):
        @observing
        def look(self, what: Any) -> Any:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Interrupted().look(1)
