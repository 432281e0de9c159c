"""Wrappers around the calls of httpcore, each once for its threads and once for its tasks.

Rules
1. Nothing is decided here; what goes wrong in deciding becomes one fact and stays here.
2. A coroutine function is wrapped by a coroutine function, for others tell them apart.
3. Arguments go through as they came, and so do results and exceptions.
4. Two of these run for each request: no call is made that could be left out.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar, Token
from time import perf_counter
from typing import Any, Protocol

Function = Callable[..., Any]
Make = Callable[[Function], Function]
Notice = Callable[[Any, "tuple[Any, ...]", "dict[str, Any]"], None]
Answered = Callable[[Any, Any, Any], None]
Made = Callable[[Any, float], None]
Failed = Callable[[Any, Any, BaseException], None]
Report = Callable[[Exception], None]


class Exchanges(Protocol):
    """What is told of the requests that a connection carries, of which it may raise."""

    def begun(self, connection: Any, request: Any) -> Any:
        """Give something that is handed to the others; ``None`` to be told no more."""

    def answered(self, connection: Any, exchange: Any, response: Any) -> None:
        """Take in a response."""

    def failed(self, connection: Any, exchange: Any, error: BaseException) -> None:
        """Take in what was raised in place of a response."""


def noticed(notice: Notice, report: Report, coroutine: bool) -> Make:
    """Make wrappers that tell of a call before it is made.

    Args:
        notice: Called with the object, the arguments, and the keywords.
        report: Called with what ``notice`` raised.
        coroutine: Whether what is wrapped is a coroutine function.
    """

    def threaded(original: Function) -> Function:
        def call(subject: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                notice(subject, args, kwargs)
            except Exception as error:
                report(error)
            return original(subject, *args, **kwargs)

        return call

    def tasked(original: Function) -> Function:
        async def call(subject: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                notice(subject, args, kwargs)
            except Exception as error:
                report(error)
            return await original(subject, *args, **kwargs)

        return call

    return tasked if coroutine else threaded


def sent(notice: Notice, report: Report, coroutine: bool) -> Make:
    """Make wrappers that tell of a head that is sent: in a thread behind it, in a task before.

    A thread has just taken the next number for its stream, which is another thread's, too, until
    the head is sent (httpcore takes no lock there): nothing may come in between. Tasks do not
    interrupt each other, and are told of in the order in which their streams begin.

    Args:
        notice: As above; not called twice, whatever is raised.
        report: As above.
        coroutine: As above.
    """

    def threaded(original: Function) -> Function:
        def call(subject: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                return original(subject, *args, **kwargs)
            finally:
                try:
                    notice(subject, args, kwargs)
                except Exception as error:
                    report(error)

        return call

    return noticed(notice, report, coroutine) if coroutine else threaded


def followed(answered: Answered, failed: Failed, report: Report, coroutine: bool) -> Make:
    """Make wrappers that tell what came of a request.

    Args:
        answered: Called with the object, the request and the response.
        failed: Called with the object, the request and the exception.
        report: Called with what these raised.
        coroutine: Whether what is wrapped is a coroutine function.
    """

    def threaded(original: Function) -> Function:
        def call(subject: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                response = original(subject, request, *args, **kwargs)
            except BaseException as error:
                _tell(report, failed, subject, request, error)
                raise
            try:
                answered(subject, request, response)
            except Exception as error:
                report(error)
            return response

        return call

    def tasked(original: Function) -> Function:
        async def call(subject: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                response = await original(subject, request, *args, **kwargs)
            except BaseException as error:
                _tell(report, failed, subject, request, error)
                raise
            try:
                answered(subject, request, response)
            except Exception as error:
                report(error)
            return response

        return call

    return tasked if coroutine else threaded


def carried(exchanges: Exchanges, report: Report, coroutine: bool) -> Make:
    """Make wrappers that tell of a request from its beginning to the head of its response.

    Args:
        exchanges: Who is told.
        report: Called with what these raised.
        coroutine: Whether what is wrapped is a coroutine function.
    """
    begun, answered, failed = exchanges.begun, exchanges.answered, exchanges.failed

    def threaded(original: Function) -> Function:
        def call(connection: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
            exchange = None
            try:
                exchange = begun(connection, request)
            except Exception as error:
                report(error)
            try:
                response = original(connection, request, *args, **kwargs)
            except BaseException as error:
                if exchange is not None:
                    _tell(report, failed, connection, exchange, error)
                raise
            if exchange is not None:
                try:
                    answered(connection, exchange, response)
                except Exception as error:
                    report(error)
            return response

        return call

    def tasked(original: Function) -> Function:
        async def call(connection: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
            exchange = None
            try:
                exchange = begun(connection, request)
            except Exception as error:
                report(error)
            try:
                response = await original(connection, request, *args, **kwargs)
            except BaseException as error:
                if exchange is not None:
                    _tell(report, failed, connection, exchange, error)
                raise
            if exchange is not None:
                try:
                    answered(connection, exchange, response)
                except Exception as error:
                    report(error)
            return response

        return call

    return tasked if coroutine else threaded


def made(note: Made, report: Report) -> Make:
    """Make wrappers that tell what a function made, and when it was called.

    Args:
        note: Called with what the function gave, and the time in seconds.
        report: Called with what ``note`` raised.
    """

    def make(original: Function) -> Function:
        def call(subject: Any, *args: Any, **kwargs: Any) -> Any:
            at = perf_counter()
            result = original(subject, *args, **kwargs)
            try:
                note(result, at)
            except Exception as error:
                report(error)
            return result

        return call

    return make


def within(variable: ContextVar[bool], coroutine: bool) -> Make:
    """Make wrappers that say so in a context variable for the length of a call.

    Args:
        variable: It is true during the call.
        coroutine: Whether what is wrapped is a coroutine function.
    """

    def threaded(original: Function) -> Function:
        def call(subject: Any, *args: Any, **kwargs: Any) -> Any:
            token = variable.set(True)
            try:
                return original(subject, *args, **kwargs)
            finally:
                _settle(variable.reset, token)

        return call

    def tasked(original: Function) -> Function:
        async def call(subject: Any, *args: Any, **kwargs: Any) -> Any:
            token = variable.set(True)
            try:
                return await original(subject, *args, **kwargs)
            finally:
                _settle(variable.reset, token)

        return call

    return tasked if coroutine else threaded


def _tell(report: Report, told: Callable[..., None], *what: Any) -> None:
    try:
        told(*what)
    except Exception as error:
        report(error)


def _settle(put_back: Callable[[Token[Any]], None], token: Token[Any]) -> None:
    try:
        put_back(token)
    except ValueError:
        # A coroutine that was given up is closed in whichever context the collector runs in;
        # the one that something was set in is gone with it.
        return
