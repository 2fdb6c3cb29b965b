"""Image files of other projects: the test images of Pillow's sources, and the images of scikit-image."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "pictures"
FORMATS_BY_EXTENSION = {
    **dict.fromkeys(("apng", "png"), "PNG"),
    **dict.fromkeys(("avif", "avifs"), "AVIF"),
    **dict.fromkeys(("bmp", "dib"), "BMP"),
    "gif": "GIF",
    **dict.fromkeys(("heic", "heif"), "HEIC"),
    **dict.fromkeys(("jpe", "jpeg", "jpg", "mpo"), "JPEG"),
    "jxl": "JPEG XL",
    **dict.fromkeys(("tif", "tiff"), "TIFF"),
    "webp": "WebP",
}


def collect() -> Iterator[tuple[str, bytes]]:
    """Yield name and contents of each file whose name says that it has a supported format."""
    with tarfile.open(pillow_source()) as archive:
        members = [member for member in archive if "/Tests/images/" in member.name and wanted(member.name)]
        for member in sorted(members, key=lambda each: each.name):
            file = archive.extractfile(member)
            if file is not None:
                yield f"pillow/{member.name.partition('/Tests/images/')[2]}", file.read()
    yield from collect_scikit_image()


def collect_scikit_image() -> Iterator[tuple[str, bytes]]:
    """Those of scikit-image."""
    folder = files("skimage") / "data"
    for path in sorted(folder.iterdir(), key=lambda each: each.name):
        if wanted(path.name):
            yield f"scikit-image/{path.name}", path.read_bytes()


def wanted(name: str) -> bool:
    """Whether the extension is that of a supported format."""
    return name.rpartition(".")[2].lower() in FORMATS_BY_EXTENSION


def pillow_source() -> Path:
    """Download the source package of the Pillow in use, checked against the hashes of the lock."""
    target = BUILD / f"pillow-{version('pillow')}.tar.gz"
    if target.exists():
        return target
    BUILD.mkdir(parents=True, exist_ok=True)
    lock = (ROOT / "locks" / "dev.txt").read_text()
    pinned = re.search(r"^pillow==(?:.*\\\n)*.*$", lock, re.MULTILINE)
    if pinned is None:
        raise ValueError("locks/dev.txt does not pin pillow")
    requirements = BUILD / "pillow.txt"
    requirements.write_text(f"{pinned[0]}\n")
    download = (
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
    )
    options = ("--no-binary=pillow", "--require-hashes", "--dest", str(BUILD), "-r", str(requirements))
    subprocess.run([*download, *options], check=True)
    return target
