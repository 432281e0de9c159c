from __future__ import annotations

from pytest_keepalive._probes._identity import Identities


class Pool:
    """Something that takes weak references."""


def test_an_object_has_the_same_number_each_time() -> None:
    identities, pool = Identities(), Pool()
    assert identities.number_of(pool) == identities.number_of(pool) > 0


def test_two_objects_have_two_numbers() -> None:
    identities, first, second = Identities(), Pool(), Pool()
    assert identities.number_of(first) != identities.number_of(second)


def test_a_number_is_not_given_twice_though_the_id_is() -> None:
    identities = Identities()
    seen: dict[int, set[int]] = {}
    for _ in range(50):
        pool = Pool()
        seen.setdefault(id(pool), set()).add(identities.number_of(pool))
        del pool
    assert max(map(len, seen.values())) > 1, "no id was used again, so nothing was tested"
    assert sum(map(len, seen.values())) == 50


def test_what_takes_no_weak_reference_has_no_number() -> None:
    identities = Identities()
    assert identities.number_of(None) == 0
    assert identities.number_of((1, 2)) == 0


def test_nothing_is_remembered_of_what_is_gone() -> None:
    identities, pool = Identities(), Pool()
    identities.number_of(pool)
    assert len(identities._known) == 1
    del pool
    assert len(identities._known) == 0
