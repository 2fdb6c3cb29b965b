"""Starts the components of a cluster and records their processes.

A process is identified by its id, start time and boot, so that a reused id is
never mistaken for ours.
"""

import json
import os
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from localcluster.cgroups import ClusterCgroup
from localcluster.commands import SYSTEM_FOLDERS, program
from localcluster.errors import ClusterError
from localcluster.paths import Layout
from localcluster.waiting import wait_for

# $1 counts the cgroup files, $2 is the log; the command follows. The shell
# enters the cgroup first, so that nothing it starts can ever be outside.
_LAUNCHER = """
count=$1 log=$2; shift 2
while [ "$count" -gt 0 ]; do echo $$ > "$1" || exit 1; shift; count=$((count - 1)); done
setsid "$@" </dev/null >>"$log" 2>&1 &
echo $!
"""


@dataclass(frozen=True)
class Process:
    """A running program, as recorded."""

    pid: int
    started: int
    boot: str
    argv: tuple[str, ...]

    def is_alive(self) -> bool:
        """Whether this process still runs (a zombie does not)."""
        return self.boot == boot_id() and start_time(self.pid) == self.started


def boot_id() -> str:
    """Return the id of this boot of the machine."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def start_time(pid: int) -> int | None:
    """Return the start time of a process in ticks since boot; None if it has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    state, *fields = text.rpartition(")")[2].split()
    return None if state in "ZX" else int(fields[18])


GOGC = "200"
"""Garbage collection took a sixth of the API server's CPU time: CPU time is scarcer here than memory."""


class Processes:
    """The recorded processes of one cluster."""

    def __init__(self, layout: Layout, cgroup: ClusterCgroup) -> None:
        """Open the records below the cluster's root."""
        self._layout = layout
        self._cgroup = cgroup
        self._folder = layout.root / "processes"

    def start(self, component: str, argv: Sequence[str], inside: Process | None = None) -> Process:
        """Start a component in the background and record it.

        Args:
            component: its name, also of its record and log.
            argv: the program, by full path, and its arguments.
            inside: a process whose network and mounts it shall share.
        """
        for folder in (self._folder, self._layout.log(component).parent):
            folder.mkdir(parents=True, exist_ok=True)
        command = list(argv)
        if inside is not None:
            command = [program("nsenter"), "-t", str(inside.pid), "-n", "-m", "--", *command]
        entrances = [str(path) for path in self._cgroup.entrances()]
        done = subprocess.run(
            [
                *("/bin/sh", "-c", _LAUNCHER, "launch"),
                *(str(len(entrances)), str(self._layout.log(component)), *entrances, *command),
            ],
            # Nothing of the caller's environment: proxies and credentials stay out.
            env={
                "PATH": ":".join(SYSTEM_FOLDERS),
                "HOME": str(self._layout.root),
                "LANG": "C.UTF-8",
                "GOGC": GOGC,
            },
            cwd=self._layout.root,
            capture_output=True,
            text=True,
            check=False,
        )
        pid = int(done.stdout) if done.returncode == 0 else 0
        started = start_time(pid) if pid else None
        if started is None:
            raise ClusterError(f"{component} did not start: {done.stderr.strip()}")
        process = Process(pid, started, boot_id(), tuple(argv))
        self._record(component).write_text(json.dumps(asdict(process)))
        return process

    def _record(self, component: str) -> Path:
        return self._folder / f"{component}.json"

    def recorded(self) -> dict[str, Process]:
        """Return all components that were started and not stopped."""
        found = {}
        for path in sorted(self._folder.glob("*.json")):
            try:
                data = json.loads(path.read_text())
                found[path.stem] = Process(
                    int(data["pid"]), int(data["started"]), str(data["boot"]), tuple(data["argv"])
                )
            except (OSError, ValueError, KeyError):
                continue  # killed while it wrote: the cgroup still knows the process
        return found

    def get(self, component: str) -> Process:
        """Return a component's record."""
        try:
            return self.recorded()[component]
        except KeyError:
            raise ClusterError(f"{component} was never started") from None

    def stop(self, component: str, patience: float = 5) -> None:
        """Terminate a component, kill it if it does not end in time, and wait for its end."""
        process = self.get(component)
        for signum, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, 10.0)):
            if not process.is_alive():
                return
            os.kill(process.pid, signum)
            try:
                wait_for(f"end of {component}", lambda: "runs" if process.is_alive() else None, seconds)
            except ClusterError:
                if signum == signal.SIGKILL:
                    raise

    def kill_recorded(self) -> None:
        """Kill all recorded processes."""
        for process in self.recorded().values():
            if process.is_alive():
                os.kill(process.pid, signal.SIGKILL)
