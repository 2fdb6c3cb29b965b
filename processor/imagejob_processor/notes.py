"""Notes on an item that succeeds: what its outputs lack although the source has it, and why.

    note("EXIF of 71204 bytes was dropped: JPEG holds at most 65527")

A note says what, how much and why, and names no rendition: the same text is kept once for all of them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

from imagejob_contract.result import MAX_NOTE_CHARACTERS, MAX_NOTES
from imagejob_processor.errors import message_of

_collected: ContextVar[list[str] | None] = ContextVar("_collected", default=None)


@contextlib.contextmanager
def collecting() -> Iterator[list[str]]:
    """Collect the notes of one item."""
    collected: list[str] = []
    before = _collected.set(collected)
    try:
        yield collected
    finally:
        _collected.reset(before)


def note(text: str) -> None:
    """Add a note, unless the item has it already, or has `MAX_NOTES`."""
    collected = _collected.get()
    text = message_of(text, MAX_NOTE_CHARACTERS)
    if collected is not None and text not in collected and len(collected) < MAX_NOTES:
        collected.append(text)
