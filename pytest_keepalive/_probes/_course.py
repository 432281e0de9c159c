"""The course of one exchange, and the events that are made of it.

Rules
1. While the client works only what cannot be asked later is taken down: what was sent, what was
   answered and when. What it means is read when somebody takes it in.
2. A course has its beginning and two facts: what was answered, and how it ended. Each of these may
   be missing, as ``None``; the end of one that is complete is its time alone.
3. What is taken down lives as long as the test: memory that is not used again, and is visited by
   the garbage collector. So what the exchanges of a connection have in common, most of what was
   asked, is one object.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pytest_keepalive._events import COMPLETE, Course, Ended, Ending, Event

Reader = Callable[[Course], tuple[list[Event], bool]]
Facts = tuple[Any, ...]
Beginning = Callable[[int, float, Any], Event]
"""Makes an event of the number of an exchange, its time in seconds, and what was asked."""
Maker = Callable[[int, Any], Event]
"""Makes an event of the number of an exchange and one fact."""
_BEGUN = 5


def reader_of(requested: Beginning, answered: Maker) -> Reader:
    """Give what reads the courses of one client.

    Args:
        requested: Makes an event of what was asked.
        answered: Makes an event of what was answered.
    """

    def read(course: Course) -> tuple[list[Event], bool]:
        _, told, asked, number, at, *facts = course
        course[1] = 1 + len(facts)
        new = [] if told else [requested(number, at, asked)]
        if told <= 1 and facts and facts[0] is not None:
            new.append(answered(number, facts[0]))
        is_over = len(facts) > 1
        if is_over and facts[1] is not None:
            new.append(_ended(number, facts[1]))
        return new, is_over

    return read


def is_unanswered(course: Course) -> bool:
    """Tell whether nothing but the beginning is known."""
    return len(course) == _BEGUN


def end_course(course: Course, facts: Facts | None) -> None:
    """End one, whether it was answered or not.

    Args:
        course: Of an exchange that is not over.
        facts: When in seconds, how, by which error, and the bytes that are missing; ``None``
            where nobody saw it end.
    """
    if is_unanswered(course):
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


def _ended(exchange: int, facts: Facts | float) -> Event:
    return Ended(exchange, *(facts if isinstance(facts, tuple) else (facts, COMPLETE)))
