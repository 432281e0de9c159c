"""What a collector of a run keeps of the details of its tests."""

from __future__ import annotations

import pytest

from pytest_keepalive._reports import _packed
from pytest_keepalive._reports._json import pack
from pytest_keepalive._reports._packed import PackedDetails


def test_every_text_is_packed_in_the_end() -> None:
    details = PackedDetails()
    details.add("a", "[1]")
    details.add("b", "[2]")
    assert details.pack() == {"a": pack("[1]"), "b": pack("[2]")}
    details.add("c", "[3]")
    assert details.pack()["c"] == pack("[3]")


@pytest.mark.parametrize("packs_between", [False, True])
def test_the_last_run_of_a_test_counts(packs_between: bool) -> None:
    details = PackedDetails()
    details.add("a", "[1]")
    if packs_between:
        details.pack()
    details.add("a", "[2]")
    assert details.pack() == {"a": pack("[2]")}


def test_not_all_text_of_a_run_is_kept_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_packed, "_MOST_UNPACKED", 1000)
    details = PackedDetails()
    for number in range(100):
        details.add(f"test_{number}", "x" * 100)
        assert sum(map(len, details._came.values())) <= 1000
    assert len(details.pack()) == 100
