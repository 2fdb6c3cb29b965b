"""Two small servers: a registry without images, and an admission webhook."""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from localcluster.commands import run

REGISTRY_ANSWERS = {
    "missing": (404, "MANIFEST_UNKNOWN", {}),
    "private": (401, "UNAUTHORIZED", {"WWW-Authenticate": 'Basic realm="planted"'}),
    "limited": (429, "TOOMANYREQUESTS", {}),
    "broken": (500, "UNKNOWN", {}),
}
"""By the name of the repository. One called `silent` does not answer."""

SILENCE = 8
"""Seconds, for each of two questions; the kubelet ends no Pod whose image it still waits for."""


class _Handler(BaseHTTPRequestHandler):
    """A handler that does not log."""

    ended: threading.Event

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def answer(self, status: int, body: object, headers: Sequence[tuple[str, str]] = ()) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # who asked has gone away: the kubelet does, and the test ends


@contextmanager
def _serving(host: str, handler: type[_Handler], tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Run a server during the block; yields `host:port`."""
    handler.ended = threading.Event()
    server = _Server((host, 0), handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"{host}:{server.server_address[1]}"
    finally:
        handler.ended.set()
        server.shutdown()
        thread.join(10)
        server.socket.close()


@contextmanager
def registry(host: str, hosts_folder: Path) -> Iterator[str]:
    """A registry that answers by `REGISTRY_ANSWERS`, known to containerd as one without TLS."""

    class Handler(_Handler):
        def do_GET(self) -> None:
            repository = self.path.removeprefix("/v2/").partition("/")[0]
            if repository == "silent":
                self.ended.wait(SILENCE)
                return
            status, code, headers = REGISTRY_ANSWERS.get(repository, (404, "NAME_UNKNOWN", {}))
            self.answer(status, {"errors": [{"code": code, "message": "planted"}]}, [*headers.items()])

        do_HEAD = do_GET  # noqa: N815

    with _serving(host, Handler) as address:
        folder = hosts_folder / address
        folder.mkdir(parents=True)
        (folder / "hosts.toml").write_text(
            f'server = "http://{address}"\n[host."http://{address}"]\ncapabilities = ["pull", "resolve"]\n'
        )
        try:
            yield address
        finally:
            (folder / "hosts.toml").unlink()
            folder.rmdir()


class Webhook:
    """An admission webhook: `patches` are JSON patches on Pods, by namespace; `/deny` admits nothing."""

    def __init__(self) -> None:
        self.patches: dict[str, list[dict[str, Any]]] = {}
        self.address = ""
        self.authority = ""

    def client_config(self, path: str) -> dict[str, str]:
        """Its `clientConfig` in a webhook configuration."""
        return {"url": f"https://{self.address}{path}", "caBundle": self.authority}

    def review(self, path: str, request: dict[str, Any]) -> dict[str, Any]:
        """The answer to one admission request."""
        answer: dict[str, Any] = {"uid": request["uid"], "allowed": path != "/deny"}
        if path == "/deny":
            answer["status"] = {"message": "planted: this cluster takes no such thing", "code": 403}
        elif patch := self.patches.get(request["namespace"]):
            text = base64.b64encode(json.dumps(patch).encode()).decode()
            answer |= {"patchType": "JSONPatch", "patch": text}
        return answer

    @contextmanager
    def serving(self, host: str, folder: Path) -> Iterator[Webhook]:
        """Run the webhook with a new certificate."""
        webhook = self

        class Handler(_Handler):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                path = self.path.partition("?")[0]
                if path == "/silent":
                    self.ended.wait(60)
                    return
                review = {"response": webhook.review(path, asked["request"])}
                self.answer(200, {"apiVersion": asked["apiVersion"], "kind": asked["kind"], **review})

        certificate, key = folder / "webhook.crt", folder / "webhook.key"
        files = ("-keyout", str(key), "-out", str(certificate), "-nodes", "-days", "2")
        names = ("-subj", f"/CN={host}", "-addext", f"subjectAltName=IP:{host}")
        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
        run(["openssl", "req", "-x509", *curve, *files, *names])
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        with _serving(host, Handler, context) as address:
            self.address = address
            self.authority = base64.b64encode(certificate.read_bytes()).decode()
            yield self
