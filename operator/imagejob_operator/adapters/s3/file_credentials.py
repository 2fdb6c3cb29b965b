"""Credentials in a folder, as a Secret is mounted; they are read again when they change."""

from __future__ import annotations

import threading
from pathlib import Path

from imagejob_operator.ports.credentials import Credentials
from imagejob_operator.ports.object_store import StoreUnavailable

ACCESS_KEY, SECRET_KEY, SESSION_TOKEN = "access-key", "secret-key", "session-token"


class FileCredentials:
    """A credential source over the files `access-key`, `secret-key` and, optionally, `session-token`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._seen: tuple[object, ...] = ()
        self._credentials: Credentials | None = None

    def __call__(self) -> Credentials:
        """The current credentials; StoreUnavailable if a file is missing or empty."""
        with self._lock:
            seen = tuple(self._version(name) for name in (ACCESS_KEY, SECRET_KEY, SESSION_TOKEN))
            if self._credentials is None or seen != self._seen:
                self._credentials = Credentials(
                    self._read(ACCESS_KEY), self._read(SECRET_KEY), self._read(SESSION_TOKEN, optional=True)
                )
                self._seen = seen
            return self._credentials

    def _version(self, name: str) -> object:
        """A value that changes with the file: the files of a Secret are replaced, never modified."""
        try:
            found = (self._folder / name).stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def _read(self, name: str, optional: bool = False) -> str:
        path = self._folder / name
        try:
            value = path.read_text().strip()
        except OSError:
            value = ""
        if not value and not optional:
            raise StoreUnavailable(f"the store's credentials are missing: {path} does not exist or is empty")
        return value
