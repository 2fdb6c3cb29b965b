"""`imagejob doctor`."""

from __future__ import annotations

import enum
from dataclasses import asdict
from typing import Annotated

import typer

from imagejob_cli import options, terminal
from imagejob_cli.description import Rows
from imagejob_cli.diagnosis import Result, diagnose
from imagejob_cli.exits import CLUSTER
from imagejob_cli.session import connect


class Form(enum.StrEnum):
    """Forms of the result."""

    TABLE = "table"
    JSON = "json"


_SYMBOLS = {Result.OK: ("✓", "green"), Result.NOT_OK: ("✗", "bold red"), Result.UNKNOWN: ("?", "yellow")}


def doctor(
    namespace: options.Namespace = None,
    operator_namespace: Annotated[
        str, typer.Option("--operator-namespace", metavar="NAMESPACE", help="Namespace of the operator.")
    ] = "imagejob-system",
    form: Annotated[Form, typer.Option("-o", "--output", help="Form of the output.")] = Form.TABLE,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
) -> int:
    """Check what ImageJobs need: CRDs, operator, stores, the namespace, your rights, quotas.

    What you may not read is reported as "not checked". Exit code 3 if something is not ok.
    """
    session = connect(namespace, context, kubeconfig)
    findings = list(diagnose(session, operator_namespace))
    if form is Form.TABLE:
        for finding in findings:
            symbol, style = _SYMBOLS[finding.result]
            rows: Rows = [[terminal.styled(symbol, style), f"{finding.subject:<16}", finding.detail]]
            if finding.remedy:
                rows.append(["", "", terminal.styled(f"→ {finding.remedy}", "cyan")])
            terminal.show(terminal.columns(rows))
    else:
        terminal.write_json([asdict(finding) for finding in findings])
    return CLUSTER if any(finding.result is Result.NOT_OK for finding in findings) else 0
