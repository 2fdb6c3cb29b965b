"""`imagejob logs`."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from imagejob.client import Client
from imagejob.errors import ImageJobError
from imagejob.side_by_side import POLL_SECONDS
from imagejob_cli import options, terminal
from imagejob_cli.session import connect

if TYPE_CHECKING:
    from rich.text import Text

COLOURS = ("cyan", "magenta", "green", "blue", "yellow")
LEVELS = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "bold red"}
_FIXED = {"level", "message", "time", "logger"}


def logs(
    name: options.Name,
    tail: Annotated[
        int | None, typer.Option("--tail", min=0, metavar="LINES", help="Only the last lines of each Pod.")
    ] = None,
    following: Annotated[
        bool, typer.Option("-f", "--follow", help="Go on until the Pods that exist now have ended.")
    ] = False,
    raw: Annotated[bool, typer.Option("--raw", help="Lines as the Pods write them: JSON.")] = False,
    namespace: options.Namespace = None,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
) -> int:
    """Print the logs of the Pods of a job, each line with the name of its Pod.

    The operator deletes the Pods of a run that succeeded; of one that failed, it keeps the last failed ones.
    """
    session = connect(namespace, context, kubeconfig)
    session.client.get(name)
    pods = [str(pod["metadata"]["name"]) for pod in session.client.pods(name)]
    if not pods:
        terminal.warn(f"ImageJob {name!r} has no Pods now; see: {session.command('status', name)}")
        return 0
    streams = [_lines(session.client, pod, number, tail, following, raw) for number, pod in enumerate(pods)]
    if following:
        _together(streams)
    else:
        for stream in streams:
            for line in stream:
                terminal.show_line(line)
    return 0


def _lines(
    client: Client, pod: str, number: int, tail: int | None, following: bool, raw: bool
) -> Iterator[Text]:
    """The lines of a Pod as they are shown; a log that cannot be read is one line."""
    prefix = terminal.styled(f"{pod}  ", COLOURS[number % len(COLOURS)])
    try:
        for line in client.log(pod, tail=tail, follow=following):
            yield prefix.copy().append_text(terminal.styled(line) if raw else readable(line))
    except ImageJobError as error:
        yield prefix.copy().append_text(terminal.styled(str(error), "red"))


def readable(line: str) -> Text:
    """Time, level, message and the other members of a line of JSON; other lines as they are."""
    try:
        entry = json.loads(line)
        message = str(entry["message"])
    except (ValueError, TypeError, KeyError):
        return terminal.styled(line)
    level = str(entry.get("level", ""))
    moment = str(entry.get("time", ""))[11:19]
    text = terminal.styled(f"{moment} ", "dim")
    text.append_text(terminal.styled(f"{level:<7} ", LEVELS.get(level, "")))
    text.append_text(terminal.styled(message))
    rest = "  ".join(f"{name}={value}" for name, value in entry.items() if name not in _FIXED)
    return text.append_text(terminal.styled(f"  {rest}" if rest else "", "dim"))


def _together(streams: list[Iterator[Text]]) -> None:
    """Print the lines of all streams as they arrive."""
    lock = threading.Lock()

    def read(stream: Iterator[Text]) -> None:
        for line in stream:
            with lock:
                terminal.show_line(line)

    threads = [threading.Thread(target=read, args=(stream,), daemon=True) for stream in streams]
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive():
            # A signal may arrive at another thread, which does not wake this one.
            thread.join(timeout=POLL_SECONDS)
