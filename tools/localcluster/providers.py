"""Chooses between kind and the native provider."""

from localcluster import binaries, kind, machine
from localcluster.cluster import Cluster
from localcluster.kind import KindCluster
from localcluster.native import NativeCluster
from localcluster.paths import cache_root, layout

CHOICES = ("auto", "kind", "native")


def detect() -> str:
    """Return the provider that this machine can run."""
    return "kind" if kind.is_usable() else "native"


def cluster(name: str, provider: str = "auto") -> Cluster:
    """Return the cluster of that name, with the provider that created it or would create it."""
    where = layout(name)
    if provider == "auto":
        provider = KindCluster.PROVIDER if (where.root / "kind").exists() else ""
        if not provider:
            provider = NativeCluster.PROVIDER if where.state.exists() else detect()
    return KindCluster(name) if provider == KindCluster.PROVIDER else NativeCluster(name)


def plan(name: str) -> list[str]:
    """Return what ``up``, ``build`` and ``images`` would do to this machine."""
    found = cluster(name)
    if isinstance(found, KindCluster):
        return [f"provider: kind, with the {kind.engine()} engine that answers here"]
    lines = ["provider: native (no kind with a container engine here)", "rights: root"]
    packages = machine.missing([*machine.NODE_PACKAGES, *machine.IMAGE_PACKAGES])
    lines.append(f"Debian packages to install: {' '.join(packages) or 'none'}")
    unbuilt = [module for module in binaries.DEMO_MODULES if not binaries.is_built(module)]
    for module in unbuilt:
        lines.append(f"to build with Go: {module.name}, about {module.minutes:g} min on two cores")
    if not unbuilt:
        lines.append("to build with Go: nothing")
    lines.append(f"kept between runs: {cache_root()}")
    return lines
