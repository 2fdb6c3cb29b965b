"""What a run may access: see the ports Stores and Secrets."""

from __future__ import annotations

from collections.abc import Mapping

from imagejob_local.folder import STAGING
from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.naming.prefixes import namespace_prefix, reports_folder
from imagejob_operator.ports.object_store import ObjectStore
from imagejob_operator.ports.secrets import Secret, SecretUnreadable
from imagejob_operator.stores.scoped_store import Part, ScopedStore


class OneStore:
    """The folder is the namespace's part of the store: the user's key `a/b.jpg` is the object `a/b.jpg`."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    async def of(self, job: ImageJob) -> ObjectStore:
        """See the port."""
        namespace = job.key.namespace
        own = [Part(root, self._store, root) for root in (STAGING, reports_folder(namespace))]
        return ScopedStore([*own, Part(namespace_prefix(namespace), self._store, "")])

    def ca_bundle(self, job: ImageJob) -> str:
        """See the port; Pods use plain HTTP on the loopback interface."""
        return ""


class FileSecrets:
    """The Secrets in the file of the ImageJob."""

    def __init__(self, secrets: Mapping[str, Secret]) -> None:
        self._secrets = secrets

    async def read(self, namespace: str, name: str) -> Secret:
        """See the port."""
        if name not in self._secrets:
            raise SecretUnreadable(f"there is no Secret {name!r} in the file of the ImageJob")
        return self._secrets[name]
