"""A job of a class that no operator has: it is reported, and not only empty."""

from __future__ import annotations

import re

import pytest

from demo.stack import NAMESPACE, OPERATOR
from e2e.world import Shop, image_job, until
from imagejob_cli.main import main


def test_a_job_that_no_operator_serves_is_reported(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    job = image_job({"keys": shop.upload_photos("china.jpg")}, name="lost", **{"class": "prodution"})
    name = shop.apply(job)
    until("the Event", lambda: [e.reason for e in shop.events(name)] == ["NotServed"], 60)
    (event,) = shop.events(name)
    assert event.type == "Warning"
    assert "check spec.class" in event.message
    pod = shop.world.pod_of(OPERATOR).metadata.name
    path = f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}:8080/proxy/metrics"
    found = re.search(
        r"^imagejob_unserved_jobs (\S+)", shop.world.kubectl("get", "--raw", path), re.MULTILINE
    )
    assert found
    assert float(found[1]) >= 1
    assert main(["list", "-n", shop.name, "--kubeconfig", str(shop.world.kubectl.kubeconfig)]) == 0
    printed = capsys.readouterr().out
    assert "no operator has handled it for 30 s" in printed
    assert "is spec.class 'prodution' right?" in printed
