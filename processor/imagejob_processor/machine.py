"""Machine: what this container may use, as its cgroup says; version 2 first, then version 1."""

from __future__ import annotations

import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def memory_limit(root: Path = CGROUP) -> int | None:
    """Read the memory limit of this container in bytes; None where there is none or it cannot be known."""
    text = _first(root / "memory.max", root / "memory/memory.limit_in_bytes")
    # Version 1 says "no limit" with a number near 2**63.
    return int(text) if text.isdecimal() and int(text) < 1 << 60 else None


def cpus(root: Path = CGROUP) -> int:
    """Tell how many processes may compute at once: the CPU limit rounded down, at least one.

    Without a limit it is the processors that this process may run on.
    """
    quota, _, period = _first(root / "cpu.max").partition(" ")
    if not quota:
        quota, period = _first(root / "cpu/cpu.cfs_quota_us"), _first(root / "cpu/cpu.cfs_period_us")
    if quota.isdecimal() and period.isdecimal() and int(period) > 0:
        return max(1, int(quota) // int(period))
    return len(os.sched_getaffinity(0))


def resident_bytes(pid: int, proc: Path = Path("/proc")) -> int:
    """Read how much memory a process holds; 0 if that cannot be known, or it has ended."""
    fields = _first(proc / str(pid) / "statm").split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") if len(fields) > 1 else 0


def _first(*files: Path) -> str:
    """Give the text of the first file that can be read, or nothing."""
    for file in files:
        try:
            return file.read_text().strip()
        except OSError:
            continue
    return ""
