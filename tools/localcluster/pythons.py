"""Python environments of the tool, separate from the project's."""

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from localcluster.commands import run
from localcluster.errors import ClusterError
from localcluster.locking import locked
from localcluster.machine import Package, install
from localcluster.paths import cache_root


def create_environment(folder: Path, requirements: Sequence[str]) -> None:
    """Create a virtual environment with these requirements, or fail without leaving one."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    python = _base_python()
    try:
        run([python, "-c", "import ensurepip, venv"])
    except ClusterError:
        # Debian's Python comes without; the package's own files are elsewhere each release.
        install([Package("python3-venv", "/usr/share/doc/python3-venv")])
    run([python, "-m", "venv", str(folder)], timeout=300)
    if requirements:
        pip = [str(folder / "bin" / "python"), "-m", "pip"]
        run([*pip, "install", "--no-input", *requirements], timeout=900)


def pip_command() -> list[str]:
    """Return the command of pip, even if the caller's environment lacks it."""
    folder = cache_root() / "toolchain" / f"pip-{sys.version_info.major}.{sys.version_info.minor}"
    with locked(folder.with_suffix(".lock"), "the pip environment"):
        if not (folder / "ready").exists():
            create_environment(folder, [])
            (folder / "ready").touch()
    return [str(folder / "bin" / "python"), "-m", "pip"]


def _base_python() -> str:
    # Outside any virtual environment, so that ours does not hang on it.
    base = Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    return str(base) if base.exists() else sys.executable
