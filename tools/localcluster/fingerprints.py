"""Hashes of files and folders."""

import hashlib
from collections.abc import Iterable
from pathlib import Path


def of_file(path: Path) -> str:
    """Return the hash of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def of_tree(root: Path, paths: Iterable[Path], salt: str = "") -> str:
    """Return the hash of files and whole folders, by name and content.

    Times and byte code are ignored: every checkout has the same hash.
    """
    files: set[Path] = set()
    for path in paths:
        below = path.rglob("*") if path.is_dir() else [path]
        files.update(file for file in below if file.is_file() and "__pycache__" not in file.parts)
    digest = hashlib.sha256(salt.encode())
    for file in sorted(files):
        executable = bool(file.stat().st_mode & 0o100)
        line = f"\n{file.relative_to(root)} {executable} {of_file(file)}"
        digest.update(line.encode())
    return digest.hexdigest()
