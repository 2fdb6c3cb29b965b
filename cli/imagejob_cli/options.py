"""Options that several commands have."""

from __future__ import annotations

import enum
from typing import Annotated

import typer

from imagejob_cli.completing import complete_names


class Output(enum.StrEnum):
    """Forms of output."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


Name = Annotated[
    str, typer.Argument(help="Name of the ImageJob.", autocompletion=complete_names, metavar="NAME")
]
Namespace = Annotated[
    str | None,
    typer.Option("-n", "--namespace", metavar="NAMESPACE", help="Namespace.  [default: that of the context]"),
]
Context = Annotated[
    str | None,
    typer.Option(
        "--context", metavar="CONTEXT", help="Context in the kubeconfig.  [default: the current one]"
    ),
]
Kubeconfig = Annotated[
    str | None,
    typer.Option(
        "--kubeconfig",
        metavar="FILE",
        help="Path of the kubeconfig.  [default: KUBECONFIG or ~/.kube/config]",
    ),
]
Form = Annotated[Output, typer.Option("-o", "--output", help="Form of the output.")]
Timeout = Annotated[
    float, typer.Option("--timeout", metavar="SECONDS", min=0, help="Longest time to wait, in seconds.")
]
Force = Annotated[
    bool, typer.Option("--force", help="Change the object although Argo CD or Flux manages it.")
]
Wait = Annotated[
    bool, typer.Option("--wait", help="Wait until the run has finished; exit code 1 if it failed.")
]
Watch = Annotated[
    bool, typer.Option("--watch", help="Follow the run until it has finished, like imagejob watch.")
]
Store = Annotated[
    str,
    typer.Option(
        "--store",
        metavar="NAME",
        help="ImageStore with the objects.  [default: the operator's own store]",
    ),
]
Bucket = Annotated[
    str,
    typer.Option(
        "--bucket",
        metavar="URL",
        envvar="IMAGEJOB_BUCKET",
        show_envvar=False,
        help="https://HOST/BUCKET of the operator's store, if you may not read its settings.  "
        "[default: IMAGEJOB_BUCKET]",
    ),
]
OperatorNamespace = Annotated[
    str, typer.Option("--operator-namespace", metavar="NAMESPACE", help="Namespace of the operator.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what exists already with other bytes.")]
