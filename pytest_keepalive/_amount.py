"""A number with the noun that it counts."""

from __future__ import annotations


def count_of(number: int, noun: str) -> str:
    """Write a number and its noun, plural where it is not one."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
