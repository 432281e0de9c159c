"""Judging the arguments that a test author wrote, with messages that name them."""

from __future__ import annotations

import math


def flag(name: str, value: object) -> bool:
    """Give a bool back, or raise ``TypeError`` naming the argument."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, not {value!r}")
    return value


def count(name: str, value: object, least: int, most: int | None = None) -> int:
    """Give a whole number back.

    Raises:
        TypeError: It is no ``int``, or a ``bool``.
        ValueError: It is below ``least`` or above ``most``.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be a whole number, not {value!r}")
    if value < least or (most is not None and value > most):
        bounds = f"{least} or more" if most is None else f"from {least} to {most}"
        raise ValueError(f"{name} must be {bounds}, not {value}")
    return value


def seconds(name: str, value: object, *, zero: bool = False) -> float:
    """Give a duration back.

    Args:
        name: The argument, for the message.
        value: What was given for it.
        zero: Whether no time at all is a meaningful duration here.

    Raises:
        TypeError: It is not a number.
        ValueError: It is negative, not finite, or zero where that means nothing.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number of seconds, not {value!r}")
    if not math.isfinite(value) or value < 0 or (value == 0 and not zero):
        raise ValueError(f"{name} must be {'zero or more' if zero else 'above zero'}, not {value}")
    return float(value)
