"""Kubeconfigs and requests, against an HTTP server on loopback."""

from __future__ import annotations

import base64
import json
import os
import socket
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from hostile.servers import Request, answered, head, hostile
from imagejob import Client, Forbidden, ImageJobError, Invalid, NotFound, NotInstalled, Rejected, Unreachable
from imagejob.errors import Conflict
from imagejob.kubeconfig import load

PATH = "/apis/imagejob.dev/v1alpha1/namespaces/shop/imagejobs/a"


@dataclass
class Server:
    """Answers every request in the same way, and keeps the requests."""

    url: str = ""
    status: int = 200
    answer: bytes = b'{"kind": "ImageJob", "metadata": {"name": "a", "namespace": "shop"}}'
    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)

    def refuses(self, status: int, message: str, **more: Any) -> None:
        self.status = status
        self.answer = json.dumps({"kind": "Status", "message": message, **more}).encode()


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            state.requests.append((self.command, self.path, dict(self.headers), body))
            self.send_response(state.status)
            self.send_header("Content-Length", str(len(state.answer)))
            self.end_headers()
            self.wfile.write(state.answer)

        do_GET = do_POST = do_PATCH = do_DELETE = answer  # noqa: N815  (names of the base class)

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True).start()
    state.url = f"http://127.0.0.1:{http.server_port}"
    yield state
    http.shutdown()
    http.server_close()


def kubeconfig(url: str, user: dict[str, Any] | None = None, name: str = "c") -> dict[str, Any]:
    context = {"cluster": name, "user": name, "namespace": "shop"}
    return {
        "current-context": name,
        "clusters": [{"name": name, "cluster": {"server": url}}],
        "users": [{"name": name, "user": user or {}}],
        "contexts": [{"name": name, "context": context}],
    }


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))

    def save(content: object, name: str = "config") -> str:
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
        return str(path)

    return save


# --- credentials -------------------------------------------------------------------------------------------

PLUGIN = {
    "apiVersion": "client.authentication.k8s.io/v1",
    "command": sys.executable,
    "args": [
        "-c",
        "import json; print(json.dumps({'kind': 'ExecCredential', 'apiVersion': "
        "'client.authentication.k8s.io/v1', 'status': {'token': 'of-the-plugin'}}))",
    ],
    "interactiveMode": "Never",
}


@pytest.mark.parametrize(
    ("user", "sent"),
    [
        ({"token": "t"}, {"Authorization": "Bearer t"}),
        ({"tokenFile": "token"}, {"Authorization": "Bearer from-a-file"}),
        ({"username": "u", "password": "p"}, {"Authorization": "Basic " + base64.b64encode(b"u:p").decode()}),
        ({"token": "t", "as": "jane"}, {"Authorization": "Bearer t", "Impersonate-User": "jane"}),
        ({"exec": PLUGIN}, {"Authorization": "Bearer of-the-plugin"}),
        ({}, {}),
    ],
    ids=["token", "token-file", "password", "impersonation", "plug-in", "none"],
)
def test_credentials_are_sent(server: Server, write: Any, user: dict[str, Any], sent: dict[str, str]) -> None:
    write("from-a-file\n", "token")
    client = Client.connect(kubeconfig_file=write(kubeconfig(server.url, user)))
    assert client.get("a").name == "a"
    ((_, path, headers, _),) = server.requests
    assert path == PATH
    assert {name: value for name, value in headers.items() if name.startswith(("Auth", "Imper"))} == sent


def test_a_body_is_sent_as_a_merge_patch_with_the_field_manager(server: Server, write: Any) -> None:
    Client.connect(kubeconfig_file=write(kubeconfig(server.url))).suspend("a")
    ((method, path, headers, body),) = server.requests
    assert (method, path) == ("PATCH", f"{PATH}?fieldManager=imagejob&fieldValidation=Strict")
    assert headers["Content-Type"] == "application/merge-patch+json"
    assert json.loads(body) == {"spec": {"suspend": True}}


# --- which kubeconfig --------------------------------------------------------------------------------------


def test_several_files_are_merged(server: Server, write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    first = write({**kubeconfig("http://nowhere", name="other"), "current-context": ""}, "first")
    second = write(kubeconfig(server.url), "second")
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join([first, "/does/not/exist", second]))
    assert Client.connect().get("a").name == "a"
    assert Client.connect(namespace="x").namespace == "x"


def test_the_default_is_the_file_in_the_home(server: Server, write: Any, tmp_path: Path) -> None:
    (tmp_path / ".kube").mkdir()
    write(kubeconfig(server.url), ".kube/config")
    assert Client.connect().namespace == "shop"


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        ("a: [", "is not valid YAML"),
        ("- a", "it is not a mapping"),
        (
            {**kubeconfig("http://x"), "clusters": []},
            "context 'c' names the cluster 'c', which does not exist",
        ),
        (kubeconfig("http://x", {"client-certificate": "none.pem"}), "field 'client-key' is missing"),
        (
            kubeconfig("http://x", {"exec": {**PLUGIN, "command": "/no/such/program"}}),
            "of the user in context 'c' gave no",
        ),
        (kubeconfig("10.0.0.1"), "server '10.0.0.1' of cluster 'c' is not an https:// URL"),
    ],
)
def test_an_invalid_kubeconfig_is_named(write: Any, content: Any, shown: str) -> None:
    path = write(content)
    with pytest.raises(
        Unreachable, match=f"cannot load the kubeconfig {path}: .*{shown}.*--kubeconfig"
    ) as caught:
        Client.connect(kubeconfig_file=path).get("a")
    assert "Traceback" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "chosen", "shown"),
    [
        ({}, None, "no context is selected; there is none in it; set KUBECONFIG or --kubeconfig to a"),
        (
            {**kubeconfig("http://x"), "current-context": "y"},
            None,
            "context 'y' does not exist; choose one with --context; the existing contexts are: c$",
        ),
        (
            kubeconfig("http://x"),
            "prod",
            "context 'prod' does not exist; choose one with --context; the existing contexts are: c$",
        ),
        (
            {**kubeconfig("http://x"), "current-context": ""},
            None,
            "no context is selected; choose one with --context; the existing contexts are: c$",
        ),
    ],
)
def test_a_context_that_does_not_exist_is_answered_with_those_that_do(
    write: Any, content: Any, chosen: str | None, shown: str
) -> None:
    path = write(content)
    with pytest.raises(Unreachable, match=f"cannot use the kubeconfig {path}: {shown}"):
        Client.connect(kubeconfig_file=path, context=chosen)


def test_a_kubeconfig_that_is_no_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_bytes(b"a: b\nc: \xe9\n")
    with pytest.raises(Unreachable, match="config is not text in UTF-8: line 2 has the byte 0xe9"):
        Client.connect(kubeconfig_file=str(path))


def test_a_plug_in_needs_the_library(write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kubernetes", None)
    with pytest.raises(
        Unreachable, match=r"package kubernetes is needed; run: pip install 'imagejob\[cli\]'"
    ):
        Client.connect(kubeconfig_file=write(kubeconfig("http://x", {"exec": PLUGIN})))


def test_no_kubeconfig_is_named(write: Any, tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match=r"no kubeconfig at /.*/\.kube/config; set KUBECONFIG"):
        Client.connect()


@pytest.mark.parametrize(
    ("url", "environment", "cluster", "proxy"),
    [
        ("https://k8s.example", {}, None, None),
        ("https://k8s.example", {"HTTPS_PROXY": "http://p:1"}, None, "http://p:1"),
        ("https://k8s.example", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": ".example"}, None, None),
        ("https://127.0.0.1:6443", {"HTTPS_PROXY": "http://p:1"}, None, None),
        ("https://k8s.example", {"HTTPS_PROXY": "http://p:1"}, "http://q:2", "http://q:2"),
    ],
)
def test_the_proxy_is_that_of_the_cluster_or_of_the_environment(
    write: Any, monkeypatch: pytest.MonkeyPatch, url: str, environment: Any, cluster: Any, proxy: Any
) -> None:
    for name in (
        "HTTPS_PROXY",
        "https_proxy",
        "NO_PROXY",
        "no_proxy",
        "HTTP_PROXY",
        "http_proxy",
        "all_proxy",
    ):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    content = kubeconfig(url)
    content["clusters"][0]["cluster"]["proxy-url"] = cluster
    assert load(write(content)).proxy == proxy


def test_in_a_pod_the_service_account_is_used(
    write: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in (("token", "t"), ("namespace", "mine")):
        write(text, name)
    monkeypatch.setattr("imagejob.kubeconfig.SERVICE_ACCOUNT", tmp_path)
    monkeypatch.setattr("imagejob.kubeconfig._tls", lambda cluster: None)
    with pytest.raises(Unreachable, match="KUBERNETES_SERVICE_HOST is not set"):
        Client.connect()
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert Client.connect().namespace == "mine"
    # The service account has no contexts, so one that is asked for must not be ignored.
    with pytest.raises(Unreachable, match="no kubeconfig at "):
        Client.connect(context="prod")


# --- what the API server answers ---------------------------------------------------------------------------

DENIED = (
    'imagejobs.imagejob.dev "a" is forbidden: User "jane" cannot {} resource "imagejobs" in API group '
    + ('"imagejob.dev" in the namespace "shop"')
)


@pytest.mark.parametrize(
    ("status", "message", "more", "kind", "shown"),
    [
        (
            404,
            "not found",
            {"details": {"kind": "imagejobs"}},
            NotFound,
            "JOB_004 JobNotFound: ImageJob 'a' in",
        ),
        (
            404,
            'namespaces "x" not found',
            {"details": {"kind": "namespaces"}},
            Invalid,
            "create the namespace",
        ),
        (401, "Unauthorized", {}, Unreachable, "rejects the credentials: Unauthorized; log in again"),
        (
            403,
            DENIED.format("get"),
            {},
            Forbidden,
            "user 'jane' may not get imagejobs in namespace 'shop': ask an administrator for the verb 'get', "
            "which is in the ClusterRole 'imagejob-view'",
        ),
        (403, DENIED.format("patch"), {}, Forbidden, "ClusterRole 'imagejob-edit'"),
        (
            403,
            DENIED.replace("imagejobs", "services/proxy").format("get"),
            {},
            Forbidden,
            "for the verb 'get'$",
        ),
        (403, DENIED.replace("imagejobs", "pods").format("list"), {}, Forbidden, "ClusterRole 'view'"),
        (403, "exceeded quota: imagejob", {}, Forbidden, "does not allow this: exceeded quota: imagejob"),
        (409, "the object has been modified", {}, Conflict, "the object has been modified"),
        (400, 'strict decoding error: unknown field "spec.x"', {}, Invalid, 'unknown field "spec.x"'),
        (
            422,
            "is invalid",
            {"details": {"causes": [{"field": "spec.run.id", "message": "too long"}]}},
            Invalid,
            "ImageJob 'a' in namespace 'shop' is invalid: spec.run.id: too long",
        ),
        (500, "etcd is away", {}, Rejected, "etcd is away .HTTP 500."),
    ],
)
def test_refusals_are_typed_and_explained(
    server: Server, write: Any, status: int, message: str, more: Any, kind: type[ImageJobError], shown: str
) -> None:
    server.refuses(status, message, **more)
    with pytest.raises(kind, match=shown):
        Client.connect(kubeconfig_file=write(kubeconfig(server.url))).get("a")


def test_a_refusal_has_the_verb_and_the_fields(server: Server, write: Any) -> None:
    client = Client.connect(kubeconfig_file=write(kubeconfig(server.url)))
    server.refuses(403, DENIED.format("get"))
    with pytest.raises(Forbidden) as forbidden:
        client.get("a")
    assert forbidden.value.verb == "get"
    server.refuses(
        422, "", details={"causes": [{"field": name} for name in ("spec.run.id", "<nil>", "spec.run.id")]}
    )
    with pytest.raises(Invalid) as invalid:
        client.get("a")
    assert invalid.value.fields == ("spec.run.id",)


def test_a_cluster_without_the_crd(server: Server, write: Any) -> None:
    server.status, server.answer = 404, b"404 page not found\n"
    with pytest.raises(NotInstalled, match="install the CRDs and the operator"):
        Client.connect(kubeconfig_file=write(kubeconfig(server.url))).list()


def test_something_that_is_no_api_server(server: Server, write: Any) -> None:
    server.status, server.answer = 502, b"<html>Bad Gateway"
    with pytest.raises(Rejected, match=r"no answer of an API server.*HTTP 502 <html>Bad Gateway"):
        Client.connect(kubeconfig_file=write(kubeconfig(server.url))).list()


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "https://127.0.0.1:1"])
def test_no_server(write: Any, url: str) -> None:
    with pytest.raises(Unreachable, match=f"cannot reach the API server {url}: .*refused.*context 'c'"):
        Client.connect(kubeconfig_file=write(kubeconfig(url))).get("a")


def test_a_server_without_tls(server: Server, write: Any) -> None:
    url = server.url.replace("http:", "https:")
    with pytest.raises(Unreachable, match="cannot reach the API server"):
        Client.connect(kubeconfig_file=write(kubeconfig(url))).get("a")


def test_an_answer_that_is_cut_short_is_not_called_an_unreachable_server(write: Any) -> None:
    def cut_short(request: Request) -> None:
        request.socket.sendall(head(200, 100) + b"{")
        request.socket.shutdown(socket.SHUT_RDWR)

    with hostile(cut_short) as server:
        client = Client.connect(kubeconfig_file=write(kubeconfig(f"http://{server.host}")))
        with pytest.raises(
            Unreachable, match=r"closed the connection before its answer was complete: .*; try"
        ):
            client.get("a")


@pytest.mark.parametrize("status", [301, 302, 307])
def test_the_token_does_not_follow_a_redirect(write: Any, status: int) -> None:
    with hostile(answered(b"{}")) as other:
        with hostile(answered(b"", status, Location=f"http://{other.host}/")) as server:
            user = {"token": "t"}
            client = Client.connect(kubeconfig_file=write(kubeconfig(f"http://{server.host}", user)))
            with pytest.raises(Unreachable, match="did not answer as an API server does"):
                client.get("a")
        assert other.connections == 0


def test_lines_are_streamed(server: Server, write: Any) -> None:
    server.answer = "eins\nzwei ü\nlast".encode()
    client = Client.connect(kubeconfig_file=write(kubeconfig(server.url)))
    assert list(client.log("p", tail=3)) == ["eins", "zwei ü", "last"]
    assert server.requests[0][1] == "/api/v1/namespaces/shop/pods/p/log?container=processor&tailLines=3"
