"""The line of the user's code that made a request or a connection.

Rules
1. The user's code is what lies outside the standard library, installed packages and this
   plugin: the first such frame, going outwards, is the call site.
2. When there is none (a thread that an installed package started), it is the first frame
   outside the standard library and the client libraries: better somebody's line than none.
3. Walking must cost next to nothing: a file is judged once, a line is formatted once for each
   place, and no code object is kept alive or hashed on the way.
"""

from __future__ import annotations

import os
import sys
from types import CodeType, FrameType

CLIENTS = frozenset(
    """
    aiobotocore aiohappyeyeballs aiohttp anyio asyncio boto3 botocore eventlet gevent h11 h2
    httpcore httpcore2 httpx httpx2 niquests requests s3transfer sniffio tornado trio twisted
    urllib3 urllib3_future uvloop
    """.split()  # noqa: SIM905 - one name a line would be a page
)
_NOBODYS = CLIENTS | {"_pytest", "execnet", "pluggy", "pytest", "xdist"}
_USER, _INSTALLED, _PLUMBING = range(3)
_INSTALL_DIRS = ("site-packages", "dist-packages")
_OWN = os.path.dirname(os.path.abspath(__file__)) + os.sep
_STDLIB = os.path.dirname(os.__file__) + os.sep
# As it is now: what guards event loops against blocking calls puts its own in that place.
_working_directory = os.getcwd
_TYPED = ("<stdin>", "<string>", "<ipython", "<input", "<python-input", "<doctest")


class CallSite(str):
    """A place in source code; a ``str`` such as ``tests/test_api.py:41``.

    Args:
        path: As shown: relative to the working directory where it lies below it.
        line: Counted from 1.
        function: The qualified name of the function, where Python tells, or its plain name.
        filename: As the code object gives it, to read the source from.
    """

    __slots__ = ("filename", "function", "line", "path")
    path: str
    line: int
    function: str
    filename: str

    def __new__(cls, path: str, line: int, function: str, filename: str = "") -> CallSite:
        self = str.__new__(cls, f"{path}:{line}")
        self.path, self.line, self.function = path, line, function
        self.filename = filename or path
        return self

    def __getnewargs__(self) -> tuple[str, int, str, str]:  # type: ignore[override]
        # str's own would hand the text back to the constructor of the parts.
        return self.path, self.line, self.function, self.filename

    def __repr__(self) -> str:
        return f"<CallSite {self} in {self.function}>"

    def below(self, folder: str) -> str:
        """Give the path as seen from a folder, with slashes; the whole path of a file elsewhere.

        Args:
            folder: Its whole path; empty for the working directory.
        """
        inside = folder and self.filename.startswith(folder + os.sep)
        path = self.filename[len(folder) + 1 :] if inside else self.filename
        return path.replace(os.sep, "/") if folder else self.path

    @property
    def source(self) -> str:
        """The text of the line, stripped; empty when the file cannot be read."""
        import linecache

        return linecache.getline(self.filename, self.line).strip()


class _Kinds(dict[str, int]):
    """Whose a file is, by its name: judged when it is first asked for (rule 3)."""

    def __missing__(self, filename: str) -> int:
        kind = self[filename] = _kind_of(filename)
        return kind


_kinds = _Kinds()
_sites: dict[tuple[str, int, str, int], CallSite] = {}


class CallSiteFinder:
    """Finds call sites, quickly where the same line asks again.

    A loop comes the same way each time: then the frame at the depth found last, and the one
    inside it, are the same again, and the frames between need not be walked.
    """

    __slots__ = ("_last",)

    def __init__(self) -> None:
        # One value, since threads come between: depth, code, instruction, code inside it, site.
        self._last: tuple[int, CodeType, int, CodeType, CallSite] | None = None

    def find(self) -> CallSite | None:
        """Give the line of the user's code that is running now, outside the caller."""
        if self._last is not None:
            depth, code, instruction, inner, site = self._last
            try:
                frame = sys._getframe(depth)
                if (
                    frame.f_code is code
                    and frame.f_lasti == instruction
                    and sys._getframe(depth - 1).f_code is inner
                ):
                    return site
            except ValueError:
                # The stack is not that deep today.
                pass
        return self._walk()

    def _walk(self) -> CallSite | None:
        start = 3
        frame, steps = _user_frame(_frame_at(start + 1))
        if frame is None:
            return None
        site = _site_of(frame)
        # Seen from find(), which is one frame nearer to the user than this is.
        depth = start - 1 + steps
        inner = sys._getframe(depth).f_code
        self._last = depth, frame.f_code, frame.f_lasti, inner, site
        return site


def find_call_site(depth: int = 2) -> CallSite | None:
    """Give the line of the user's code that is running now.

    Args:
        depth: How many frames of the caller's own to leave out, in frames.
    """
    frame, _ = _user_frame(_frame_at(depth + 1))
    return None if frame is None else _site_of(frame)


def _frame_at(depth: int) -> FrameType | None:
    try:
        return sys._getframe(depth)
    except ValueError:
        # A thread or a greenlet that begins with what is watched has no caller there.
        return None


def _user_frame(frame: FrameType | None) -> tuple[FrameType | None, int]:
    """Give the first frame of the user's, and how many steps outwards it is."""
    fallback: tuple[FrameType | None, int] = None, 0
    kinds = _kinds
    steps = 0
    while frame is not None:
        filename = frame.f_code.co_filename
        kind = kinds[filename]
        if kind == _USER:
            return frame, steps
        if kind == _INSTALLED and fallback[0] is None:
            fallback = frame, steps
        frame = frame.f_back
        steps += 1
    return fallback


def client_in_sight(known: frozenset[str], depth: int = 2) -> str | None:
    """Name the outermost of some libraries on the stack: ``requests``, not ``urllib3``.

    Args:
        known: Top-level module names to look for.
        depth: How many frames of the caller's own to leave out, in frames.
    """
    frame = _frame_at(depth + 1)
    outermost = None
    while frame is not None:
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if package in known:
            outermost = package
        elif outermost is not None and _kinds[frame.f_code.co_filename] == _USER:
            break
        frame = frame.f_back
    return outermost


def _site_of(frame: FrameType) -> CallSite:
    code = frame.f_code
    place = (code.co_filename, code.co_firstlineno, code.co_name, frame.f_lasti)
    site = _sites.get(place)
    if site is None:
        site = _format(frame)
        # Code that was typed or made shares its name with the next that is: remember none of it.
        if not code.co_filename.startswith("<"):
            _sites[place] = site
    return site


def _format(frame: FrameType) -> CallSite:
    code = frame.f_code
    function = getattr(code, "co_qualname", code.co_name)
    return CallSite(_shown(code.co_filename), frame.f_lineno or 0, function, code.co_filename)


def _shown(filename: str) -> str:
    if filename.startswith("<"):
        return filename
    try:
        here = _working_directory() + os.sep
    except FileNotFoundError:
        return filename
    return filename[len(here) :] if filename.startswith(here) else filename


def _is_launcher(filename: str) -> bool:
    """Tell whether a file is one of the scripts beside the interpreter, such as ``pytest``."""
    directory = os.path.dirname(sys.executable or "")
    named = os.path.basename(directory) in ("bin", "Scripts")
    return named and os.path.dirname(filename) == directory


def _kind_of(filename: str) -> int:
    generated = filename.startswith("<") and not filename.startswith(_TYPED)
    if generated or filename.startswith(_OWN) or _is_launcher(filename):
        return _PLUMBING
    parts = filename.replace("\\", "/").split("/")
    for directory in _INSTALL_DIRS:
        if directory in parts:
            package = parts[parts.index(directory) + 1].removesuffix(".py")
            return _PLUMBING if package in _NOBODYS else _INSTALLED
    return _PLUMBING if filename.startswith(_STDLIB) else _USER
