"""A seam: a name of a client library through which its calls can be observed.

Rules
1. What is awaited stays awaitable: a coroutine function is observed by a coroutine function.
2. Observing never fails, and changes neither what a call gives nor what it raises.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any

from pytest_keepalive._probes._patch import SeamGone

Begin = Callable[[Any, tuple[Any, ...], dict[str, Any]], Any]
Done = Callable[[Any, Any], Any]
Failed = Callable[[Any, BaseException], Any]


def seam_of(module: ModuleType, path: str) -> Any:
    """Give what a library has under a dotted name.

    Args:
        module: The library's package.
        path: Relative to the package.

    Raises:
        SeamGone: There is nothing under that name any more.
    """
    found: Any = module
    for name in path.split("."):
        found = getattr(found, name, None)
        if found is None:
            raise SeamGone(f"{module.__name__}.{path}")
    return found


def ignore(token: Any, result: Any) -> None:
    """Take note of nothing."""


def observed(
    begin: Begin, done: Done = ignore, failed: Failed = ignore
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make what wraps a method, so that each of its calls is observed; for ``Patches.wrap``.

    Args:
        begin: Called first, with the object and the call's arguments; its result is the token
            that the others are given.
        done: Called with the token and with what the call gives.
        failed: Called with the token and with what the call raises.
    """

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        if inspect.iscoroutinefunction(original):
            return _awaited(original, begin, done, failed)
        return _called(original, begin, done, failed)

    return make


def _called(
    original: Callable[..., Any], begin: Begin, done: Done, failed: Failed
) -> Callable[..., Any]:
    def call(subject: Any, *args: Any, **kwargs: Any) -> Any:
        token = begin(subject, args, kwargs)
        try:
            result = original(subject, *args, **kwargs)
        except BaseException as error:
            failed(token, error)
            raise
        done(token, result)
        return result

    return call


def _awaited(
    original: Callable[..., Any], begin: Begin, done: Done, failed: Failed
) -> Callable[..., Any]:
    async def call(subject: Any, *args: Any, **kwargs: Any) -> Any:
        token = begin(subject, args, kwargs)
        try:
            result = await original(subject, *args, **kwargs)
        except BaseException as error:
            failed(token, error)
            raise
        done(token, result)
        return result

    return call
