"""The gallery of a run on one machine: an HTML file with links relative to it."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

from imagejob_gallery.page import gallery_page
from imagejob_local.folder import Folder
from imagejob_operator.documents.report import Report
from imagejob_operator.ports.object_store import StoreError

SUFFIXES = (".html", ".htm")
"""What the name of the file must end with, so that no image is replaced by mistake."""


class GalleryUnusable(Exception):
    """The file of the gallery cannot be written; the message says why, and what to do."""


def check_gallery(file: Path) -> None:
    """Check before the run that a gallery can be written; raises GalleryUnusable."""
    if file.suffix.lower() not in SUFFIXES:
        raise GalleryUnusable(f"--gallery: the name {file.name!r} must end with {' or '.join(SUFFIXES)}")
    if file.is_dir():
        raise GalleryUnusable(f"--gallery: {file} is a folder; name a file in it")
    if not file.parent.is_dir():
        raise GalleryUnusable(f"--gallery: the folder {file.parent} does not exist; create it")
    if not os.access(file.parent, os.W_OK | os.X_OK):
        raise GalleryUnusable(f"--gallery: the folder {file.parent} cannot be written; choose another one")


def write_gallery(report: Report, folder: Folder, file: Path) -> Path:
    """Write the gallery of a report, and return its absolute path; raises GalleryUnusable.

    A source is shown if the folder has a file of its key and size: sources from the web or from the
    manifest are not in the folder.
    """
    target = file.parent.resolve() / file.name
    sizes = {item.source: item.size for item in report.items}

    def link(key: str, size: int | None = None) -> str | None:
        try:
            path = folder.path(key)
            found = path.is_file() and (size is None or path.stat().st_size == size)
        except (StoreError, OSError):  # no file can have the key, or the folder is not readable
            return None
        return quote(os.path.relpath(path, target.parent)) if found else None

    page = gallery_page(report, lambda key: link(key, sizes.get(key)), link)
    partial = target.with_name(f".{target.name}.partial")
    try:
        partial.write_text(page, encoding="utf-8")
        partial.replace(target)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise GalleryUnusable(f"--gallery: {target} cannot be written: {error.strerror}") from None
    return target
