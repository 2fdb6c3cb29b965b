"""What the container may use, and what its processes get of it."""

import os
from pathlib import Path

import pytest

from imagejob_contract import pod_memory
from imagejob_contract.order import ItemLimits
from imagejob_contract.output import Format
from imagejob_contract.recipe import Fit
from imagejob_processor import machine
from unit.processor.pictures import LIMITS, rendition, resized

MIB = 1 << 20


def limits(item_bytes: int = 1 << 30, pixels: int = 1 << 30, frames: int = 100) -> ItemLimits:
    return ItemLimits(item_bytes=item_bytes, pixels=pixels, frames=frames, item_timeout_seconds=30)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("memory.max", "max\n", None),
        ("memory.max", "536870912\n", 512 * MIB),
        ("memory/memory.limit_in_bytes", "268435456\n", 256 * MIB),
        ("memory/memory.limit_in_bytes", "9223372036854771712\n", None),
        ("other", "1", None),
    ],
)
def test_the_memory_limit_is_read(tmp_path: Path, name, text, expected):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(text)
    assert machine.memory_limit(tmp_path) == expected


ALL = len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cpu.max": "max 100000\n"}, ALL),
        ({"cpu.max": "100000 100000\n"}, 1),
        ({"cpu.max": "50000 100000\n"}, 1),
        ({"cpu.max": "390000 100000\n"}, 3),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, ALL),
        ({"cpu/cpu.cfs_quota_us": "400000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 4),
        ({"cpu/cpu.cfs_quota_us": "400000\n"}, ALL),
        ({}, ALL),
    ],
)
def test_the_cpu_limit_is_read(tmp_path: Path, files, expected):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert machine.cpus(tmp_path) == expected


def test_what_a_process_holds():
    assert machine.resident_bytes(os.getpid()) > MIB
    assert machine.resident_bytes(2**22 + 1) == 0


def test_memory_grows_with_what_is_allowed():
    few, many = limits(MIB, 1_000_000), limits(MIB, 100_000_000)
    thumb = (rendition(resized(100, 100), form=Format.JPEG),)
    assert pod_memory.memory_bytes(thumb, few) < pod_memory.memory_bytes(thumb, many)
    assert pod_memory.memory_bytes(thumb, few) < pod_memory.memory_bytes((rendition(form=Format.AVIF),), few)
    enlarged = (rendition(resized(16384, 16384, Fit.FILL), form=Format.JPEG),)
    assert pod_memory.memory_bytes(enlarged, few) > 16384 * 16384 * 16
    assert pod_memory.likely_bytes(thumb, many) < pod_memory.memory_bytes(thumb, many)


def test_a_pod_that_was_sized_for_it_gives_each_worker_what_it_needs():
    need = pod_memory.memory_bytes((rendition(form=Format.AVIF),), LIMITS)
    for workers in (1, 2, 8):
        whole = pod_memory.pod_bytes(need, LIMITS, workers)
        assert pod_memory.fitting_workers(workers, need, LIMITS, whole) == workers
        assert pod_memory.allowed_bytes(need, LIMITS, workers, whole) == need


def test_the_pod_has_the_last_word_on_memory():
    need = pod_memory.memory_bytes((rendition(form=Format.AVIF),), LIMITS)
    assert pod_memory.allowed_bytes(need, LIMITS, 1, None) == need
    assert pod_memory.allowed_bytes(need, LIMITS, 1, 64 << 30) == need
    assert pod_memory.allowed_bytes(need, LIMITS, 1, 512 * MIB) == 448 * MIB - 64 * MIB
    assert pod_memory.allowed_bytes(need, LIMITS, 1, 64 * MIB) == pod_memory.LEAST_BYTES
    assert pod_memory.fitting_workers(4, need, LIMITS, 512 * MIB) == 1
    assert pod_memory.fitting_workers(4, need, LIMITS, None) == 4
    whole = pod_memory.pod_bytes(need, LIMITS, 3)
    assert pod_memory.fitting_workers(8, need, LIMITS, whole) == 3
    assert pod_memory.fitting_workers(8, need, LIMITS, whole - 1) == 2
