"""An error, and those behind it, in a form that can be compared."""

from __future__ import annotations


def chain_of(error: BaseException | None) -> list[str]:
    chain = []
    while error is not None:
        chain.append(repr(error))
        error = error.__cause__ or error.__context__
    return chain
