"""A list of sources in an object: one key per line."""

from __future__ import annotations

import io

import msgspec

from imagejob_contract.wire import Wire
from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.validation.keys import InvalidKey, check_key

MAX_LISTED = 100_000
"""Items of one list."""
MAX_LIST_BYTES = 64 * 1024 * 1024
FIELD = "spec.source.list"


class InvalidList(ValueError):
    """The list is invalid; the message names line and value."""

    def __init__(self, code: Code, reason: Reason, text: str) -> None:
        super().__init__(text)
        self.failure = Failure(code, reason, text)


class Listed(Wire, frozen=True):
    """A line that is a JSON object."""

    key: str


_LINE = msgspec.json.Decoder(Listed | str)


def read_list(data: bytes, key: str) -> dict[str, int]:
    """The keys of a list with the numbers of their lines, from 1; raises InvalidList.

    A line is a plain key, or, if it starts with a brace or a double quote, JSON: `{"key": …}` or a string.
    Blank lines, a byte order mark and carriage returns at the ends of lines are ignored.
    """
    lines: dict[str, int] = {}
    for number, line in enumerate(io.BytesIO(data.removeprefix(b"\xef\xbb\xbf")), 1):
        where = f"{FIELD}: line {number} of {key!r}"
        source = _read_line(line.removesuffix(b"\n").removesuffix(b"\r"), where)
        if not source:
            continue
        if source in lines:
            text = f"{where}: {source!r} is a duplicate of line {lines[source]}; remove one of the two lines"
            raise InvalidList(Code.CREATION, Reason.KEY_COLLISION, text)
        if len(lines) >= MAX_LISTED:
            text = f"{where}: the list exceeds the limit of {MAX_LISTED} keys; split it into several jobs"
            raise InvalidList(Code.STAGING, Reason.TOO_MANY_ITEMS, text)
        lines[source] = number
    return lines


def _read_line(line: bytes, where: str) -> str:
    if not line.strip():
        return ""
    try:
        if line[:1] in (b"{", b'"'):
            listed = _LINE.decode(line)
            source = listed if isinstance(listed, str) else listed.key
        else:
            source = line.decode()
        check_key(source, where)
    except UnicodeDecodeError:
        text = f"{where}: {line[:60]!r} is not UTF-8"
    except msgspec.DecodeError as error:
        shown = line[:60].decode(errors="replace")
        text = f'{where}: {shown!r} is neither {{"key": …}} nor a string: {error}'
    except InvalidKey as error:
        text = str(error)
    else:
        return source
    raise InvalidList(Code.CREATION, Reason.INVALID_SPEC, text)
