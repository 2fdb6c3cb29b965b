"""Sources in the ImageJob itself."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from imagejob_operator.api.sources import InlineFile
from imagejob_operator.operations.concurrency import AT_ONCE
from imagejob_operator.operations.staging.staging_run import StagedObject, StagingRun
from imagejob_operator.ports.object_store import StoredObject


@dataclass(frozen=True, slots=True)
class InlineSource:
    """A file in the manifest of the job."""

    name: str
    data: bytes
    at_once: ClassVar[int] = AT_ONCE

    @property
    def identity(self) -> str:
        """The sha256 of its bytes."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def size(self) -> int:
        """Its size in bytes."""
        return len(self.data)

    async def stage(self, run: StagingRun, key: str, present: StoredObject | None) -> StagedObject:
        """Write it to the staging."""
        return await run.store.put(key, self.data, "application/octet-stream"), self.identity


def find_inline(files: Iterable[InlineFile]) -> list[InlineSource]:
    """The sources of `spec.source.inline`."""
    return [InlineSource(file.name, base64.b64decode(file.data)) for file in files]
