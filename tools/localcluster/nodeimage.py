"""An image of a kind node without a registry: a Debian root, kind's own files, and our builds of Kubernetes.

It is what kind's images/base/Dockerfile and `kind build node-image` make, with Debian's containerd and
without kindnetd: Pods of the one node share a bridge, and NetworkPolicies have no effect.
"""

import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from localcluster import binaries, machine, volumes
from localcluster.baseimage import debootstrap
from localcluster.buildah import has_image, import_root, isolated
from localcluster.commands import run
from localcluster.errors import ClusterError
from localcluster.golang import go_environment, go_program
from localcluster.paths import cache_root
from localcluster.program_images import ProgramImage, write_archive
from localcluster.progress import step

SUITE = "bookworm"
PACKAGES = (
    *("systemd", "containerd", "runc", "containernetworking-plugins", "conntrack", "iptables", "nftables"),
    *("iproute2", "ethtool", "mount", "kmod", "procps", "jq", "ca-certificates", "socat"),
)
MODULES = (*binaries.CLUSTER_MODULES, binaries.KUBEADM, binaries.KIND)
VOLUMES = PurePosixPath("/var/local-volumes")
SERVICES_OF_DEBIAN = (
    *("lib/systemd/system/multi-user.target.wants/*", "lib/systemd/system/local-fs.target.wants/*"),
    *("lib/systemd/system/basic.target.wants/*", "etc/systemd/system/*.wants/*"),
    *("lib/systemd/system/sockets.target.wants/*udev*", "lib/systemd/system/sockets.target.wants/*initctl*"),
    "lib/systemd/system/sysinit.target.wants/systemd-tmpfiles-setup.service",
)
CNI = """\
{"cniVersion": "0.4.0", "name": "pods", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true, "hairpinMode": true,
   "ipam": {"type": "host-local", "routes": [{"dst": "0.0.0.0/0"}],
            "ranges": [[{"subnet": "10.244.0.0/24"}]]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
"""
# By default, the kubelet of 1.35 does not start on cgroup v1.
KUBELET = 'KUBELET_EXTRA_ARGS="--runtime-cgroups=/system.slice/containerd.service --fail-cgroupv1=false"\n'
IMPORT_IMAGES = """\
[Unit]
After=containerd.service
Before=kubelet.service
Requires=containerd.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/ctr --namespace=k8s.io images import /kind/images.tar
[Install]
WantedBy=multi-user.target
RequiredBy=kubelet.service
"""
# On cgroup v1, systemd would mount every controller that the kernel lists, for the whole machine.
HIDE_CONTROLLERS = """\
  awk 'NR == 1 || $2' /proc/cgroups >/kind/fake-cgroups; mount --bind /kind/fake-cgroups /proc/cgroups
"""
NO_NETWORK = (
    '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "no-kindnetd", "namespace": "default"}}'
)


def ensure() -> str:
    """Return the name of the node image, building it and its programs if they are missing."""
    recipe = Path(__file__).read_bytes() + "".join(module.fingerprint() for module in MODULES).encode()
    name = f"localhost/imagejob-node:{hashlib.sha256(recipe).hexdigest()[:12]}"
    machine.install(machine.IMAGE_PACKAGES)
    if not has_image(name):
        for module in MODULES:
            binaries.ensure(module)
        with tempfile.TemporaryDirectory(dir=cache_root(), prefix="node-") as scratch:
            root = Path(scratch, "root")
            with step("making a Debian root for the node image (debootstrap)"):
                debootstrap(SUITE, PACKAGES, root)
            with step(f"making {name}"):
                _prepare(root)
                _configure(root)
                write_archive(_images(root), root / "kind" / "images.tar")
                entrypoint = '["/usr/local/bin/entrypoint", "/sbin/init"]'
                import_root(root, name, "--entrypoint", entrypoint, "--env", "container=docker")
    return name


def _kind_files() -> Path:
    """Return the folder of files that kind puts into every node, from its module, which is downloaded."""
    command = [go_program(), "mod", "download", "-json", "sigs.k8s.io/kind"]
    found = json.loads(run(command, cwd=binaries.KIND.sources, env=go_environment()))
    return Path(found["Dir"], "images", "base", "files")


def _prepare(root: Path) -> None:
    """Do what kind's Dockerfile does to its base."""
    for folder in (
        "var/cache/apt",
        "var/lib/apt/lists",
        "usr/share/doc",
        "usr/share/man",
        "usr/share/locale",
    ):
        shutil.rmtree(root / folder, ignore_errors=True)
    files = _kind_files()
    for source in (path for path in files.rglob("*") if path.is_file()):
        target = root / source.relative_to(files)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        target.chmod(0o755 if target.parent.name == "bin" else 0o644)
    for pattern in SERVICES_OF_DEBIAN:
        for path in root.glob(pattern):
            path.unlink()
    with (root / "etc/systemd/journald.conf").open("a") as journal:
        journal.write("ReadKMsg=no\n")
    for link, target_path in (
        ("sbin/init", "/usr/lib/systemd/systemd"),
        ("usr/local/bin/containerd", "/usr/bin/containerd"),
        ("opt/cni/bin", "/usr/lib/cni"),
    ):
        (root / link).parent.mkdir(parents=True, exist_ok=True)
        (root / link).unlink(missing_ok=True)
        (root / link).symlink_to(target_path)
    for folder in ("etc/kubernetes/manifests", "etc/cni/net.d", "kind/manifests"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    spec = json.loads(isolated(["chroot", str(root), "ctr", "oci", "spec"], timeout=60))
    spec.setdefault("hooks", {})["createContainer"] = [{"path": "/kind/bin/mount-product-files.sh"}]
    spec["process"].pop("rlimits", None)
    (root / "etc/containerd/cri-base.json").write_text(json.dumps(spec))


def _configure(root: Path) -> None:
    """Install our programs, and what makes up for missing images, cgroup v2 and rights."""
    kubernetes, kubeadm = (binaries.KUBERNETES.folder(), binaries.KUBEADM.folder())
    for program in (kubernetes / "kubelet", kubernetes / "kubectl", kubeadm / "kubeadm"):
        shutil.copy2(program, root / "usr/bin" / program.name)
    (root / "kind/version").write_text(binaries.KUBERNETES_VERSION)
    (root / "kind/manifests/default-cni.yaml").write_text(NO_NETWORK)
    (root / "kind/manifests/default-storage.yaml").write_text(volumes.manifest(VOLUMES))
    volumes.make_folders(root / VOLUMES.relative_to("/"))
    (root / "etc/cni/net.d/10-bridge.conflist").write_text(CNI)
    (root / "etc/default/kubelet").write_text(KUBELET)
    edit(
        root / "etc/containerd/config.toml", "restrict_oom_score_adj = false", "restrict_oom_score_adj = true"
    )
    with (root / "etc/containerd/config.toml").open("a") as configuration:
        hosts = '[plugins."io.containerd.grpc.v1.cri".registry]\n  config_path = "/etc/containerd/certs.d"\n'
        configuration.write(f"\n{hosts}")
    missing = "  if [[ ! -d $misc_controller ]]; then\n"
    edit(root / "usr/local/bin/entrypoint", missing, HIDE_CONTROLLERS + missing)
    (root / "etc/systemd/system/kind-images.service").write_text(IMPORT_IMAGES)
    services = ["kubelet", "containerd", "undo-mount-hacks", "kind-images"]
    isolated(["chroot", str(root), "systemctl", "enable", "--quiet", *services], timeout=60)
    isolated(["chroot", str(root), "systemctl", "mask", "--quiet", "systemd-binfmt"], timeout=60)


def edit(path: Path, old: str, new: str) -> None:
    """Replace a text of one of kind's files; a ClusterError if this version of kind does not have it."""
    text = path.read_text()
    if old not in text:
        raise ClusterError(f"{path} of this kind has no line {old!r}: adapt localcluster/nodeimage.py to it")
    path.write_text(text.replace(old, new))


def _images(root: Path) -> Iterator[ProgramImage]:
    """Return the images that kubeadm expects, made of our builds."""
    required = isolated(
        [
            "chroot",
            str(root),
            "kubeadm",
            "config",
            "images",
            "list",
            "--kubernetes-version",
            binaries.KUBERNETES_VERSION,
        ],
        timeout=60,
    ).split()
    names = {re.sub(r"^.*/|:.*$", "", image): image for image in required}
    kubernetes = binaries.KUBERNETES.folder()
    for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "etcd"):
        files = {f"usr/local/bin/{name}": kubernetes / name}
        if name == "kube-proxy":
            files |= _nftables(root)
        yield ProgramImage((names[name],), files, user="")
    coredns, pause = binaries.COREDNS.folder(), binaries.PAUSE.folder()
    yield ProgramImage((names["coredns"],), {"coredns": coredns / "coredns"}, ("/coredns",), user="")
    configured = re.search(r'sandbox_image = "([^"]+)"', (root / "etc/containerd/config.toml").read_text())
    sandbox = {names["pause"], *([configured[1]] if configured else [])}
    yield ProgramImage(tuple(sorted(sandbox)), {"pause": pause / "pause"}, ("/pause",))


def _nftables(root: Path) -> dict[str, Path]:
    """Return nft and its libraries, by their paths in an image without links."""
    listed = isolated(["chroot", str(root), "ldd", "/usr/sbin/nft"], timeout=60)
    paths = ["/usr/sbin/nft", *re.findall(r"(/\S+) \(0x", listed)]
    inside = {
        path: isolated(["chroot", str(root), "readlink", "-f", path], timeout=60).strip() for path in paths
    }
    return {path.lstrip("/"): root / real.lstrip("/") for path, real in inside.items()}
