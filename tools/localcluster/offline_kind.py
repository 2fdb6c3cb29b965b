"""kind where there is no registry: by Podman, on our own node image, in a network of its own.

The network has no way out and ends with the command: the machine sees neither the cluster's addresses nor
the rules that Podman writes.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from localcluster import binaries, machine, nodeimage, podman
from localcluster.commands import environment, program
from localcluster.errors import ClusterError
from localcluster.kind import NODE_IMAGE


def execute(command: Sequence[str]) -> None:
    """Replace this process by a command for which kind can make clusters.

    Raises:
        ClusterError: It cannot on this machine.
    """
    machine.require_root()
    if not command:
        raise ClusterError("with-kind needs a command, such as: with-kind python3 -m localcluster up")
    machine.install(machine.PODMAN_PACKAGES)
    image = nodeimage.ensure()
    # kind mounts it, and Podman wants it to exist; machines with a kernel without modules have none.
    Path("/lib/modules").mkdir(exist_ok=True)
    settings = environment(podman.environment())
    settings["PATH"] = f"{binaries.ensure(binaries.KIND)}:{settings['PATH']}"
    settings |= {"KIND_EXPERIMENTAL_PROVIDER": "podman", NODE_IMAGE: image}
    inside = ["sh", "-c", 'ip link set lo up && exec "$@"', "with-kind", *command]
    os.execve(program("unshare"), ["unshare", "--net", "--", *inside], settings)  # noqa: S606
