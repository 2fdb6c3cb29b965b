"""Exchanges a token for temporary credentials by AssumeRoleWithWebIdentity, on AWS and MinIO."""

from __future__ import annotations

import asyncio
from datetime import datetime
from urllib.parse import urlencode

import urllib3

from imagejob_operator.adapters.s3.connections import BoundedPool, trusted
from imagejob_operator.adapters.s3.deadline import deadline
from imagejob_operator.adapters.s3.xml import InvalidAnswer, parse_xml
from imagejob_operator.api.errors import bounded
from imagejob_operator.api.imagestore import WebIdentity
from imagejob_operator.api.imagestore_status import StoreReason
from imagejob_operator.fairness import FairExecutor
from imagejob_operator.ports.credentials import Credentials
from imagejob_operator.ports.imagestores import NotUsable

LIFETIME = 3600
"""Requested seconds."""
MAX_FIELD = 16 * 1024
"""Characters of a key or a session token."""
_THREADS = FairExecutor("token_exchanges", 32)
"""As many as ImageStores are checked at the same time. Operations compute in other threads."""
_NAMESPACE = "{https://sts.amazonaws.com/doc/2011-06-15/}"


async def exchange(identity: WebIdentity, token: str, secure: bool, ca_bundle: str) -> Credentials:
    """See the port."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_THREADS, _exchange, identity, token, secure, ca_bundle)


def _exchange(identity: WebIdentity, token: str, secure: bool, ca_bundle: str) -> Credentials:
    form = {
        "Action": "AssumeRoleWithWebIdentity",
        "Version": "2011-06-15",
        "WebIdentityToken": token,
        "RoleSessionName": "imagejob-operator",
        "DurationSeconds": str(LIFETIME),
        **({"RoleArn": identity.role_arn} if identity.role_arn else {}),
    }
    url = f"{'https' if secure else 'http'}://{identity.endpoint}/"
    try:
        context = trusted(secure, ca_bundle)
    except ValueError as error:
        raise NotUsable(StoreReason.CA_BUNDLE_INVALID, f"spec.tls: {error}") from None
    http = BoundedPool(1, context)
    try:
        with deadline():
            response = http.request(
                "POST",
                url,
                body=urlencode(form),
                headers={"Content-Type": "application/x-www-form-urlencoded"},
            )
    except InvalidAnswer as error:
        text = f"{identity.endpoint} returned a response that cannot be used: {error}"
        raise NotUsable(StoreReason.IDENTITY_REFUSED, bounded(text, 500)) from None
    except (urllib3.exceptions.HTTPError, OSError) as error:
        text = f"{identity.endpoint} did not respond: {type(error).__name__}"
        raise NotUsable(StoreReason.UNREACHABLE, text) from None
    finally:
        http.clear()
    if response.status >= 500:
        raise NotUsable(StoreReason.UNREACHABLE, f"{identity.endpoint} returned HTTP {response.status}")
    if response.status != 200:
        text = f"{identity.endpoint} rejected the token: HTTP {response.status} {_error_text(response.data)}"
        raise NotUsable(StoreReason.IDENTITY_REFUSED, bounded(text, 500))
    return _read(identity, response.data)


def _error_text(body: bytes) -> str:
    """Code and message of an error, in any XML namespace."""
    try:
        elements = list(parse_xml(body).iter())
    except InvalidAnswer:
        return ""
    found = {e.tag.rpartition("}")[2]: e.text or "" for e in elements}
    return f"{found.get('Code', '')}: {found.get('Message', '')}"


def _read(identity: WebIdentity, body: bytes) -> Credentials:
    try:
        found = parse_xml(body).find(f".//{_NAMESPACE}Credentials")
        assert found is not None  # noqa: S101  (handled below)
        fields = {e.tag.removeprefix(_NAMESPACE): e.text or "" for e in found}
        until = datetime.fromisoformat(fields["Expiration"].replace("Z", "+00:00"))
        if until.tzinfo is None or max(map(len, fields.values())) > MAX_FIELD:
            raise ValueError(until)
        return Credentials(fields["AccessKeyId"], fields["SecretAccessKey"], fields["SessionToken"], until)
    except (InvalidAnswer, AssertionError, KeyError, ValueError):
        text = f"{identity.endpoint} returned a response without credentials"
        raise NotUsable(StoreReason.IDENTITY_REFUSED, text) from None
