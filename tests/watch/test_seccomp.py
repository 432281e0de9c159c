from __future__ import annotations

import pytest

from pytest_keepalive._watch._calls import MACHINES, MSG_FASTOPEN
from pytest_keepalive._watch._seccomp import ALLOW, ERRNO, NOTIFY, forbidding, program
from tests.watch.bpf import decide

X86_64, I386, AARCH64, ARM = 0xC000003E, 0x40000003, 0xC00000B7, 0x40000028
X32 = 0x40000000
# machine, arch, then the numbers of connect, sendto, sendmsg and sendmmsg
ABIS = [
    pytest.param("x86_64", X86_64, (42, 44, 46, 307), id="x86_64"),
    pytest.param("x86_64", X86_64, (X32 | 42, X32 | 44, X32 | 518, X32 | 538), id="x32"),
    pytest.param("x86_64", I386, (362, 369, 370, 345), id="i386"),
    pytest.param("aarch64", AARCH64, (203, 206, 211, 269), id="aarch64"),
    pytest.param("aarch64", ARM, (283, 290, 296, 374), id="arm"),
]
abis = pytest.mark.parametrize(("machine", "arch", "numbers"), ABIS)
Numbers = tuple[int, int, int, int]


@abis
def test_every_connect_is_notified(machine: str, arch: int, numbers: Numbers) -> None:
    code = program(MACHINES[machine])
    assert decide(code, arch, numbers[0], (3, 0x1000, 16)) == NOTIFY


@abis
def test_a_send_is_notified_only_when_it_opens_fast(
    machine: str, arch: int, numbers: Numbers
) -> None:
    code = program(MACHINES[machine])
    _, sendto, sendmsg, sendmmsg = numbers
    for number, flags_at in ((sendto, 3), (sendmsg, 2), (sendmmsg, 3)):
        plain = [3, 0x1000, 16, 0, 0, 0]
        plain[flags_at] = 0x4000
        fast = [*plain]
        fast[flags_at] |= MSG_FASTOPEN
        assert decide(code, arch, number, tuple(plain)) == ALLOW
        assert decide(code, arch, number, tuple(fast)) == NOTIFY


@abis
def test_setting_up_an_io_uring_is_notified(machine: str, arch: int, numbers: Numbers) -> None:
    offset = X32 if numbers[0] & X32 else 0
    assert decide(program(MACHINES[machine]), arch, 425 + offset) == NOTIFY


@abis
def test_other_calls_are_allowed_whatever_their_arguments(
    machine: str, arch: int, numbers: Numbers
) -> None:
    code = program(MACHINES[machine])
    watched = {number for abi in MACHINES[machine].abis for number in abi.calls}
    for number in set(range(600)) - watched:
        assert decide(code, arch, number, (MSG_FASTOPEN,) * 6) == ALLOW


def test_of_socketcall_only_connect_is_notified() -> None:
    code = program(MACHINES["x86_64"])
    assert decide(code, I386, 102, (3, 0x1000)) == NOTIFY
    assert {decide(code, I386, 102, (call, 0x1000)) for call in (1, 2, 4, 5, 11)} == {ALLOW}


def test_numbers_of_another_architecture_are_not_taken_for_its_own() -> None:
    code = program(MACHINES["x86_64"])
    assert decide(code, I386, 42) == ALLOW
    assert decide(code, X86_64, 362) == ALLOW
    assert decide(code, AARCH64, 203) == ALLOW


def test_a_forbidden_call_fails_and_others_do_not() -> None:
    code = forbidding(317, 1)
    assert decide(code, X86_64, 317) == ERRNO | 1
    assert decide(code, X86_64, 42) == ALLOW
