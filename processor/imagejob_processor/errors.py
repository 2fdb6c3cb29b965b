"""Errors of a processor Pod, one exception per consequence.

`ItemFailure` fails one item. The others end the Pod with the exit code that they carry. Messages are for
users: they say what happened, the value, the limit and what to do, and contain no query of a presigned URL.
"""

from __future__ import annotations

import re

from imagejob_contract.result import MAX_MESSAGE_CHARACTERS, ExitCode, ItemCode, ItemError

THE_ORDER = "the order (task description) of the Pod"
"""What messages call the document with the work of the Pod, since "order" alone could mean a sequence."""

_QUERY = re.compile(r"\?[^\s\"'<>)\]]*")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]+")
_REASONS = (
    (("truncated", "not enough", "too short", "incomplete", "unexpected end"), "it ends too early"),
    (("cannot identify", "could not create decoder"), "its header is damaged"),
    (
        ("broken data stream", "unrecognized data stream", "decoder error", "next frame"),
        "its data are damaged",
    ),
)


def without_queries(text: str) -> str:
    """Remove the query of every URL in `text`: presigned URLs are secrets, their paths are not."""
    return _QUERY.sub("?…", text)


def message_of(text: str, most: int = MAX_MESSAGE_CHARACTERS) -> str:
    """Make `text` fit for a result: one line, no queries, at most `most` characters."""
    line = _UNPRINTABLE.sub(" ", without_queries(text)).strip()
    return line if len(line) <= most else line[: most - 1] + "…"


def reason_of(error: Exception) -> str:
    """Return what a library's error means, in our words; empty if it is not one of those that are known.

    The libraries' own texts have addresses, class names and bytes, and differ between versions.
    """
    text = str(error).lower()
    return next((f": {reason}" for words, reason in _REASONS if any(word in text for word in words)), "")


class ItemFailure(Exception):
    """One item failed, and trying again would not help.

    Attributes:
        code: The code in the result.
        message: The message in the result; see `message_of`.
    """

    def __init__(self, code: ItemCode, message: str) -> None:
        self.code = code
        self.message = message_of(message)
        super().__init__(f"{code}: {self.message}")

    def as_error(self) -> ItemError:
        """Return the form that goes into the result."""
        return ItemError(code=self.code, message=self.message)


class CodecFailure(ItemFailure):
    """A decoder or an encoder failed; few of them report a lack of memory as such.

    Attributes:
        memory_needed: Address space in bytes that is certainly enough; 0 if unknown.
    """

    def __init__(self, code: ItemCode, message: str, memory_needed: int) -> None:
        super().__init__(code, message)
        self.memory_needed = memory_needed


class PodFailure(Exception):
    """The Pod cannot go on and stores no result.

    Attributes:
        exit_code: The exit code of the Pod, by which the operator decides whether to launch the shard again.
    """

    exit_code = ExitCode.INTERNAL

    def __init__(self, message: str) -> None:
        super().__init__(message_of(message))


class BadOrder(PodFailure):
    """The order is missing, too large or invalid: another Pod would fail in the same way."""

    exit_code = ExitCode.BAD_ORDER


class OrderExpired(PodFailure):
    """The store rejects the URLs of the order; a new order has new ones."""

    exit_code = ExitCode.ORDER_EXPIRED


class StoreUnavailable(PodFailure):
    """The store could not be reached or kept failing."""

    exit_code = ExitCode.RESULT_NOT_STORED


class DecoderUnavailable(PodFailure):
    """The decoder process does not start: no item is to blame."""

    exit_code = ExitCode.INTERNAL
