"""What the tests of this folder need of the machine."""

from __future__ import annotations

import socket
import sys

import pytest

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
has_ipv6 = pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="needs IPv6")
