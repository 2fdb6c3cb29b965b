"""The Pod sandbox image, written by hand: one static program, no registry."""

import hashlib
import io
import json
import tarfile
from pathlib import Path

from localcluster.machine import oci_architecture

IMAGE = "localhost/pause:dev"


def write_archive(pause: Path, target: Path) -> None:
    """Write a docker-archive whose only file is the ``pause`` program."""
    layer = _tar({"pause": pause.read_bytes()}, mode=0o755)
    configuration = json.dumps(
        {
            "architecture": oci_architecture(),
            "os": "linux",
            "config": {"Entrypoint": ["/pause"], "User": "65535:65535"},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
        }
    ).encode()
    name = f"{hashlib.sha256(configuration).hexdigest()}.json"
    manifest = json.dumps([{"Config": name, "RepoTags": [IMAGE], "Layers": ["layer.tar"]}]).encode()
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(_tar({"manifest.json": manifest, name: configuration, "layer.tar": layer}))


def _tar(files: dict[str, bytes], mode: int = 0o644) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            member.mode = mode
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()
