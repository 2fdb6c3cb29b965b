"""Pages of a listing, each from one request, checked before they are used.

Of some names only a part is known, see `listed_keys`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import unquote_to_bytes
from xml.etree import ElementTree

from minio import Minio

from imagejob_operator.adapters.s3.xml import InvalidAnswer
from imagejob_operator.naming.listed_keys import REPLACED, known_part, listed_as
from imagejob_operator.ports.object_store import CallNotSupported, StoredObject

PAGE = 1000
"""Keys that S3 lists or deletes in one request."""
MAX_KEY_BYTES = 1024
MAX_OBJECT_BYTES = 2**53
"""More than any store holds in one object; a JSON number up to this is exact."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page: its objects or folders, and the token of the next one, empty for the last."""

    objects: list[StoredObject]
    folders: list[str]
    next: str
    end: str
    """All names of the next page are greater."""


def list_page(client: Minio, bucket: str, prefix: str, delimiter: str, token: str, after: str) -> Page:
    """Request a page, whose names are below `prefix` and greater than `after`.

    Raises:
        InvalidAnswer: The page is wrong.
        CallNotSupported: Its names do not show where the listing is.
    """
    query = {
        "list-type": "2",
        "encoding-type": "url",
        "max-keys": str(PAGE),
        "prefix": prefix,
        "delimiter": delimiter,
        **({"continuation-token": token} if token else {}),
    }
    # The client's own iterator follows empty pages forever.
    answer = client._execute("GET", bucket, query_params=dict(query))
    return read_page(answer.data, prefix, after)


def read_page(data: bytes, prefix: str, after: str) -> Page:
    """Read a page; raises what `list_page` raises."""
    try:
        root = ElementTree.fromstring(data)  # noqa: S314  (parsed strictly when it was received)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise InvalidAnswer(f"the listing is not XML: {error}") from None
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    encoded = root.findtext("EncodingType") == "url"
    objects = [_object(element, encoded, prefix) for element in root.iterfind("Contents")]
    folders = [_name(element, "Prefix", encoded, prefix) for element in root.iterfind("CommonPrefixes")]
    # An object with the name of the prefix is a folder marker of some client.
    end = max(
        _check_order([stored.key for stored in objects], prefix, after), _check_order(folders, prefix, after)
    )
    if len(objects) + len(folders) > PAGE:
        raise InvalidAnswer(f"a page of a listing has more than {PAGE} names")
    more = (root.findtext("IsTruncated") or "").lower() == "true"
    token = root.findtext("NextContinuationToken") or "" if more else ""
    if more and not (token and objects + folders):
        raise InvalidAnswer(
            "a page of a listing is not the last one, but has no names or no token of the next"
        )
    if more and end <= after:
        # Or a listing without an end would look like a long one.
        raise CallNotSupported(
            f"the store ignores encoding-type=url, and more than {PAGE} keys that begin with {after[:80]!r} "
            "have a control character next; rename or delete these objects"
        )
    return Page(objects, folders, token, end)


def _object(element: ElementTree.Element, encoded: bool, prefix: str) -> StoredObject:
    size, modified = element.findtext("Size") or "0", element.findtext("LastModified") or ""
    try:
        number, at = int(size[:20]), datetime.fromisoformat(modified)
    except ValueError:
        raise InvalidAnswer(f"an object has size {size[:20]!r}, modified at {modified[:40]!r}") from None
    if not 0 <= number <= MAX_OBJECT_BYTES:
        raise InvalidAnswer(f"an object has size {number}")
    return StoredObject(
        key=_name(element, "Key", encoded, prefix),
        size=number,
        etag=(element.findtext("ETag") or "")[:256].strip('"'),
        modified_at=at if at.tzinfo else at.replace(tzinfo=UTC),
    )


def _name(element: ElementTree.Element, tag: str, encoded: bool, prefix: str) -> str:
    text = element.findtext(tag) or ""
    raw = unquote_to_bytes(text.replace("+", " ")) if encoded else text.encode()
    if not raw or len(raw) > MAX_KEY_BYTES or 0 in raw:
        raise InvalidAnswer(f"it has the name {raw[:80]!r}, which no object can have")
    name = raw.decode(errors="replace")
    if not encoded and REPLACED in name and name.startswith(listed_as(prefix)):
        # The prefix is known.
        return prefix + name[len(prefix) :]
    return name


def _check_order(names: Iterable[str], prefix: str, after: str) -> str:
    """Names must be below the prefix, and each greater than the one before: so a listing ends.

    Returns:
        What all further names are greater than.
    """
    for name in names:
        if not name.startswith(prefix):
            raise InvalidAnswer(f"it lists {name[:80]!r}, which is not below {prefix!r}")
        known = known_part(name)
        if name <= after if known == name else known < after and not after.startswith(known):
            raise InvalidAnswer(f"it lists {name[:80]!r} after {after[:80]!r}, so it is not in order")
        after = max(after, known)
    return after
