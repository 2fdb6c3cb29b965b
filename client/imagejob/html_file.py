"""The file of a page: checked before the work, and written as a whole."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from imagejob.errors import FileFailed, Invalid

SUFFIXES = (".html", ".htm")
"""What the name of the file must end with, so that no image is replaced by mistake."""


def check_html_file(file: Path, option: str) -> None:
    """Check that a page can be written; raises Invalid. `option` names it in messages."""
    if file.suffix.lower() not in SUFFIXES:
        raise Invalid(f"{option}: the name {file.name!r} must end with {' or '.join(SUFFIXES)}")
    if file.is_dir():
        raise Invalid(f"{option}: {file} is a folder; name a file in it")
    if not file.parent.is_dir():
        raise Invalid(f"{option}: the folder {file.parent} does not exist; create it")
    if not os.access(file.parent, os.W_OK | os.X_OK):
        raise Invalid(f"{option}: the folder {file.parent} cannot be written; choose another one")


def write_html_file(file: Path, text: str, option: str, *, private: bool = False) -> None:
    """Write a page, which replaces an existing one; raises FileFailed.

    With `private`, only the user may read it, since it has links that need no credentials.
    """
    partial = file.with_name(f".{file.name}.partial")
    try:
        partial.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with os.fdopen(os.open(partial, flags, 0o600 if private else 0o666), "w", encoding="utf-8") as opened:
            opened.write(text)
        partial.replace(file)
    except OSError as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise FileFailed(f"{option}: {file} cannot be written: {error.strerror}") from None
