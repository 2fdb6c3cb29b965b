"""Which namespaces may use the operator's store: without a setting, only those with the label."""

from __future__ import annotations

import pytest

from fakes.build import job
from fakes.clock import ManualClock
from imagejob_operator.controller.store_access import StoreAccess
from imagejob_operator.environment import InvalidSettings
from imagejob_operator.settings import read_settings
from unit.adapters.test_store_settings import ENVIRONMENT

VARIABLE = "IMAGEJOB_NAMESPACE_SELECTOR"


class Namespaces:
    """Every namespace has these labels."""

    def __init__(self, **labels: str) -> None:
        self._labels = labels

    async def namespace_labels(self, namespace: str) -> dict[str, str]:
        return self._labels


async def admitted(setting: str | None, labels: dict[str, str]) -> bool:
    environment = ENVIRONMENT if setting is None else {**ENVIRONMENT, VARIABLE: setting}
    selector = read_settings(environment).namespace_selector
    access = StoreAccess(Namespaces(**labels), selector, ManualClock())  # type: ignore[arg-type]
    answer = await access.admission(job())
    assert answer is not None
    return answer.admitted


@pytest.mark.parametrize("setting", [None, "", " "], ids=["unset", "empty", "blank"])
async def test_without_a_selector_the_store_is_closed(setting: str | None) -> None:
    assert not await admitted(setting, {})
    assert not await admitted(setting, {"imagejob.dev/store": "other"})
    assert await admitted(setting, {"imagejob.dev/store": "default"})


async def test_every_namespace_is_admitted_only_explicitly() -> None:
    assert await admitted("*", {})


async def test_all_labels_of_a_selector_are_needed() -> None:
    assert await admitted("a=b,c=d", {"a": "b", "c": "d"})
    assert not await admitted("a=b,c=d", {"a": "b"})


@pytest.mark.parametrize("wrong", ["a", "*,a=b", "a=b,*"])
def test_what_is_no_selector_is_refused(wrong: str) -> None:
    with pytest.raises(InvalidSettings, match=r"IMAGEJOB_NAMESPACE_SELECTOR is .*or \* alone"):
        read_settings({**ENVIRONMENT, VARIABLE: wrong})
