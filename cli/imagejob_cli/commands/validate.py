"""`imagejob validate`."""

from __future__ import annotations

from typing import Annotated

import typer

from imagejob.client import HOUR
from imagejob.errors import Conflict, Invalid
from imagejob.manifest import Manifest
from imagejob_cli import exits, options, terminal
from imagejob_cli.commands.submit import read
from imagejob_cli.description import summary
from imagejob_cli.session import Session, connect
from imagejob_operator.api.spec import InvalidSpec, parse_spec, prefix_notes

LONGEST_NAME = 40
"""Characters of a name that leave room for the suffix of a temporary one."""


def validate(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="A manifest in YAML or JSON; - for standard input.")
    ],
    run: Annotated[
        bool,
        typer.Option(
            "--run",
            help="Also run a temporary copy with run.mode Validate, which checks the sources and the Pods.",
        ),
    ] = False,
    timeout: options.Timeout = HOUR,
    namespace: options.Namespace = None,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
) -> int:
    """Check a manifest on the API server and store nothing.

    Exit code 2 if it is invalid; with --run, 1 if the run would fail.
    """
    session = connect(namespace, context, kubeconfig)
    code = 0
    for manifest in read(file):
        where = namespace or manifest["metadata"].get("namespace") or session.client.namespace
        _dry_run(session.within(where), manifest)
        terminal.write(f"{file}: ImageJob {_name(manifest)!r} is valid in namespace {where!r}")
        if note := _notes(manifest):
            terminal.warn(f"note: {note}")
        if run:
            code = max(code, _run(session.within(where), manifest, timeout))
    return code


def _name(manifest: Manifest) -> str:
    metadata = manifest["metadata"]
    return str(metadata.get("name") or metadata["generateName"])


def _dry_run(session: Session, manifest: Manifest) -> None:
    """Check a new job, or the change of an existing one."""
    try:
        session.client.submit(manifest, session.client.namespace, dry_run=True)
    except Conflict:
        change: Manifest = {"spec": manifest.get("spec")}
        session.client.patch(_name(manifest), change, dry_run=True)


def _notes(manifest: Manifest) -> str:
    """What is surprising and not wrong."""
    try:
        return prefix_notes(parse_spec(manifest["spec"]))
    except InvalidSpec:
        return ""


def _run(session: Session, manifest: Manifest, timeout: float) -> int:
    """Run a copy with the mode Validate, and delete it."""
    spec = dict(manifest["spec"])
    if spec.get("suspend"):
        raise Invalid("spec.suspend is true, so a validation would not run; remove it from the manifest")
    spec["run"] = {"id": "1", "mode": "Validate"}
    metadata = {"generateName": f"{_name(manifest)[:LONGEST_NAME].rstrip('-')}-check-"}
    made = session.client.submit({**manifest, "metadata": metadata, "spec": spec}, session.client.namespace)
    try:
        job = session.client.wait(made.name, timeout=timeout)
        summary(session, job, advise=False)
        return exits.of_job(job)
    finally:
        session.client.delete(made.name)
