"""Ctrl-C during a transfer ends it at once, however large the object is and however slow the store."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from fakes.memory_objects import MemoryObjects
from fakes.transport import FakeTransport
from hostile.servers import Answer, HostileServer, Request, head, hostile
from imagejob import side_by_side
from imagejob.bucket import Bucket, StoredObject
from imagejob.download_folder import DownloadFolder
from imagejob.store_location import FoundStore
from imagejob.transfers import Transferred, Upload, download_all, upload_all
from imagejob_operator.api.store_location import StoreLocation

MiB = 1 << 20
SOON = 15
"""Seconds on a busy machine; without the interrupt, each of these transfers would take at least a minute."""
XML: dict[str, Any] = {"Content_Type": "application/xml"}
MISSING = b"<Error><Code>NoSuchKey</Code></Error>"


@pytest.fixture(autouse=True)
def prepared(monkeypatch: pytest.MonkeyPatch) -> None:
    # Longer than SOON: all threads have ended by themselves.
    monkeypatch.setattr(side_by_side, "STOP_SECONDS", 60)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


def bucket_of(server: HostileServer) -> Bucket:
    location = StoreLocation(server.host, "media", secure=False, prefix="shop/")
    return Bucket(FakeTransport(), FoundStore("the test", location))


@contextmanager
def interrupted_when(begun: threading.Event) -> Iterator[None]:
    """As Ctrl-C does, when a transfer has begun; the rest must end soon.

    The signal arrives at another thread than the main one, which has to handle it.
    """
    at = list[float]()

    def interrupt() -> None:
        assert begun.wait(30)
        at.append(time.monotonic())
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        yield
    assert time.monotonic() - at[0] < SOON
    thread.join()


def ended() -> bool:
    """Whether no thread of a transfer is left, but for its last instruction."""
    for thread in threading.enumerate():
        if "(_work)" in thread.name:
            thread.join(0.2)
    return not [thread for thread in threading.enumerate() if "(_work)" in thread.name]


def slow_object(begun: threading.Event, each: float) -> Answer:
    """A gigabyte, of which some bytes arrive `each` so many seconds; or no more after the first."""

    def send(request: Request) -> None:
        if request.method == "HEAD":
            request.send(MISSING, 404, **XML)
            return
        request.socket.sendall(head(200, 1 << 30, ETag='"e"'))
        request.socket.sendall(b"x" * MiB)
        begun.set()
        while each:
            time.sleep(each)
            request.socket.sendall(b"x" * 1000)
        request.socket.settimeout(None)
        request.socket.recv(1)

    return send


@pytest.mark.parametrize("each", [0.01, 0], ids=["slow", "stalled"])
def test_a_download_ends_and_leaves_no_partial_file(tmp_path: Path, each: float) -> None:
    begun, reports = threading.Event(), list[Transferred]()
    objects = [StoredObject(f"{number}.jpg", 1 << 30, "e") for number in range(20)]
    with hostile(slow_object(begun, each)) as server, closing(DownloadFolder(tmp_path)) as folder:
        with interrupted_when(begun):
            download_all(bucket_of(server), objects, folder, False, reports.append, lambda count: None)
        assert ended()
        assert len(server.requests) <= 8
    assert list(tmp_path.iterdir()) == []
    assert reports == []


class Uploads:
    """A server of uploads in parts, which takes only the first bytes of a part."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.lines: list[str] = []
        self.host = ""

    def _talk(self, connection: socket.socket) -> None:
        # The client ends the connection while it waits.
        with suppress(ConnectionError), connection, connection.makefile("rb") as reader:
            while line := reader.readline().decode().strip():
                self.lines.append(line)
                while reader.readline() not in (b"\r\n", b""):
                    pass
                if line.startswith("PUT"):
                    reader.read(1000)
                    self.begun.set()
                    threading.Event().wait(60)
                answer = MISSING if line.startswith("HEAD") else b""
                if line.startswith("POST"):
                    answer = (
                        b"<InitiateMultipartUploadResult><Bucket>media</Bucket><Key>k</Key>"
                        b"<UploadId>id</UploadId></InitiateMultipartUploadResult>"
                    )
                status = 404 if line.startswith("HEAD") else 204 if line.startswith("DELETE") else 200
                body = b"" if line.startswith("HEAD") else answer
                connection.sendall(head(status, len(answer), **XML) + body)

    def serve(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()


@contextmanager
def uploads() -> Iterator[Uploads]:
    server = Uploads()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server.host = f"127.0.0.1:{listener.getsockname()[1]}"
        threading.Thread(target=server.serve, args=(listener,), daemon=True).start()
        yield server
        listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("size", [4 * MiB, 64 * MiB], ids=["in one request", "in parts"])
def test_an_upload_ends_and_one_in_parts_is_aborted(tmp_path: Path, size: int) -> None:
    large = tmp_path / "large.tif"
    with large.open("wb") as file:
        file.truncate(size)
    reports = list[Transferred]()
    with uploads() as server:
        location = StoreLocation(server.host, "media", secure=False, prefix="shop/")
        bucket = Bucket(FakeTransport(), FoundStore("the test", location))
        with interrupted_when(server.begun):
            wanted = [Upload(large, "large.tif", size)]
            upload_all(bucket, wanted, False, reports.append, lambda count: None)
        assert ended()
        aborted = [line for line in server.lines if line.startswith("DELETE")]
        assert len(aborted) == (1 if size > 5 * MiB else 0)
        assert all("/media/shop/large.tif?uploadId=id" in line for line in aborted)
    assert reports == []


class Endless:
    """A file that is never hashed to its end."""

    def __init__(self, begun: threading.Event) -> None:
        self._begun = begun

    def __call__(self, file: object, progress: Callable[[], object]) -> None:
        while True:
            progress()
            self._begun.set()
            time.sleep(0.001)


@pytest.mark.parametrize("direction", ["upload", "download"])
def test_the_hashing_of_a_file_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, direction: str) -> None:
    (tmp_path / "a.jpg").write_bytes(b"a")
    begun = threading.Event()
    monkeypatch.setattr("imagejob.upload_file.digests_of", Endless(begun))
    monkeypatch.setattr("imagejob.download_folder.digests_of", Endless(begun))
    store = MemoryObjects({"a.jpg": b"b"})
    with closing(DownloadFolder(tmp_path)) as folder, interrupted_when(begun):
        if direction == "upload":
            wanted = [Upload(tmp_path / "a.jpg", "a.jpg", 1)]
            upload_all(store, wanted, False, lambda done: None, lambda count: None)
        else:
            download_all(store, [*store.list("")], folder, False, lambda done: None, lambda count: None)
    assert ended()
    assert {path.name for path in tmp_path.iterdir()} == {"a.jpg"}


def test_a_thread_that_cannot_be_ended_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as one that looks up a name; the process may end without it."""
    monkeypatch.setattr(side_by_side, "STOP_SECONDS", 0.1)
    begun, over = threading.Event(), threading.Event()

    class Stuck(MemoryObjects):
        def read(self, key: str, file: object, advance: object) -> None:
            begun.set()
            over.wait(60)

    store = Stuck({"a.jpg": b"b"})
    with closing(DownloadFolder(tmp_path)) as folder, interrupted_when(begun):
        download_all(store, [*store.list("")], folder, False, lambda done: None, lambda count: None)
    (left,) = (thread for thread in threading.enumerate() if "(_work)" in thread.name)
    assert left.daemon
    over.set()
    left.join()


def test_an_unexpected_error_is_raised(tmp_path: Path) -> None:
    def report(done: Transferred) -> None:
        raise BrokenPipeError

    store = MemoryObjects({f"{number}.jpg": b"b" for number in range(50)})
    with closing(DownloadFolder(tmp_path)) as folder, pytest.raises(BrokenPipeError):
        download_all(store, [*store.list("")], folder, False, report, lambda count: None)
    assert len([*tmp_path.iterdir()]) < 50
