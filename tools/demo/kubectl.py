"""kubectl in the version of the cluster, with its kubeconfig."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localcluster.commands import run


@dataclass(frozen=True)
class Kubectl:
    """Runs kubectl; a failure raises a ClusterError with its output."""

    program: Path
    kubeconfig: Path

    def __call__(self, *words: str, stdin: str | None = None, timeout: float = 120) -> str:
        """Run `kubectl WORDS` and return its output."""
        command = [str(self.program), "--kubeconfig", str(self.kubeconfig), *words]
        return run(command, stdin=stdin, timeout=timeout)

    def get(self, *words: str) -> dict[str, Any]:
        """`kubectl get WORDS` as a document."""
        document: dict[str, Any] = json.loads(self("get", *words, "-o", "json"))
        return document

    def apply(self, document: dict[str, Any], *words: str) -> str:
        """`kubectl apply` of one document."""
        return self("apply", *words, "-f", "-", stdin=json.dumps(document))

    def as_typed(self, *words: str) -> str:
        """Return the command line for a shell."""
        return shlex.join([str(self.program), "--kubeconfig", str(self.kubeconfig), *words])
