"""Making events of what observers state without the time to make them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from pytest_keepalive._events import Event, Later, Stated, Trouble


def event_of(stated: Event | Later) -> Event:
    """Give the event that was stated."""
    return stated[0](*stated[1:]) if type(stated) is tuple else cast("Event", stated)


def unfold(stated: Iterable[Stated]) -> tuple[list[Event], list[Stated]]:
    """Give the events that were stated, and the courses of which there will be more."""
    events: list[Event] = []
    under_way: list[Stated] = []
    for each in stated:
        try:
            if type(each) is tuple:
                events.append(each[0](*each[1:]))
                continue
            if not isinstance(each, list):
                events.append(cast("Event", each))
                continue
            told, is_over = each[0](each)
        except Exception as error:
            events.append(Trouble("recorder", f"what was seen could not be read: {error!r}"))
            continue
        events += told
        if not is_over:
            under_way.append(each)
    return events, under_way
