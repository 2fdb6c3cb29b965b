"""The images of a native node, by containerd's client."""

import json
from pathlib import Path

from localcluster.commands import run
from localcluster.fingerprints import of_file
from localcluster.paths import Layout
from localcluster.waiting import wait_for


class ImageStore:
    """The images of one cluster's containerd."""

    def __init__(self, layout: Layout) -> None:
        """Open the store of a cluster."""
        self._layout = layout
        self._record = layout.root / "images.json"

    def _ctr(self, *arguments: str, timeout: float = 60) -> str:
        socket = str(self._layout.containerd_socket)
        return run(["ctr", "--address", socket, "--namespace", "k8s.io", *arguments], timeout=timeout)

    def wait_until_open(self) -> None:
        """Wait until containerd responds."""
        log = self._layout.log("containerd")
        socket = self._layout.containerd_socket
        wait_for("containerd", lambda: None if socket.exists() else f"no {socket}", 60, log)
        self._ctr("version")

    def _digest(self, tag: str) -> str:
        listing = self._ctr("images", "ls", f"name=={tag}").splitlines()[1:]
        return listing[0].split()[2] if listing else ""

    def load(self, archive: Path, tag: str) -> bool:
        """Import an archive; False if the node already has it."""
        known: dict[str, dict[str, str]] = {}
        if self._record.exists():
            known = json.loads(self._record.read_text())
        content, digest = of_file(archive), self._digest(tag)
        if digest and known.get(tag) == {"archive": content, "digest": digest}:
            return False
        self._ctr("images", "import", str(archive), timeout=600)
        known[tag] = {"archive": content, "digest": self._digest(tag)}
        self._record.write_text(json.dumps(known))
        return True
