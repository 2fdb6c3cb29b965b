"""This machine: architecture, rights, Docker, Debian packages."""

import os
import platform
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from localcluster.commands import find_program, run
from localcluster.errors import ClusterError
from localcluster.locking import locked
from localcluster.progress import step


@dataclass(frozen=True)
class Package:
    """A Debian package, and a file or program by which it is detected."""

    name: str
    detected_by: str

    def is_installed(self) -> bool:
        """Look for the file or program, which also works on other distributions."""
        if self.detected_by.startswith("/"):
            return Path(self.detected_by).exists()
        return find_program(self.detected_by) is not None


NODE_PACKAGES = (
    Package("containerd", "containerd"),
    Package("runc", "runc"),
    Package("containernetworking-plugins", "/usr/lib/cni/bridge"),
    Package("nftables", "nft"),
    Package("iproute2", "ip"),
    Package("openssl", "openssl"),
    Package("util-linux", "nsenter"),
    Package("mount", "umount"),
)
IMAGE_PACKAGES = (
    Package("buildah", "buildah"),
    Package("debootstrap", "debootstrap"),
    Package("ca-certificates", "/etc/ssl/certs/ca-certificates.crt"),
)

PODMAN_PACKAGES = (
    Package("podman", "podman"),
    Package("netavark", "/usr/lib/podman/netavark"),
    Package("aardvark-dns", "/usr/lib/podman/aardvark-dns"),
    Package("iptables", "iptables"),
)
# Debian packages of the processor's image, to run the processor on this machine.
PROCESSOR_PACKAGES = (Package("libturbojpeg0", f"/usr/lib/{platform.machine()}-linux-gnu/libturbojpeg.so.0"),)


def oci_architecture() -> str:
    """Return the name of the architecture in image configurations."""
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def require_root() -> None:
    """Check that the native provider can run here."""
    if platform.system() != "Linux":
        raise ClusterError("the native provider requires Linux; with Docker, use --provider kind")
    if os.geteuid() != 0:
        raise ClusterError("the native provider requires root (namespaces, mounts, cgroups)")


def docker_answers() -> bool:
    """Whether a Docker engine responds."""
    if find_program("docker") is None:
        return False
    try:
        return bool(run(["docker", "info", "--format", "{{.ServerVersion}}"], timeout=15).strip())
    except ClusterError:
        return False


def missing(packages: Iterable[Package]) -> list[str]:
    """Return the names of the packages to install."""
    return [package.name for package in packages if not package.is_installed()]


def install(packages: Iterable[Package]) -> list[str]:
    """Install missing packages with apt-get; returns their names."""
    if not missing(packages):
        return []
    with locked(Path(tempfile.gettempdir(), "imagejob-apt.lock"), "the package manager"):
        return _install(missing(packages))


def _install(names: list[str]) -> list[str]:
    if not names:
        return []
    if find_program("apt-get") is None:
        raise ClusterError(f"apt-get is not available; install these packages yourself: {' '.join(names)}")
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    with step(f"installing Debian packages: {' '.join(names)}"):
        run(["apt-get", "update", "-q"], env=quiet, timeout=600)
        command = ["apt-get", "install", "-q", "-y", "--no-install-recommends", *names]
        run(command, env=quiet, timeout=1200)
    return names
