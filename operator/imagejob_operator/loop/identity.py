"""The owner object of an installation, renewed by conditional writes: nobody sweeps a stranger's staging."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import msgspec

from imagejob_operator.core.ownership import (
    MAX_RECORD_BYTES,
    Claim,
    Identity,
    OwnerRecord,
    Standing,
    claim,
    first_claim,
    owner_key,
    read_record,
)
from imagejob_operator.ports.object_store import (
    Gate,
    Halted,
    ObjectChanged,
    ObjectMissing,
    ObjectStore,
    always_open,
)

log = logging.getLogger(__name__)

TRIES = 3
"""How often a claim is made anew when somebody else wrote in between."""


@dataclass(frozen=True, slots=True)
class Renewal:
    """What a renewal came to."""

    standing: Standing
    clock: datetime | None
    """The time by the store's own clock; None if nothing was written, so that nobody asked it."""


class OwnerGuard:
    """Renews the owner object for one process."""

    def __init__(
        self,
        store: ObjectStore,
        installation: str,
        instance: str,
        clock: Callable[[], datetime],
        gate: Gate = always_open,
    ) -> None:
        self._store = store
        self._key = owner_key(installation)
        self._instance = instance
        self._clock = clock
        self._gate = gate
        self._held = False
        self._etag = ""

    async def renew(self, cluster: str) -> Renewal:
        """Renew the object, take it over, or write down that it is contested.

        Raises:
            StoreError: when the store fails, or others keep writing in between.
            Halted: another replica is in charge now, and it is no stranger that was found.
        """
        me = Identity(cluster, self._instance)
        for _ in range(TRIES - 1):
            try:
                return await self._renew(me)
            except ObjectChanged:
                log.info("the owner object was written by somebody else in between, looking again")
        return await self._renew(me)

    async def still_held(self) -> bool:
        """Whether nobody has written the object since it was renewed.

        Raises:
            StoreError: when the store fails.
        """
        try:
            return (await self._store.stat(self._key)).etag == self._etag
        except ObjectMissing:
            return False

    def let_go(self) -> None:
        """Somebody else of ours is in charge now, and renews the object by right."""
        self._held = False

    async def _renew(self, me: Identity) -> Renewal:
        wanted, etag = await self._look(me)
        if not self._gate():
            raise Halted("somebody else is in charge now")
        if wanted.write is None:
            return Renewal(wanted.standing, None)
        data = msgspec.json.encode(wanted.write)
        if etag:
            written = await self._store.put_if_match(self._key, data, etag, "application/json")
        elif not await self._store.put_if_absent(self._key, data, "application/json"):
            raise ObjectChanged(f"{self._key} was written by somebody else")
        else:
            written = ""
        seen = await self._store.stat(self._key)
        if written and seen.etag != written:
            raise ObjectChanged(f"{self._key} was written by somebody else")
        self._etag = seen.etag
        if wanted.standing is not Standing.SHARED:
            self._held = True
        return Renewal(wanted.standing, seen.modified_at)

    async def _look(self, me: Identity) -> tuple[Claim, str]:
        try:
            etag = (await self._store.stat(self._key)).etag
            # If it is written between the two calls, the conditional write will find out.
            found = read_record(await self._store.read(self._key, MAX_RECORD_BYTES))
        except ObjectMissing:
            return first_claim(me, self._clock()), ""
        wanted = claim(found, me, self._held, self._clock())
        if wanted.standing is Standing.SHARED:
            self._complain(found, me)
        return wanted, etag

    def _complain(self, found: OwnerRecord | None, me: Identity) -> None:
        log.error(
            "somebody else uses the name of this installation on this bucket: the sweeper only reports until "
            "one of the two has another IMAGEJOB_INSTALLATION and the owner object is deleted",
            extra={
                "object": self._key,
                "found": msgspec.json.encode(found).decode() if found else "not readable",
                "cluster": me.cluster,
            },
        )
