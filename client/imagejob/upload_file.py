"""A file that is uploaded as it was when the upload began, or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from imagejob.digests import digests_of
from imagejob.errors import Invalid


class UploadFile:
    """An open file, whose end is given away only if its bytes are still those that were hashed.

    So a request with all of it is never sent for a file that grows, shrinks or is rewritten meanwhile.
    """

    def __init__(self, path: Path, file: BinaryIO, advance: Callable[[int], object]) -> None:
        """Hash the file; raises OSError.

        `advance` is called with the number of bytes of each reading, and with 0 while the file is hashed.
        """
        self._path, self._file = path, file
        self.digests = digests_of(file, lambda: advance(0))
        file.seek(0)
        self._left, self._hash, self._advance = self.digests.size, hashlib.sha256(), advance

    def read(self, count: int = -1) -> bytes:
        """The next bytes.

        Raises:
            Invalid: The file has changed.
        """
        data = self._file.read(self._left if count < 0 else min(count, self._left))
        self._left -= len(data)
        self._hash.update(data)
        if self._left and not data:
            raise self._changed("it has become shorter")
        if not self._left and self._file.read(1):
            raise self._changed("it has grown")
        if not self._left and self._hash.hexdigest() != self.digests.sha256:
            raise self._changed("it has other bytes now")
        self._advance(len(data))
        return data

    def _changed(self, how: str) -> Invalid:
        return Invalid(
            f"{self._path} was changed while it was uploaded: {how}, and had {self.digests.size} bytes at "
            "first; nothing of it was stored; upload it again when it is complete"
        )
