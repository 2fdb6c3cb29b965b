"""A base image without a registry: a small Debian root with Python.

It has the same Debian and Python version as the public image that the
Dockerfile names by default, so the same wheels serve both.
"""

import hashlib
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from localcluster.buildah import has_image, import_root, isolated
from localcluster.paths import cache_root
from localcluster.progress import step

SUITE = "trixie"
INCLUDED = ("ca-certificates", "libfribidi0", "libturbojpeg0", "python3-minimal", "python3-venv")


def tag() -> str:
    """Return the name of the base image: it changes with its recipe."""
    recipe = repr((SUITE, INCLUDED))
    return f"localhost/imagejob-base:{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"


def ensure() -> str:
    """Return the name of the base image, building it if it is missing."""
    name = tag()
    if not has_image(name):
        cache_root().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache_root(), prefix="base-") as scratch:
            root = Path(scratch, "root")
            with step("making a Debian root for the base image (debootstrap)"):
                debootstrap(SUITE, INCLUDED, root)
            with step(f"importing {name}"):
                import_root(root, name, "--cmd", '["python3"]')
    return name


def debootstrap(suite: str, packages: Sequence[str], root: Path) -> None:
    """Install a minimal Debian with some packages into a folder."""
    command = ["debootstrap", "--variant=minbase", f"--include={','.join(packages)}"]
    isolated([*command, suite, str(root), *mirror()], timeout=1800)


def mirror() -> list[str]:
    """Return the Debian mirror of this machine's apt, if there is one."""
    places = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]
    for place in places:
        for line in place.read_text().splitlines() if place.is_file() else []:
            found = re.match(r"(?:deb|URIs:)\s.*?(https?://\S+/debian)/?(?:\s|$)", line)
            if found:
                return [found[1]]
    return []
