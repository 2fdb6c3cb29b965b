"""The command line: `imagejob status NAME`, `imagejob follow NAME`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from imagejob_cli.follow import follow
from imagejob_cli.read import EXIT_FAILED, CannotShow, connect, finished, read_job, summary


def build_parser() -> argparse.ArgumentParser:
    """The command's words."""
    parser = argparse.ArgumentParser(
        prog="imagejob",
        description="How an ImageJob is doing.",
        epilog="Exit codes: 0 succeeded or on its way, 1 failed, 2 usage, 3 no cluster or no end in time, "
        "4 no such ImageJob (JOB_004).",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, meaning in (
        ("status", "show it once"),
        ("follow", "show every change until it has ended"),
    ):
        command = commands.add_parser(name, help=meaning, description=meaning)
        command.add_argument("name", help="name of the ImageJob")
        command.add_argument("-n", "--namespace", help="its namespace (default: that of the context)")
        command.add_argument("--kubeconfig", help="path of the kubeconfig (default: as kubectl)")
        command.add_argument("--context", help="context of the kubeconfig")
        if name == "follow":
            command.add_argument("--timeout", type=float, default=3600.0, help="seconds to follow (3600)")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """The program; its exit code as the epilog says."""
    options = build_parser().parse_args(arguments)
    try:
        cluster = connect(options.kubeconfig, options.context)
        namespace = options.namespace or cluster.namespace
        if options.command == "follow":
            succeeded = follow(cluster, namespace, options.name, options.timeout, _say)
            return 0 if succeeded else EXIT_FAILED
        job = read_job(cluster, namespace, options.name)
        _say(summary(job))
        return EXIT_FAILED if finished(job) is False else 0
    except CannotShow as error:
        sys.stderr.write(f"imagejob: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        return 130


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
