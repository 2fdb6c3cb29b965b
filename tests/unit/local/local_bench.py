"""A folder as a store, its server in a thread of its own, and a visitor who has nothing but signed URLs."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import urllib3

from imagejob_local.folder import Folder
from imagejob_local.folder_store import FolderStore
from imagejob_local.object_server import ObjectServer
from imagejob_local.run import now
from imagejob_local.signatures import Signer
from imagejob_operator.ports.object_store import ObjectStore, PostForm


class LocalBench:
    """See contract.store_checks.Bench."""

    def __init__(self, store: FolderStore) -> None:
        self.store: ObjectStore = store
        self.files = store.files
        self._http = urllib3.PoolManager(retries=False, timeout=15)

    def close(self) -> None:
        self._http.clear()

    def visit(
        self, verb: str, url: str, data: bytes = b"", if_none_match: bool = False, if_match: str = ""
    ) -> tuple[int, bytes]:
        headers = {"If-None-Match": "*"} if if_none_match else {}
        headers |= {"If-Match": f'"{if_match}"'} if if_match else {}
        answer = self._http.request(verb, url, body=data if verb == "PUT" else None, headers=headers)
        return answer.status, answer.data

    def visit_form(self, form: PostForm, key: str, data: bytes, content_type: str) -> int:
        fields: dict[str, str | tuple[str, bytes, str]] = {**form.fields, "key": key}
        fields |= {"Content-Type": content_type, "file": ("file", data, content_type)}
        return self._http.request("POST", form.url, fields=fields).status

    def headers(self, key: str) -> tuple[str, Mapping[str, str]]:
        answer = self._http.request("GET", self.store.sign_get(key, timedelta(minutes=1)))
        lower = {name.lower(): value for name, value in answer.headers.items()}
        return lower["content-type"], lower

    def tags(self, key: str) -> Mapping[str, str]:
        with self.files.open(key) as (_, found):
            return self.files.headers(found).tags


@contextlib.contextmanager
def served(root: Path) -> Iterator[LocalBench]:
    """A bench whose store is a folder."""
    folder, signer = Folder(root), Signer(now)
    bench = LocalBench(FolderStore(folder, signer))
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = ObjectServer(bench.files, signer)
    try:
        asyncio.run_coroutine_threadsafe(server.start(), loop).result(10)
        yield bench
    finally:
        bench.close()
        asyncio.run_coroutine_threadsafe(server.close(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
        folder.close()
