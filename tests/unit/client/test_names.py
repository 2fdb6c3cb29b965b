"""No name changes which object a request is about."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fakes.transport import FakeTransport
from imagejob import Client, Invalid

BAD = [
    "",
    "../pods/victim",
    "a/b",
    "a?dryRun=All",
    "a#b",
    "a b",
    ".",
    "..",
    "A",
    "-a",
    "a-",
    "a\n",
    "é",
    "a" * 254,
]

USES: dict[str, Callable[[Client, str], object]] = {
    "get": lambda client, name: client.get(name),
    "delete": lambda client, name: client.delete(name),
    "patch": lambda client, name: client.patch(name, {}),
    "cancel": lambda client, name: client.cancel(name),
    "suspend": lambda client, name: client.suspend(name),
    "retry": lambda client, name: client.retry(name),
    "watch": lambda client, name: next(client.watch(name)),
    "pods": lambda client, name: client.pods(name),
    "log": lambda client, name: next(client.log(name)),
    "namespace of get": lambda client, name: client.get("a", name or "x/y"),
    "namespace of list": lambda client, name: client.list(name or "x/y"),
    "namespace of submit": lambda client, name: client.submit(
        {"apiVersion": "imagejob.dev/v1alpha1", "kind": "ImageJob", "metadata": {"name": "a"}}, name or "x/y"
    ),
    "default namespace": lambda client, name: Client(client.transport, name),
}


class Nothing(FakeTransport):
    """Fails at any request."""

    def request(self, *given: object, **more: object) -> dict[str, object]:  # type: ignore[override]
        raise AssertionError(f"requested: {given}")

    lines = request  # type: ignore[assignment]


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("use", USES)
def test_a_name_that_no_object_has_is_never_sent(use: str, name: str) -> None:
    with pytest.raises(Invalid, match="is no name of"):
        USES[use](Client(Nothing()), name)


@pytest.mark.parametrize("name", ["a", "0", "a.b-c", "a" * 253])
def test_a_name_that_an_object_may_have_is_sent(name: str) -> None:
    with pytest.raises(AssertionError, match="requested"):
        Client(Nothing()).delete(name)
