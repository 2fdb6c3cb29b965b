"""kubectl of the cluster's own version, with its kubeconfig."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localcluster.commands import run


@dataclass(frozen=True)
class Kubectl:
    """Calls kubectl; a failure is a ClusterError with what kubectl said."""

    program: Path
    kubeconfig: Path

    def __call__(self, *words: str, stdin: str | None = None, timeout: float = 120) -> str:
        """Run `kubectl WORDS` and return what it printed."""
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
        """The command as a person would type it."""
        return shlex.join([str(self.program), "--kubeconfig", str(self.kubeconfig), *words])
