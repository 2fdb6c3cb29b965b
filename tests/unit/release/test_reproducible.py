"""The comparison of two builds of an image finds every kind of difference."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest

from release.reproducible import differences, entries

CONFIGURATION = {"created": "1970-01-01T00:00:00Z"}


def write(archive: tarfile.TarFile, name: str, content: bytes, mtime: int = 0, mode: int = 0o644) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mtime, member.mode = len(content), mtime, mode
    archive.addfile(member, io.BytesIO(content))


def image(
    path: Path,
    content: bytes = b"code",
    name: str = "app.py",
    mtime: int = 0,
    mode: int = 0o644,
    created: str = CONFIGURATION["created"],
) -> Path:
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        write(tar, name, content, mtime, mode)
    with tarfile.open(path, "w") as tar:
        write(tar, "config.json", json.dumps({"created": created}).encode())
        write(tar, "layer.tar", layer.getvalue())
        write(tar, "manifest.json", json.dumps([{"Config": "config.json", "Layers": ["layer.tar"]}]).encode())
    return path


def test_the_same_image_has_no_differences(tmp_path: Path) -> None:
    assert differences(entries(image(tmp_path / "1")), entries(image(tmp_path / "2"))) == []


@pytest.mark.parametrize(
    ("other", "named"),
    [
        ({"content": b"edoc"}, ["layer 1 app.py"]),
        ({"mtime": 1}, ["layer 1 app.py"]),
        ({"mode": 0o755}, ["layer 1 app.py"]),
        ({"name": "b.py"}, ["layer 1 app.py", "layer 1 b.py"]),
        ({"created": "2026-01-01T00:00:00Z"}, ["configuration"]),
    ],
)
def test_a_difference_is_named(tmp_path: Path, other: dict[str, object], named: list[str]) -> None:
    found = differences(entries(image(tmp_path / "1")), entries(image(tmp_path / "2", **other)))  # type: ignore[arg-type]
    assert [line.partition(":")[0] for line in found] == named
