"""Names of ImageJobs for the completion of shells."""

from __future__ import annotations

import typer

from imagejob.errors import ImageJobError


def complete_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """The names that begin so; none if the cluster cannot be asked."""
    from imagejob.client import Client

    given = {name: ctx.params.get(name) for name in ("context", "namespace")}
    try:
        client = Client.connect(kubeconfig_file=ctx.params.get("kubeconfig"), **given)
        return [job.name for job in client.list() if job.name.startswith(incomplete)]
    except ImageJobError:
        return []
