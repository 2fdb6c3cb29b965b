"""Which API server to use, and the credentials for it, by the rules of kubectl.

Certificates and tokens are read here, since importing the package `kubernetes` takes most of a second. A user
with an `exec` plug-in or an auth provider is left to that package.
"""

from __future__ import annotations

import base64
import logging
import os
import ssl
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from imagejob.errors import Invalid, Unreachable

Stanza = dict[str, Any]


SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
HINT = "set KUBECONFIG or --kubeconfig to a kubeconfig file"
_PLAIN = {"client-certificate", "client-key", "token", "tokenFile", "username", "password", "as", "as-groups"}
_READ_HERE = _PLAIN | {"client-certificate-data", "client-key-data"}


class NoSuchContext(ValueError):
    """The chosen context is not in the kubeconfig."""


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach one API server."""

    server: str
    namespace: str
    """The default namespace of the context."""
    context: str
    tls: ssl.SSLContext
    server_name: str | None = None
    """The name in the certificate of the server, if it is not the host of the URL."""
    proxy: str | None = None
    authorization: Callable[[], str] = field(default=lambda: "")
    """The header of each request: tokens in files are read again, since they rotate."""
    impersonate: Mapping[str, list[str]] = field(default_factory=dict)


def load(kubeconfig: str | None = None, context: str | None = None) -> Access:
    """Load the kubeconfig, or the service account of this Pod if there is none.

    Raises:
        Unreachable: Neither exists, or a file or an entry in it is missing or invalid.
    """
    paths = _paths(kubeconfig)
    existing = [path for path in paths if path.is_file()]
    if not existing and kubeconfig is None and context is None and (SERVICE_ACCOUNT / "token").is_file():
        return _of_the_pod()
    if not existing:
        raise Unreachable(f"no kubeconfig at {', '.join(map(str, paths))}; {HINT}")
    try:
        return _access(_merged(existing), context, kubeconfig or os.pathsep.join(map(str, existing)))
    except NoSuchContext as error:
        raise Unreachable(f"cannot use the kubeconfig {existing[0]}: {error}") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        text = f"field {error} is missing" if isinstance(error, KeyError) else str(error)
        raise Unreachable(f"cannot load the kubeconfig {existing[0]}: {text}; {HINT}") from None


def _paths(kubeconfig: str | None) -> list[Path]:
    if kubeconfig:
        return [Path(kubeconfig)]
    listed = [Path(part) for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    return listed or [Path.home() / ".kube" / "config"]


def _merged(paths: list[Path]) -> Stanza:
    """One kubeconfig of several files: the first entry of a name counts, and the first current context."""
    from imagejob.documents import load_documents

    merged: Stanza = {"current-context": "", "clusters": {}, "contexts": {}, "users": {}}
    for path in paths:
        try:
            documents = load_documents(path.read_bytes(), str(path))
        except Invalid as error:
            raise ValueError(str(error)) from None
        loaded = documents[0] if documents else {}
        if not isinstance(loaded, dict):
            raise ValueError("it is not a mapping")
        merged["current-context"] = merged["current-context"] or loaded.get("current-context") or ""
        for kind, member in (("clusters", "cluster"), ("contexts", "context"), ("users", "user")):
            for entry in loaded.get(kind) or []:
                merged[kind].setdefault(entry["name"], {**(entry.get(member) or {}), "folder": path.parent})
    return merged


def _access(config: Stanza, context: str | None, files: str) -> Access:
    name = context or config["current-context"]
    if name not in config["contexts"]:
        wanted = f"context {name!r} does not exist" if name else "no context is selected"
        raise NoSuchContext(f"{wanted}; {_choice(sorted(config['contexts']))}")
    chosen = config["contexts"][name]
    for kind, member in (("clusters", "cluster"), ("users", "user")):
        if chosen.get(member) and chosen[member] not in config[kind]:
            raise ValueError(f"context {name!r} names the {member} {chosen[member]!r}, which does not exist")
    cluster = config["clusters"][chosen["cluster"]]
    if not str(cluster["server"]).startswith(("https://", "http://")):
        raise ValueError(
            f"server {cluster['server']!r} of cluster {chosen['cluster']!r} is not an https:// URL"
        )
    user = config["users"].get(chosen.get("user"), {})
    namespace = chosen.get("namespace") or "default"
    if user.keys() - _READ_HERE - {"folder"}:
        return _by_library(files, name, namespace, cluster)
    tls, server = _tls(cluster), cluster["server"].rstrip("/")
    _client_certificate(tls, user)
    return Access(
        server=server,
        namespace=namespace,
        context=name,
        tls=tls,
        server_name=cluster.get("tls-server-name"),
        proxy=cluster.get("proxy-url") or _proxy(server),
        authorization=_authorization(user),
        impersonate=_impersonation(user),
    )


def _choice(contexts: list[str]) -> str:
    """What to do if a context does not exist."""
    if not contexts:
        return f"there is none in it; {HINT}"
    return f"choose one with --context; the existing contexts are: {', '.join(contexts)}"


def _proxy(server: str) -> str | None:
    """The proxy that HTTPS_PROXY and NO_PROXY name for a server; none for this machine."""
    if not any(name.lower().endswith("_proxy") for name in os.environ):
        return None
    from urllib.request import getproxies, proxy_bypass

    url = urlsplit(server)
    host = url.hostname or ""
    local = host in ("localhost", "::1") or host.startswith("127.")
    return None if local or proxy_bypass(host) else getproxies().get(url.scheme)


def _tls(cluster: Stanza) -> ssl.SSLContext:
    data, path = cluster.get("certificate-authority-data"), cluster.get("certificate-authority")
    cadata = base64.b64decode(data).decode() if data else None
    cafile = str(cluster["folder"] / path) if path and not data else None
    tls = ssl.create_default_context(cafile=cafile, cadata=cadata)
    # Certificates of clusters may lack an extension that OpenSSL's strict mode, of Python 3.13, requires.
    tls.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
    if cluster.get("insecure-skip-tls-verify"):
        tls.check_hostname = False
        tls.verify_mode = ssl.CERT_NONE
    return tls


def _client_certificate(tls: ssl.SSLContext, user: Stanza) -> None:
    if not user.get("client-certificate-data") and not user.get("client-certificate"):
        return
    with tempfile.TemporaryDirectory(prefix="imagejob-") as folder:
        files: list[str] = []
        for kind in ("client-certificate", "client-key"):
            if data := user.get(f"{kind}-data"):
                path = Path(folder) / kind
                path.touch(mode=0o600)
                path.write_bytes(base64.b64decode(data))
            else:
                path = user["folder"] / user[kind]
            files.append(str(path))
        tls.load_cert_chain(files[0], files[1])


def _authorization(user: Stanza) -> Callable[[], str]:
    if user.get("tokenFile"):
        path = user["folder"] / user["tokenFile"]
        return lambda: f"Bearer {path.read_text().strip()}"
    if user.get("token"):
        return lambda: f"Bearer {user['token']}"
    if user.get("username"):
        pair = f"{user['username']}:{user.get('password', '')}".encode()
        return lambda: f"Basic {base64.b64encode(pair).decode()}"
    return lambda: ""


def _impersonation(user: Stanza) -> dict[str, list[str]]:
    named = {"Impersonate-User": [user["as"]]} if user.get("as") else {}
    return {**named, **({"Impersonate-Group": user["as-groups"]} if user.get("as-groups") else {})}


class _Messages(logging.Handler):
    """Keeps what the library only logs: why a plug-in gave no credentials."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


def _by_library(files: str, context: str, namespace: str, cluster: Stanza) -> Access:
    try:
        from kubernetes import client, config
    except ImportError:
        raise ValueError(
            f"the user in context {context!r} has a plug-in, for which the Python package kubernetes is "
            "needed; run: pip install 'imagejob[cli]'"
        ) from None
    loaded, messages = client.Configuration(), _Messages()
    logging.getLogger().addHandler(messages)
    try:
        config.load_kube_config(files, context=context, client_configuration=loaded, persist_config=False)
    except config.ConfigException as error:
        raise ValueError(str(error)) from None
    finally:
        logging.getLogger().removeHandler(messages)
    if not loaded.api_key and not loaded.cert_file:
        why = "; ".join(messages.texts) or "it returned neither a token nor a certificate"
        raise ValueError(f"the plug-in of the user in context {context!r} gave no credentials: {why}")
    tls = ssl.create_default_context(cafile=loaded.ssl_ca_cert)
    if not loaded.verify_ssl:
        tls.check_hostname = False
        tls.verify_mode = ssl.CERT_NONE
    if loaded.cert_file:
        tls.load_cert_chain(loaded.cert_file, loaded.key_file)
    return Access(
        server=str(loaded.host).rstrip("/"),
        namespace=namespace,
        context=context,
        tls=tls,
        server_name=cluster.get("tls-server-name"),
        proxy=cluster.get("proxy-url") or _proxy(str(loaded.host)),
        authorization=lambda: loaded.get_api_key_with_prefix("BearerToken") or "",
    )


def _of_the_pod() -> Access:
    host, port = (
        os.environ.get("KUBERNETES_SERVICE_HOST", ""),
        os.environ.get("KUBERNETES_SERVICE_PORT", "443"),
    )
    if not host:
        raise Unreachable(f"no kubeconfig, and KUBERNETES_SERVICE_HOST is not set; {HINT}")
    return Access(
        server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        namespace=(SERVICE_ACCOUNT / "namespace").read_text().strip() or "default",
        context="",
        tls=_tls({"certificate-authority": "ca.crt", "folder": SERVICE_ACCOUNT}),
        authorization=_authorization({"tokenFile": "token", "folder": SERVICE_ACCOUNT}),
    )
