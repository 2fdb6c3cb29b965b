"""Bills of materials (CycloneDX) of the images, made of the lock files that the images are installed from."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

_PINNED = re.compile(r"([A-Za-z0-9._-]+)==([^\s;\\]+)\s*(;[^\\]*)?")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


class InvalidLock(Exception):
    """A lock file has a line that is no pinned package with hashes; the message has the line."""


@dataclass(frozen=True, slots=True)
class Pinned:
    """A package of a lock file."""

    name: str
    version: str


def pinned(lock: str) -> Iterator[Pinned]:
    """The packages of a lock file.

    Raises:
        InvalidLock: a package has no exact version, or no hash.
    """
    for entry in re.split(r"\n(?=\S)", lock.strip()):
        found = _PINNED.match(entry)
        if not found or not _HASH.search(entry):
            raise InvalidLock(f"{entry.splitlines()[0]!r} is not pinned by version and hash")
        yield Pinned(found[1], found[2])


def sbom(name: str, version: str, lock: str, made_at: datetime) -> str:
    """The bill of materials of one image, as JSON; the same for the same arguments. Hashes are in the lock.

    The lock covers every platform: a package for another one is listed, and not in the image. What the base
    image brings is in the bill of materials of its publisher.
    """
    bom = Bom(serial_number=uuid.uuid5(uuid.NAMESPACE_URL, f"{name}@{version} {lock}"))
    bom.metadata.timestamp = made_at
    bom.metadata.component = Component(
        name=name, version=version, type=ComponentType.CONTAINER, bom_ref=f"{name}@{version}"
    )
    for package in pinned(lock):
        bom.components.add(_component(package))
    bom.register_dependency(bom.metadata.component, bom.components)
    return JsonV1Dot6(bom).output_as_string(indent=2) + "\n"


def _component(package: Pinned) -> Component:
    url = PackageURL("pypi", name=package.name.lower().replace("_", "-"), version=package.version)
    return Component(
        name=package.name,
        version=package.version,
        type=ComponentType.LIBRARY,
        purl=url,
        bom_ref=str(url),
    )
