"""Real clusters on this machine: what they can do, and that nothing is left.

Needs root. Works beside other clusters, which the leak checker leaves out.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from localcluster import binaries, claims, leaks, machine, namespaces
from localcluster.addresses import Addresses
from localcluster.cgroups import of_cluster
from localcluster.cluster import Status
from localcluster.commands import run
from localcluster.errors import ClusterError
from localcluster.namespaces import Namespaces
from localcluster.native import NativeCluster
from localcluster.paths import layout
from localcluster.processes import boot_id, start_time
from localcluster.waiting import wait_for

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

MINE = ("lc-one", "lc-two")


def tool(*arguments: str) -> str:
    """Run the tool as a user does, so that its processes outlive their parent."""
    package = Path(binaries.__file__).resolve().parents[1]
    return run(
        [sys.executable, "-m", "localcluster", *arguments], env={"PYTHONPATH": str(package)}, timeout=400
    )


def status(name: str) -> Status:
    return NativeCluster(name).status()


def kubectl(name: str, *arguments: str) -> str:
    program = binaries.ensure(binaries.KUBERNETES) / "kubectl"
    return run([str(program), f"--kubeconfig={layout(name).kubeconfig}", *arguments])


def snapshot() -> leaks.Snapshot:
    others = {}
    for path in claims.FOLDER.glob("*.json"):
        if path.stem not in MINE:
            others[path.stem] = Addresses(json.loads(path.read_text())["index"]).host_device
    return leaks.take(beside=others, devices=others.values())


def assert_unchanged(before: leaks.Snapshot) -> None:
    """The kernel takes a namespace apart a moment after its last process."""

    def difference() -> str | None:
        return "\n".join(before.difference(snapshot())) or None

    wait_for("a machine as it was before", difference, 10)


def run_pod(name: str) -> None:
    kubectl(name, "run", "sleeper", "--image=localhost/pause:dev", "--restart=Never")
    kubectl(name, "wait", "--for=condition=Ready", "pod/sleeper", "--timeout=60s")


def kill_everything(name: str) -> None:
    """Kill every process at once, as a crash of the machine would."""
    members = of_cluster(name).members()
    assert len(members) > 9, "the components and the Pod's processes"
    for pid in members:
        os.kill(pid, signal.SIGKILL)


@pytest.fixture(scope="module", autouse=True)
def built() -> None:
    """What a first `up` installs on a new machine stays there, and is no leak."""
    machine.install(machine.NODE_PACKAGES)
    tool("build", *(module.name for module in binaries.CLUSTER_MODULES))
    for name in MINE:
        tool("down", "--name", name)


@pytest.fixture
def clean() -> Iterator[leaks.Snapshot]:
    yield snapshot()
    for name in MINE:
        tool("down", "--name", name)


def test_three_times_up_and_down_leave_nothing(clean: leaks.Snapshot) -> None:
    for _ in range(3):
        tool("up", "--name", MINE[0], "--provider", "native")
        run_pod(MINE[0])
        assert clean.difference(snapshot()), "a running cluster must show, or the checker is blind"
        tool("down", "--name", MINE[0])
        assert_unchanged(clean)


def test_down_and_up_work_after_everything_was_killed(clean: leaks.Snapshot) -> None:
    tool("up", "--name", MINE[0], "--provider", "native")
    run_pod(MINE[0])
    kill_everything(MINE[0])
    assert not status(MINE[0]).healthy

    tool("up", "--name", MINE[0])
    run_pod(MINE[0])
    kill_everything(MINE[0])

    tool("down", "--name", MINE[0])
    assert_unchanged(clean)


def test_up_again_is_at_once_and_changes_nothing(clean: leaks.Snapshot) -> None:
    tool("up", "--name", MINE[0], "--provider", "native")
    before = of_cluster(MINE[0]).members()
    began = time.monotonic()
    answer = tool("up", "--name", MINE[0])
    assert time.monotonic() - began < 2
    assert answer.strip() == str(layout(MINE[0]).kubeconfig)
    assert before <= of_cluster(MINE[0]).members()

    tool("stop", "--name", MINE[0], "kube-scheduler")
    assert "kube-scheduler" in status(MINE[0]).why_not
    tool("restart", "--name", MINE[0], "kube-scheduler")
    tool("restart", "--name", MINE[0], "kube-apiserver")
    wait_for("health after restarts", lambda: status(MINE[0]).why_not or None, 60)


def test_two_clusters_side_by_side(clean: leaks.Snapshot) -> None:
    for name in MINE:
        tool("up", "--name", name, "--provider", "native")
        run_pod(name)
    one, two = (status(name) for name in MINE)
    assert one.healthy
    assert two.healthy
    assert one.node_address != two.node_address
    kubectl(MINE[0], "create", "configmap", "only-here")
    with pytest.raises(ClusterError, match="not found"):
        kubectl(MINE[1], "get", "configmap", "only-here")

    tool("down", "--name", MINE[0])
    assert status(MINE[1]).healthy, "taking one down must not touch the other"
    kubectl(MINE[1], "delete", "pod", "sleeper", "--now")
    run_pod(MINE[1])
    tool("down", "--name", MINE[1])
    assert_unchanged(clean)


def test_what_the_project_relies_on(clean: leaks.Snapshot, tmp_path: Path) -> None:
    name = MINE[0]
    tool("up", "--name", name, "--provider", "native")
    run_pod(name)
    kubectl(name, "create", "namespace", "jailed")
    kubectl(name, "label", "namespace", "jailed", "pod-security.kubernetes.io/enforce=restricted")
    with pytest.raises(ClusterError, match="violates PodSecurity"):
        kubectl(name, "-n", "jailed", "run", "x", "--image=localhost/pause:dev")
    kubectl(name, "create", "quota", "q", "--hard=pods=1")
    with pytest.raises(ClusterError, match="exceeded quota"):
        kubectl(name, "run", "y", "--image=localhost/pause:dev")
    assert kubectl(name, "logs", "sleeper") == "", "the API server reaches the kubelet"
    audit = [json.loads(line) for line in Path(status(name).audit_log).read_text().splitlines()]
    assert any(
        event["verb"] == "create" and event["objectRef"].get("namespace") == "jailed"
        for event in audit
        if event.get("objectRef", {}).get("resource") == "pods"
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def _run(*command: str) -> None:
    run(command)


def _plant_process(where: Path) -> Callable[[], None]:
    pause = binaries.ensure(binaries.PAUSE) / "pause"
    process = subprocess.Popen([str(pause)], cwd=where)
    return partial(_end, process)


def _plant_mount(where: Path) -> Callable[[], None]:
    run(["mount", "-t", "tmpfs", "planted", str(where)])
    return partial(_run, "umount", str(where))


def _plant_cgroup(where: Path) -> Callable[[], None]:
    cgroup = of_cluster(MINE[0])
    cgroup.create()
    return cgroup.remove


def _plant_device(where: Path) -> Callable[[], None]:
    run(["ip", "link", "add", "planted0", "type", "veth", "peer", "name", "planted1"])
    return partial(_run, "ip", "link", "delete", "planted0")


def _plant_namespace(where: Path) -> Callable[[], None]:
    process = subprocess.Popen(["unshare", "--net", "sleep", "60"])
    own = os.readlink("/proc/self/ns/net")
    path = f"/proc/{process.pid}/ns/net"
    wait_for("the planted namespace", lambda: "same" if os.readlink(path) == own else None, 5)
    return partial(_end, process)


def _plant_file(where: Path) -> Callable[[], None]:
    folder = Path("/var/lib/planted")
    folder.mkdir()
    return folder.rmdir


@pytest.mark.parametrize(
    ("plant", "kind"),
    [
        (_plant_process, "process"),
        (_plant_mount, "mount"),
        (_plant_cgroup, "cgroup"),
        (_plant_device, "network device"),
        (_plant_namespace, "network namespace"),
        (_plant_file, "file"),
    ],
)
def test_the_leak_checker_sees_what_is_planted(
    plant: Callable[[Path], Callable[[], None]], kind: str, tmp_path: Path
) -> None:
    before = snapshot()
    remove = plant(tmp_path)
    try:
        assert any(line.startswith(f"+ {kind}: ") for line in before.difference(snapshot()))
    finally:
        remove()
    assert_unchanged(before)


def test_a_link_that_the_kernel_removes_first_is_gone_all_the_same(
    clean: leaks.Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel takes a dead cluster's namespace apart, and the link with it, while `down` removes it."""
    link = Namespaces(layout(MINE[0]), Addresses(200))
    device = link.addresses.host_device
    run(["ip", "link", "add", device, "type", "veth", "peer", "name", "planted1"])

    def too_late(argv: Sequence[str]) -> str:
        run(["ip", "link", "delete", device])
        return run(argv)

    monkeypatch.setattr(namespaces, "run", too_late)
    link.delete_link()
    assert_unchanged(clean)


def test_a_link_that_stays_is_an_error(clean: leaks.Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    link = Namespaces(layout(MINE[0]), Addresses(200))
    run(["ip", "link", "add", link.addresses.host_device, "type", "veth", "peer", "name", "planted1"])

    def refuse(argv: Sequence[str]) -> str:
        raise ClusterError("Operation not permitted")

    with monkeypatch.context() as patched:
        patched.setattr(namespaces, "run", refuse)
        with pytest.raises(ClusterError, match="not permitted"):
            link.delete_link()
    link.delete_link()
    assert_unchanged(clean)


def test_down_unmounts_what_was_mounted_below_the_root(clean: leaks.Snapshot, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("not ours")
    root = layout(MINE[0]).root
    (root / "deep" / "mount").mkdir(parents=True)
    run(["mount", "--bind", str(tmp_path), str(root / "deep" / "mount")])
    tool("down", "--name", MINE[0])
    assert (tmp_path / "precious").read_text() == "not ours"
    assert_unchanged(clean)


def test_a_recycled_process_number_is_never_killed(clean: leaks.Snapshot) -> None:
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        folder = layout(MINE[0]).root / "processes"
        folder.mkdir(parents=True)
        started = start_time(bystander.pid)
        assert started is not None
        for component, start, boot in (
            ("etcd", started - 1, boot_id()),
            ("kubelet", started, "another-boot"),
        ):
            record = {"pid": bystander.pid, "started": start, "boot": boot, "argv": ["etcd"]}
            (folder / f"{component}.json").write_text(json.dumps(record))
        tool("down", "--name", MINE[0])
        assert bystander.poll() is None
    finally:
        with suppress(ProcessLookupError):
            bystander.kill()
        bystander.wait()
