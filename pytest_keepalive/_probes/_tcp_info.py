"""What the kernel tells about a TCP socket, without changing anything (tcp(7), TCP_INFO).

Rules
1. Only Linux tells; elsewhere everything here is ``None``, and the callers say "not seen".
2. The layout is a stable ABI: the state is the first byte, the number of timeouts since the last
   acknowledgement the third, the segments that wait for one a 32-bit word at offset 24, the
   milliseconds since the last data and since the last acknowledgement two words at offset 52,
   acknowledged and received bytes two 64-bit words at offset 120 (Linux 4.1 and later).
3. The SYN counts as one acknowledged byte, so a socket that has one was once established, even
   after a reset.
4. A FIN counts as one byte, too: the states tell which of the two went and came, but for CLOSED,
   which both a reset and two FINs lead to.
5. The path's MTU, a word at offset 60, is 0 until the first SYN, and stays what it was when that
   led to nothing.
"""

from __future__ import annotations

import _socket
import struct
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

from pytest_keepalive._events import Closed, Side, new_event
from pytest_keepalive._origin import Pair

# State, timeouts, unacknowledged segments, last data, last segment, acknowledged, arrived.
_LAYOUT = struct.Struct("=BxB21xI24xII60xQQ")
_SIZE = _LAYOUT.size
_PATH_MTU = struct.Struct("=60xI")
_read = _LAYOUT.unpack_from
_SYN_SENT, _FIN_WAIT_2, _TIME_WAIT, _CLOSED, _CLOSE_WAIT, _LAST_ACK = 2, 5, 6, 7, 8, 9
_OUR_FIN_WENT = frozenset((_FIN_WAIT_2, _TIME_WAIT))
_PEERS_FIN_CAME = frozenset((_CLOSE_WAIT, _LAST_ACK, _TIME_WAIT))
_TCP_INFO: int | None = getattr(_socket, "TCP_INFO", None) if sys.platform == "linux" else None
_getsockopt: Callable[..., bytes] = _socket.socket.getsockopt
_IPPROTO_TCP = _socket.IPPROTO_TCP
# Who sent the first FIN, by the state in which a socket is found (RFC 9293, section 3.3.2).
_FIRST_FIN = {
    1: Side.CLIENT,  # ESTABLISHED: nobody yet, and it is being closed now
    4: Side.CLIENT,  # FIN-WAIT-1
    5: Side.CLIENT,  # FIN-WAIT-2
    6: Side.CLIENT,  # TIME-WAIT
    7: Side.PEER,  # CLOSED by a reset
    8: Side.PEER,  # CLOSE-WAIT
    9: Side.PEER,  # LAST-ACK
}


class TcpInfo(NamedTuple):
    """A look at one TCP socket.

    Args:
        state: The state's number in Linux's tcp_states.h.
        acknowledged: Bytes that the peer acknowledged, the SYN being one.
        arrived: Bytes that came, the FIN being one.
        last_segment: Seconds since the last segment of the peer, in the kernel's ticks of some
            milliseconds; in CLOSE-WAIT that was its FIN.
        last_data: Seconds since the last payload of the peer, in the same ticks.
        resent: How often what waits for an acknowledgement was sent again, 0 where nothing does.
    """

    state: int
    acknowledged: int
    arrived: int
    last_segment: float
    last_data: float = 0.0
    resent: int = 0

    @property
    def peer_has_closed(self) -> bool:
        """Whether the peer's FIN came, and ours has not gone yet."""
        return self.state == _CLOSE_WAIT

    @property
    def silence(self) -> float | None:
        """How long the peer had sent nothing when its FIN came, in seconds, if that was last."""
        return max(0.0, self.last_data - self.last_segment) if self.peer_has_closed else None

    @property
    def was_established(self) -> bool:
        """Whether the handshake was ever completed (rule 3)."""
        return self.acknowledged >= 1

    @property
    def is_connecting(self) -> bool:
        """Whether a SYN is out and unanswered."""
        return self.state == _SYN_SENT

    @property
    def first_to_close(self) -> Side | None:
        """Who sent the first FIN or reset, were the socket closed now."""
        return _FIRST_FIN.get(self.state)

    @property
    def sent(self) -> int | None:
        """Bytes of payload that the peer acknowledged; ``None`` where a FIN may be one (rule 4)."""
        if self.state == _CLOSED and self.acknowledged > 1:
            return None
        return max(0, self.acknowledged - 1 - (self.state in _OUR_FIN_WENT))

    @property
    def received(self) -> int | None:
        """Bytes of payload that came; ``None`` where a FIN may be one (rule 4)."""
        if self.state == _CLOSED and self.arrived:
            return None
        return self.arrived - (self.state in _PEERS_FIN_CAME)


def closed_with(pair: Pair, at: float, info: TcpInfo | None, first: Side | None = None) -> Closed:
    """Make the fact that a connection is closed, of what the kernel told just before.

    Args:
        pair: The connection.
        at: When, in seconds.
        info: What the kernel told; ``None`` where it did not.
        first: Who closed first, where that was seen before.
    """
    if info is None:
        return Closed(pair, at, first)
    state, _, _, last_segment, _, resent = info
    heard_at = at - last_segment
    came_at, silence = (heard_at, info.silence) if state == _CLOSE_WAIT else (None, None)
    side = first or _FIRST_FIN.get(state)
    facts = (pair, at, side, info.sent, info.received, came_at, silence, resent, heard_at)
    return new_event(Closed, facts)


def read_tcp_info(sock: Any) -> TcpInfo | None:
    """Ask the kernel about a socket, or give ``None`` where it does not tell.

    Args:
        sock: An open socket of ``_socket.socket`` or a subclass.
    """
    return parse_tcp_info(raw_tcp_info(sock))


def raw_tcp_info(sock: Any) -> bytes:
    """Ask the kernel the same, and give its answer as it is: to be read later, or never."""
    if _TCP_INFO is None:
        return b""
    try:
        return _getsockopt(sock, _IPPROTO_TCP, _TCP_INFO, _SIZE)
    except OSError:
        return b""


def has_sent(sock: Any) -> bool:
    """Tell whether a socket ever sent a SYN, as far as the kernel tells (rule 5).

    Args:
        sock: Of ``_socket.socket`` or a subclass.
    """
    raw = raw_tcp_info(sock)
    return len(raw) >= _PATH_MTU.size and _PATH_MTU.unpack_from(raw) != (0,)


def parse_tcp_info(raw: bytes) -> TcpInfo | None:
    """Read an answer of the kernel; ``None`` where it does not tell (rule 2)."""
    if len(raw) < _SIZE:
        return None
    state, timeouts, waiting, last_data, last_segment, acknowledged, arrived = _read(raw)
    resent = timeouts if waiting else 0
    facts = (state, acknowledged, arrived, last_segment / 1000, last_data / 1000, resent)
    return new_event(TcpInfo, facts)
