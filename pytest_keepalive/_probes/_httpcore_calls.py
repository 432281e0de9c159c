"""Wrappers around the calls of httpcore, each once for its threads and once for its tasks.

Rules
1. Nothing is decided here; what goes wrong in deciding becomes one fact and stays here.
2. A coroutine function is wrapped by a coroutine function, for others tell them apart.
3. Arguments go through as they came, and so do results and exceptions.
4. Three of these run for each request: no call is made that could be left out.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar, Token
from typing import Any

Function = Callable[..., Any]
Make = Callable[[Function], Function]
Notice = Callable[[Any, "tuple[Any, ...]", "dict[str, Any]"], None]
Answered = Callable[[Any, Any, Any], None]
Failed = Callable[[Any, Any, BaseException], None]
Report = Callable[[Exception], None]


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
        failed: Called with the object, the request and the exception; never raises.
        report: Called with what ``answered`` raised.
        coroutine: Whether what is wrapped is a coroutine function.
    """

    def threaded(original: Function) -> Function:
        def call(subject: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                response = original(subject, request, *args, **kwargs)
            except BaseException as error:
                failed(subject, request, error)
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
                failed(subject, request, error)
                raise
            try:
                answered(subject, request, response)
            except Exception as error:
                report(error)
            return response

        return call

    return tasked if coroutine else threaded


def within(variable: ContextVar[Any], value: Callable[[Any, Any], Any], coroutine: bool) -> Make:
    """Make wrappers that set a context variable for the length of a call.

    The first argument keeps the name that httpcore gave it: respx asks for that name.

    Args:
        variable: It is put back behind the call.
        value: Called with the object and its first argument, ``None`` where there is none; what
            it gives is set. Never raises.
        coroutine: Whether what is wrapped is a coroutine function.
    """
    set_to, put_back = variable.set, variable.reset

    def threaded(original: Function) -> Function:
        def call(subject: Any, request: Any = None, *args: Any, **kwargs: Any) -> Any:
            token = set_to(value(subject, request))
            try:
                if request is None:
                    return original(subject, *args, **kwargs)
                return original(subject, request, *args, **kwargs)
            finally:
                _settle(put_back, token)

        return call

    def tasked(original: Function) -> Function:
        async def call(subject: Any, request: Any = None, *args: Any, **kwargs: Any) -> Any:
            token = set_to(value(subject, request))
            try:
                if request is None:
                    return await original(subject, *args, **kwargs)
                return await original(subject, request, *args, **kwargs)
            finally:
                _settle(put_back, token)

        return call

    return tasked if coroutine else threaded


def _settle(put_back: Callable[[Token[Any]], None], token: Token[Any]) -> None:
    try:
        put_back(token)
    except ValueError:
        # A coroutine that was given up is closed in whichever context the collector runs in;
        # the one that something was set in is gone with it.
        return
