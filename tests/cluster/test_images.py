"""The images that are shipped: how large they are, and who they run as."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from localcluster.images import build_all

MEGABYTE = 1_000_000
BOUNDS = {"operator": 150, "processor": 130}

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]


def unpacked_megabytes(archive: Path) -> float:
    """Size of all layers of a docker-archive, which keeps them uncompressed."""
    with tarfile.open(archive) as tar:
        return sum(member.size for member in tar if member.name.endswith(".tar")) / MEGABYTE


def config(archive: Path) -> dict[str, Any]:
    with tarfile.open(archive) as tar:
        manifest = json.load(tar.extractfile("manifest.json") or pytest.fail("no manifest"))
        name = manifest[0]["Config"]
        found: dict[str, Any] = json.load(tar.extractfile(name) or pytest.fail("no config"))
    return found["config"]


@pytest.mark.parametrize("name", BOUNDS)
def test_image_is_within_its_bound_and_runs_as_a_number(name: str) -> None:
    (image,) = build_all([name])
    size = unpacked_megabytes(image.archive)
    assert 50 < size <= BOUNDS[name], f"{name}: {size:.0f} MB"
    assert config(image.archive)["User"].split(":")[0].isdigit()


def test_a_layer_too_many_is_weighed(tmp_path: Path) -> None:
    layer = tmp_path / "layer.tar"
    layer.write_bytes(b"\0" * 2 * MEGABYTE)
    archive = tmp_path / "image.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(layer, "a.tar")
        tar.add(layer, "b.tar")
    assert unpacked_megabytes(archive) == 4
