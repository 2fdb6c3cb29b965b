"""The gallery of a run on a cluster.

It has links that expire; where a browser cannot reach the store, it has copies of the images beside it.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

from imagejob.bucket import Objects, StoredObject
from imagejob.download_folder import DownloadFolder
from imagejob.html_file import write_html_file
from imagejob.results import Results
from imagejob.transfers import FAILED, Transferred, download_all
from imagejob_cli import terminal
from imagejob_gallery.page import gallery_page

Link = Callable[[str], str | None]


def make_gallery(found: Results, file: Path | None, lifetime: timedelta) -> Path:
    """Write the gallery of a run; returns its absolute path.

    Without `file`, it is in a new folder, for a page that only the browser needs. Folders that stay empty
    are removed.

    Raises:
        FileFailed: The page cannot be written.
        Invalid: The folder for copies of images cannot be written.
        StoreFailed: The store cannot be reached.
    """
    if file is None:
        file = Path(tempfile.mkdtemp(prefix="imagejob-")) / "gallery.html"
        made = file.parent
    else:
        made = _copies(file)
    target = file.parent.resolve() / file.name
    try:
        _write(found, target, lifetime)
    finally:
        _remove_empty(made)
    return target


def _write(found: Results, target: Path, lifetime: timedelta) -> None:
    sources = _links(found.sources, _sources(found), target, "sources", lifetime)
    outputs = _links(found.outputs, found.published(), target, "outputs", lifetime)
    page = gallery_page(found.report, sources, outputs)
    write_html_file(target, page, "--gallery", private=found.sources.linkable or found.outputs.linkable)


def _copies(page: Path) -> Path:
    """The folder for copies of images, beside the page."""
    return page.with_name(f"{page.stem}_files")


def _remove_empty(folder: Path) -> None:
    for path, _, _ in os.walk(folder, topdown=False):
        with suppress(OSError):  # it is not empty
            os.rmdir(path)


def _sources(found: Results) -> list[StoredObject]:
    """The sources that are in the bucket: not those from the web or from the manifest."""
    if not {"keys", "match", "list"} & (found.job.spec.get("source") or {}).keys():
        return []
    return [StoredObject(item.source, item.size, "") for item in found.report.items if item.size]


def _links(
    store: Objects, objects: Sequence[StoredObject], page: Path, kind: str, lifetime: timedelta
) -> Link:
    keys = {one.key for one in objects}
    if store.linkable:
        return lambda key: store.link(key, lifetime) if key in keys else None
    copies = _copies(page) / kind
    copied: set[str] = set()

    def note(done: Transferred) -> None:
        if done.state == FAILED:
            terminal.warn(f"not in the gallery: {done.message}")
        else:
            copied.add(done.key)

    if objects:
        with closing(DownloadFolder(copies)) as folder:
            download_all(store, objects, folder, True, note, lambda count: None)
    relative = os.path.relpath(copies, page.parent)
    return lambda key: quote(f"{relative}/{key}") if key in copied else None
