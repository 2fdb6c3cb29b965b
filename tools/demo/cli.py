"""The steps of `make demo`, in order. Every step can be repeated: a second run only does what changed."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import traceback
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import yaml

from demo import photos, show, stack
from demo.errors import DemoError
from demo.kubectl import Kubectl
from localcluster.cluster import Cluster
from localcluster.errors import ClusterError
from localcluster.paths import layout, repository
from localcluster.progress import say, step
from localcluster.providers import cluster as find_cluster
from localcluster.providers import plan

NAMESPACE = "shop"
MANIFEST = repository() / "examples" / "demo.yaml"
OUT = repository() / "out"
FAILURE_LOG = OUT / "demo-failure.log"
FOLLOW_SECONDS = 600


def main(arguments: Sequence[str]) -> int:
    """Run the demo: 0 if the job succeeded, 1 if a step failed, 2 without the user's consent."""
    options = _parser().parse_args(arguments)
    try:
        if not _consent(options.name, options.yes):
            return 2
        run_demo(options.name)
    except (DemoError, ClusterError) as error:
        sys.stderr.write(f"\ndemo: {error}\n{_where_to_look(options.name)}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write(
            "\ndemo: interrupted; `make demo` continues from here, `make clean` removes everything\n"
        )
        return 130
    except Exception:  # noqa: BLE001  (a fault of the demo itself: the details go to a log, not to the screen)
        FAILURE_LOG.parent.mkdir(parents=True, exist_ok=True)
        FAILURE_LOG.write_text(traceback.format_exc())
        last = traceback.format_exc().strip().splitlines()[-1]
        sys.stderr.write(
            f"\ndemo: internal error: {last}\n  log: {FAILURE_LOG}\n{_where_to_look(options.name)}\n"
        )
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="demo", description="Create a local cluster with a store and the operator, and run an ImageJob."
    )
    parser.add_argument("--name", default="demo", help="name of the local cluster (default: demo)")
    parser.add_argument("--yes", action="store_true", help="do not ask for confirmation (implied by CI=true)")
    return parser


def _consent(name: str, agreed: bool) -> bool:
    lines = plan(name)
    _tell("This creates a Kubernetes cluster on this machine and runs an ImageJob on it.")
    for line in lines:
        _tell(f"  {line}")
    _tell(f"  cluster: {name}, below {layout(name).root}")
    _tell(f"  outputs: {OUT}")
    if "rights: root" in lines and os.geteuid() != 0:
        raise DemoError(
            "root is required without kind and a Docker engine: the demo creates namespaces, mounts and "
            "cgroups, and installs Debian packages.\n"
            "  Either start Docker and install kind, or run: sudo make demo"
        )
    if agreed or os.environ.get("CI") == "true":
        return True
    if not sys.stdin.isatty():
        _tell("There is no terminal to ask for consent; run: CI=true make demo")
        return False
    try:
        answer = input("Continue? [y/N] ")
    except EOFError:
        answer = ""
    if answer.strip().lower() in ("y", "yes"):
        return True
    _tell("Nothing was done.")
    return False


def _where_to_look(name: str) -> str:
    status = find_cluster(name).status()
    lines = [f"  logs of the cluster: {status.logs}"] if status.logs and Path(status.logs).is_dir() else []
    if status.healthy:
        kubectl = _kubectl(name, find_cluster(name))
        command = kubectl.as_typed("logs", "-n", stack.NAMESPACE, f"deployment/{stack.OPERATOR}")
        lines.append(f"  log of the operator: {command}")
    lines.append("  after a fix, `make demo` continues from here; `make clean` removes everything")
    return "\n".join(lines)


def _kubectl(name: str, where: Cluster) -> Kubectl:
    return Kubectl(where.binaries() / "kubectl", layout(name).kubeconfig)


def run_demo(name: str) -> None:
    """Run all steps.

    Raises:
        DemoError, ClusterError: A step failed; the message says where to read more.
    """
    _title("1/6 cluster, and beside it images: operator, processor, store")
    where = find_cluster(name)
    with ThreadPoolExecutor(1) as beside:
        # Images mostly wait for downloads and disks, while the cluster's programs are compiled.
        building = beside.submit(stack.build_images)
        where.up()
        built = building.result()
    kubectl = _kubectl(name, where)
    _title("2/6 images into the node")
    fresh = stack.load_images(where, built)
    _title("3/6 operator and store")
    stack.install(kubectl, fresh)
    stack.prepare_namespace(kubectl, NAMESPACE)
    with stack.reach_store(kubectl) as store:
        _title("4/6 photos")
        upload_photos(store)
        _title("5/6 an ImageJob")
        job_name = apply_job(kubectl)
        follow(kubectl, job_name)
        _title("6/6 outputs")
        show_outputs(kubectl, store, job_name)
    _tell(_what_next(kubectl, job_name))


def upload_photos(store: stack.Store) -> None:
    """Upload the photos that are missing below photos/ in the prefix of the namespace."""
    there = set(store.keys(f"{NAMESPACE}/photos/"))
    for position, name in enumerate(photos.names(), start=1):
        key = f"{NAMESPACE}/photos/{name}"
        line = f"{position}/{len(photos.names())} photos/{name}"
        if key in there:
            say(f"{line}: exists")
            continue
        path = OUT / "sources" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(photos.photo(name))
        store.client.fput_object(store.bucket, key, str(path))
        say(f"{line}: {path.stat().st_size / 1024:.0f} KiB uploaded")


def apply_job(kubectl: Kubectl) -> str:
    """Apply the example, with the next run id if the job exists."""
    document: dict[str, Any] = yaml.safe_load(MANIFEST.read_text())
    name: str = document["metadata"]["name"]
    exists = kubectl("get", "imagejob", name, "-n", NAMESPACE, "--ignore-not-found", "-o", "name")
    if exists:
        job = kubectl.get("imagejob", name, "-n", NAMESPACE)
        if "deletionTimestamp" in job["metadata"]:
            with step(f"waiting for the deletion of imagejob/{name}"):
                kubectl("wait", "-n", NAMESPACE, "--for=delete", f"imagejob/{name}", "--timeout=120s")
        else:
            document["spec"]["run"] = {"id": next_run_id(job)}
    applied = kubectl.apply(document, "-n", NAMESPACE).strip()
    relative = MANIFEST.relative_to(repository())
    say(f"kubectl apply -n {NAMESPACE} -f {relative} (run.id {document['spec']['run']['id']}): {applied}")
    return name


def next_run_id(job: dict[str, Any]) -> str:
    """Return a new run id: the number of the next run."""
    number = int(job.get("status", {}).get("run", {}).get("number", 0)) + 1
    current = job["spec"].get("run", {}).get("id", "1")
    return str(number if str(number) != current else number + 1)


def follow(kubectl: Kubectl, name: str) -> None:
    """Watch the job with the project's own command.

    Raises:
        DemoError: It did not succeed; the message describes it.
    """
    words = ["watch", name, "-n", NAMESPACE, "--kubeconfig", str(kubectl.kubeconfig)]
    say(f".venv/bin/imagejob {' '.join(words)}")
    command = [sys.executable, "-m", "imagejob_cli", *words, "--timeout", str(FOLLOW_SECONDS)]
    if subprocess.run(command, check=False).returncode:
        description = kubectl("describe", "imagejob", name, "-n", NAMESPACE)
        raise DemoError(f"imagejob/{name} did not succeed\n{description}\n{stack.diagnostics(kubectl)}")


def show_outputs(kubectl: Kubectl, store: stack.Store, name: str) -> None:
    """Download the outputs in the report, list them, and draw the contact sheet."""
    status = kubectl.get("imagejob", name, "-n", NAMESPACE)["status"]
    report = show.read_report(store, status["report"])
    keys = [output["key"] for item in report["items"] for output in item["outputs"]]
    folder = OUT / "outputs"
    shutil.rmtree(folder, ignore_errors=True)
    outputs = show.fetch(store, f"{NAMESPACE}/", keys, folder)
    sheet = OUT / "contact-sheet.jpg"
    show.contact_sheet(outputs, sheet)
    _tell(kubectl("get", "imagejobs", "-n", NAMESPACE, "-o", "wide").rstrip())
    for line in show.table(outputs):
        _tell(f"  {line}")
    _tell(f"  report in the store: {store.bucket}/{status['report']}")
    _tell(f"  all outputs: {folder}")
    _tell(f"  contact sheet: {sheet}")


def _what_next(kubectl: Kubectl, name: str) -> str:
    broken = "s/name: demo$/name: broken/; s/match:/keys: [photos\\/lost.jpg]/; /^      [pi]/d"
    return f"""
Try next:
  export KUBECONFIG={kubectl.kubeconfig}
  export PATH={kubectl.program.parent}:$PATH
  kubectl get imagejobs -n {NAMESPACE} -o wide
  .venv/bin/imagejob status {name} -n {NAMESPACE}
  kubectl describe imagejob {name} -n {NAMESPACE}
  # break it: a missing source fails with JOB_002 SourceNotFound, and no Pod is launched
  sed '{broken}' examples/demo.yaml | kubectl apply -n {NAMESPACE} -f -
  kubectl get imagejob broken -n {NAMESPACE} -o wide
  # fix it: every change of the spec needs a new run id
  kubectl patch imagejob broken -n {NAMESPACE} --type=merge \\
    -p '{{"spec": {{"run": {{"id": "2"}}, "source": {{"keys": ["photos/china.jpg"]}}}}}}'
  # delete it: staging, Pods and Secrets are deleted, the outputs stay
  kubectl delete imagejob {name} broken -n {NAMESPACE}
  make demo    # start the next run
  make clean   # remove the cluster and everything that was built"""


def _title(text: str) -> None:
    _tell(f"\n== {text}")


def _tell(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
