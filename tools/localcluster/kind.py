"""The kind provider, for machines with Docker and kind."""

from pathlib import Path

from localcluster.cluster import Status
from localcluster.commands import program, run
from localcluster.errors import ClusterError
from localcluster.paths import layout
from localcluster.progress import say, step


class KindCluster:
    """A cluster that kind keeps in Docker containers."""

    PROVIDER = "kind"

    def __init__(self, name: str) -> None:
        """Refer to the cluster of that name, which need not exist."""
        self._layout = layout(name)
        self._kind_name = f"imagejob-{name}"

    def up(self) -> None:
        """Create the cluster, unless it is healthy."""
        if self._why_unhealthy() is None:
            say(f"cluster {self._layout.name} is already up")
            return
        self._layout.root.mkdir(parents=True, exist_ok=True)
        # Marks whose it is before anything exists, so that down finds it.
        (self._layout.root / "kind").write_text(self._kind_name)
        if self._kind_name in run(["kind", "get", "clusters"]).split():
            with step("removing the existing cluster, which does not respond"):
                run(["kind", "delete", "cluster", "--name", self._kind_name], timeout=300)
        with step("kind create cluster"):
            where = ["--kubeconfig", str(self._layout.kubeconfig), "--wait", "180s"]
            run(["kind", "create", "cluster", "--name", self._kind_name, *where], timeout=1200)

    def down(self) -> None:
        """Delete the cluster and our files."""
        with step("kind delete cluster"):
            where = ["--kubeconfig", str(self._layout.kubeconfig)]
            run(["kind", "delete", "cluster", "--name", self._kind_name, *where], timeout=300)
        for path in (self._layout.kubeconfig, self._layout.root / "kind", self._kubectl()):
            path.unlink(missing_ok=True)
        for folder in (self._kubectl().parent, self._layout.root):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()

    def status(self) -> Status:
        """Return the status."""
        why_not = self._why_unhealthy()
        return Status(
            name=self._layout.name,
            provider=self.PROVIDER,
            healthy=why_not is None,
            why_not=why_not or "",
            root=str(self._layout.root),
            kubeconfig=str(self._layout.kubeconfig),
        )

    def load(self, archive: Path, tag: str) -> bool:
        """Load an image from an archive into the node."""
        say(f"kind load image-archive ({tag})")
        run(["kind", "load", "image-archive", str(archive), "--name", self._kind_name], timeout=600)
        return True

    def binaries(self) -> Path:
        """Return a folder with the kubectl of the kind node."""
        kubectl = self._kubectl()
        if not kubectl.exists():
            kubectl.parent.mkdir(parents=True, exist_ok=True)
            run(["docker", "cp", f"{self._kind_name}-control-plane:/usr/bin/kubectl", str(kubectl)])
        return kubectl.parent

    def _kubectl(self) -> Path:
        return self._layout.root / "bin" / "kubectl"

    def _why_unhealthy(self) -> str | None:
        if not self._layout.kubeconfig.exists():
            return "it was never started"
        node = f"{self._kind_name}-control-plane"
        ready = ["kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf", "get", "--raw", "/readyz"]
        try:
            program("kind")
            run(["docker", "exec", node, *ready], timeout=15)
        except ClusterError as error:
            return str(error)
        return None
