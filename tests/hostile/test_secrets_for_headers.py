"""A user who may create ImageJobs names a Secret that they cannot read, and a web server of their own.

The operator reads the Secret for them, so it must be sure that the owner of the Secret wants it sent there.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import pytest

from fakes.build import PREFIX, job, spec, status
from fakes.memory_store import MemoryStore
from fakes.memory_web import MemoryWeb
from fakes.telemetry import CountingTelemetry
from imagejob_operator.adapters.kubernetes.secrets import KubeSecrets
from imagejob_operator.api.phase import Phase
from imagejob_operator.decision.operation import Stage, Staged
from imagejob_operator.operations.fresh_runs import FreshRuns
from imagejob_operator.operations.staging.download import Downloader
from imagejob_operator.operations.staging.stage import stage

ANNOTATION = "imagejob.dev/header-origins"
STORE_KEYS = {"access-key": "AKIAEXAMPLE", "secret-key": "wJalrXUtnFEMI"}
LOGIN = {"Authorization": "Bearer hidden"}
URL = "https://pictures.example/a.jpg"


class Server:
    """The API server, with one Secret in each namespace."""

    def __init__(self, data: Mapping[str, str], annotations: Mapping[str, str] | None) -> None:
        encoded = {name: base64.b64encode(value.encode()).decode() for name, value in data.items()}
        self.body = {"metadata": {"name": "keys", "annotations": annotations}, "data": encoded}

    async def request(self, verb: str, path: str) -> dict[str, Any]:
        return self.body


async def sent(
    url: str, data: Mapping[str, str], annotations: Mapping[str, str] | None, **more: Any
) -> Mapping[str, str]:
    """The headers that were sent to a URL."""
    web = MemoryWeb()
    await staged(web, url, data, annotations, **more)
    ((_, headers, _),) = web.asked
    return headers


async def staged(
    web: MemoryWeb, url: str, data: Mapping[str, str], annotations: Mapping[str, str] | None, **more: Any
) -> Staged:
    secrets: Any = KubeSecrets(Server(data, annotations))  # type: ignore[arg-type]
    of = job(
        status(Phase.STAGING),
        spec(source={"urls": [{"url": url, "headersSecretRef": {"name": "keys"}}]}),
    )
    downloader = Downloader(web, secrets, **more)
    return await stage(MemoryStore(), downloader, CountingTelemetry(), FreshRuns(), of, Stage(PREFIX))


async def refused(
    url: str, data: Mapping[str, str], annotations: Mapping[str, str] | None, **more: Any
) -> str:
    """Why a source was refused; it fails its item, at once, and shows nothing of the Secret."""
    web = MemoryWeb()
    [failure] = (await staged(web, url, data, annotations, **more)).failures
    assert failure.code == "IMG_011"
    assert web.asked == []
    assert not [word for pair in data.items() for word in pair if word in failure.message]
    return failure.message


async def test_the_keys_of_a_store_are_sent_to_no_web_server() -> None:
    """The operator may read `media-store` for an ImageStore; a job names it as its request headers."""
    text = await refused(URL, STORE_KEYS, None)
    assert "'keys'" in text
    assert ANNOTATION in text
    assert "https://pictures.example" in text


@pytest.mark.parametrize(
    "origins",
    [
        "",
        "*",
        "https://*",
        "https://*.example",
        "https://example",
        "pictures.example",
        "http://pictures.example",
        "https://pictures.example:8443",
        "https://pictures.example.evil.example",
        "https://evil.example/https://pictures.example",
        "https://evil.example https://pictures.example",
        "https://pictures.example/a/",
        "https://pictures.example?x",
        "https://pictures.example@evil.example",
    ],
)
async def test_another_origin_is_refused(origins: str) -> None:
    """Nothing but the exact origin counts: no wildcard, no part of a name, no other scheme or port."""
    text = await refused(URL, LOGIN, {ANNOTATION: origins})
    assert ANNOTATION in text
    assert "Authorization" not in text


@pytest.mark.parametrize(
    ("url", "origins"),
    [
        (URL, "https://pictures.example"),
        (URL, "https://PICTURES.example:443/"),
        (URL, "https://a.example.com, https://pictures.example"),
        ("https://pictures.example:8443/a.jpg", "https://pictures.example:8443"),
        ("http://[2001:db8::1]/a.jpg", "http://[2001:db8::1]"),
    ],
)
async def test_the_origins_that_the_annotation_names_get_the_headers(url: str, origins: str) -> None:
    """The owner of the Secret has agreed."""
    assert await sent(url, LOGIN, {ANNOTATION: origins}) == LOGIN


async def test_no_secret_of_the_operator_is_ever_sent() -> None:
    """In the operator's namespace even an annotated Secret is refused."""
    text = await refused(URL, LOGIN, {ANNOTATION: "https://pictures.example"}, own_namespace="shop")
    assert "operator's namespace" in text
