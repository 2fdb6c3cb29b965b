"""The processor does without what macOS does not have."""

from __future__ import annotations

import fcntl
import os
import resource
import sys
from pathlib import Path
from subprocess import PIPE, Popen

import pytest

from imagejob_processor import cgroup
from imagejob_processor.child_process import child, framing


def test_all_cpus_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    assert cgroup.cpus(tmp_path) == os.cpu_count()


def test_the_address_space_is_not_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[object] = []
    monkeypatch.setattr(resource, "setrlimit", lambda *limit: limits.append(limit))
    monkeypatch.setattr(sys, "platform", "darwin")
    child._limit_memory(1 << 30)
    assert limits == []
    monkeypatch.setattr(sys, "platform", "linux")
    child._limit_memory(1 << 30)
    assert len(limits) == 1


def test_pipes_keep_their_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(fcntl, "F_SETPIPE_SZ")
    with Popen([sys.executable, "-c", ""], bufsize=0, stdin=PIPE, stdout=PIPE, stderr=PIPE) as process:
        framing.Pipes(process).close()
