"""Keys and certificates of one cluster, made by the openssl program.

Elliptic-curve keys, which are made in milliseconds; valid for 30 days, because
clusters are temporary.
"""

import base64
from dataclasses import dataclass
from pathlib import Path

from localcluster.addresses import Addresses
from localcluster.commands import run
from localcluster.paths import Layout

DAYS = "30"
_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


@dataclass(frozen=True)
class Identity:
    """User and groups of a client certificate."""

    file: str
    user: str
    group: str = ""


NODE_NAME = "node0"
ADMIN = Identity("admin", "admin", "system:masters")
CONTROLLERS = Identity("controllers", "system:kube-controller-manager")
SCHEDULER = Identity("scheduler", "system:kube-scheduler")
PROXY = Identity("proxy", "system:kube-proxy")
NODE = Identity("node", f"system:node:{NODE_NAME}", "system:nodes")
IDENTITIES = (ADMIN, CONTROLLERS, SCHEDULER, PROXY, NODE)


def create(layout: Layout, addresses: Addresses) -> None:
    """Create the CA, the serving certificate and all client certificates."""
    layout.pki("ca.key").parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(layout.pki("sa.key"))])
    run(["openssl", "ec", "-in", str(layout.pki("sa.key")), "-pubout", "-out", str(layout.pki("sa.pub"))])
    subject = ["-subj", f"/CN=imagejob-{layout.name}", "-days", DAYS]
    run(["openssl", "req", "-x509", *_NEW_KEY, *_files(layout, "ca"), *subject])
    names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost"]
    alternatives = [f"DNS:{name}" for name in names]
    alternatives += [f"IP:{ip}" for ip in (addresses.node, addresses.api_service, "127.0.0.1")]
    _sign(layout, "api", "/CN=kube-apiserver", f"subjectAltName={','.join(alternatives)}")
    for identity in IDENTITIES:
        group = f"/O={identity.group}" if identity.group else ""
        _sign(layout, identity.file, f"{group}/CN={identity.user}", "extendedKeyUsage=clientAuth")
        text = kubeconfig(layout, addresses, identity)
        path = kubeconfig_path(layout, identity)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(text)


def kubeconfig_path(layout: Layout, identity: Identity) -> Path:
    """Return the path of an identity's kubeconfig."""
    if identity is ADMIN:
        return layout.kubeconfig
    return layout.config(f"{identity.file}.kubeconfig")


def _files(layout: Layout, name: str) -> list[str]:
    return ["-keyout", str(layout.pki(f"{name}.key")), "-out", str(layout.pki(f"{name}.crt"))]


def _sign(layout: Layout, name: str, subject: str, extension: str) -> None:
    request, extensions = layout.pki(f"{name}.csr"), layout.pki(f"{name}.ext")
    extensions.write_text(f"{extension}\n")
    key = str(layout.pki(f"{name}.key"))
    run(["openssl", "req", *_NEW_KEY, "-keyout", key, "-out", str(request), "-subj", subject])
    authority = ["-CA", str(layout.pki("ca.crt")), "-CAkey", str(layout.pki("ca.key")), "-CAcreateserial"]
    signed = ["-out", str(layout.pki(f"{name}.crt")), "-days", DAYS, "-extfile", str(extensions)]
    run(["openssl", "x509", "-req", "-in", str(request), *authority, *signed])


def kubeconfig(layout: Layout, addresses: Addresses, identity: Identity) -> str:
    """Return a kubeconfig that works inside and outside of the cluster."""

    def embedded(name: str) -> str:
        return base64.b64encode(layout.pki(name).read_bytes()).decode()

    context = f"imagejob-{layout.name}"
    return f"""\
apiVersion: v1
kind: Config
clusters:
- name: {context}
  cluster:
    server: https://{addresses.node}:6443
    certificate-authority-data: {embedded("ca.crt")}
users:
- name: {identity.file}
  user:
    client-certificate-data: {embedded(f"{identity.file}.crt")}
    client-key-data: {embedded(f"{identity.file}.key")}
contexts:
- name: {context}
  context:
    cluster: {context}
    user: {identity.file}
current-context: {context}
"""
