"""`imagejob results`."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from imagejob.client import Client
from imagejob.operator_settings import NAMESPACE
from imagejob.results import Results, results_of
from imagejob_cli import exits, options, terminal
from imagejob_cli.commands.transfer import check_folder, download_into
from imagejob_cli.description import error_section
from imagejob_cli.session import connect

if TYPE_CHECKING:
    from rich.console import RenderableType

    from imagejob_operator.documents.report import ReportItem

MOST_ITEMS = 50
"""Items that the table shows; failed ones come first."""


def results(
    name: options.Name,
    download: Annotated[
        Path | None, typer.Option("--download", metavar="DIR", help="Download all outputs into a folder.")
    ] = None,
    gallery: Annotated[
        Path | None,
        typer.Option("--gallery", metavar="FILE", help="HTML file to write, which shows the run."),
    ] = None,
    opened: Annotated[bool, typer.Option("--open", help="Open the gallery in the browser.")] = False,
    hours: Annotated[
        int,
        typer.Option(
            "--expires", metavar="HOURS", min=1, max=168, help="Lifetime of the links in the gallery."
        ),
    ] = 24,
    overwrite: options.Overwrite = False,
    form: options.Form = options.Output.TABLE,
    bucket: options.Bucket = "",
    namespace: options.Namespace = None,
    operator_namespace: options.OperatorNamespace = NAMESPACE,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
) -> int:
    """Show what a run has made: its outputs, the items that failed, and the bytes saved.

    It reads the report in the bucket, with your own credentials. -o name prints the keys of the outputs, and
    -o json the report. Exit code 1 if the run has failed.
    """
    from imagejob.html_file import check_html_file
    from imagejob_cli.run_gallery import make_gallery

    if gallery:
        check_html_file(gallery, "--gallery")
    if download:
        check_folder(download, "--download")
    client = connect(namespace, context, kubeconfig).client
    found = _read(client, name, bucket, operator_namespace)
    code = exits.of_job(found.job)
    _show(found, form)
    if download:
        code = max(code, download_into(found.outputs, found.published(), download, overwrite))
    if gallery or opened:
        page = make_gallery(found, gallery, timedelta(hours=hours))
        terminal.warn(f"gallery: {page}")
        if opened:
            typer.launch(page.as_uri())
    return code


def _read(client: Client, name: str, bucket: str, operator_namespace: str) -> Results:
    job = client.get(name)
    return results_of(
        job,
        lambda store: client.bucket(store=store, bucket_url=bucket, operator_namespace=operator_namespace),
    )


def _show(found: Results, form: options.Output) -> None:
    if form is options.Output.NAME:
        for output in found.published():
            terminal.write(output.key)
    elif form is options.Output.TABLE:
        terminal.show(*_table(found))
    else:
        import msgspec

        terminal.show_documents([msgspec.to_builtins(found.report)], form, as_list=False)


def _table(found: Results) -> list[RenderableType]:
    report, totals = found.report, found.report.totals
    line = terminal.styled(f"{report.job}  ").append_text(terminal.styled(report.outcome))
    counts = [terminal.counted(totals.items, "item"), terminal.counted(totals.outputs, "output")]
    counts += [f"{totals.failed} failed"] if totals.failed else []
    counts += [f"{totals.skipped} up to date"] if totals.skipped else []
    line.append_text(terminal.styled(f"  run {report.run}, {', '.join(counts)}"))
    shown: list[RenderableType] = [line]
    if totals.outputs:
        shown.append(terminal.styled(_sizes(found), "dim"))
    shown += error_section(found.job)
    items = sorted((one for one in report.items if one.error or one.outputs), key=lambda one: not one.error)
    rows = [row for item in items[:MOST_ITEMS] for row in _rows(item)]
    rows += [
        ["", check.name, "passed" if check.passed else "failed", check.message] for check in report.checks
    ]
    if rows:
        shown += [terminal.styled(""), terminal.columns(rows)]
    if more := len(items) - MOST_ITEMS:
        shown += [terminal.styled(f"and {more} more items: -o json has all")] if more > 0 else []
    return shown


def _sizes(found: Results) -> str:
    totals = found.report.totals
    saved = totals.bytes_saved
    text = f"{terminal.size(totals.source_bytes)} of sources, {terminal.size(totals.output_bytes)} of outputs"
    return text + (f", {terminal.size(saved)} saved" if saved > 0 else "")


def _rows(item: ReportItem) -> list[list[str]]:
    if item.error:
        return [["✗", item.source, item.error.code.value, item.error.message]]
    mark = "=" if item.skipped else "✓"
    return [
        [mark, output.key, terminal.size(output.bytes), f"{output.width}×{output.height} {output.type}"]
        for output in item.outputs
    ]
