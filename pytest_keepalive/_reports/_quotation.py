"""A line of the user's code as evidence, without the secrets that are written in it.

Rules
1. Of a URL, credentials and the values of the query are taken out, as of every URL.
2. Behind a name that tells of a secret, or of what is sent with a URL, no text of the line is
   quoted, be it in the same string or in a later one.
"""

from __future__ import annotations

import re

_CREDENTIALS = re.compile(r"(://)[^/\s\"']+@")
_QUERY_VALUE = re.compile(r"([?&][^=&\s\"'{]+=)[^&#\s\"'{]+")
_TELLTALE = re.compile(
    r"\w*(?:auth|token|secret|passw|pwd|credential|cookie|api[-_]?key|bearer|header|param)"
    r"[\w-]*[\"']?\s*[:=](?!=)",
    re.IGNORECASE,
)
_TEXT = re.compile(r"([\"'])(?:\\.|(?!\1).)*(?:\1|$)")


def quoted(source: str, longest: int) -> str:
    """Quote a line.

    Args:
        source: The line.
        longest: How much of it, in characters.
    """
    shown = _QUERY_VALUE.sub(r"\1...", _CREDENTIALS.sub(r"\1", source))
    telltale = _TELLTALE.search(shown)
    if telltale is not None:
        shown = _without_text_behind(shown, telltale.end())
    return shown if len(shown) <= longest else f"{shown[: longest - 1]}…"


def _without_text_behind(line: str, start: int) -> str:
    def hidden(text: re.Match[str]) -> str:
        kept = line[text.start() + 1 : start]
        return text[0] if text.end() <= start else f"{text[1]}{kept}...{text[1]}"

    return _TEXT.sub(hidden, line)
