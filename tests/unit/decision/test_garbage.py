"""What the garbage collector may delete, rule by rule, and what it must never touch."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagejob_operator.api.phase import TERMINAL, Phase
from imagejob_operator.decision.garbage import (
    GARBAGE,
    LONGEST_URLS,
    UNKNOWN_OWNER,
    Contents,
    Finding,
    Orphans,
    Owner,
    StagedJob,
    StagedRun,
    Verdict,
    count_orphans,
    judge,
    judge_owner,
    parse_job_folder,
    parse_run_key,
    read_owner,
    urls_end,
)
from imagejob_operator.documents.staging import Manifest
from imagejob_operator.naming.names import FINALIZER

CLOCK = datetime(2026, 1, 2, 12, 0, 0, tzinfo=UTC)
UID = "0000aaaa-1111-2222-3333-444455556666"
JOB = StagedJob("default", "shop", UID)
ROOT = f".imagejob-staging/default/shop/{UID}/"
OLD = Contents(3, 30, CLOCK - timedelta(hours=1, microseconds=1))

OTHER_RUN = "00112233aabbccdd"

FORWARD = [p.value for p in Phase if p not in TERMINAL and p is not Phase.SUSPENDED]
ENDED = [p.value for p in TERMINAL]


def run(number: int = 2, epoch: int = 2) -> StagedRun:
    return StagedRun(JOB, number, epoch)


@pytest.mark.parametrize(
    ("owner", "expected"),
    [
        (None, Verdict.GONE),
        *[(Owner(2, 2, phase), Verdict.ENDED) for phase in ENDED],
        *[(Owner(2, 2, phase), Verdict.CURRENT) for phase in FORWARD if phase != "Pending"],
        (Owner(2, 2, "Suspended"), Verdict.ENDED),
        (Owner(2, 3, "Suspended"), Verdict.PAST),
        (Owner(2, 0, "Suspended"), Verdict.PAST),
        (Owner(2, 1, "Suspended"), Verdict.AHEAD),
        (Owner(1, 0, "Suspended"), Verdict.AHEAD),
        (Owner(3, 1, "Running"), Verdict.PAST),
        (Owner(2, 3, "Running"), Verdict.PAST),
        (Owner(3, 1, "Succeeded"), Verdict.PAST),
        (Owner(2, 0, "Pending"), Verdict.PAST),
        (Owner(2, 0, ""), Verdict.PAST),
        (Owner(1, 0, "Pending"), Verdict.AHEAD),
        (Owner(1, 9, "Running"), Verdict.AHEAD),
        (Owner(2, 1, "Running"), Verdict.AHEAD),
        (Owner(1, 1, "Failed"), Verdict.AHEAD),
        (Owner(0, 0, ""), Verdict.AHEAD),
        (Owner(2, 2, "SomethingNew"), Verdict.CURRENT),
        (Owner(2, 2, "Running", OTHER_RUN), Verdict.AHEAD),
        (Owner(2, 2, "Succeeded", OTHER_RUN), Verdict.AHEAD),
        (Owner(2, 3, "Running", OTHER_RUN), Verdict.PAST),
        (Owner(3, 1, "Running", OTHER_RUN), Verdict.PAST),
        (Owner(2, 2, "Running", released=True), Verdict.ENDED),
        (Owner(0, 0, "", released=True), Verdict.ENDED),
        (UNKNOWN_OWNER, Verdict.UNKNOWN),
    ],
)
def test_what_follows_from_the_owner(owner: Owner | None, expected: Verdict) -> None:
    assert judge_owner(run(), owner) is expected
    assert judge(run(), OLD, owner, CLOCK, None) is expected


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (timedelta(hours=1, microseconds=1), Verdict.GONE),
        (timedelta(hours=1), Verdict.YOUNG),
        (timedelta(minutes=59), Verdict.YOUNG),
        (timedelta(hours=-5), Verdict.YOUNG),
    ],
)
def test_older_than_an_hour_by_the_clock_of_the_store(age: timedelta, expected: Verdict) -> None:
    assert judge(run(), Contents(1, 1, CLOCK - age), None, CLOCK, None) is expected


@pytest.mark.parametrize(
    ("until", "expected"),
    [
        (CLOCK - timedelta(microseconds=1), Verdict.GONE),
        (CLOCK, Verdict.URLS),
        (CLOCK + timedelta(hours=1), Verdict.URLS),
        (None, Verdict.GONE),
    ],
)
def test_no_url_may_outlive_the_deleting(until: datetime | None, expected: Verdict) -> None:
    assert judge(run(), OLD, None, CLOCK, until) is expected


@pytest.mark.parametrize(
    ("manifest", "expected"),
    [
        (None, None),
        (msgspec.json.encode(Manifest((), urls_until=CLOCK)), CLOCK),
        (msgspec.json.encode(Manifest(())), OLD.newest + LONGEST_URLS),
        (b'{"items": [], "urlsUntil": "2026-01-01T00:00:00"}', OLD.newest + LONGEST_URLS),
        (b'{"items": [], "urlsUntil": 7}', OLD.newest + LONGEST_URLS),
        (b"", OLD.newest + LONGEST_URLS),
        (b"\xff", OLD.newest + LONGEST_URLS),
    ],
)
def test_when_the_last_url_ends(manifest: bytes | None, expected: datetime | None) -> None:
    assert urls_end(manifest, OLD.newest) == expected


@pytest.mark.parametrize(
    "folder",
    [
        f".imagejob-staging/default2/shop/{UID}/",
        f".imagejob-staging/default/{UID}/",
        f".imagejob-staging/default/shop/deep/{UID}/",
        f".imagejob-staging/default/Shop/{UID}/",
        f".imagejob-staging/default/-shop/{UID}/",
        f".imagejob-staging/default/shop-/{UID}/",
        f".imagejob-staging/default/{'a' * 64}/{UID}/",
        f".imagejob-staging/default/../{UID}/",
        f".imagejob-staging/default//{UID}/",
        f".imagejob-staging/default/shop/{UID.upper()}/",
        f".imagejob-staging/default/shop/{UID}0/",
        f".imagejob-staging/default/shop/{UID[:-1]}/",
        f".imagejob-staging/default/shop/{UID.replace('0000', '٠٠٠٠')}/",
        ".imagejob-staging/default/shop/precious/",
        f".imagejob-staging/default/shop/{UID}",
        f".imagejob-staging/default/shop/{UID}\n/",
        f"shop/{UID}/",
        f"x.imagejob-staging/default/shop/{UID}/",
        ".imagejob-staging/default/clock.txt",
        "",
    ],
)
def test_folders_that_are_none_of_ours(folder: str) -> None:
    assert parse_job_folder("default", folder) is None


@pytest.mark.parametrize(
    "rest",
    [
        "1-1",
        "1-1x/a",
        "01-1/a",
        "1-01/a",
        "0-1/a",
        "1-0/a",
        "-1-1/a",
        "1--1/a",
        "1/a",
        "1-1-1/a",
        "1-1-/a",
        "1-1-00112233AABBCCDD/a",
        "1-1-00112233aabbccd/a",
        "١-1/a",
        " 1-1/a",
        "1-1 /a",
        "12345678901-1/a",
        "/1-1/a",
        "precious.jpg",
        "",
    ],
)
def test_keys_that_are_none_of_ours(rest: str) -> None:
    assert parse_run_key(JOB, ROOT + rest) is None


def test_keys_of_another_job_are_none_of_this_one() -> None:
    assert parse_run_key(JOB, f".imagejob-staging/default/shop/{'1' + UID[1:]}/1-1/manifest.json") is None


NAMES = st.from_regex(r"\A[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\Z")
COUNTS = st.integers(1, 9_999_999_999)


@given(
    NAMES, NAMES, st.uuids(), COUNTS, COUNTS, st.sampled_from(["", "00112233aabbccdd"]), st.text(max_size=20)
)
def test_what_was_written_is_parsed(
    installation: str, namespace: str, uid: object, number: int, epoch: int, run_uid: str, rest: str
) -> None:
    expected = StagedRun(StagedJob(installation, namespace, str(uid)), number, epoch, run_uid)
    assert parse_job_folder(installation, expected.job.prefix) == expected.job
    assert parse_run_key(expected.job, expected.prefix + rest) == expected


@given(st.text(alphabet="abc0123456789-/._default", max_size=120))
def test_what_is_parsed_would_have_been_written(text: str) -> None:
    folder = f".imagejob-staging/default/{text}"
    job = parse_job_folder("default", folder)
    assert job is None or job.prefix == folder
    found = parse_run_key(JOB, ROOT + text)
    assert found is None or (ROOT + text).startswith(found.prefix)


MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
PHASES = st.sampled_from(["", "SomethingNew", *Phase])
RUN_UIDS = st.sampled_from(["", OTHER_RUN])
OWNERS = st.one_of(
    st.none(),
    st.just(UNKNOWN_OWNER),
    st.builds(Owner, st.integers(0, 4), st.integers(0, 4), PHASES, RUN_UIDS, st.booleans()),
)


@given(st.integers(1, 4), st.integers(1, 4), OWNERS, MOMENTS, MOMENTS, st.none() | MOMENTS)
def test_never_what_is_current_or_to_come(
    number: int,
    epoch: int,
    owner: Owner | None,
    newest: datetime,
    clock: datetime,
    until: datetime | None,
) -> None:
    why = judge(StagedRun(JOB, number, epoch), Contents(1, 1, newest), owner, clock, until)
    if why not in GARBAGE:
        return
    assert clock - newest > timedelta(hours=1)
    assert until is None or clock > until
    assert owner is not UNKNOWN_OWNER
    if owner is not None and owner.known and not owner.released:
        at = (owner.number, owner.epoch)
        begins_again = owner.phase in ("", "Pending") or (owner.phase == "Suspended" and owner.epoch == 0)
        left_for_good = owner.phase in ENDED or owner.phase == "Suspended"
        assert (number, epoch) < at or (at == (number, epoch) and left_for_good) or begins_again
        # What the next reconciles of the owner may stage is never garbage.
        if owner.phase == "Suspended" and not begins_again:
            assert (number, epoch) != (owner.number, owner.epoch + 1)
        assert not (not left_for_good and not begins_again and (number, epoch) == at)
        assert number <= owner.number


def body(status: Any = None, **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"uid": UID, "name": "a", "namespace": "shop", **metadata}, "status": status}


RUN = {"id": "1", "number": 2, "epoch": 1}
RELEASED = Owner(2, 1, "Running", released=True)


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        (body({"phase": "Running", "run": RUN}), Owner(2, 1, "Running")),
        (body(), Owner(0, 0)),
        (body({"observedGeneration": -1}), Owner(0, 0)),
        (body({"phase": "Pending", "run": {"number": 2}}), Owner(2, 0, "Pending")),
        (body({"phase": "Suspended", "run": RUN}), Owner(2, 1, "Suspended")),
        (body({"phase": 7, "run": RUN}), UNKNOWN_OWNER),
        (body({"phase": "Running", "run": {"number": "2", "epoch": 1}}), UNKNOWN_OWNER),
        (body({"phase": "Running", "run": {"number": True, "epoch": 1}}), UNKNOWN_OWNER),
        (body({"phase": "Running", "run": {"number": 2, "epoch": None}}), UNKNOWN_OWNER),
        (body({"phase": "Running", "run": [1]}), UNKNOWN_OWNER),
        (body("nonsense"), UNKNOWN_OWNER),
        (
            body({"phase": "Running", "run": RUN}, deletionTimestamp="x"),
            RELEASED,
        ),
        (
            body({"phase": "Running", "run": RUN}, deletionTimestamp="x", finalizers=["example.com/a"]),
            RELEASED,
        ),
        (
            body({"phase": "Running", "run": RUN}, deletionTimestamp="x", finalizers=[FINALIZER]),
            Owner(2, 1, "Running"),
        ),
        (body({"phase": "Running", "run": RUN}, finalizers=[]), Owner(2, 1, "Running")),
    ],
)
def test_owners_are_read_strictly(of: dict[str, Any], expected: Owner) -> None:
    assert read_owner(of) == expected


def test_garbage_are_what_is_due_and_still_there() -> None:
    day, week = (Contents(2, 20, CLOCK - timedelta(days=d)) for d in (1, 7))
    findings = [
        Finding(run(1), day, Verdict.GONE),
        Finding(run(2), week, Verdict.ENDED, deleted=True),
        Finding(run(3), day, Verdict.PAST),
        Finding(run(4), week, Verdict.URLS),
        Finding(run(5), week, Verdict.CURRENT),
    ]
    left = count_orphans(findings, CLOCK)
    assert (left.prefixes, left.objects, left.bytes) == (2, 4, 40)
    assert (left.oldest, left.waiting) == (timedelta(days=1), 2)
    assert count_orphans([], CLOCK).oldest == timedelta(0)


def test_a_sweep_that_found_only_what_others_own_is_clean() -> None:
    assert Orphans(foreign=3).clean
    assert not Orphans(jobs=1).clean
    assert not Orphans(unknown=1).clean
