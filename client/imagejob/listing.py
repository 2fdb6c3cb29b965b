"""The objects below a prefix, page by page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from minio import Minio
from minio.datatypes import Object, parse_list_objects
from minio.helpers import check_bucket_name
from urllib3 import BaseHTTPResponse

from imagejob_operator.naming.listed_keys import known_part, valid_xml


@dataclass(frozen=True)
class _Answer:
    """What `parse_list_objects` reads of an answer."""

    data: bytes


def list_objects(client: Minio, bucket: str, prefix: str) -> Iterator[Object]:
    """The objects by key; see `listed_keys`.

    Raises:
        ValueError: The store does not go on: a page that is not the last one has no key after those before.
    """
    check_bucket_name(bucket)
    query = {"list-type": "2", "encoding-type": "url", "max-keys": "1000", "prefix": prefix, "delimiter": ""}
    last = ""
    while True:
        # Minio.list_objects never ends if the store keeps returning the same page.
        answer = client._execute("GET", bucket, query_params=dict(query))
        objects, more, token, _ = parse_list_objects(
            cast("BaseHTTPResponse", _Answer(valid_xml(answer.data)))
        )
        yield from objects
        if not more:
            return
        end = max((known_part(str(found.object_name)) for found in objects), default="")
        if not token or end <= last:
            raise ValueError(
                f"its listing does not end: after {last!r}, a page has no further key and says that more "
                "follow; report it to the administrator of the store"
            )
        last, query["continuation-token"] = end, token
