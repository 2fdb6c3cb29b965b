"""A web server with photos and all kinds of failures."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from demo import photos

PLACE = "https://pictures.example"
"""How examples and cases call it; it is replaced by its real address when they are applied."""

KINDS = {".jpg": "china.jpg", ".png": "chelsea.png"}
TOKEN = "Bearer open-sesame"
"""What must be sent for all below /private/."""

WORDS: dict[str, tuple[int, dict[str, str]]] = {
    "gone": (410, {}),
    "busy": (503, {}),
    "huge": (200, {"Content-Length": str(1 << 40)}),
    "circle": (302, {"Location": "/circle/a.jpg"}),
    "metadata": (302, {"Location": "http://169.254.169.254/latest/meta-data/a.jpg"}),
    "cluster": (307, {"Location": "http://kubernetes.default.svc.cluster.local/a.jpg"}),
}
"""Status and headers by the first segment of a path."""


class _Handler(BaseHTTPRequestHandler):
    """The first segment of a path selects the kind of response; else it is a photo, by the extension."""

    ended: threading.Event
    failures: dict[str, int]

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        word = path.split("/")[1]
        photo = photos.photo(KINDS.get(Path(path).suffix, "china.jpg"))
        if word == "silent":
            self.ended.wait(60)
        elif word == "half":
            self._answer(200, photo[: len(photo) // 2], {"Content-Length": str(len(photo))})
        elif word == "zipped":
            self._answer(200, photo, {"Content-Encoding": "gzip"})
        elif word == "private" and self.headers.get("Authorization") != TOKEN:
            self._answer(401)
        elif word == "soon" and self._fails_still(path):
            self._answer(503)
        elif word in WORDS:
            self._answer(WORDS[word][0], headers=WORDS[word][1])
        else:
            self._answer(200, photo)

    def _fails_still(self, path: str) -> bool:
        """Each path fails twice."""
        self.failures[path] = self.failures.get(path, 0) + 1
        return self.failures[path] <= 2

    def _answer(self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # who asked has gone away


@contextlib.contextmanager
def pictures(host: str) -> Iterator[str]:
    """`host:port` of the server, for as long as the block lasts."""
    handler = type("Handler", (_Handler,), {"ended": threading.Event(), "failures": {}})
    server = _Server((host, 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"{host}:{server.server_address[1]}"
    finally:
        handler.ended.set()  # type: ignore[attr-defined]
        server.shutdown()
        thread.join(10)
        server.server_close()


def placed(manifest: Any, address: str) -> Any:
    """A manifest with the name of the server replaced by its address."""
    return json.loads(json.dumps(manifest).replace(PLACE, f"http://{address}"))
