"""The gallery of a run on one machine: an HTML file with links relative to it."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

from imagejob.html_file import write_html_file
from imagejob_gallery.page import gallery_page
from imagejob_local.folder import Folder
from imagejob_operator.documents.report import Report
from imagejob_operator.ports.object_store import StoreError


def write_gallery(report: Report, folder: Folder, file: Path) -> Path:
    """Write the gallery of a report, and return its absolute path; raises FileFailed.

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
    write_html_file(target, page, "--gallery")
    return target
