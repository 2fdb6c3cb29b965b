"""Scenarios with ImageStores: buckets of a namespace, with credentials that are created, changed, deleted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from chaos.arena import Arena
from chaos.interventions import SLOW
from chaos.living import Setup
from chaos.remote_stores import TENANT_PREFIX
from chaos.scenario import Scenario, Step
from chaos.steps import delete, gone, nothing_staged, phase, wait
from fakes.memory_stores import image_store
from imagejob_operator.api.imagejob import Key

MEDIA = {"storeRef": {"name": "media"}}
ARCHIVE = {"destination": {"prefix": "out/", "storeRef": {"name": "archive"}}}


def bucket(arena: Arena, name: str) -> Any:
    """A bucket and the ImageStore of it."""
    arena.stores.bucket(name, "key")
    arena.stores.secret_of("key")
    uid = str(uuid5(NAMESPACE_OID, name))
    arena.stores.declare(image_store(name, uid=uid, bucket=name, prefix=TENANT_PREFIX))
    return arena.stores.bucket(name).store


def with_stores(*names: str) -> Callable[[Arena], None]:
    """ImageStores that exist from the start; the first one has the sources."""

    def prepare(arena: Arena) -> None:
        for name in names:
            store = bucket(arena, name)
            store.set(f"{TENANT_PREFIX}uploads/a.jpg", b"aaa", "image/any")
            store.set(f"{TENANT_PREFIX}uploads/b.png", b"bb", "image/any")

    return prepare


def without_secret(arena: Arena) -> None:
    """An ImageStore whose Secret is never created."""
    bucket(arena, "media")
    arena.stores.secrets.clear()


def not_ready(arena: Arena) -> bool:
    """When the job is Pending and its ImageStore is not ready."""
    ready = (status.conditions[0].status for status in arena.stores.statuses.values())
    return phase("Pending")(arena) and "False" in ready


def rotated(arena: Arena) -> None:
    """The Secret has new credentials, and the old ones are invalid."""
    media = arena.stores.bucket("media", "new")
    arena.stores.secret_of("new")
    media.keys.discard(("key", "secret-of-key"))


def taken_away(arena: Arena) -> None:
    """ImageStore and Secret are deleted before the job, and the operator with the credentials has ended."""
    arena.stores.remove(Key("shop", "media"))
    arena.stores.secrets.clear()
    arena.away(1)
    delete(arena)


def created_again(arena: Arena) -> None:
    """Another ImageStore of the same bucket."""
    arena.stores.secret_of("key")
    arena.stores.declare(
        image_store("media", uid=str(uuid5(NAMESPACE_OID, "another")), bucket="media", prefix=TENANT_PREFIX)
    )


TENANTS: tuple[Scenario, ...] = (
    Scenario(
        "in a store of the namespace",
        MEDIA,
        prepare=with_stores("media"),
        tenants=True,
    ),
    Scenario(
        "from one store to another",
        {**MEDIA, **ARCHIVE},
        prepare=with_stores("media", "archive"),
        tenants=True,
    ),
    Scenario(
        "from the operator's store to one of the namespace",
        ARCHIVE,
        prepare=with_stores("archive"),
        tenants=True,
    ),
    Scenario(
        "the store comes late",
        MEDIA,
        steps=[Step(lambda arena: arena.now > 20, with_stores("media"))],
        tenants=True,
    ),
    Scenario("the store never comes", MEDIA, tenants=True),
    Scenario(
        "deleted in Pending",
        MEDIA,
        prepare=without_secret,
        steps=[Step(not_ready, delete), wait(gone)],
        tenants=True,
    ),
    Scenario(
        "credentials are rotated in Running",
        MEDIA,
        prepare=with_stores("media"),
        script=SLOW,
        steps=[Step(phase("Running"), rotated)],
        tenants=True,
    ),
    Scenario(
        "store and Secret are gone before the job",
        MEDIA,
        prepare=with_stores("media"),
        script=SLOW,
        steps=[Step(phase("Running"), taken_away), Step(gone, created_again), wait(nothing_staged)],
        setup=Setup(sweeps=True),
        tenants=True,
    ),
)
