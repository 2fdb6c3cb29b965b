"""The version before this one: its images, its CRDs, and the change from one version to the other."""

from __future__ import annotations

import io
import json
import os
import sys
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from demo.stack import NAMESPACE, OPERATOR
from e2e.world import World
from localcluster.commands import run
from localcluster.paths import repository
from release.__main__ import last_release
from release.compatibility import CRDS

IMAGES = ("operator", "processor")


@dataclass(frozen=True)
class Version:
    """One version: the images that the node has, and the CRDs."""

    name: str
    images: Mapping[str, str]
    crds: tuple[str, ...]

    def install(self, world: World) -> None:
        """Change the CRDs and the operator to this version, as an upgrade or a downgrade does."""
        for text in self.crds:
            world.apply(yaml.safe_load(text))
        where = ("-n", NAMESPACE, f"deployment/{OPERATOR}")
        setting = f"IMAGEJOB_PROCESSOR_IMAGE={self.images['processor']}"
        world.kubectl("rollout", "pause", *where)
        world.kubectl("set", "env", *where, setting)
        world.kubectl("set", "image", *where, f"operator={self.images['operator']}")
        world.kubectl("rollout", "resume", *where)
        world.await_operator()


def this_version() -> Version:
    """The version of this tree, whose images the stack runs."""
    images = {name: f"localhost/imagejob-{name}:dev" for name in IMAGES}
    return Version("this", images, tuple((repository() / path).read_text() for path in CRDS))


def previous_revision() -> str:
    """The last release, or the revision that IMAGEJOB_PREVIOUS names."""
    found = os.environ.get("IMAGEJOB_PREVIOUS") or last_release()
    assert found, "there is no release yet: name a revision with PREVIOUS"
    return found


def build(revision: str, folder: Path) -> tuple[Version, list[tuple[Path, str]]]:
    """Build the images of a revision with its own tools; the version, and archives with their tags."""
    tree = folder / "tree"
    run(["git", "worktree", "add", "--detach", str(tree), revision], cwd=repository())
    try:
        command = [sys.executable, "-m", "localcluster", "images", "--no-load", *IMAGES]
        output = run(command, cwd=tree, env={**os.environ, "PYTHONPATH": str(tree / "tools")}, timeout=1800)
        built = dict(line.split() for line in output.splitlines() if line.startswith("localhost/"))
        crds = tuple((tree / path).read_text() for path in CRDS)
    finally:
        run(["git", "worktree", "remove", "--force", str(tree)], cwd=repository())
    images, archives = {}, []
    for name in IMAGES:
        images[name] = f"localhost/imagejob-{name}:previous"
        archive = folder / f"{name}.tar"
        _rename(Path(built[f"localhost/imagejob-{name}:dev"]), archive, images[name])
        archives.append((archive, images[name]))
    return Version(revision, images, crds), archives


def _rename(archive: Path, target: Path, tag: str) -> None:
    """Copy an archive of one image, which gets another tag."""
    with tarfile.open(archive) as old, tarfile.open(target, "w") as new:
        for member in old:
            if member.name == "repositories":
                continue
            data = old.extractfile(member)
            if member.name == "manifest.json" and data:
                manifest = json.load(data)
                manifest[0]["RepoTags"] = [tag]
                text = json.dumps(manifest).encode()
                member.size, data = len(text), io.BytesIO(text)
            new.addfile(member, data)
