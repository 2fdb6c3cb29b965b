"""Kopf stores nothing on objects, and drains the operator when it stops."""

from __future__ import annotations

from typing import Any

import kopf

from imagejob_operator.handlers.kopf_settings import LIST_PAGE, register_process
from imagejob_operator.naming.names import FINALIZER, LABEL_INSTALLATION


async def test_settings_login_and_cleanup() -> None:
    registry, drained = kopf.OperatorRegistry(), list[bool]()
    session: Any = object()

    async def drain() -> None:
        drained.append(True)

    register_process(registry, lambda: session, "blue", drain)
    handlers: dict[str, Any] = {handler.id: handler.fn for handler in registry._activities.get_all_handlers()}
    settings = kopf.OperatorSettings()
    await handlers["configure"](settings=settings)
    assert settings.persistence.finalizer != FINALIZER
    assert settings.watching.chunk_size == LIST_PAGE
    assert settings.watching.label_selectors["", "v1", "pods"] == f"{LABEL_INSTALLATION}=blue"
    body = kopf.Body({"spec": {"a": 1}})
    assert settings.persistence.diffbase_storage.build(body=body) == {}
    assert settings.persistence.diffbase_storage.fetch(body=body) is None
    assert settings.persistence.progress_storage.fetch(key="k", body=body) is None
    assert await handlers["login"]() is session
    await handlers["drain"]()
    assert drained == [True]
