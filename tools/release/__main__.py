"""`python -m release`: everything that a release publishes, in out/release, made offline.

Exit code 1 if something cannot be made.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tarfile
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from distribution import chart
from distribution.install_yaml import install_yaml
from distribution.rendering import write_package
from localcluster.commands import run
from localcluster.errors import ClusterError
from localcluster.images import build_all
from localcluster.paths import repository
from localcluster.progress import say, step
from release.compatibility import taken_away_since
from release.sbom import sbom

IMAGES = ("operator", "processor")


def committed_at() -> datetime:
    """The time of the commit: the time of everything in the release, so that it can be made again."""
    seconds = run(["git", "log", "-1", "--format=%ct"], cwd=repository())
    return datetime.fromtimestamp(int(seconds), UTC)


def last_release() -> str:
    """The tag of the newest release before this commit; empty if there is none."""
    tags = run(
        ["git", "tag", "--merged", "HEAD^", "--list", "v[0-9]*", "--sort=-v:refname"], cwd=repository()
    )
    return tags.partition("\n")[0]


def check_crds() -> None:
    """Compare the CRDs with those of the last release.

    Raises:
        ClusterError: they take something away.
    """
    last = last_release()
    lost = taken_away_since(last) if last else []
    if lost:
        raise ClusterError(f"the CRDs are not compatible with {last}:\n" + "\n".join(lost))
    say(f"the CRDs are compatible with {last}" if last else "this is the first release: no CRDs to compare")


def build(folder: Path) -> None:
    """Make all files of a release, and their checksums."""
    check_crds()
    version, made_at = chart.version(), committed_at()
    with step("wheel and source archive"):
        packages(folder, version, made_at)
    with step("CRDs and bills of materials"):
        documents(folder, version, made_at)
    with step("chart and install.yaml"):
        write_package(folder)
        (folder / "install.yaml").write_text(install_yaml())
    for name, image in zip(IMAGES, build_all(IMAGES), strict=True):
        shutil.copyfile(image.archive, folder / f"imagejob-{name}-{version}.tar")
    (folder / "SHA256SUMS").write_text(checksums(folder))


def packages(folder: Path, version: str, made_at: datetime) -> None:
    """The source archive of the commit, and the wheel that is built from it."""
    archive = folder / f"imagejob-{version}.tar.gz"
    run(["git", "archive", f"--prefix=imagejob-{version}/", f"--output={archive}", "HEAD"], cwd=repository())
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(int(made_at.timestamp()))}
    uv = str(Path(sys.executable).parent / "uv")
    options = ["--quiet", "--wheel", "--offline", "--no-build-isolation", "--no-create-gitignore"]
    with tempfile.TemporaryDirectory() as sources, tarfile.open(archive) as tar:
        tar.extractall(sources, filter="data")
        run(
            [uv, "build", *options, "--out-dir", str(folder), f"{sources}/imagejob-{version}"],
            env=environment,
        )


def documents(folder: Path, version: str, made_at: datetime) -> None:
    """The CRDs in one file, and a bill of materials of each image."""
    crds = sorted((repository() / "crds").glob("*.yaml"))
    (folder / "crds.yaml").write_text("---\n".join(path.read_text() for path in crds))
    for name in IMAGES:
        lock = (repository() / "locks" / f"{name}.txt").read_text()
        text = sbom(f"imagejob-{name}", version, lock, made_at)
        (folder / f"imagejob-{name}-{version}.cdx.json").write_text(text)


def checksums(folder: Path) -> str:
    """The SHA-256 of every file, as sha256sum writes and checks them."""
    files = sorted(path for path in folder.iterdir() if path.name != "SHA256SUMS")
    return "".join(f"{_digest(path)}  {path.name}\n" for path in files)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main() -> int:
    """The exit code."""
    folder = repository() / "out" / "release"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        build(folder)
    except ClusterError as error:
        sys.stderr.write(f"release: {error}\n")
        return 1
    sys.stdout.write((folder / "SHA256SUMS").read_text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
