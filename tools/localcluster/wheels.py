"""Folders of wheels for the image builds, which have no network.

A folder is named after the hash of the lock file. pip verifies every wheel when it
is downloaded and when it is installed in the build.
"""

import platform
import shutil
from pathlib import Path

from localcluster.commands import run
from localcluster.fingerprints import of_file
from localcluster.locking import locked
from localcluster.paths import cache_root
from localcluster.progress import step
from localcluster.pythons import pip_command

# What the base image has: Python 3.13, and the C library of Debian 13.
PYTHON = "3.13"
LIBC_MINOR = 41


def platform_arguments(machine: str) -> list[str]:
    """Return pip's options for wheels of the base image."""
    tags = [f"manylinux_2_{minor}_{machine}" for minor in range(LIBC_MINOR, 4, -1)]
    tags += [f"manylinux{name}_{machine}" for name in ("2014", "2010", "1")]
    arguments = ["--only-binary=:all:", "--implementation", "cp", "--python-version", PYTHON]
    for abi in (f"cp{PYTHON.replace('.', '')}", "abi3", "none"):
        arguments += ["--abi", abi]
    for tag in tags:
        arguments += ["--platform", tag]
    return arguments


def wheelhouse(lock: Path) -> Path:
    """Return a folder with every wheel of a lock file, downloading them if missing."""
    folder = cache_root() / "wheels" / f"{lock.stem}-{of_file(lock)[:16]}-{PYTHON}-{platform.machine()}"
    if folder.exists():
        return folder
    with locked(folder.with_suffix(".lock"), f"the wheels of {lock.name}"):
        if folder.exists():
            return folder
        unfinished = folder.with_suffix(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        command = [*pip_command(), "download", "--no-input", "--quiet", "--require-hashes"]
        with step(f"downloading the wheels of {lock.name}"):
            arguments = ["--requirement", str(lock), "--dest", str(unfinished)]
            run([*command, *arguments, *platform_arguments(platform.machine())], timeout=1200)
        unfinished.rename(folder)
    return folder
