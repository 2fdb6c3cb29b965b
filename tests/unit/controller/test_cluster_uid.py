"""Which cluster this is: asked until it is known, unless the operator may not know it."""

from __future__ import annotations

import pytest

from fakes.jumping_loop import run
from fakes.memory_owners import CLUSTER, MemoryOwners
from imagejob_operator import main
from imagejob_operator.controller.startup import ClusterUnknown, read_cluster_uid
from imagejob_operator.ports.imagejobs import Forbidden, Gone, JobsError, Unavailable
from unit.adapters.test_sweep_metrics import NEEDED


@pytest.mark.parametrize("error", [Unavailable("503"), Unavailable("429", 7.0), Gone("404")])
def test_what_may_pass_is_tried_again(error: JobsError) -> None:
    owners = MemoryOwners()
    owners.hooks.fail(error, "cluster_uid", times=3)
    assert run(read_cluster_uid(owners)) == CLUSTER
    assert owners.hooks.count("cluster_uid") == 4


def test_a_refusal_ends_it_with_the_rule_that_is_missing() -> None:
    owners = MemoryOwners()
    refusal = 'namespaces "kube-system" is forbidden: User "system:serviceaccount:a:b" cannot get resource'
    owners.hooks.fail(Forbidden(refusal), "cluster_uid")
    with pytest.raises(ClusterUnknown) as caught:
        run(read_cluster_uid(owners))
    text = str(caught.value)
    assert refusal in text
    assert "the verb get on namespaces, resourceNames [kube-system]" in text
    assert "\n" not in text
    assert owners.hooks.count("cluster_uid") == 1


def test_an_operator_that_may_not_know_it_ends_with_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def refused(settings: object) -> None:
        raise ClusterUnknown("the uid of the namespace kube-system cannot be read")

    monkeypatch.setattr(main, "run", refused)
    monkeypatch.setattr(main, "set_up_logs", lambda level: None)
    for name, value in NEEDED.items():
        monkeypatch.setenv(name, value)
    assert main.main() == 2
    assert capsys.readouterr().err == (
        "imagejob-operator: the uid of the namespace kube-system cannot be read\n"
    )
