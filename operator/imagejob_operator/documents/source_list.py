"""A list of sources in an object: one key a line."""

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
    """The list cannot be taken; the message names line and value."""


class TooManyListed(ValueError):
    """The list has more items than a run may."""


class Listed(Wire, frozen=True):
    """A line that is a JSON object; nothing but the key is known yet."""

    key: str


_LINE = msgspec.json.Decoder(Listed | str)


def read_list(data: bytes, key: str) -> list[tuple[int, str]]:
    """The keys of a list with the numbers of their lines, from 1.

    A line is a key as it stands, or, if it begins with a brace or a double quote, JSON: `{"key": …}` or a
    string. Empty lines count but hold nothing; a byte order mark and carriage returns at the ends of lines
    are passed over.

    Args:
        data: the object's bytes.
        key: the list's own key, for the messages.

    Raises:
        InvalidList: for a line that is no UTF-8, broken JSON, or a key outside of its jail.
        KeyCollision: if a key stands twice.
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
                f"{where}: {source!r} stands in line {lines[source]} already; each key may stand once"
            )
        if len(lines) >= MAX_LISTED:
            raise TooManyListed(
                f"{where}: more than {MAX_LISTED} keys, the next is {source!r}; split the list into several "
                "jobs"
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
        text = (
            f'{where}: {line[:60].decode(errors="replace")!r} is neither {{"key": …}} nor a string: {error}'
        )
        raise InvalidList(text) from None
    except InvalidKey as error:
        raise InvalidList(str(error)) from None
    return source
