"""Podman for kind on a machine without a registry: settings and images of its own, away from the user's."""

from pathlib import Path

from localcluster import buildah
from localcluster.paths import cache_root

# Root without CAP_SYS_RESOURCE may not raise the limits to those that Podman has by default.
CONTAINERS = """\
[containers]
default_ulimits = ["nofile=20000:20000", "nproc=30000:30000"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
[network]
network_backend = "netavark"
network_config_dir = "{folder}/networks"
"""
STORAGE = """\
[storage]
driver = "{driver}"
graphroot = "{folder}/storage"
runroot = "{folder}/run"
[storage.options]
additionalimagestores = ["{images}"]
"""


def environment() -> dict[str, str]:
    """Write the settings; return the variables that select them. The images of buildah are among its own."""
    folder = cache_root() / "podman"
    (folder / "networks").mkdir(parents=True, exist_ok=True)
    driver, images = buildah.storage()
    return {
        "CONTAINERS_CONF": _write(folder / "containers.conf", CONTAINERS.format(folder=folder)),
        "CONTAINERS_STORAGE_CONF": _write(
            folder / "storage.conf", STORAGE.format(folder=folder, driver=driver, images=images)
        ),
    }


def _write(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)
