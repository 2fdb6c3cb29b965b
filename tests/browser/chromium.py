"""A headless Chromium that decodes images, driven over HTTP: it fetches each file and posts its frames."""

from __future__ import annotations

import contextlib
import json
import queue
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

PAGE = Path(__file__).with_name("page.html")
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SECONDS = 60


@dataclass(frozen=True)
class Shown:
    """What the browser shows of one file.

    Attributes:
        frames: RGBA samples of each frame.
        milliseconds: Duration of each frame, as stored.
        plays: How often the animation is played, 0 for endless.
        error: Why it cannot be decoded, empty if it can.
    """

    frames: tuple[NDArray[np.uint8], ...] = ()
    milliseconds: tuple[float, ...] = ()
    plays: int = 0
    error: str = ""


class Browser:
    """Decodes files one after the other."""

    def __init__(self) -> None:
        self._files: queue.Queue[tuple[str, bytes] | None] = queue.Queue()
        self._shown: queue.Queue[Shown] = queue.Queue()

    def decode(self, data: bytes, content_type: str) -> Shown:
        """Return the frames of a file."""
        self._files.put((content_type, data))
        return self._shown.get(timeout=SECONDS)

    def handler(self) -> type[BaseHTTPRequestHandler]:
        """Return the HTTP handler that the page talks to."""
        files, shown = self._files, self._shown

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path != "/next":
                    self._answer(200, "text/html", PAGE.read_bytes())
                elif (file := files.get()) is None:
                    self._answer(204, "text/plain", b"")
                else:
                    self._answer(200, *file)

            def do_POST(self) -> None:
                samples = self.rfile.read(int(self.headers["Content-Length"]))
                shown.put(_shown(json.loads(self.headers["X-Facts"]), samples))
                self._answer(204, "text/plain", b"")

            def log_message(self, *_: object) -> None:
                pass

            def _answer(self, code: int, content_type: str, data: bytes) -> None:
                self.send_response(code)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        return Handler

    def stop(self) -> None:
        """End the page."""
        self._files.put(None)


def _shown(facts: dict[str, object], samples: bytes) -> Shown:
    if "error" in facts:
        return Shown(error=str(facts["error"]))
    frames, milliseconds, start = [], [], 0
    described: list[dict[str, int | None]] = facts["frames"]  # type: ignore[assignment]
    for frame in described:
        width, height = frame["width"] or 0, frame["height"] or 0
        end = start + width * height * 4
        frames.append(np.frombuffer(samples[start:end], np.uint8).reshape(height, width, 4))
        milliseconds.append((frame["microseconds"] or 0) / 1000)
        start = end
    repetitions = facts["repetitions"]
    plays = 0 if repetitions is None else int(repetitions) + 1  # type: ignore[call-overload]
    return Shown(tuple(frames), tuple(milliseconds), plays)


def command(profile: str, address: str) -> list[str]:
    """The command that starts Chromium with a page, and with a port for its developer tools.

    Raises:
        FileNotFoundError: No Chromium is installed.
    """
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        raise FileNotFoundError(f"none of {', '.join(NAMES)} is installed")
    return [program, *FLAGS, f"--user-data-dir={profile}", "--remote-debugging-port=0", address]


@contextlib.contextmanager
def started() -> Iterator[Browser]:
    """Start the browser, and stop it at the end; raises FileNotFoundError."""
    browser = Browser()
    server = ThreadingHTTPServer(("127.0.0.1", 0), browser.handler())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        address = f"http://127.0.0.1:{server.server_port}/"
        process = subprocess.Popen(
            command(profile, address), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            yield browser
        finally:
            browser.stop()
            process.terminate()
            process.wait(timeout=10)
            server.shutdown()
            server.server_close()
