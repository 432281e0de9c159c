"""Text that fits the terminal and cannot harm it."""

from __future__ import annotations

from textwrap import wrap


def printable(text: str) -> str:
    """Make control characters visible, so that no text can move the cursor."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escaped(ord(char)) for char in text)


def _escaped(code: int) -> str:
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def wrapped(sentence: str, width: int, first: str = "", others: str = "  ") -> list[str]:
    """Break a sentence into lines; a word that is too long for one stays whole.

    Args:
        sentence: Any text.
        width: In columns.
        first: What the first line begins with.
        others: What the other lines begin with.
    """
    return wrap(
        printable(sentence),
        width,
        initial_indent=first,
        subsequent_indent=others,
        break_long_words=False,
        break_on_hyphens=False,
    )
