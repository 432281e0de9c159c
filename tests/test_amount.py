from __future__ import annotations

from pytest_keepalive._amount import count_of


def test_a_count_agrees_with_its_noun() -> None:
    assert [count_of(number, "exchange") for number in (0, 1, 2)] == [
        "0 exchanges",
        "1 exchange",
        "2 exchanges",
    ]
