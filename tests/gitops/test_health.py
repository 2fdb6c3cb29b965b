"""Argo CD, Flux and kstatus say the right thing of every status, by the libraries that they are made of."""

from __future__ import annotations

import json
import re
import sys
from datetime import timedelta

import pytest
import yaml

from fakes.build import NOW, at_phase
from gitops.verdicts import (
    GITOPS,
    Object,
    Verdict,
    every_phase,
    expected,
    expressions,
    imagejob,
    imagestore,
    lua,
    table,
    verdicts,
)
from imagejob_operator.api.imagestore import ImageStore, StoreStatus
from imagejob_operator.api.imagestore_status import Readiness, StoreReason, store_status
from imagejob_operator.api.phase import Phase
from imagejob_operator.api.status import Status
from imagejob_operator.decision.decide import decide
from localcluster.paths import repository
from unit.decision.everything import observations

pytestmark = pytest.mark.timeout(600)

PAGE = (repository() / "docs" / "administrators" / "gitops.md").read_text()


def wrong(
    cases: list[tuple[str, Object, Verdict]], script: str = "", flux: dict[str, str] | None = None
) -> list[str]:
    """The cases whose verdicts are not those that are expected."""
    found = verdicts([made for _, made, _ in cases], script, flux)
    pairs = zip(cases, found, strict=True)
    return [f"{name}: {verdict}, not {right}" for (name, _, right), verdict in pairs if verdict != right]


def test_every_phase() -> None:
    cases = every_phase()
    found = verdicts([made for _, made, _ in cases])
    sys.stdout.write(
        table((name, verdict) for (name, _, _), verdict in zip(cases, found, strict=True)) + "\n"
    )
    assert wrong(cases) == []


def test_every_status_that_a_decision_writes_beyond_the_phases() -> None:
    """Those with equal conditions are checked once."""
    cases: dict[tuple[object, ...], tuple[str, Object, Verdict]] = {}
    for phase in Phase:
        for name, o in observations(phase):
            written, generation = decide(o).status, o.job.generation
            current, deleted = written.observed_generation == generation, o.job.deleted_at is not None
            facts = tuple((c.type, c.status, c.reason, c.observed_generation) for c in written.conditions)
            key = (written.phase, current, deleted, facts)
            if key not in cases:
                made = imagejob(written, generation, deleted)
                cases[key] = (name, made, expected(written.at, current, deleted))
    assert len(cases) > 100
    assert wrong(list(cases.values())) == []


def stores() -> list[tuple[str, StoreStatus | None, str, str]]:
    """Each readiness of an ImageStore, with what kstatus and Argo CD should say."""
    store = ImageStore.__new__(ImageStore)
    object.__setattr__(store, "status", StoreStatus())
    object.__setattr__(store, "generation", 1)
    found: list[tuple[str, StoreStatus | None, str, str]] = [
        ("not checked", None, "InProgress", "Progressing")
    ]
    for reason in StoreReason:
        status = store_status(store, Readiness(reason), NOW + timedelta(minutes=1))
        ready = reason is StoreReason.READY
        found.append(
            (reason.value, status, "Current" if ready else "InProgress", "Healthy" if ready else "Degraded")
        )
    return found


def test_every_readiness_of_an_imagestore() -> None:
    cases = stores()
    found = verdicts([imagestore(status) for _, status, _, _ in cases], lua("ImageStore"))
    names = [f"ImageStore {name}" for name, *_ in cases]
    sys.stdout.write(table(zip(names, found, strict=True)) + "\n")
    assert [(verdict.kstatus, verdict.argocd) for verdict in found] == [(k, a) for _, _, k, a in cases]


# --- planted bugs ----------------------------------------------------------------------------------------

PLANTED_LUA = {
    "a failed job is healthy": ('"Degraded"', '"Healthy"'),
    "a suspended job is not suspended": ('c.reason == "Suspended"', 'c.reason == "Paused"'),
    "an earlier generation counts": ("c.observedGeneration == obj.metadata.generation", "true"),
    "a loop without its end": ("  end\nend\n", "  end\n"),
    "a field that does not exist": ("obj.status.conditions", "obj.state.conditions"),
}


@pytest.mark.parametrize("name", PLANTED_LUA)
def test_a_planted_bug_of_the_lua_check_is_found(name: str) -> None:
    before, after = PLANTED_LUA[name]
    assert before in lua("ImageJob")
    assert wrong(every_phase(), script=lua("ImageJob").replace(before, after))


PLANTED_CEL = {
    "a failed job goes on": ("failed", "'Stalled'", "'Stuck'"),
    "a running job is current": ("current", "c.status == 'True'", "true"),
    "a type error": ("current", "'Ready'", "1 + 'Ready'"),
}


@pytest.mark.parametrize("name", PLANTED_CEL)
def test_a_planted_bug_of_the_flux_expressions_is_found(name: str) -> None:
    field, before, after = PLANTED_CEL[name]
    text = expressions()[field]
    assert before in text
    assert wrong(every_phase(), flux={**expressions(), field: text.replace(before, after)})


def _without(status: Status, kind: str) -> Status:
    made: Status = type(status)(
        **{name: getattr(status, name) for name in status.__struct_fields__ if name != "conditions"},
        conditions=tuple(c for c in status.conditions if c.type != kind),
    )
    return made


@pytest.mark.parametrize(("phase", "kind"), [(Phase.FAILED, "Stalled"), (Phase.RUNNING, "Ready")])
def test_a_condition_that_is_missing_is_found_by_kstatus(phase: Phase, kind: str) -> None:
    planted = imagejob(_without(at_phase(phase), kind))
    if kind == "Ready":
        planted["status"]["conditions"] = [
            c for c in planted["status"]["conditions"] if c["type"] != "Reconciling"
        ]
    (verdict,) = verdicts([planted])
    assert verdict.kstatus != expected(phase, current=True, deleted=False).kstatus


# --- the pages -------------------------------------------------------------------------------------------


def shown(page: str, language: str = "yaml") -> list[object]:
    """The YAML blocks of a page."""
    return [yaml.safe_load(block) for block in re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)]


@pytest.mark.parametrize("name", ["argocd-cm.yaml", "flux-kustomization.yaml"])
def test_the_page_shows_what_is_shipped(name: str) -> None:
    shipped = yaml.safe_load((GITOPS / name).read_text())
    assert shipped in shown(PAGE), f"docs/administrators/gitops.md must show {json.dumps(shipped)}"


def test_a_page_that_shows_something_else_is_found() -> None:
    shipped = yaml.safe_load((GITOPS / "argocd-cm.yaml").read_text())
    assert shipped not in shown(PAGE.replace('"Degraded"', '"Healthy"'))
