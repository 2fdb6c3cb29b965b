"""CPU and memory limits of this container, from its cgroup (version 2, else version 1)."""

from __future__ import annotations

import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def memory_limit(root: Path = CGROUP) -> int | None:
    """Read the memory limit in bytes; None if there is none or it is unknown."""
    text = _first(root / "memory.max", root / "memory/memory.limit_in_bytes")
    # Version 1 expresses "no limit" by a number near 2**63.
    return int(text) if text.isdecimal() and int(text) < 1 << 60 else None


def cpus(root: Path = CGROUP) -> int:
    """Return the CPU limit rounded down, at least 1; without a limit, the CPUs of this process."""
    quota, _, period = _first(root / "cpu.max").partition(" ")
    if not quota:
        quota, period = _first(root / "cpu/cpu.cfs_quota_us"), _first(root / "cpu/cpu.cfs_period_us")
    if quota.isdecimal() and period.isdecimal() and int(period) > 0:
        return max(1, int(quota) // int(period))
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # macOS


def resident_bytes(pid: int, proc: Path = Path("/proc")) -> int:
    """Read the resident memory of a process; 0 if it is unknown or the process has ended."""
    fields = _first(proc / str(pid) / "statm").split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") if len(fields) > 1 else 0


def _first(*files: Path) -> str:
    """Return the text of the first file that can be read, or an empty string."""
    for file in files:
        try:
            return file.read_text().strip()
        except OSError:
            continue
    return ""
