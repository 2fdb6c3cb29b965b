"""A list of sources in an object: one key per line."""

from __future__ import annotations

import io

import msgspec

from imagejob_contract.wire import Wire
from imagejob_operator.validation.keys import InvalidKey, KeyCollision, check_relative_key

MAX_LISTED = 100_000
"""Items of one list."""
MAX_LIST_BYTES = 64 * 1024 * 1024
FIELD = "spec.source.list"


class InvalidList(ValueError):
    """The list is invalid; the message names line and value."""


class TooManyListed(ValueError):
    """The list has more items than a run may have."""


class Listed(Wire, frozen=True):
    """A line that is a JSON object."""

    key: str


_LINE = msgspec.json.Decoder(Listed | str)


def read_list(data: bytes, key: str) -> list[tuple[int, str]]:
    """The keys of a list with the numbers of their lines, from 1.

    A line is a plain key, or, if it starts with a brace or a double quote, JSON: `{"key": …}` or a string.
    Blank lines, a byte order mark and carriage returns at the ends of lines are ignored.
    `key` is that of the list, for the messages.

    Raises:
        InvalidList: for a line that is not UTF-8, not valid JSON, or a key that is not allowed.
        KeyCollision: for a duplicate key.
        TooManyListed: for more than MAX_LISTED keys.
    """
    lines: dict[str, int] = {}
    for number, line in enumerate(io.BytesIO(data.removeprefix(b"\xef\xbb\xbf")), 1):
        where = f"{FIELD}: line {number} of {key!r}"
        source = _read_line(line.removesuffix(b"\n").removesuffix(b"\r"), where)
        if not source:
            continue
        if source in lines:
            raise KeyCollision(
                f"{where}: {source!r} is already in line {lines[source]}; remove one of the two lines"
            )
        if len(lines) >= MAX_LISTED:
            raise TooManyListed(
                f"{where}: {source!r} exceeds the limit of {MAX_LISTED} keys; use several jobs"
            )
        lines[source] = number
    return [(number, source) for source, number in lines.items()]


def _read_line(line: bytes, where: str) -> str:
    if not line.strip():
        return ""
    try:
        if line[:1] in (b"{", b'"'):
            listed = _LINE.decode(line)
            source = listed if isinstance(listed, str) else listed.key
        else:
            source = line.decode()
        check_relative_key(source, where)
    except UnicodeDecodeError:
        raise InvalidList(f"{where}: {line[:60]!r} is not UTF-8") from None
    except msgspec.DecodeError as error:
        shown = line[:60].decode(errors="replace")
        raise InvalidList(f'{where}: {shown!r} is neither {{"key": …}} nor a string: {error}') from None
    except InvalidKey as error:
        raise InvalidList(str(error)) from None
    return source
