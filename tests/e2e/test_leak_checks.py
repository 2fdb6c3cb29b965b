"""The checks for what is left behind can fail: each is shown something that was put there."""

from __future__ import annotations

from io import BytesIO

import pytest

from e2e.world import Shop


def test_a_planted_object_is_found(shop: Shop) -> None:
    store = shop.world.store
    key = f"{shop.world.own_staging()}{shop.name}/some-uid/1-1/in/000000"
    shop.upload("x", b"x")
    assert shop.leaks() == []
    store.client.put_object(store.bucket, key, BytesIO(b"x"), 1)
    try:
        assert shop.leaks() == [f"staging object {key}"]
        with pytest.raises(AssertionError, match="some-uid"):
            shop.await_clean(seconds=0.2)
    finally:
        store.client.remove_object(store.bucket, key)
    assert shop.leaks() == []


def test_a_planted_pod_and_secret_are_found(shop: Shop) -> None:
    core = shop.world.core
    core.create_namespaced_secret(shop.name, {"metadata": {"name": "planted"}})
    assert shop.leaks() == ["secret planted"]
    core.delete_namespaced_secret("planted", shop.name)
    body = {
        "metadata": {"name": "planted"},
        "spec": {
            "nodeSelector": {"no": "such-node"},
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [
                {
                    "name": "c",
                    "image": "localhost/none:dev",
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "capabilities": {"drop": ["ALL"]},
                    },
                }
            ],
        },
    }
    core.create_namespaced_pod(shop.name, body)
    assert shop.leaks() == ["pod planted"]
    core.delete_namespaced_pod("planted", shop.name, grace_period_seconds=0)
    shop.await_clean()


def test_a_planted_key_and_signature_are_found(shop: Shop) -> None:
    key = next(iter(shop.world.hidden))
    data = {"key": f"the key is {key}", "url": "http://store/x?X-Amz-Signature=1"}
    shop.world.core.create_namespaced_config_map(shop.name, {"metadata": {"name": "planted"}, "data": data})
    assert len(shop.revealed()) == 2
    assert not any(key in found for found in shop.revealed()), "it must not be shown by the test either"
    shop.world.core.delete_namespaced_config_map("planted", shop.name)
    assert shop.revealed() == []


def test_a_write_is_counted(shop: Shop) -> None:
    audit = shop.world.audit
    since = audit.mark()
    shop.world.core.create_namespaced_config_map(shop.name, {"metadata": {"name": "planted"}})
    found = [w for w in audit.writes(since, user="", namespace=shop.name) if w.name == "planted"]
    assert [(w.verb, w.resource, w.code) for w in found] == [("create", "configmaps", 201)]
    assert audit.writes(audit.mark(), user="") == []
