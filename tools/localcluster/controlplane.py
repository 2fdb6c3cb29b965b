"""Command lines of etcd, the API server, the controllers and the scheduler."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from localcluster.addresses import Addresses
from localcluster.paths import Layout
from localcluster.pki import ADMIN, CONTROLLERS, SCHEDULER, Identity, kubeconfig_path

AUDIT_POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
"""

REQUEST_LIMITS = ("--kube-api-qps", "--kube-api-burst")


def with_request_limit(argv: Sequence[str], per_second: int | None) -> list[str]:
    """Return a command with a limit of requests to the API server in place of an earlier one.

    None is the default of the program, which is 20 for the controllers and 50 for the scheduler.
    """
    kept = [word for word in argv if not word.startswith(REQUEST_LIMITS)]
    return [*kept, *(f"{option}={per_second}" for option in REQUEST_LIMITS if per_second is not None)]


@dataclass(frozen=True)
class ControlPlane:
    """The four programs of the control plane."""

    layout: Layout
    addresses: Addresses
    binaries: Path

    def write_configuration(self) -> None:
        """Write the files that the command lines name."""
        policy = self.layout.config("audit-policy.yaml")
        policy.parent.mkdir(parents=True, exist_ok=True)
        policy.write_text(AUDIT_POLICY)
        self.layout.audit_log.parent.mkdir(parents=True, exist_ok=True)

    def etcd(self) -> list[str]:
        """Return the command of etcd; without fsync, since its data is temporary."""
        return [
            str(self.binaries / "etcd"),
            f"--data-dir={self.layout.root / 'etcd'}",
            "--unsafe-no-fsync",
            "--quota-backend-bytes=4294967296",
            "--listen-client-urls=http://127.0.0.1:2379",
            "--advertise-client-urls=http://127.0.0.1:2379",
            "--listen-peer-urls=http://127.0.0.1:2380",
        ]

    def api_server(self) -> list[str]:
        """Return the command of the API server."""
        pki = self.layout.pki
        return [
            str(self.binaries / "kube-apiserver"),
            "--etcd-servers=http://127.0.0.1:2379",
            f"--service-cluster-ip-range={self.addresses.services}",
            "--secure-port=6443",
            "--bind-address=0.0.0.0",
            f"--advertise-address={self.addresses.node}",
            # By name it would ask DNS where the node is, and find nothing.
            "--kubelet-preferred-address-types=InternalIP",
            f"--tls-cert-file={pki('api.crt')}",
            f"--tls-private-key-file={pki('api.key')}",
            f"--client-ca-file={pki('ca.crt')}",
            f"--service-account-key-file={pki('sa.pub')}",
            f"--service-account-signing-key-file={pki('sa.key')}",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--kubelet-client-certificate={pki(f'{ADMIN.file}.crt')}",
            f"--kubelet-client-key={pki(f'{ADMIN.file}.key')}",
            # There is no extension server; without these the others keep asking for them.
            f"--requestheader-client-ca-file={pki('ca.crt')}",
            "--requestheader-allowed-names=front-proxy",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            "--authorization-mode=Node,RBAC",
            # Besides the defaults, which have ResourceQuota and PodSecurity.
            "--enable-admission-plugins=NodeRestriction",
            "--allow-privileged=true",
            f"--audit-policy-file={self.layout.config('audit-policy.yaml')}",
            f"--audit-log-path={self.layout.audit_log}",
            # Written before the answer is sent: a test may read it at once.
            "--audit-log-mode=blocking",
            "--audit-log-maxsize=500",
            "--audit-log-maxbackup=2",
        ]

    def controller_manager(self) -> list[str]:
        """Return the command of the controller manager."""
        pki = self.layout.pki
        return [
            str(self.binaries / "kube-controller-manager"),
            *self._client_of(CONTROLLERS),
            "--use-service-account-credentials=true",
            f"--service-account-private-key-file={pki('sa.key')}",
            f"--root-ca-file={pki('ca.crt')}",
            f"--cluster-signing-cert-file={pki('ca.crt')}",
            f"--cluster-signing-key-file={pki('ca.key')}",
            # With a Lease of 10 s on the node: a dead node shows in 20 s, not 50.
            "--node-monitor-grace-period=20s",
        ]

    def scheduler(self) -> list[str]:
        """Return the command of the scheduler."""
        return [str(self.binaries / "kube-scheduler"), *self._client_of(SCHEDULER)]

    def _client_of(self, identity: Identity) -> list[str]:
        path = kubeconfig_path(self.layout, identity)
        return [
            f"--kubeconfig={path}",
            f"--authentication-kubeconfig={path}",
            f"--authorization-kubeconfig={path}",
            "--bind-address=127.0.0.1",
            "--leader-elect=false",
        ]
