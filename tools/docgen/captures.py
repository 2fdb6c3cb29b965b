"""`python -m docgen.captures CLUSTER`: write what every command prints into docs/users/command-line.md.

The cluster is one of tools/localcluster; the demo is installed into it. Commands run in a folder with photos,
in a terminal of 100 columns without colours.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml
from rich.text import Text

from demo import photos, stack
from demo.kubectl import Kubectl
from localcluster.paths import layout, repository
from localcluster.providers import cluster

PAGE = repository() / "docs" / "users" / "command-line.md"
NAMESPACE, OTHER = "shop", "blog"
COLUMNS, LINES, SECONDS = 100, 40, 180
COPIES = 24
"""Large photos: their run lasts until it is cancelled."""
PHOTOS = ("china.jpg", "flower.jpg", "rocket.jpg", "chelsea.png", "coffee.png")
SLOW = """\
apiVersion: imagejob.dev/v1alpha1
kind: ImageJob
metadata: {name: slow}
spec:
  source: {match: {prefix: large/}}
  renditions:
  - name: big
    steps: [{resize: {width: 1600}}]
    output: {format: AVIF, speed: 1}
  execution: {parallelism: 1, itemsPerPod: 1}
"""
BLOCK = re.compile(r"<!-- capture: ([\w-]+) -->\n```console\n(.*?)\n```", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Step:
    """A command of the scene. It is captured if it has a `name`; a command in a pipe is no terminal."""

    command: str
    name: str = ""
    piped: bool = False
    until: tuple[str, str] = ("", "")
    """Before it, wait until the job with this name has this phase."""


SCENE = (
    Step("imagejob upload photos", "upload", piped=True),
    Step(
        "imagejob submit --name thumbs --match-prefix uploads/ --include '**/*.jpg' --width 200 "
        "--format WebP --prefix thumbs/ --wait",
        "submit",
    ),
    Step(
        "imagejob submit --name thumbs --match-prefix uploads/ --width 200 --format WebP --prefix thumbs/ "
        "--generate",
        "generate",
    ),
    Step(
        "imagejob submit --name spring --keys uploads/coffee.png --keys uploads/broken.png --width 200 "
        "--prefix spring/ --wait"
    ),
    Step("imagejob submit --name stuck --keys uploads/a.jpg --width 200 --prefix out/ -n blog"),
    Step("imagejob upload large --prefix large/", piped=True),
    Step("imagejob submit slow.yaml"),
    Step("imagejob list", "list", until=("slow", "Running")),
    Step("imagejob status spring", "status"),
    Step("imagejob status stuck -n blog", "status-waiting"),
    Step("imagejob suspend slow", "suspend"),
    Step("imagejob resume slow", "resume", until=("slow", "Suspended")),
    Step("imagejob watch slow | head -n 4", "watch", piped=True),
    Step("imagejob logs slow --tail 2", "logs", until=("slow", "Running")),
    Step("imagejob cancel slow", "cancel"),
    Step("imagejob results thumbs", "results"),
    Step("imagejob results thumbs --download out --gallery result.html", "results-download", piped=True),
    Step("imagejob download thumbs/ --to copies", "download", piped=True),
    Step("imagejob retry spring --failed", "retry"),
    Step("imagejob validate match.yaml --run", "validate"),
    Step("imagejob explain IMG_003", "explain"),
    Step("imagejob doctor -n blog", "doctor"),
    Step("imagejob run first-job.yaml --store pictures", "run", piped=True),
    Step("imagejob uninstall --dry-run", "uninstall"),
    Step("imagejob completion bash | head -n 3", "completion", piped=True),
)


def names() -> list[str]:
    """The names of all captures, in the order of the scene."""
    return [step.name for step in SCENE if step.name]


def with_captures(page: str, captured: Mapping[str, str]) -> str:
    """The page with the blocks that have captures replaced."""

    def block(found: re.Match[str]) -> str:
        text = captured.get(found[1], found[2])
        return f"<!-- capture: {found[1]} -->\n```console\n{text}\n```"

    return BLOCK.sub(block, page)


def main() -> None:
    """Play the scene and write the page."""
    name = sys.argv[1]
    where = cluster(name)
    where.up()
    kubectl = Kubectl(where.binaries() / "kubectl", layout(name).kubeconfig)
    stack.install(kubectl, stack.load_images(where, stack.build_images()))
    kubectl("delete", "namespace", NAMESPACE, OTHER, "--ignore-not-found")
    stack.prepare_namespace(kubectl, NAMESPACE)
    kubectl("create", "namespace", OTHER)
    with stack.reach_store(kubectl) as store:
        for key in store.keys(f"{NAMESPACE}/"):
            store.client.remove_object(store.bucket, key)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        _prepare(place, kubectl)
        captured = {}
        for step in SCENE:
            if step.until[0]:
                _await_phase(kubectl, *step.until)
            text = _run(step, place).replace(str(place), "/home/me")
            sys.stdout.write(f"$ {step.command}\n{text}\n")
            if step.name:
                captured[step.name] = f"$ {step.command}\n{text}".rstrip()
    PAGE.write_text(with_captures(PAGE.read_text(), captured))


def _prepare(place: Path, kubectl: Kubectl) -> None:
    """The files that the commands name, and a kubeconfig whose context has the namespace."""
    for folder in ("photos", "large", "pictures/uploads"):
        (place / folder).mkdir(parents=True)
    for photo in PHOTOS:
        (place / "photos" / photo).write_bytes(photos.photo(photo))
    for number in range(COPIES):
        (place / "large" / f"{number:02}.jpg").write_bytes(photos.photo("china.jpg"))
    (place / "photos" / "broken.png").write_bytes(b"not an image")
    for key, photo in (("a.jpg", "china.jpg"), ("b.png", "coffee.png")):
        (place / "pictures" / "uploads" / key).write_bytes(photos.photo(photo))
    (place / "slow.yaml").write_text(SLOW)
    for example in ("first-job.yaml", "match.yaml"):
        (place / example).write_bytes((repository() / "examples" / example).read_bytes())
    config = yaml.safe_load(kubectl.kubeconfig.read_text())
    for context in config["contexts"]:
        context["context"]["namespace"] = NAMESPACE
    (place / "kubeconfig").write_text(yaml.safe_dump(config))


def _await_phase(kubectl: Kubectl, name: str, phase: str) -> None:
    words = ("wait", f"imagejob/{name}", "-n", NAMESPACE, f"--for=jsonpath={{.status.phase}}={phase}")
    kubectl(*words, f"--timeout={SECONDS}s", timeout=SECONDS + 10)


def _run(step: Step, place: Path) -> str:
    programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        **{"PATH": programs, "KUBECONFIG": str(place / "kubeconfig"), "TERM": "xterm", "NO_COLOR": "1"},
    }
    if step.piped:
        done = subprocess.run(
            ["bash", "-c", f"{step.command} 2>&1"],
            cwd=place,
            env=environment,
            stdout=subprocess.PIPE,
            timeout=SECONDS,
            check=False,
        )
        return done.stdout.decode().rstrip()
    return _in_terminal(step.command, place, environment)


def _in_terminal(command: str, place: Path, environment: Mapping[str, str]) -> str:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    with subprocess.Popen(
        ["bash", "-c", command], cwd=place, env=environment, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        text, end = b"", time.monotonic() + SECONDS
        while time.monotonic() < end:
            try:
                text += os.read(ours, 65536)
            except OSError:  # how Linux reports that the terminal has no other side any more
                break
    os.close(ours)
    if process.returncode == 70 or b"Traceback" in text:
        raise RuntimeError(f"{command}: {text.decode()}")
    plain = Text.from_ansi(text.decode().replace("\r\n", "\n")).plain
    return "\n".join(line.rstrip() for line in plain.splitlines()).rstrip()


if __name__ == "__main__":
    main()
