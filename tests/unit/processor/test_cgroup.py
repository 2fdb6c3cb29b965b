"""CPU and memory limits of the container."""

import os
from pathlib import Path

import pytest

from imagejob_processor import cgroup

MIB = 1 << 20


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
    assert cgroup.memory_limit(tmp_path) == expected


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
    assert cgroup.cpus(tmp_path) == expected


def test_what_a_process_holds():
    assert cgroup.resident_bytes(os.getpid()) > MIB
    assert cgroup.resident_bytes(2**22 + 1) == 0
