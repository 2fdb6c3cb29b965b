"""A user sets what makes admission webhooks, the runtime or the scheduler give the Pods more rights.

Unless the administrator allows it, no such template leads to a Pod.
"""

from __future__ import annotations

from typing import Any

import pytest

from fakes.world import World
from hostile.generators_pod_template import FREE, REFUSED, SECURITY, Recorder
from imagejob_operator.environment import InvalidSettings
from imagejob_operator.ports.launcher import Refused
from imagejob_operator.settings import read_settings
from imagejob_operator.validation.pod_template_policy import PodTemplatePolicy

NEEDED = {
    "IMAGEJOB_STORE_ENDPOINT": "s:9000",
    "IMAGEJOB_STORE_BUCKET": "media",
    "IMAGEJOB_PROCESSOR_IMAGE": "i",
    "POD_NAMESPACE": "n",
    "POD_NAME": "p",
}

SETTINGS = {
    "labels": "IMAGEJOB_POD_ALLOWED_LABELS",
    "annotations": "IMAGEJOB_POD_ALLOWED_ANNOTATIONS",
    "serviceAccountName": "IMAGEJOB_POD_ALLOWED_SERVICE_ACCOUNTS",
    "priorityClassName": "IMAGEJOB_POD_ALLOWED_PRIORITY_CLASSES",
    "runtimeClassName": "IMAGEJOB_POD_ALLOWED_RUNTIME_CLASSES",
}


def execution(template: dict[str, Any]) -> dict[str, Any]:
    return {"podTemplate": template}


@pytest.mark.parametrize("mode", ["Run", "Validate"])
@pytest.mark.parametrize("name", REFUSED)
async def test_no_pod_is_made_from_it(name: str, mode: str) -> None:
    """The job ends as JOB_001 before anything is staged, with the value and who can allow it."""
    world = World()
    world.create(execution=execution(REFUSED[name]), run={"mode": mode})
    await world.run()
    assert world.error() == "JOB_001/InvalidSpec"
    assert [call for call in world.cluster.hooks.calls if call[0] in ("launch", "rehearse")] == []
    error = world.job.status.error
    assert error
    ((field, value),) = REFUSED[name].items()
    assert f"spec.execution.podTemplate.{field}" in error.message
    assert repr(value if isinstance(value, str) else next(iter(value))) in error.message
    assert SETTINGS[field] in error.message


async def test_what_concerns_placement_and_resources_is_free() -> None:
    """The safe default must not stop ordinary jobs."""
    world = World()
    world.create(execution=execution(FREE))
    await world.run()
    assert world.job.status.phase == "Succeeded"


async def test_no_pod_is_made_when_the_setting_was_changed_during_the_run() -> None:
    """An operator that was started again with stricter settings makes no more such Pods."""
    server = Recorder()
    with pytest.raises(Refused) as refusal:
        await server.launch(PodTemplatePolicy(), REFUSED["account"])
    assert refusal.value.problem.certain
    assert "'cloud-admin' is not allowed" in refusal.value.problem.message
    assert server.posted == []
    await server.launch(PodTemplatePolicy(service_accounts=("cloud-admin",)), REFUSED["account"])
    (made,) = server.posted
    assert made["spec"]["serviceAccountName"] == "cloud-admin"
    assert SECURITY.items() <= made["spec"].items()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ANNOTATIONS", "container.apparmor.security.beta.kubernetes.io/processor"),
        ("ANNOTATIONS", "container.apparmor.security.beta.kubernetes.io/*"),
        ("ANNOTATIONS", "*"),
        ("LABELS", "*"),
        ("LABELS", "example.com/"),
        ("LABELS", "a b"),
        ("SERVICE_ACCOUNTS", "*"),
        ("SERVICE_ACCOUNTS", "robot/*"),
        ("PRIORITY_CLASSES", "system-node-critical"),
        ("RUNTIME_CLASSES", "Kata"),
    ],
)
def test_what_no_setting_may_allow_is_no_setting(name: str, value: str) -> None:
    """An administrator cannot open by a wildcard what would break the isolation."""
    with pytest.raises(InvalidSettings, match=f"^IMAGEJOB_POD_ALLOWED_{name} is "):
        read_settings({**NEEDED, f"IMAGEJOB_POD_ALLOWED_{name}": value})


def test_the_settings_are_read() -> None:
    """Each setting allows its own field, and nothing is allowed without them."""
    given = {
        "LABELS": "team, billing.example.com/*",
        "ANNOTATIONS": "example.com/note",
        "SERVICE_ACCOUNTS": "robot",
        "PRIORITY_CLASSES": "batch",
        "RUNTIME_CLASSES": "sandboxed",
    }
    settings = read_settings(NEEDED | {f"IMAGEJOB_POD_ALLOWED_{name}": text for name, text in given.items()})
    assert settings.pod_template == PodTemplatePolicy(
        ("team", "billing.example.com/*"), ("example.com/note",), ("robot",), ("batch",), ("sandboxed",)
    )
    assert read_settings(NEEDED).pod_template == PodTemplatePolicy()
