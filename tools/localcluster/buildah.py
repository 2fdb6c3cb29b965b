"""Calls buildah with a store of its own, in the cache folder.

Every call has its own mount namespace, so that no mount outlives it.
"""

import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from localcluster.commands import await_end, run, run_logged, tail
from localcluster.errors import ClusterError
from localcluster.mounts import is_on_overlay
from localcluster.paths import cache_root


def isolated(argv: Sequence[str], timeout: float) -> str:
    """Run a program in a mount namespace of its own."""
    return run(["unshare", "--mount", "--propagation", "slave", *argv], timeout=timeout)


def storage() -> tuple[str, Path]:
    """Return the storage driver, and the folder of the images."""
    folder = cache_root() / "containers" / "storage"
    return "vfs" if is_on_overlay(folder) else "overlay", folder


def _command(arguments: Sequence[str]) -> list[str]:
    driver, folder = storage()
    places = ["--root", str(folder), "--runroot", str(folder.with_name("run"))]
    return ["buildah", *places, "--storage-driver", driver, *arguments]


def buildah(*arguments: str) -> str:
    """Run a short buildah command; returns its output."""
    return isolated(_command(arguments), timeout=600)


def has_image(name: str) -> bool:
    """Whether the store has an image of that name."""
    try:
        return bool(buildah("images", "--quiet", name).strip())
    except ClusterError:
        return False


def import_root(root: Path, name: str, *settings: str) -> None:
    """Make an image of a folder, with arguments of ``buildah config``."""
    with tempfile.TemporaryDirectory(dir=cache_root(), prefix="import-") as scratch:
        archive = Path(scratch, "root.tar")
        isolated(["tar", "--numeric-owner", "-C", str(root), "-cf", str(archive), "."], timeout=300)
        container = buildah("from", "scratch").strip()
        try:
            buildah("add", "--quiet", container, str(archive), "/")
            archive.unlink()
            buildah("config", *settings, container)
            buildah("commit", "--quiet", container, name)
        finally:
            buildah("rm", container)


def build(context: Path, target: str, base: str, wheels: Path, tag: str, *, cached: bool = True) -> None:
    """Build a target of the Dockerfile in a context folder, on a base image, from a folder of wheels.

    All times in the image are zero, so that the same inputs give the same image.
    """
    log = cache_root() / "logs" / f"image-{target}.log"
    cache = "--layers" if cached else "--no-cache"
    options = ["--isolation", "chroot", "--pull-never", "--timestamp", "0", cache, "--target", target]
    command = _command(["build", *options])
    inputs = ["--build-arg", f"BASE_IMAGE={base}", "--build-context", f"wheels={wheels}"]
    arguments = [*inputs, "--tag", tag, str(context)]
    wrapped = ["unshare", "--mount", "--propagation", "slave", *command, *arguments]
    process: subprocess.Popen[bytes] = run_logged(wrapped, log)
    await_end(process, lambda: f"{target}: {tail(log, 1).strip()[:100]}")
    if process.returncode:
        raise ClusterError(f"the build of image {target} failed, see {log}:\n{tail(log, 30)}")


def save(tag: str, archive: Path) -> None:
    """Write an image to a docker-archive."""
    archive.unlink(missing_ok=True)
    buildah("push", "--quiet", tag, f"docker-archive:{archive}:{tag}")
