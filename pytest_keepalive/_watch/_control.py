"""The conversation between the process that wants a watch and the helper that keeps it.

Rules
1. A message is a marshalled tuple whose first item says what it is; with it may come one file
   descriptor (unix(7), SCM_RIGHTS).
2. A conversation is over when the other side has let go of its end.
3. This module imports little: the helper process has to start quickly.
"""

from __future__ import annotations

import _socket
import marshal
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# From the helper.
READY, REFUSED, STARTED, FAILED, EXITED = "ready", "refused", "started", "failed", "exited"
# To the helper.
LISTENER, KILL, END = "listener", "kill", "end"

_AT_MOST = 65536
_DESCRIPTOR = struct.Struct("=i")


class Control:
    """One end of a conversation.

    Args:
        descriptor: That of a connected Unix socket that keeps messages apart.
    """

    def __init__(self, descriptor: int) -> None:
        self._sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET, 0, descriptor)

    def fileno(self) -> int:
        """Give the descriptor."""
        return self._sock.fileno()

    def send(self, *message: Any, descriptor: int | None = None) -> bool:
        """Send a message; tell whether somebody is there to read it.

        Args:
            message: What marshal can write; the first item says what it is.
            descriptor: What the other side gets a duplicate of.
        """
        ancillary = []
        if descriptor is not None:
            rights = (_socket.SOL_SOCKET, _socket.SCM_RIGHTS, _DESCRIPTOR.pack(descriptor))
            ancillary.append(rights)
        try:
            self._sock.sendmsg([marshal.dumps(message)], ancillary, _socket.MSG_NOSIGNAL)
        except OSError:
            return False
        return True

    def receive(self) -> tuple[tuple[Any, ...], int | None]:
        """Wait for a message, and give it with the descriptor that came along.

        The message is empty when the conversation is over.
        """
        space = _socket.CMSG_SPACE(_DESCRIPTOR.size)
        try:
            data, ancillary, _, _ = self._sock.recvmsg(_AT_MOST, space, _socket.MSG_CMSG_CLOEXEC)
        except ConnectionResetError:
            return (), None
        descriptor = None
        for level, kind, content in ancillary:
            if level == _socket.SOL_SOCKET and kind == _socket.SCM_RIGHTS:
                descriptor = _DESCRIPTOR.unpack(content[: _DESCRIPTOR.size])[0]
        return (marshal.loads(data) if data else ()), descriptor

    def set_timeout(self, seconds: float | None) -> None:
        """Bound how long ``receive`` waits, in seconds; it raises ``TimeoutError`` then."""
        self._sock.settimeout(seconds)

    def close(self) -> None:
        """Let go of this end."""
        self._sock.close()


def make_pair() -> tuple[Control, Control]:
    """Give the two ends of a new conversation."""
    ends = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    one, other = (Control(end.detach()) for end in ends)
    return one, other
