"""Whose staging it is: restarts take over, strangers are found out, and only people make peace."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagejob_operator.core.ownership import (
    Claim,
    Identity,
    OwnerRecord,
    Standing,
    claim,
    first_claim,
    owner_key,
    read_record,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
THEN = datetime(2025, 1, 1, tzinfo=UTC)
ME = Identity("cluster-a", "me")
OURS = OwnerRecord("cluster-a", "me", NOW)


def record(cluster: str = "cluster-a", instance: str = "me", by: Identity | None = None) -> OwnerRecord:
    return OwnerRecord(cluster, instance, THEN, by)


STRANGER = record("cluster-b", "other")
OTHER = record(instance="other")


@pytest.mark.parametrize(
    ("found", "held", "standing", "write"),
    [
        (record(), True, Standing.SOLE, OURS),
        (record(), False, Standing.NEW, OURS),
        (OTHER, False, Standing.NEW, OURS),
        (OTHER, True, Standing.SHARED, msgspec.structs.replace(OTHER, contested_by=ME)),
        (STRANGER, False, Standing.SHARED, msgspec.structs.replace(STRANGER, contested_by=ME)),
        (STRANGER, True, Standing.SHARED, msgspec.structs.replace(STRANGER, contested_by=ME)),
        (record(by=Identity("cluster-b", "x")), True, Standing.SHARED, None),
        (record(by=ME), False, Standing.SHARED, None),
        (None, True, Standing.SHARED, None),
    ],
)
def test_what_follows_from_the_owner_object(
    found: OwnerRecord | None, held: bool, standing: Standing, write: OwnerRecord | None
) -> None:
    assert claim(found, ME, held, NOW) == Claim(standing, write)


def test_nothing_there_is_a_beginning() -> None:
    assert first_claim(ME, NOW) == Claim(Standing.NEW, OURS)


@given(
    st.lists(st.sampled_from(["a", "b", "c"]), max_size=30), st.lists(st.booleans(), min_size=3, max_size=3)
)
def test_who_may_sweep_was_alone_since_its_last_claim(order: list[str], cloned: list[bool]) -> None:
    people = {name: Identity("one" if same else name, name) for name, same in zip("abc", cloned, strict=True)}
    found: OwnerRecord | None = None
    held = dict.fromkeys(people, False)
    for moment, name in enumerate(order):
        me = people[name]
        made = claim(found, me, held[name], NOW) if found else first_claim(me, NOW)
        found = made.write or found
        held[name] = held[name] or made.standing is not Standing.SHARED
        if made.standing is Standing.SOLE:
            before = order[:moment]
            assert set(before[len(before) - before[::-1].index(name) :]) == set()
            assert {people[other].cluster for other in before} == {me.cluster}


def test_it_is_read_as_it_was_written() -> None:
    whole = msgspec.structs.replace(OURS, contested_by=Identity("cluster-b", "x"))
    assert read_record(msgspec.json.encode(whole)) == whole
    assert b"renewedAt" in msgspec.json.encode(whole)
    assert read_record(b"{}") is None
    assert read_record(b"\xff") is None
    later = b'{"cluster": "c", "instance": "i", "renewedAt": "2026-01-01T00:00:00Z", "new": 1}'
    assert read_record(later) == OwnerRecord("c", "i", NOW)


def test_its_key_is_in_no_namespace() -> None:
    assert owner_key("default") == ".imagejob-staging/default/owner.json"
