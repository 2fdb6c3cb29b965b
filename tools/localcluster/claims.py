"""The index of each cluster on this machine, independent of its root.

A claim is a file; it is stale when the cluster it names has no state left.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

from localcluster.addresses import Addresses, first_free
from localcluster.commands import run
from localcluster.errors import ClusterError
from localcluster.locking import locked
from localcluster.paths import Layout

FOLDER = Path("/run/imagejob")


@dataclass(frozen=True)
class Claim:
    """An index, held by a cluster."""

    index: int
    root: Path


@contextmanager
def _locked() -> Iterator[None]:
    with locked(Path("/run/lock/imagejob-claims.lock"), "the table of clusters", 60):
        yield


def _read(name: str) -> Claim | None:
    try:
        data = json.loads((FOLDER / f"{name}.json").read_text())
        return Claim(int(data["index"]), Path(data["root"]))
    except (OSError, ValueError, KeyError):
        return None


def _all() -> dict[str, Claim]:
    names = sorted(path.stem for path in FOLDER.glob("*.json"))
    return {name: claim for name in names if (claim := _read(name)) is not None}


def machine_networks() -> list[IPv4Network]:
    """Return the ranges that the machine already routes."""
    networks = []
    for route in json.loads(run(["ip", "-4", "-json", "route", "show", "table", "all"])):
        destination = str(route.get("dst", ""))
        if destination[:1].isdigit():
            networks.append(IPv4Network(destination, strict=False))
    return networks


def claim(layout: Layout) -> Addresses:
    """Allocate the addresses of a cluster, which it keeps until they are released."""
    with _locked():
        held = _read(layout.name)
        if held is not None:
            if held.root != layout.root and (held.root / "cluster.json").exists():
                raise ClusterError(f"a cluster named {layout.name} already exists in {held.root}")
            if held.root == layout.root:
                return Addresses(held.index)
        others = {
            name: other
            for name, other in _all().items()
            if name != layout.name and (other.root / "cluster.json").exists()
        }
        free = first_free((other.index for other in others.values()), machine_networks())
        if free is None:
            raise ClusterError("no free address range is left for another cluster")
        layout.root.mkdir(parents=True, exist_ok=True)
        layout.state.write_text(json.dumps({"provider": "native", "index": free.index}))
        FOLDER.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"index": free.index, "root": str(layout.root)})
        (FOLDER / f"{layout.name}.json").write_text(text)
        return free


@contextmanager
def released(name: str) -> Iterator[bool]:
    """Release a claim; yields, under the lock, whether it was the last."""
    with _locked():
        (FOLDER / f"{name}.json").unlink(missing_ok=True)
        last = not _all()
        yield last
        if last and FOLDER.exists() and not any(FOLDER.iterdir()):
            FOLDER.rmdir()
