"""Verbs that change a job leave it alone if Argo CD or Flux manages it, and print the change for Git."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from imagejob.gitops import managed_by
from imagejob.job import ImageJob
from imagejob.manifest import to_yaml
from imagejob_cli import terminal
from imagejob_cli.exits import USAGE
from imagejob_cli.session import Session

Change = Mapping[str, Any]


def apply_change(
    session: Session, name: str, make: Callable[[ImageJob], Change], force: bool, done: str
) -> int:
    """Change a job and print `done`; print only the change if a GitOps controller would revert it.

    A change that the job has already is not made.
    """
    job = session.client.get(name)
    change = make(job)
    if _holds(change, job.body):
        terminal.write(f"imagejob.imagejob.dev/{name} unchanged")
        return 0
    owner = managed_by(job.body)
    if owner and not force:
        terminal.warn(
            f"ImageJob {name!r} is managed by {owner}, which would revert the change: it was not made. "
            "Make it in Git, or add --force:"
        )
        terminal.write_block(to_yaml(change).rstrip())
        return USAGE
    session.client.patch(name, change)
    terminal.write(f"imagejob.imagejob.dev/{name} {done}")
    return 0


def _holds(change: object, body: object) -> bool:
    """Whether an object has all values of a change; an absent one is the same as false."""
    if not isinstance(change, Mapping):
        return (change or None) == (body or None)
    return all(
        _holds(value, body.get(name) if isinstance(body, Mapping) else None) for name, value in change.items()
    )
