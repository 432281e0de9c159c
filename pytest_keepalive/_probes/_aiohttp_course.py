"""What the course of an exchange of aiohttp is made of."""

from __future__ import annotations

from pytest_keepalive._events import Answered, Event, Requested, new_event
from pytest_keepalive._probes._aiohttp_key import shown
from pytest_keepalive._probes._course import Facts, reader_of


def _requested(exchange: int, at: float, asked: Facts) -> Event:
    pair, method, url, *rest = asked
    return new_event(Requested, (exchange, pair, at, method, shown(url), *rest))


def _answered(exchange: int, facts: Facts) -> Event:
    return new_event(Answered, (exchange, *facts))


read_course = reader_of(_requested, _answered)
