"""Runs programs with a defined environment and readable errors."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from localcluster.errors import ClusterError
from localcluster.progress import Heartbeat

SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


def search_path() -> str:
    """Return PATH with the system folders that a bare environment lacks."""
    folders = [part for part in os.environ.get("PATH", "").split(":") if part]
    folders += [part for part in SYSTEM_FOLDERS if part not in folders]
    return ":".join(folders)


def home() -> Path:
    """Return the home folder, even if HOME is unset or empty."""
    declared = os.environ.get("HOME", "")
    if declared.startswith("/"):
        return Path(declared)
    return Path(pwd.getpwuid(os.getuid()).pw_dir)


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the caller's environment, completed so that tools work in it."""
    result = dict(os.environ)
    result["PATH"] = search_path()
    result["HOME"] = str(home())
    result.update(extra or {})
    return result


def find_program(name: str) -> str | None:
    """Return the full path of a program; None if it is not installed."""
    return shutil.which(name, path=search_path())


def program(name: str) -> str:
    """Return the full path of a program, which must be installed."""
    found = find_program(name)
    if found is None:
        raise ClusterError(f"the program {name} is not installed")
    return found


def tail(path: Path, lines: int = 15) -> str:
    """Return the last lines of a log, indented for an error message."""
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 16_384))
            text = file.read().decode(errors="replace")
    except OSError as error:
        return f"    (cannot be read: {error})"
    return "\n".join(f"    {line[:400]}" for line in text.splitlines()[-lines:])


def run(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: str | None = None,
    timeout: float | None = 120,
) -> str:
    """Run a program to its end and return its standard output.

    Raises:
        ClusterError: It failed; the message has the end of its output.
    """
    try:
        done = subprocess.run(
            [program(argv[0]), *argv[1:]],
            env=environment(env),
            cwd=cwd,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ClusterError(f"timed out after {timeout:.0f} s: {' '.join(argv)}") from error
    if done.returncode:
        output = "\n".join(f"    {line}" for line in (done.stderr + done.stdout).splitlines()[-15:])
        raise ClusterError(f"exit code {done.returncode}: {' '.join(argv)}\n{output}")
    return done.stdout


def run_logged(
    argv: Sequence[str],
    log: Path,
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start a program whose output goes to a log file; the caller waits."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as file:
        return subprocess.Popen(
            [program(argv[0]), *argv[1:]],
            env=environment(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
        )


def await_end(process: subprocess.Popen[bytes], how_far: Callable[[], str]) -> None:
    """Wait for a program to end, reporting its progress from time to time."""
    heartbeat = Heartbeat()
    try:
        while True:
            try:
                process.wait(timeout=0.5)
                return
            except subprocess.TimeoutExpired:
                heartbeat.beat(how_far)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
