"""`python -m release.reproducible`: build both images twice from the same inputs, and compare.

Exit code 1 if two builds differ; the files that differ are printed.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from localcluster.errors import ClusterError
from localcluster.images import TARGETS, build_uncached

Entries = dict[str, str]
"""The entries of an image by layer and name: kind, mode, owner, time, and a digest of the content."""


def entries(archive: Path) -> Entries:
    """What a docker-archive holds: the configuration, and each entry of each layer.

    Raises:
        KeyError: it is not a docker-archive.
    """
    found: Entries = {}
    with tarfile.open(archive) as image:
        (manifest,) = json.loads(_read(image, "manifest.json"))
        found["configuration"] = _digest(_read(image, manifest["Config"]))
        for number, name in enumerate(manifest["Layers"], start=1):
            file = image.extractfile(name)
            if file is None:
                raise KeyError(name)
            with tarfile.open(fileobj=file) as layer:
                found.update(_of_layer(number, layer))
    return found


def _of_layer(number: int, layer: tarfile.TarFile) -> Iterator[tuple[str, str]]:
    for member in layer:
        file = layer.extractfile(member) if member.isreg() else None
        facts = (
            f"type {member.type!r} mode {member.mode:o} owner {member.uid}:{member.gid} time {member.mtime} "
            f"link {member.linkname!r} content {_digest(file.read() if file else b'')}"
        )
        yield f"layer {number} {member.name}", facts


def _read(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    if file is None:
        raise KeyError(name)
    return file.read()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def differences(first: Entries, second: Entries) -> list[str]:
    """One line for each entry that is not the same in both builds."""
    return [
        f"{name}: {first.get(name, 'missing')} | {second.get(name, 'missing')}"
        for name in sorted(first.keys() | second.keys())
        if first.get(name) != second.get(name)
    ]


def compare(name: str, folder: Path) -> tuple[str, list[str]]:
    """Build an image twice; returns a line that says how it went, and a line for each difference."""
    archives = [folder / f"{name}-{number}.tar" for number in (1, 2)]
    for archive in archives:
        build_uncached(name, archive)
    found = [entries(archive) for archive in archives]
    digests = [_digest(archive.read_bytes()) for archive in archives]
    wrong = differences(*found) or ([f"the archives: {' | '.join(digests)}"] if len(set(digests)) > 1 else [])
    return f"{name}: {len(found[0])} entries, {len(wrong)} differences, SHA-256 {digests[0]}", wrong


def main() -> int:
    """The exit code."""
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        for name in TARGETS:
            try:
                line, wrong = compare(name, Path(folder))
            except ClusterError as error:
                sys.stderr.write(f"reproducible: {error}\n")
                return 1
            failed = failed or bool(wrong)
            sys.stdout.writelines(f"{each}\n" for each in [*wrong, line])
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
