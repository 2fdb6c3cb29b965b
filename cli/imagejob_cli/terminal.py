"""Text on the terminal, or in a pipe: colours and line breaks only where a person reads it."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TextIO

from imagejob.printable import visible

if TYPE_CHECKING:
    from rich.console import Console, Group, RenderableType
    from rich.table import Table
    from rich.text import Text

UNLIMITED = 100_000
"""Columns of a pipe."""

_NOT_ASCII = re.compile(r"[^\n -~]")

STYLES = {
    "Succeeded": "green",
    "SucceededWithFailures": "yellow",
    "Failed": "bold red",
    "Failing": "red",
    "Cancelled": "yellow",
    "Cancelling": "yellow",
    "Suspended": "yellow",
    "Deleting": "yellow",
}


def console(*, stderr: bool = False) -> Console:
    """A console; in a pipe it has no colours and breaks no lines. NO_COLOR is obeyed."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else UNLIMITED
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False)


def show(*renderables: RenderableType) -> None:
    """Print what `styled` and `columns` have made; in a pipe without the spaces that fill a table."""
    out = console()
    with out.capture() as captured:
        for renderable in renderables:
            out.print(renderable, crop=False)
    text = captured.get()
    write_block(
        "\n".join(line.rstrip() for line in text.splitlines())
        if not sys.stdout.isatty()
        else text.rstrip("\n")
    )


def show_line(text: Text) -> None:
    """Print one line, which the terminal breaks and not this program: a copy of it is whole."""
    console().print(text, soft_wrap=True)


def write(text: str) -> None:
    """Print a line."""
    write_block(visible(text))


def write_block(text: str) -> None:
    """Print text as it is: lines without anything that a terminal could take as a command."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def write_json(value: object) -> None:
    """Print a value as JSON, with escapes for what is not printable."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    write_block(_NOT_ASCII.sub(lambda c: c[0] if c[0].isprintable() else json.dumps(c[0])[1:-1], text))


def warn(text: str) -> None:
    """Print a line to standard error."""
    sys.stderr.write(f"{visible(text)}\n")
    sys.stderr.flush()


def styled(text: str, style: str = "") -> Text:
    """Text in a style; by default that of a phase, if it is one."""
    from rich.text import Text

    return Text(visible(text), style=style or STYLES.get(text, ""))


def cut(text: str, width: int) -> str:
    """Text in at most so many columns of a terminal, with an ellipsis for what is left out."""
    made = styled(text)
    made.truncate(max(1, width), overflow="ellipsis")
    return made.plain


MOST_NAMES = 10
"""Names in a line of a terminal."""


def named(names: Sequence[str], stream: TextIO) -> str:
    """Names in one line: on a terminal, the first ones and the number of the others; in a pipe, all."""
    if len(names) <= MOST_NAMES or not stream.isatty():
        return ", ".join(names)
    more = len(names) - MOST_NAMES
    return f"{', '.join(names[:MOST_NAMES])} and {more} more, which a pipe such as `2>&1 | cat` shows"


LEAST_LAST = 20
"""Columns of a terminal that a table leaves to its last column."""


def columns(
    rows: Sequence[Sequence[str | Text]], headings: Sequence[str] = (), *, cut_last: bool = False
) -> RenderableType:
    """A table without lines; the last column is broken into lines, or with `cut_last` cut, at the edge.

    A terminal without room for the last column breaks the rows itself, as it does with those of kubectl.
    """
    texts = [[styled(heading, "dim") for heading in headings]] if headings else []
    texts += [[cell if not isinstance(cell, str) else styled(cell) for cell in row] for row in rows]
    count = max(len(row) for row in texts)
    widths = [max(row[n].cell_len for row in texts if n < len(row)) for n in range(count - 1)]
    room = console().width - sum(widths) - 2 * len(widths)
    if cut_last:
        for row in texts:
            row[-1].truncate(max(LEAST_LAST, room), overflow="ellipsis")
    return _whole_lines(texts, widths) if room < LEAST_LAST else _table(texts)


def _table(rows: Sequence[Sequence[Text]]) -> Table:
    from rich.table import Table

    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    count = len(rows[0])
    for number in range(count):
        table.add_column(no_wrap=number < count - 1, overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def _whole_lines(rows: Sequence[Sequence[Text]], widths: Sequence[int]) -> Group:
    """The rows as lines of any length."""
    from rich.console import Group
    from rich.text import Text

    for row in rows:
        for cell, width in zip(row, widths, strict=False):
            cell.pad_right(width - cell.cell_len)
    lines = [Text("  ", no_wrap=True, overflow="ignore").join(row) for row in rows]
    for line in lines:
        line.rstrip()
    return Group(*lines)


def show_documents(bodies: Iterable[Mapping[str, Any]], form: str, *, as_list: bool) -> None:
    """Print resources as JSON or YAML, or their names as kubectl does."""
    found = [dict(body) for body in bodies]
    if form == "name":
        for body in found:
            write(f"imagejob.imagejob.dev/{body['metadata']['name']}")
        return
    whole: Mapping[str, Any] = found[0] if found and not as_list else _list(found)
    if form == "json":
        write_json(whole)
        return
    from imagejob.manifest import to_yaml

    write_block(to_yaml(whole).rstrip())


def _list(bodies: list[dict[str, Any]]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "List", "items": bodies}


def short(span: timedelta) -> str:
    """A duration as kubectl writes ages: 6s, 3m5s, 5h, 2d."""
    seconds = max(0, int(span.total_seconds()))
    if seconds < 120:
        return f"{seconds}s"
    minutes, hours = seconds // 60, seconds // 3600
    if minutes < 10:
        return f"{minutes}m{seconds % 60}s" if seconds % 60 else f"{minutes}m"
    if minutes < 180:
        return f"{minutes}m"
    return f"{hours}h" if hours < 48 else f"{hours // 24}d"


def size(count: int) -> str:
    """Bytes in binary units: 3.1 MiB."""
    value, unit = float(count), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if value < 1024 or unit == "TiB":
            break
        value /= 1024
    return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"


def counted(number: int, noun: str) -> str:
    """A number with its noun: `1 item`, `2 items`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def clock(moment: datetime | None) -> str:
    """The time of day on this machine."""
    return moment.astimezone().strftime("%H:%M:%S") if moment else ""
