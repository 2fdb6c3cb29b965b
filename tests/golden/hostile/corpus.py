"""The test images of Pillow's source distribution, which include files of former security bugs.

Fetched at test time, checked by hash, kept outside of the tree by version.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
from functools import cache

from localcluster.paths import cache_root

VERSION = "13.0.0"
SHA256 = "cdcd1ba258178f7356d74170c9a81ba4eab6a5d55748bc402a5a2a6fe6be3510"
IMAGES = f"pillow-{VERSION}/Tests/images/"


@cache
def corpus() -> dict[str, bytes]:
    """Every file below Tests/images by its path there."""
    archive = cache_root() / "corpus" / f"pillow-{VERSION}.tar.gz"
    if not archive.exists():
        _fetch(archive.parent)
    data = archive.read_bytes()
    assert hashlib.sha256(data).hexdigest() == SHA256, f"{archive} is not what it was: delete it"
    found = {}
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.isfile() and member.name.startswith(IMAGES):
                content = tar.extractfile(member)
                assert content is not None
                found[member.name.removeprefix(IMAGES)] = content.read()
    return found


def _fetch(folder: os.PathLike[str]) -> None:
    os.makedirs(folder, exist_ok=True)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    source = ["--no-binary", "pillow", "--dest", os.fspath(folder), f"pillow=={VERSION}"]
    subprocess.run([*command, *source], check=True)
