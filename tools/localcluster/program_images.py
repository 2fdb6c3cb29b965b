"""Images of static programs, written by hand: no builder, no base image, no registry."""

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from localcluster.machine import oci_architecture

PAUSE = "localhost/pause:dev"
"""The image of Pod sandboxes."""


@dataclass(frozen=True)
class ProgramImage:
    """An image of one layer: its names, its files by their paths in it, and what it starts."""

    tags: tuple[str, ...]
    files: Mapping[str, Path]
    entrypoint: tuple[str, ...] = ()
    user: str = "65535:65535"


def of_program(tag: str, program: Path, user: str = "65535:65535") -> ProgramImage:
    """Return an image whose only file is a static program, which it starts."""
    return ProgramImage((tag,), {program.name: program}, (f"/{program.name}",), user)


def write_archive(images: Iterable[ProgramImage], target: Path) -> None:
    """Write a docker-archive."""
    target.parent.mkdir(parents=True, exist_ok=True)
    manifest = []
    with tarfile.open(target, "w") as archive:
        for image in images:
            layer = _layer(image.files)
            digest = hashlib.sha256(layer).hexdigest()
            configuration = json.dumps(
                {
                    "architecture": oci_architecture(),
                    "os": "linux",
                    "config": {"Entrypoint": list(image.entrypoint), "User": image.user},
                    "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
                }
            ).encode()
            name = f"{hashlib.sha256(configuration).hexdigest()}.json"
            _add(archive, name, configuration)
            _add(archive, f"{digest}.tar", layer)
            manifest.append({"Config": name, "RepoTags": list(image.tags), "Layers": [f"{digest}.tar"]})
        _add(archive, "manifest.json", json.dumps(manifest).encode())


def _layer(files: Mapping[str, Path]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, path in files.items():
            _add(archive, name, path.read_bytes(), mode=0o755)
    return buffer.getvalue()


def _add(archive: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    member.mode = mode
    archive.addfile(member, io.BytesIO(content))
