"""What can go wrong in a processor Pod: one exception per consequence.

`ItemFailure` costs one item and the rest of the shard goes on; the others end the Pod with the exit code
they carry. Messages are for people: they name the limit and the value, and never hold a URL's query,
where signatures live. Nothing here knows images or HTTP.
"""

from __future__ import annotations

import re

from imagejob_contract.result import MAX_MESSAGE_CHARACTERS, ExitCode, ItemCode, ItemError

_QUERY = re.compile(r"\?[^\s\"'<>)\]]*")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]+")


def without_queries(text: str) -> str:
    """Cut every query string out of `text`: presigned URLs are secrets, their paths are not."""
    return _QUERY.sub("?…", text)


def message_of(text: str) -> str:
    """Make `text` fit for a result: one line, no queries, at most `MAX_MESSAGE_CHARACTERS` characters."""
    line = _UNPRINTABLE.sub(" ", without_queries(text)).strip()
    if len(line) <= MAX_MESSAGE_CHARACTERS:
        return line
    return line[: MAX_MESSAGE_CHARACTERS - 1] + "…"


def describe(error: BaseException) -> str:
    """Name an exception by class and text, for the end of a message."""
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


class ItemFailure(Exception):
    """One item cannot be done, and trying again would not help.

    Attributes:
        code: What the result says; never changes its meaning.
        message: What people read; see `message_of`.
    """

    def __init__(self, code: ItemCode, message: str) -> None:
        self.code = code
        self.message = message_of(message)
        super().__init__(f"{code}: {self.message}")

    def as_error(self) -> ItemError:
        """Give the form that goes into the result."""
        return ItemError(code=self.code, message=self.message)


class CodecFailure(ItemFailure):
    """A decoder or an encoder gave up; many say nothing useful when it is memory that they lack.

    Attributes:
        need: Bytes of address space with which it would not lack any, for sure; 0 if that is not known.
    """

    def __init__(self, code: ItemCode, message: str, need: int) -> None:
        super().__init__(code, message)
        self.need = need


class PodFailure(Exception):
    """The Pod cannot go on and stores no result.

    Attributes:
        exit_code: How the Pod ends, which tells the operator whether to launch the shard again.
    """

    exit_code = ExitCode.INTERNAL

    def __init__(self, message: str) -> None:
        super().__init__(message_of(message))


class BadOrder(PodFailure):
    """The order is gone, too long or not one that this version understands: the same Pod would fail again."""

    exit_code = ExitCode.BAD_ORDER


class OrderExpired(PodFailure):
    """The store no longer honours the order's URLs; a new order has fresh ones."""

    exit_code = ExitCode.ORDER_EXPIRED


class StoreUnavailable(PodFailure):
    """The store could not be reached or kept failing, so no result could be had or stored."""

    exit_code = ExitCode.RESULT_NOT_STORED


class WorkerBroken(PodFailure):
    """The decoding process does not even start: no item is to blame."""

    exit_code = ExitCode.INTERNAL
