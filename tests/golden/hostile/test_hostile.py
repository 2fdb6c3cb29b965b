"""Hostile files: the decoder process may fail; the parent and the limits must hold.

Each file goes through a real child with a limit of memory; figures are printed.
"""

from __future__ import annotations

import re
import sys
import time
from collections import Counter
from random import Random

import pytest

from golden.hostile import bombs
from golden.hostile.corpus import corpus
from imagejob_contract.order import EngineName, ItemLimits
from imagejob_contract.output import Format
from imagejob_contract.recipe import Rendition
from imagejob_contract.result import ItemCode
from imagejob_processor.child_process.protocol import Setup
from imagejob_processor.child_process.supervisor import Supervisor
from imagejob_processor.errors import ItemFailure
from unit.processor.images import file, photo, rendition, resized

MEMORY = 512 << 20
LIMITS = ItemLimits(item_bytes=8 << 20, pixels=20_000_000, frames=100, item_timeout_seconds=30)
WAYS = (rendition(resized(64, 64), name="small"), rendition(resized(300, 300), name="large"))
JPEGS = tuple(rendition(*way.steps, name=way.name, form=Format.JPEG) for way in WAYS)
"""Renditions for which JPEGs are resized as planes."""

FILES = 1060
REFUSALS = {ItemCode.UNDECODABLE, ItemCode.TOO_LARGE, ItemCode.UNSUPPORTED_FORMAT}


def limited(engine: EngineName = EngineName.SIMD, ways: tuple[Rendition, ...] = WAYS) -> Supervisor:
    supervisor = Supervisor()
    supervisor.configure(Setup(ways, LIMITS, MEMORY, 64 << 20, engine))
    return supervisor


@pytest.fixture(
    params=[*((name, WAYS) for name in EngineName), (EngineName.SIMD, JPEGS)],
    ids=["Pillow", "Simd", "planes"],
)
def supervisor(request: pytest.FixtureRequest):
    supervisor = limited(*request.param)
    yield supervisor
    supervisor.close()


def peak(supervisor: Supervisor) -> int:
    """The peak address space of the present child."""
    with open(f"/proc/{supervisor.pid}/status") as status:
        found = re.search(r"VmPeak:\s+(\d+) kB", status.read())
    assert found
    return int(found.group(1)) * 1024


def outcome(supervisor: Supervisor, data: bytes) -> ItemFailure | None:
    try:
        made = supervisor.process(data)
    except ItemFailure as failure:
        return failure
    assert len(made.renditions) == len(WAYS)
    return None


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("ways", "magic", "made"),
    [(WAYS, b"", 600), (JPEGS, b"\xff\xd8\xff", 50)],
    ids=["all", "JPEGs by planes"],
)
def test_the_images_that_broke_pillow_once(ways, magic, made) -> None:
    every = corpus()
    assert len(every) >= FILES
    files = {name: data for name, data in every.items() if data.startswith(magic)}
    ends: Counter[str] = Counter()
    slowest, most, pids = 0.0, 0, set()
    supervisor = limited(ways=ways)
    try:
        for name, data in sorted(files.items()):
            began = time.monotonic()
            failure = outcome(supervisor, data)
            slowest = max(slowest, time.monotonic() - began)
            most = max(most, peak(supervisor))
            pids.add(supervisor.pid)
            ends[failure.code.value if failure else "made"] += 1
            assert failure is None or failure.code in REFUSALS | {ItemCode.STEP_FAILED}, (name, failure)
    finally:
        supervisor.close()
    print(  # noqa: T201 - figures for people
        f"\n{len(files)} files: {dict(sorted(ends.items()))}, slowest {slowest:.2f} s, most memory "
        f"{most >> 20} of {MEMORY >> 20} MiB, {len(pids)} processes",
        file=sys.stderr,
    )
    assert most <= MEMORY
    assert ends["made"] >= made


TOO_LARGE = ItemCode.TOO_LARGE
REFUSED = [
    pytest.param(bombs.huge_png, TOO_LARGE, "3600000000 pixels", "20000000", id="huge PNG"),
    pytest.param(lambda: bombs.gif(10_000), TOO_LARGE, "frames", "100", id="GIF of 10,000 frames"),
    pytest.param(lambda: bombs.webp_animation(200), TOO_LARGE, "200 frames", "100", id="WebP of 200 frames"),
    pytest.param(
        lambda: bombs.false_jpeg(60_000), TOO_LARGE, "3600000000 pixels", "20000000", id="lying JPEG"
    ),
    pytest.param(lambda: bombs.jpeg_xl(1 << 30), TOO_LARGE, f"{1 << 60} pixels", "20000000", id="JPEG XL"),
    pytest.param(
        lambda: bombs.jpeg_xl(65_536, boxed=True),
        TOO_LARGE,
        f"{1 << 32} pixels",
        "20000000",
        id="boxed JPEG XL",
    ),
    pytest.param(
        lambda: bombs.false_heic((65_536, 65_536)), TOO_LARGE, f"{1 << 32} pixels", "20000000", id="HEIC"
    ),
    pytest.param(lambda: bytes(9 << 20), TOO_LARGE, f"{9 << 20} bytes", f"{8 << 20}", id="too many bytes"),
]


@pytest.mark.parametrize(("make", "code", "value", "limit"), REFUSED)
def test_a_bomb_is_refused_with_code_value_and_limit(supervisor, make, code, value, limit):
    pid = supervisor.pid
    failure = outcome(supervisor, make())
    assert failure is not None
    assert failure.code is code
    assert value in failure.message
    assert limit in failure.message
    assert peak(supervisor) <= MEMORY
    assert outcome(supervisor, file(photo())) is None
    assert supervisor.pid == pid, "nothing of it may be decoded"


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: bombs.false_heic((64, 64), coded=4096), id="more pixels than it says"),
        pytest.param(lambda: bombs.false_heic((4000, 4000)), id="fewer pixels than it says"),
        pytest.param(lambda: bombs.tiled_heic(256, 256, (65_535, 65_535)), id="65,536 tiles"),
        pytest.param(lambda: bombs.tiled_heic(2, 2, (30_000, 30_000)), id="four tiles of 30,000 x 30,000"),
        pytest.param(lambda: bombs.jpeg_xl(4000), id="JPEG XL without pixels"),
    ],
)
def test_a_false_header_of_a_heic_or_jpeg_xl_ends_within_the_limits(make):
    supervisor = limited()
    try:
        failure = outcome(supervisor, make())
        assert failure is not None
        assert failure.code in REFUSALS
        assert peak(supervisor) <= MEMORY
        assert outcome(supervisor, file(photo())) is None
    finally:
        supervisor.close()


@pytest.mark.parametrize("form", ["HEIF", "JXL"])
def test_a_heic_or_jpeg_xl_cut_anywhere_or_with_bytes_changed_fails_alone(form):
    """Each prefix is refused; with changed bytes, it is refused or made, and never kills the process."""
    whole, random = file(photo(64, 64), form), Random(11)
    supervisor = limited()
    pid = supervisor.pid
    try:
        for length in range(0, len(whole), max(1, len(whole) // 120)):
            failure = outcome(supervisor, whole[:length])
            assert failure is not None, f"{form} of {length} bytes was made into pictures"
            assert failure.code in REFUSALS, (length, failure)
        for number in range(150):
            data = bytearray(whole)
            for _ in range(random.randint(1, 5)):
                data[random.randrange(len(data) if number % 2 else min(500, len(data)))] = random.randrange(
                    256
                )
            failure = outcome(supervisor, bytes(data))
            assert failure is None or failure.code in REFUSALS, (number, failure)
        assert supervisor.pid == pid
        assert peak(supervisor) <= MEMORY
    finally:
        supervisor.close()


@pytest.mark.parametrize("make", [bombs.text_bomb, bombs.profile_bomb], ids=["zTXt", "iCCP"])
def test_what_is_packed_beside_the_pixels_does_not_fill_the_memory(supervisor, make):
    failure = outcome(supervisor, make())
    assert failure is None or failure.code in REFUSALS
    assert peak(supervisor) <= MEMORY
    assert outcome(supervisor, file(photo())) is None


@pytest.mark.parametrize(
    ("form", "ways"),
    [
        *((form, WAYS) for form in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF", "JXL", "GIF", "BMP")),
        ("JPEG", JPEGS),
    ],
)
def test_a_file_cut_at_every_tenth_is_refused(form, ways):
    supervisor = limited(ways=ways)
    try:
        for where, data in bombs.cut(file(photo(), form)).items():
            failure = outcome(supervisor, data)
            assert failure is not None or form == "GIF", f"{form} at {where} was made into pictures"
            assert failure is None or failure.code is ItemCode.UNDECODABLE, (where, failure)
        assert outcome(supervisor, file(photo(), form)) is None
    finally:
        supervisor.close()


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_with_bytes_changed_ends_alike_by_planes_and_over_rgb(progressive):
    """Only Pillow decides what is corrupt, and no process dies."""
    random, whole = Random(7), file(photo(), "JPEG", progressive=progressive)
    workers = [limited(ways=ways) for ways in (WAYS, JPEGS)]
    try:
        for number in range(60):
            data = bytearray(whole)
            for _ in range(random.randint(1, 6)):
                data[random.randrange(3, len(data) if number % 2 else 700)] = random.randrange(256)
            ends = [outcome(supervisor, bytes(data)) for supervisor in workers]
            codes = [end.code if end else None for end in ends]
            assert codes[0] == codes[1], (number, ends)
            assert ItemCode.KILLED not in codes
    finally:
        for supervisor in workers:
            supervisor.close()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(
            lambda: bombs.png((3000, 3000), bytes(99)), ItemCode.UNDECODABLE, id="a PNG with few pixels"
        ),
        pytest.param(lambda: b"%PDF-1.7\n" + file(photo()), ItemCode.UNSUPPORTED_FORMAT, id="a PDF ahead"),
        pytest.param(lambda: b"<svg/>" + file(photo()), ItemCode.UNSUPPORTED_FORMAT, id="an SVG ahead"),
        pytest.param(lambda: b"PK\x03\x04" + file(photo()), ItemCode.UNDECODABLE, id="a ZIP ahead"),
    ],
)
def test_false_headers_and_chimeras_are_refused(data, code):
    supervisor = limited()
    try:
        failure = outcome(supervisor, data())
        assert failure is not None
        assert failure.code is code
    finally:
        supervisor.close()


def test_a_jpeg_that_says_more_than_it_has_costs_no_more_than_it_says():
    """The decoder fills the rest with grey without an error."""
    supervisor = limited()
    try:
        assert outcome(supervisor, bombs.false_jpeg(4400)) is None
        assert peak(supervisor) <= MEMORY
    finally:
        supervisor.close()


def test_bytes_after_the_end_of_an_image_are_not_in_the_outputs():
    supervisor = limited()
    try:
        for data in (file(photo(), "JPEG") + b"PK\x03\x04<?php evil ?>", bombs.located_png()):
            for picture in supervisor.process(data).renditions:
                assert b"evil" not in picture.data
                assert b"here" not in picture.data
    finally:
        supervisor.close()
