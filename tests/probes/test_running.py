from __future__ import annotations

import asyncio
import sys
import threading
from types import ModuleType

import pytest
import trio

from pytest_keepalive._probes._running import (
    root_task,
    running_loop,
    running_task,
    thread_number,
)


async def number_of_the_loop() -> int:
    number = running_loop()
    await asyncio.sleep(0)
    assert running_loop() == number
    return number


def test_the_running_loop_has_a_number() -> None:
    assert asyncio.run(number_of_the_loop()) > 0


def test_no_loop_has_the_number_of_one_that_is_gone() -> None:
    # Its memory is given out again: of so many, some have the address of an earlier one.
    numbers = [asyncio.run(number_of_the_loop()) for _ in range(50)]
    assert len(set(numbers)) == 50


def test_a_loop_of_uvloop_has_a_number_too() -> None:
    uvloop = pytest.importorskip("uvloop")

    def number() -> int:
        loop = uvloop.new_event_loop()
        try:
            found: int = loop.run_until_complete(number_of_the_loop())
        finally:
            loop.close()
        return found

    numbers = [number() for _ in range(20)]
    assert len(set(numbers)) == 20


def test_a_loop_that_cannot_be_referred_to_weakly_has_a_number_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop = object()
    monkeypatch.setattr("asyncio.events._get_running_loop", lambda: loop)
    assert running_loop() == id(loop)


def test_outside_a_loop_there_is_none() -> None:
    assert running_loop() == 0


def test_without_asyncio_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "asyncio.events")
    assert running_loop() == 0


def test_each_running_task_has_a_number() -> None:
    async def one() -> int:
        await asyncio.sleep(0)
        return running_task()

    async def both() -> list[int]:
        return list(await asyncio.gather(one(), one()))

    first, second = asyncio.run(both())
    assert 0 != first != second != 0


def test_a_task_of_trio_has_a_number() -> None:
    async def main() -> bool:
        return running_task() == id(trio.lowlevel.current_task())

    assert trio.run(main)


def test_outside_a_task_there_is_none() -> None:
    assert running_task() == 0


def test_without_asyncio_and_trio_there_is_no_task(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("asyncio.tasks", "trio"):
        monkeypatch.delitem(sys.modules, name)
    assert running_task() == 0


def test_a_thread_has_a_number_of_its_own() -> None:
    numbers = [thread_number()]
    thread = threading.Thread(target=lambda: numbers.append(thread_number()))
    thread.start()
    thread.join()
    assert numbers[0] == thread_number() != numbers[1]


def test_a_folder_of_the_project_that_is_named_like_trio_is_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # httpcore imports whatever is called trio, to see whether it is there.
    monkeypatch.delitem(sys.modules, "trio.lowlevel")
    monkeypatch.setitem(sys.modules, "trio", ModuleType("trio"))
    assert running_task() == 0
    assert root_task() is None
