"""The course of one exchange, and the events that are made of it.

Rules
1. While the client works only what cannot be asked later is taken down: what was sent, what was
   answered and when. What it means is read when somebody takes it in.
2. A course has three facts: what was asked, what was answered and how it ended; each of the last
   two may be missing, as ``None``. What was asked begins with the number of the exchange.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pytest_keepalive._events import Course, Ended, Ending, Event

Reader = Callable[[Course], tuple[list[Event], bool]]
Facts = tuple[Any, ...]
Maker = Callable[[int, Facts], Event]
"""Makes an event of the number of an exchange and one fact."""


def reader_of(requested: Maker, answered: Maker) -> Reader:
    """Give what reads the courses of one client.

    Args:
        requested: Makes an event of what was asked.
        answered: Makes an event of what was answered.
    """
    makers = requested, answered, _ended

    def read(course: Course) -> tuple[list[Event], bool]:
        known, told = len(course) - 2, course[1]
        new = [
            makers[number](course[2][0], course[number + 2])
            for number in range(told, known)
            if course[number + 2] is not None
        ]
        course[1] = known
        return new, known == len(makers)

    return read


def end_course(course: Course, facts: Facts | None) -> None:
    """End one, whether it was answered or not.

    Args:
        course: Of an exchange that is not over.
        facts: When in seconds, how, by which error, and the bytes that are missing; ``None``
            where nobody saw it end.
    """
    if len(course) == 3:
        course.append(None)
    course.append(facts)


def withdraw_course(course: Course, at: float) -> None:
    """Take one back that was not sent after all.

    Args:
        course: That was stated; where nobody has taken it in, it was never there.
        at: When, in seconds.
    """
    if course[1]:
        end_course(course, (at, Ending.UNSENT))
    else:
        course[0] = _nothing


def _nothing(course: Course) -> tuple[list[Event], bool]:
    return [], True


def _ended(exchange: int, facts: Facts) -> Event:
    return Ended(exchange, *facts)
