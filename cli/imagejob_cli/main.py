"""The command line: `imagejob status NAME`, `imagejob follow NAME`, `imagejob run FILE --store DIR`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="imagejob",
        description="Show the status of an ImageJob, or run one on this machine.",
        epilog="Exit codes: 0 succeeded or not finished, 1 failed or cancelled, 2 invalid usage, "
        "3 cluster not available or timeout, 4 ImageJob not found (JOB_004).",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in (
        ("status", "Show the current status."),
        ("follow", "Watch the status until the run finishes."),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("name", help="name of the ImageJob")
        command.add_argument(
            "-n", "--namespace", help="namespace of the ImageJob (default: the namespace of the context)"
        )
        command.add_argument(
            "--kubeconfig", help="path to the kubeconfig file (default: the same as kubectl)"
        )
        command.add_argument("--context", help="context in the kubeconfig (default: the current context)")
        if name == "follow":
            command.add_argument(
                "--timeout", type=float, default=3600.0, help="maximum time in seconds (default: 3600)"
            )
    text = "Run an ImageJob on this machine, without a cluster; needs the extra imagejob[local]."
    command = commands.add_parser("run", help=text, description=text)
    command.add_argument("manifest", type=Path, help="file with the ImageJob")
    command.add_argument(
        "--store",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder with the sources, into which outputs and the report are written",
    )
    command.add_argument(
        "--allow-network",
        action="append",
        default=[],
        metavar="CIDR",
        help="network from which sources may be downloaded, besides public addresses",
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    options = build_parser().parse_args(arguments)
    if options.command == "run":
        from imagejob_local.command import run

        return run(options.manifest, options.store, options.allow_network)
    return _show(options)


def _show(options: argparse.Namespace) -> int:
    if find_spec("kubernetes") is None:
        text = f"imagejob {options.command} needs the Python package kubernetes"
        sys.stderr.write(f"imagejob: {text}; run: pip install 'imagejob[cli]'\n")
        return 2
    from imagejob_cli.follow import follow
    from imagejob_cli.read import EXIT_FAILED, CannotShow, connect, finished, read_job, summary

    try:
        cluster = connect(options.kubeconfig, options.context)
        namespace = options.namespace or cluster.namespace
        if options.command == "follow":
            succeeded = follow(cluster, namespace, options.name, options.timeout, _print)
            return 0 if succeeded else EXIT_FAILED
        job = read_job(cluster, namespace, options.name)
        _print(summary(job))
        return EXIT_FAILED if finished(job) is False else 0
    except CannotShow as error:
        sys.stderr.write(f"imagejob: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        return 130


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
