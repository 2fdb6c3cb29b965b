"""A token for temporary credentials of a real server, at a token service that really verifies the token."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from minio import Minio, MinioAdmin
from minio.credentials.providers import AssumeRoleProvider, StaticProvider

from imagejob_operator.adapters.s3.store import S3Store
from imagejob_operator.adapters.s3.web_identity import exchange
from imagejob_operator.api.imagestore import WebIdentity
from imagejob_operator.api.imagestore_status import StoreReason
from imagejob_operator.api.store_location import StoreLocation
from imagejob_operator.ports.imagestores import NotUsable
from imagejob_operator.ports.object_store import StoreDenied
from s3_servers.servers import S3Server

pytestmark = [pytest.mark.store, pytest.mark.parametrize("s3", ["minio"], indirect=True)]

KEY = b"the key of the cluster's issuer"
SUBJECT = "system:serviceaccount:shop:robot"
AUDIENCE = "sts.amazonaws.com"
ERROR = "<ErrorResponse><Error><Code>{}</Code><Message>{}</Message></Error></ErrorResponse>"
ANSWER = """
<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<AssumeRoleWithWebIdentityResult><Credentials>
<AccessKeyId>{}</AccessKeyId><SecretAccessKey>{}</SecretAccessKey>
<SessionToken>{}</SessionToken><Expiration>{}</Expiration>
</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>
"""


def _part(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(key: bytes = KEY, **claims: Any) -> str:
    """A signed token, as the API server makes them."""
    body = {"sub": SUBJECT, "aud": [AUDIENCE], "exp": time.time() + 600, **claims}
    head = _part(json.dumps({"alg": "HS256"}).encode()) + "." + _part(json.dumps(body).encode())
    return f"{head}.{_part(hmac.new(key, head.encode(), hashlib.sha256).digest())}"


def objection(found: str) -> str:
    """Why a token is no good; empty if it is."""
    try:
        head, _, signature = found.rpartition(".")
        claims = json.loads(base64.urlsafe_b64decode(head.split(".")[1] + "=="))
    except (ValueError, IndexError):
        return "it is no token"
    if not hmac.compare_digest(_part(hmac.new(KEY, head.encode(), hashlib.sha256).digest()), signature):
        return "its signature is wrong"
    if claims["exp"] < time.time():
        return "it has expired"
    return "" if claims["sub"] == SUBJECT and AUDIENCE in claims["aud"] else "it is not for this role"


class TokenService:
    """A stand-in for a security token service; what it issues is the store's own temporary credentials."""

    def __init__(self, issue: AssumeRoleProvider) -> None:
        outer = self
        self.broken: tuple[int, str] | None = None

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                status, text = outer.broken or outer.answer(form)
                self.send_response(status)
                self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        self._issue = issue
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.endpoint = f"127.0.0.1:{self.server.server_port}"

    def answer(self, form: dict[str, list[str]]) -> tuple[int, str]:
        if form["Action"] != ["AssumeRoleWithWebIdentity"] or form["Version"] != ["2011-06-15"]:
            return 400, ERROR.format("InvalidAction", "no such action")
        if why := objection(form["WebIdentityToken"][0]):
            return 403, ERROR.format("AccessDenied", why)
        issued = self._issue.retrieve()
        until = f"{issued.expiration.isoformat(timespec='seconds')}Z" if issued.expiration else ""
        return 200, ANSWER.format(issued.access_key, issued.secret_key, issued.session_token, until)


@pytest.fixture
def service(s3: S3Server) -> Iterator[TokenService]:
    admin = MinioAdmin(
        endpoint=s3.endpoint, credentials=StaticProvider(s3.access_key, s3.secret_key), secure=False
    )
    user, secret = f"robot-{uuid.uuid4().hex[:8]}", uuid.uuid4().hex
    admin.user_add(user, secret)
    admin.policy_set("readwrite", user=user)
    url = f"http://{s3.endpoint}"
    issue = AssumeRoleProvider(sts_endpoint=url, access_key=user, secret_key=secret, region="us-east-1")
    made = TokenService(issue)
    yield made
    made.server.shutdown()
    made.server.server_close()


def identity(service: TokenService) -> WebIdentity:
    return WebIdentity(service_account_name="robot", endpoint=service.endpoint)


async def test_a_token_gives_credentials_that_the_store_knows(s3: S3Server, service: TokenService) -> None:
    bucket = f"web-{uuid.uuid4().hex[:8]}"
    Minio(s3.endpoint, access_key=s3.access_key, secret_key=s3.secret_key, secure=False).make_bucket(bucket)
    credentials = await exchange(identity(service), token(), False, "")
    assert credentials.session_token
    assert credentials.expires_at
    left = credentials.expires_at - datetime.now(UTC)
    assert timedelta(minutes=50) < left <= timedelta(minutes=61)
    store = S3Store(StoreLocation(s3.endpoint, bucket, secure=False), lambda: credentials)
    try:
        await store.put("a", b"x", "text/plain")
        assert await store.read("a", 1) == b"x"
        signed = parse_qs(urlsplit(store.sign_get("a", timedelta(days=5))).query)
        assert int(signed["X-Amz-Expires"][0]) <= left.total_seconds()
    finally:
        store.close()
    wrong = S3Store(
        StoreLocation(s3.endpoint, bucket, secure=False),
        lambda: type(credentials)(credentials.access_key, credentials.secret_key, "another session"),
    )
    with pytest.raises(StoreDenied):
        await wrong.read("a", 1)
    wrong.close()


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (token(key=b"somebody else's"), "its signature is wrong"),
        (token(sub="system:serviceaccount:other:robot"), "it is not for this role"),
        (token(aud=["vault"]), "it is not for this role"),
        (token(exp=0), "it has expired"),
        ("garbage", "it is no token"),
    ],
)
async def test_a_token_that_is_no_good_is_refused(
    s3: S3Server, service: TokenService, bad: str, why: str
) -> None:
    with pytest.raises(NotUsable, match=why) as caught:
        await exchange(identity(service), bad, False, "")
    assert caught.value.reason is StoreReason.IDENTITY_REFUSED
    assert bad not in str(caught.value)


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ((503, ""), StoreReason.UNREACHABLE),
        ((200, "<html>"), StoreReason.IDENTITY_REFUSED),
        ((200, ANSWER.format("", "", "", "yesterday")), StoreReason.IDENTITY_REFUSED),
        ((302, ""), StoreReason.IDENTITY_REFUSED),
    ],
)
async def test_a_service_that_does_not_answer_as_it_should(
    s3: S3Server, service: TokenService, broken: tuple[int, str], reason: StoreReason
) -> None:
    service.broken = broken
    with pytest.raises(NotUsable) as caught:
        await exchange(identity(service), token(), False, "")
    assert caught.value.reason is reason


async def test_a_service_that_is_away(s3: S3Server) -> None:
    away = WebIdentity(service_account_name="robot", endpoint="127.0.0.1:9")
    with pytest.raises(NotUsable, match="did not respond") as caught:
        await exchange(away, token(), False, "")
    assert caught.value.reason is StoreReason.UNREACHABLE
