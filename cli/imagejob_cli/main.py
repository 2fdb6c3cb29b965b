"""The commands, and what happens to their errors."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from typing import Annotated, cast

import typer
from typer.main import get_command

from imagejob.errors import ImageJobError
from imagejob_cli import exits, terminal
from imagejob_cli.commands.change import cancel, resume, retry, suspend
from imagejob_cli.commands.completion import VARIABLE, completion, prepare
from imagejob_cli.commands.doctor import doctor
from imagejob_cli.commands.explain import explain
from imagejob_cli.commands.listing import list_jobs
from imagejob_cli.commands.logs import logs
from imagejob_cli.commands.results import results
from imagejob_cli.commands.run import run
from imagejob_cli.commands.status import status
from imagejob_cli.commands.submit import submit
from imagejob_cli.commands.transfer import download, upload
from imagejob_cli.commands.uninstall import uninstall
from imagejob_cli.commands.validate import validate
from imagejob_cli.commands.watch import watch
from imagejob_cli.session import forget, message, program
from imagejob_cli.usage import usage_message

TRACEBACK = "IMAGEJOB_TRACEBACK"
"""Environment variable with which an internal error is printed with its traceback."""
EPILOG = (
    "Exit codes: 0 success; 1 the run failed or was cancelled, or something was not transferred; 2 invalid "
    "usage or manifest; 3 cluster not available, request refused, timeout, or a check of doctor failed; 4 no "
    "such ImageJob (JOB_004); 130 interrupted."
)

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        terminal.write(version("imagejob"))
        raise typer.Exit


@app.callback(invoke_without_command=True, epilog=EPILOG)
def _root(
    ctx: typer.Context,
    show_version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Run and follow ImageJobs, and find out why one failed."""
    if ctx.invoked_subcommand is None:
        terminal.write_block(ctx.get_help())


app.command(short_help="Create ImageJobs from a manifest or from options.")(submit)
app.command(short_help="Upload images into the bucket.")(upload)
app.command(short_help="Download objects from the bucket.")(download)
app.command(short_help="Run an ImageJob on this machine, without a cluster.")(run)
app.command("list", short_help="List ImageJobs, and why each waits or failed.")(list_jobs)
app.command(short_help="Show a job: phases, error with remedy, Pods, next step.")(status)
app.command(short_help="Follow a run until it has finished.")(watch)
app.command(short_help="Show outputs, failures and bytes saved; download them.")(results)
app.command(short_help="Print the logs of the Pods of a job.")(logs)
app.command(short_help="Start a new run of a job that has finished.")(retry)
app.command("cancel", short_help="Cancel the active run.")(cancel)
app.command("suspend", short_help="Suspend a job.")(suspend)
app.command("resume", short_help="Start a suspended run again.")(resume)
app.command(short_help="Check a manifest on the API server, or by a run.")(validate)
app.command(short_help="Explain a code, such as JOB_002 or ItemsFailed.")(explain)
app.command(short_help="Check what ImageJobs need of the cluster.")(doctor)
app.command(short_help="Delete all ImageJobs, the CRDs and the operator.")(uninstall)
app.command(short_help="Print a script for the completion of a shell.")(completion)


def _write_whatever_the_encoding() -> None:
    """Print `?` for what a terminal that has not UTF-8 cannot show, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code. Errors are one line on standard error."""
    _write_whatever_the_encoding()
    prepare()
    forget()
    command = get_command(app)
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        result = command.main(given, prog_name=program(), complete_var=VARIABLE, standalone_mode=False)
    except ImageJobError as error:
        terminal.warn(f"{program()}: {message(error)}")
        return exits.of_error(error)
    except typer.TyperException as error:
        context = cast("typer.Context | None", getattr(error, "ctx", None))
        path = context.command_path if context else program()
        terminal.warn(f"{program()}: {usage_message(error.format_message())}")
        terminal.warn(f"see: {path} --help")
        return error.exit_code
    except (typer.Abort, KeyboardInterrupt):
        return exits.INTERRUPTED
    except (BrokenPipeError, SystemExit):
        # The reader of the pipe, such as head, has ended; Typer exits then.
        return 0
    except Exception as error:
        if os.environ.get(TRACEBACK):
            raise
        terminal.warn(
            f"{program()}: internal error: {type(error).__name__}: {error}; please report it with the "
            f"traceback, which {TRACEBACK}=1 prints"
        )
        return exits.BUG
    return result if isinstance(result, int) else 0
