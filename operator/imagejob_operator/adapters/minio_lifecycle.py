"""The bucket's own expiry of old staging: a rule of ours among the rules of others, which stay as they are.

The rules are merged as XML: the client's own model knows only a part of what a rule may say, and would
write the rules of others back without the rest.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import logging
import math
from datetime import timedelta
from xml.etree import ElementTree

import urllib3
from minio import Minio
from minio.error import InvalidResponseError, S3Error, ServerError

from imagejob_operator.adapters.minio_client import StoreAddress, connections
from imagejob_operator.adapters.minio_client import client as make_client
from imagejob_operator.core.spec import LONGEST_DEADLINE
from imagejob_operator.core.sweep import installation_prefix
from imagejob_operator.ports.credentials import CredentialSource
from imagejob_operator.ports.object_store import StoreDenied, StoreError, StoreUnavailable

log = logging.getLogger(__name__)

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
SHORTEST_DAYS = 7


class NotOffered(Exception):
    """The store has no lifecycle rules."""


def expiry_days(longest_deadline: timedelta = LONGEST_DEADLINE) -> int:
    """Days after which an object of staging is not needed by any run: longer than the longest deadline."""
    return max(SHORTEST_DAYS, math.ceil(longest_deadline / timedelta(days=1)) + 1)


async def expire_staging(
    address: StoreAddress, credentials: CredentialSource, installation: str, wanted: bool
) -> None:
    """Set the bucket's own rule. The sweeper does not rest on it, so that it fails is no reason to stop."""
    if not wanted:
        return
    try:
        new = await asyncio.to_thread(keep_expiry_rule, address, credentials, installation)
    except NotOffered as error:
        log.info("the store offers no lifecycle rules", extra={"answer": str(error)})
    except StoreError as error:
        log.warning("the lifecycle rule of staging cannot be set", extra={"error": str(error)})
    else:
        log.info("the lifecycle rule of staging %s", "was set" if new else "is as it should be")


def keep_expiry_rule(address: StoreAddress, credentials: CredentialSource, installation: str) -> bool:
    """Have the bucket expire what is left in the staging of an installation; whether that was new.

    Blocks: call it in a thread.

    Raises:
        NotOffered: if the store has no lifecycle rules.
        StoreError: if it refuses, or does not answer.
    """
    http = connections(address, 1)
    client = make_client(address, address.endpoint, credentials, http)
    try:
        before = _read(client, address.bucket)
        after = merged(before, installation, expiry_days())
        if after is None:
            return False
        _write(client, address.bucket, after)
    except S3Error as error:
        if error.code in ("NotImplemented", "MethodNotAllowed"):
            raise NotOffered(f"{error.code}: {error.message}") from error
        raise StoreDenied(f"{error.code}: {error.message}") from error
    except (ServerError, InvalidResponseError, urllib3.exceptions.HTTPError, OSError) as error:
        raise StoreUnavailable(f"the store gave no answer: {type(error).__name__}") from error
    finally:
        http.clear()
    return True


def merged(before: bytes | None, installation: str, days: int) -> bytes | None:
    """The bucket's rules with ours among them; None if it is there already.

    Args:
        before: the rules as the bucket has them, as XML; None if it has none.
        installation: whose staging expires.
        days: after how many days.
    """
    ElementTree.register_namespace("", NAMESPACE)
    name = f"imagejob-staging-{installation}"
    wanted = _rule(name, installation_prefix(installation), days)
    if before is None:
        root = ElementTree.Element(f"{{{NAMESPACE}}}LifecycleConfiguration")
    else:
        root = ElementTree.fromstring(before)  # noqa: S314  (our own store's answer, without entities)
    for rule in list(root):
        if _text(rule, "ID") != name:
            continue
        if _gist(rule) == _gist(wanted):
            return None
        root.remove(rule)
    root.append(wanted)
    return ElementTree.tostring(root)


def _rule(name: str, prefix: str, days: int) -> ElementTree.Element:
    rule = ElementTree.Element(f"{{{NAMESPACE}}}Rule")
    for path, text in (
        ("ID", name),
        ("Status", "Enabled"),
        ("Filter/Prefix", prefix),
        ("Expiration/Days", str(days)),
    ):
        place = rule
        for word in path.split("/"):
            place = ElementTree.SubElement(place, f"{{{NAMESPACE}}}{word}")
        place.text = text
    return rule


def _text(rule: ElementTree.Element, path: str) -> str:
    found = rule.find("/".join(f"{{*}}{word}" for word in path.split("/")))
    return (found.text or "").strip() if found is not None else ""


def _gist(rule: ElementTree.Element) -> tuple[str, ...]:
    return tuple(_text(rule, path) for path in ("ID", "Status", "Filter/Prefix", "Expiration/Days"))


def _read(client: Minio, bucket: str) -> bytes | None:
    try:
        data: bytes = client._execute("GET", bucket, query_params={"lifecycle": ""}).data
    except S3Error as error:
        if error.code == "NoSuchLifecycleConfiguration":
            return None
        raise
    return data


def _write(client: Minio, bucket: str, rules: bytes) -> None:
    digest = base64.b64encode(hashlib.md5(rules, usedforsecurity=False).digest()).decode()
    client._execute(
        "PUT", bucket, body=rules, headers={"Content-MD5": digest}, query_params={"lifecycle": ""}
    )
