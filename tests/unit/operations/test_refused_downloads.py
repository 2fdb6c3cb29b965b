"""Why a source on a web server is not downloaded: code, reason, and a text that says what to do."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import pytest

from fakes.memory_web import MemorySecrets, MemoryWeb
from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.sources import SecretRef, UrlSource
from imagejob_operator.naming.names import HEADER_ORIGINS
from imagejob_operator.operations.failed import OperationFailed
from imagejob_operator.operations.staging.download import MAX_DOWNLOAD_BYTES, Downloader
from imagejob_operator.ports.downloads import FetchFailed
from imagejob_operator.ports.secrets import Secret, SecretUnreadable

URL = "https://pictures.example/a.jpg?token=secret"
WITH_HEADERS = UrlSource(URL, headers_secret_ref=SecretRef("web"))
WHERE = "spec.source.urls: headersSecretRef of https://pictures.example/a.jpg"
TOKEN = {"Authorization": "Bearer t"}
NOT_NAMED = (
    f"it may not be sent to https://pictures.example, because its annotation {HEADER_ORIGINS} does not name "
    "that origin; if it is meant to be, its owner can add https://pictures.example to the annotation"
)


class OneSecret:
    """The port Secrets with one answer."""

    def __init__(self, answer: Secret | Exception) -> None:
        self.answer = answer

    async def read(self, namespace: str, name: str) -> Secret:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def secret(data: Mapping[str, str], origins: str = "https://pictures.example") -> Secret:
    return Secret(data, {HEADER_ORIGINS: origins})


async def failed(answer: Secret | Exception, own_namespace: str = "") -> OperationFailed:
    web = MemoryWeb()
    fetching = Downloader(web, OneSecret(answer), own_namespace)
    with pytest.raises(OperationFailed) as caught:
        async with fetching.fetch("shop", WITH_HEADERS, 100):
            pass
    assert web.asked == [], "nothing is sent"
    return caught.value


@pytest.mark.parametrize(
    ("answer", "failure", "transient"),
    [
        (
            secret(TOKEN, "https://other.example"),
            Failure(Code.STAGING, Reason.ACCESS_DENIED, f"{WHERE}: the Secret 'web': {NOT_NAMED}"),
            False,
        ),
        (
            SecretUnreadable("there is no Secret 'web'"),
            Failure(Code.STAGING, Reason.ACCESS_DENIED, f"{WHERE}: there is no Secret 'web'"),
            True,
        ),
        (
            SecretUnreadable("no answer", answered=False),
            Failure(Code.STAGING, Reason.STAGING_DEADLINE_EXCEEDED, f"{WHERE}: no answer"),
            True,
        ),
        (
            secret({}),
            Failure(
                Code.CREATION,
                Reason.INVALID_SPEC,
                f"{WHERE}: the Secret 'web': it must have 1 to 16 keys, one per header, found 0",
            ),
            False,
        ),
    ],
    ids=["another-origin", "missing", "no-answer", "no-header"],
)
async def test_headers_that_cannot_be_used_fail_the_item(
    answer: Secret | Exception, failure: Failure, transient: bool
) -> None:
    error = await failed(answer)
    assert (error.failure, error.transient) == (failure, transient)


async def test_secrets_in_the_namespace_of_the_operator_are_never_sent() -> None:
    error = await failed(secret(TOKEN), own_namespace="shop")
    text = f"{WHERE}: the Secret 'web': it is in the operator's namespace; use another namespace"
    assert error.failure == Failure(Code.STAGING, Reason.ACCESS_DENIED, text)
    assert not error.transient


async def test_those_of_other_namespaces_are() -> None:
    web = MemoryWeb()
    fetching = Downloader(web, OneSecret(secret(TOKEN)), "operators")
    async with fetching.fetch("shop", WITH_HEADERS, MAX_DOWNLOAD_BYTES + 1) as data:
        assert data == f"bytes of {URL}".encode()
    assert web.asked == [(URL, TOKEN, 64 * 1024 * 1024)]


@pytest.mark.parametrize("transient", [True, False])
async def test_a_server_that_refuses_is_quoted(transient: bool) -> None:
    web = MemoryWeb()
    web.fail(URL, FetchFailed(Reason.SOURCE_UNREACHABLE, "HTTP 503", transient=transient))
    with pytest.raises(OperationFailed) as caught:
        async with Downloader(web, MemorySecrets()).fetch("shop", UrlSource(URL), 100):
            pass
    failure = Failure(Code.STAGING, Reason.SOURCE_UNREACHABLE, "spec.source.urls: HTTP 503")
    assert (caught.value.failure, caught.value.transient) == (failure, transient)


async def test_a_wrong_checksum_names_both_digests() -> None:
    web = MemoryWeb()
    found, wanted = (hashlib.sha256(data).hexdigest() for data in (f"bytes of {URL}".encode(), b"other"))
    with pytest.raises(OperationFailed) as caught:
        async with Downloader(web, MemorySecrets()).fetch("shop", UrlSource(URL, sha256=wanted), 100):
            pass
    text = (
        f"spec.source.urls: https://pictures.example/a.jpg has the SHA-256 digest {found}, but sha256 is "
        f"{wanted}; correct sha256, or use a URL that serves the expected file"
    )
    assert caught.value.failure == Failure(Code.STAGING, Reason.CHECKSUM_MISMATCH, text)
    assert not caught.value.transient
    assert web.open == 0
