"""Builds the cluster's programs from Go modules, once per version.

The cache folder is named after everything that could change a binary, so a
folder that has the file has the right file.
"""

import hashlib
import platform
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from localcluster.commands import await_end, run, run_logged, tail
from localcluster.errors import ClusterError
from localcluster.golang import go_environment, go_program
from localcluster.locking import locked
from localcluster.paths import cache_root
from localcluster.progress import step

MODULES = Path(__file__).resolve().parent / "gomod"
KUBERNETES_VERSION = "v1.35.4"


@dataclass(frozen=True)
class Module:
    """A Go module and the programs that are built from it."""

    name: str
    # Name and package of each.
    programs: tuple[tuple[str, str], ...]
    linker_flags: str = "-s -w"
    # Measured on two cores with nothing cached, for those who wait.
    minutes: float = 0.1

    @property
    def sources(self) -> Path:
        """The folder of go.mod."""
        return MODULES / self.name

    def fingerprint(self) -> str:
        """Return a hash of everything that could change a binary."""
        digest = hashlib.sha256(f"{self.linker_flags} {platform.machine()}".encode())
        for path in sorted(self.sources.iterdir()):
            if path.suffix in {".mod", ".sum", ".go"}:
                content = path.read_bytes()
                digest.update(f" {path.name} {len(content)} ".encode() + content)
        return digest.hexdigest()[:16]

    def folder(self) -> Path:
        """The folder of the binaries."""
        return cache_root() / "bin" / f"{self.name}-{self.fingerprint()}"


_VERSION = "k8s.io/component-base/version"
KUBERNETES = Module(
    "kubernetes",
    (
        ("etcd", "go.etcd.io/etcd/server/v3"),
        ("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"),
        ("kubectl", "k8s.io/kubernetes/cmd/kubectl"),
        ("kube-controller-manager", "k8s.io/kubernetes/cmd/kube-controller-manager"),
        ("kube-scheduler", "k8s.io/kubernetes/cmd/kube-scheduler"),
        ("kubelet", "k8s.io/kubernetes/cmd/kubelet"),
        ("kube-proxy", "k8s.io/kubernetes/cmd/kube-proxy"),
    ),
    f"-s -w -X {_VERSION}.gitVersion={KUBERNETES_VERSION} -X {_VERSION}.gitMajor=1 -X {_VERSION}.gitMinor=35",
    minutes=8,
)
PAUSE = Module("pause", (("pause", "."),))
COREDNS = Module("coredns", (("coredns", "."),), minutes=0.7)
MINIO = Module("minio", (("minio", "github.com/minio/minio"),), minutes=4.5)
VERSITYGW = Module("versitygw", (("versitygw", "github.com/versity/versitygw/cmd/versitygw"),), minutes=1.5)
CLUSTER_MODULES = (KUBERNETES, PAUSE, COREDNS)
DEMO_MODULES = (*CLUSTER_MODULES, VERSITYGW)
ALL_MODULES = (*DEMO_MODULES, MINIO)

KWOK = Module("kwok", (("kwok", "sigs.k8s.io/kwok/cmd/kwok"),), minutes=2)
# Estimated from its number of packages.
SEAWEEDFS = Module("seaweedfs", (("weed", "github.com/seaweedfs/seaweedfs/weed"),), minutes=7)
ACTIONLINT = Module("actionlint", (("actionlint", "github.com/rhysd/actionlint/cmd/actionlint"),))
HELM = Module("helm", (("helm", "helm.sh/helm/v4/cmd/helm"),), minutes=2)
KUBECONFORM = Module("kubeconform", (("kubeconform", "github.com/yannh/kubeconform/cmd/kubeconform"),))
GITOPS_HEALTH = Module("gitops-health", (("gitops-health", "."),), minutes=0.6)
GITOPS_DIFF = Module("gitops-diff", (("gitops-diff", "."),), minutes=2)
FLUX = Module(
    "flux",
    (
        ("kustomize-controller", "github.com/fluxcd/kustomize-controller"),
        ("source-controller", "github.com/fluxcd/source-controller"),
    ),
    minutes=5.5,
)
# What kind needs where there is no registry; kubeadm shares most packages with Kubernetes, if that was built.
KIND = Module("kind", (("kind", "sigs.k8s.io/kind"),), minutes=0.5)
KUBEADM = Module(
    "kubeadm", (("kubeadm", "k8s.io/kubernetes/cmd/kubeadm"),), KUBERNETES.linker_flags, minutes=0.5
)
ON_REQUEST = (KWOK, SEAWEEDFS, ACTIONLINT, KUBECONFORM, HELM, GITOPS_HEALTH, GITOPS_DIFF, FLUX, KIND, KUBEADM)
"""What a cluster does not need: built when a test, a benchmark or `make test-kind` asks for it."""


def is_built(module: Module) -> bool:
    """Whether every program of a module is in the cache."""
    return not _missing(module, module.folder())


def ensure(module: Module) -> Path:
    """Return the folder of a module's binaries, building what is missing."""
    folder = module.folder()
    if _missing(module, folder):
        with locked(cache_root() / "bin" / f"{module.name}.lock", f"the build of {module.name}"):
            missing = _missing(module, folder)
            if missing:
                _build(module, missing)
    return folder


def _missing(module: Module, folder: Path) -> list[tuple[str, str]]:
    return [(name, package) for name, package in module.programs if not (folder / name).exists()]


def _build(module: Module, programs: Sequence[tuple[str, str]]) -> None:
    """Build programs by one command: a linker uses one core, and meanwhile another program is compiled."""
    folder = module.folder()
    folder.mkdir(parents=True, exist_ok=True)
    log = cache_root() / "logs" / f"build-{module.name}.log"
    go, environment = go_program(), go_environment()
    packages = [package for _, package in programs]
    with (
        step(f"building {', '.join(name for name, _ in programs)} with Go"),
        tempfile.TemporaryDirectory(dir=folder, prefix=".unfinished-") as unfinished,
    ):
        # Also downloads the modules, which a first build spends a while on.
        listing = run([go, "list", "-deps", *packages], cwd=module.sources, env=environment, timeout=1800)
        total = len(listing.splitlines())
        command = [go, "build", "-v", "-trimpath", "-ldflags", module.linker_flags]
        build = run_logged(
            [*command, "-o", f"{unfinished}/", *packages], log, cwd=module.sources, env=environment
        )
        await_end(
            build,
            lambda: f"{module.name}: {_lines(log)} packages of at most {total} (cached ones do not count)",
        )
        if build.returncode:
            raise ClusterError(f"go build of {' '.join(packages)} failed, see {log}:\n{tail(log)}")
        for name, package in programs:
            Path(unfinished, executable(module, package)).rename(folder / name)


def executable(module: Module, package: str) -> str:
    """Return the name that `go build` gives to the program of a package."""
    if package == ".":
        return module.name
    *_, parent, last = package.split("/")
    return parent if re.fullmatch(r"v\d+", last) else last


def _lines(log: Path) -> int:
    return len(log.read_bytes().splitlines())
