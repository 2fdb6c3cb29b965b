"""A tenant with its own bucket, a user who may use only that bucket, and an ImageStore.

Only the shipped MinIO has users; at another server the tenant has the keys of the operator.
"""

from __future__ import annotations

import contextlib
import io
import uuid
from typing import Any

from minio import MinioAdmin
from minio.credentials.providers import StaticProvider
from minio.deleteobjects import DeleteObject
from minio.error import MinioException

from demo.stack import NAMESPACE, OPERATOR, STORE, store_keys
from e2e.world import GROUP, STORES, VERSION, Shop, until

SHIPPED = f"{STORE}.{NAMESPACE}.svc.cluster.local:9000"


class Tenant:
    """A tenant's bucket, credentials and ImageStore."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.bucket = f"own-{shop.name}"
        self.access = f"user-{uuid.uuid4().hex[:8]}"
        self.secret = uuid.uuid4().hex
        self._client = shop.world.store.client
        self._users: list[str] = []
        self._client.make_bucket(self.bucket)
        if shop.world.store_endpoint:
            self.access, self.secret = store_keys(shop.world.kubectl)
        else:
            self._admin = _admin(shop)
            self._grant()
        shop.buckets.append(self.bucket)

    def _grant(self) -> None:
        own = [f"arn:aws:s3:::{self.bucket}", f"arn:aws:s3:::{self.bucket}/*"]
        policy = {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": ["s3:*"], "Resource": own}],
        }
        self._admin.policy_add(self.bucket, policy=policy)
        self._admin.user_add(self.access, self.secret)
        self._admin.policy_set(self.bucket, user=self.access)
        self._users.append(self.access)

    def upload(self, key: str, data: bytes) -> None:
        """Put a source into the tenant's bucket."""
        self._client.put_object(self.bucket, key, io.BytesIO(data), len(data))

    def declare(self, name: str = "media", role: bool = True, **spec: Any) -> None:
        """Apply Secret, Role and ImageStore, as a tenant does."""
        self.keep_secret()
        if role:
            self.permit()
        self.apply(name, **spec)

    def apply(self, name: str = "media", **spec: Any) -> None:
        """Apply the ImageStore."""
        self.shop.world.apply(self.manifest(name, **spec), self.shop.name)

    def manifest(self, name: str = "media", **spec: Any) -> dict[str, Any]:
        """The ImageStore of the tenant's bucket."""
        wanted = {
            "endpoint": self.shop.world.store_endpoint or SHIPPED,
            "tls": {"mode": "Disabled"},
            "bucket": self.bucket,
            "auth": {"secretRef": {"name": "keys"}},
            **spec,
        }
        return {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": "ImageStore",
            "metadata": {"name": name},
            "spec": wanted,
        }

    def keep_secret(self) -> None:
        """The Secret with the current credentials."""
        self.shop.world.apply(self.credentials(), self.shop.name)

    def credentials(self) -> dict[str, Any]:
        """The manifest of this Secret."""
        data = {"access-key": self.access, "secret-key": self.secret}
        self.shop.own_secrets.add("keys")
        self.shop.world.hidden.add(self.secret)
        return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}, "stringData": data}

    def permit(self) -> None:
        """Let the operator read this Secret only."""
        for body in self.permission():
            self.shop.world.apply(body, self.shop.name)

    def permission(self) -> list[dict[str, Any]]:
        """The manifests of this permission."""
        api = "rbac.authorization.k8s.io"
        rule = {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["keys"], "verbs": ["get"]}
        meta = {"name": "imagejob-store"}
        subject = {"kind": "ServiceAccount", "name": OPERATOR, "namespace": NAMESPACE}
        reference = {"apiGroup": api, "kind": "Role", "name": "imagejob-store"}
        return [
            {"apiVersion": f"{api}/v1", "kind": "Role", "metadata": meta, "rules": [rule]},
            {
                "apiVersion": f"{api}/v1",
                "kind": "RoleBinding",
                "metadata": meta,
                "roleRef": reference,
                "subjects": [subject],
            },
        ]

    def reason(self, name: str = "media") -> str:
        """The readiness of the ImageStore."""
        found = self.shop.world.objects.get_namespaced_custom_object(
            GROUP, VERSION, self.shop.name, STORES, name
        )
        conditions = found.get("status", {}).get("conditions", [])
        return next((c["reason"] for c in conditions if c["type"] == "Ready"), "")

    def await_reason(self, wanted: str, name: str = "media", seconds: float = 30) -> None:
        """Wait for a condition of the ImageStore."""
        until(f"{name} is {wanted}", lambda: self.reason(name) == wanted, seconds, lambda: self.reason(name))

    def rotate(self) -> None:
        """Rotate the credentials; the old ones become invalid."""
        old = self.access
        self.access, self.secret = f"user-{uuid.uuid4().hex[:8]}", uuid.uuid4().hex
        self._grant()
        self.keep_secret()
        self._admin.user_remove(old)
        self._users.remove(old)

    def revoke(self) -> None:
        """Revoke the credentials."""
        self._admin.user_disable(self.access)

    def keys(self, prefix: str = "") -> list[str]:
        """The keys in the tenant's bucket."""
        listing = self._client.list_objects(self.bucket, prefix=prefix, recursive=True)
        return [found.object_name or "" for found in listing]

    def close(self) -> None:
        """Delete everything of the tenant."""
        orders = [DeleteObject(key) for key in self.keys()]
        assert not list(self._client.remove_objects(self.bucket, iter(orders)))
        self._client.remove_bucket(self.bucket)
        self.shop.buckets.remove(self.bucket)
        for user in self._users:
            with contextlib.suppress(MinioException):
                self._admin.user_remove(user)


def _admin(shop: Shop) -> MinioAdmin:
    """The administrator of the demo's MinIO, at the address at which the store is reached."""
    endpoint = shop.world.store.client._base_url.host  # the library has no other way to ask
    keys = store_keys(shop.world.kubectl)
    return MinioAdmin(endpoint=endpoint, credentials=StaticProvider(*keys), secure=False)
