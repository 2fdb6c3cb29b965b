"""Mounts seen from the machine's own mount namespace."""

import re
from pathlib import Path

from localcluster.commands import run


def mount_points(table: Path = Path("/proc/self/mountinfo")) -> list[Path]:
    """Return every mount point, in the order they were mounted."""
    points = []
    for line in table.read_text().splitlines():
        escaped = line.split(" ")[4]
        points.append(Path(re.sub(r"\\([0-7]{3})", lambda m: chr(int(m[1], 8)), escaped)))
    return points


def unmount_below(root: Path) -> list[Path]:
    """Unmount everything below a folder, the deepest first.

    Call it before deleting the folder, so that no mounted files are deleted.
    """
    below = [point for point in mount_points() if point.is_relative_to(root)]
    for point in sorted(below, key=lambda path: len(path.parts), reverse=True):
        run(["umount", "--lazy", str(point)])
    return below


def is_on_overlay(folder: Path, table: Path = Path("/proc/self/mounts")) -> bool:
    """Whether a folder is in an overlay, which cannot be the base of another one."""
    best, kind = Path("/"), ""
    for line in table.read_text().splitlines():
        _, point, filesystem, *_ = line.split(" ")
        if folder.is_relative_to(point) and Path(point).is_relative_to(best):
            best, kind = Path(point), filesystem
    return kind == "overlay"
