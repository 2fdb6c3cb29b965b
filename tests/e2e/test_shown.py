"""What `kubectl get` and the status show: what a job waits for, its outcome, and nothing that is not so."""

from __future__ import annotations

import json
import re
from http.server import BaseHTTPRequestHandler
from typing import Any, ClassVar

from e2e.receiver import receiver
from e2e.world import NAMESPACE, OPERATOR, Shop, image_job, reason, until, verdict
from localcluster.cluster import Status
from localcluster.paths import repository

MONITORING = repository() / "manifests" / "monitoring"


def row(shop: Shop) -> list[str]:
    """PHASE, PROGRESS, FAILED and REASON of the only job."""
    return shop.world.kubectl("get", "imagejobs", "-n", shop.name).splitlines()[1].split()[1:5]


def test_kubectl_get_shows_what_a_job_waits_for_and_its_outcome(shop: Shop) -> None:
    keys = shop.upload_photos("china.jpg")
    shop.upload("photos/bad.jpg", b"this is no picture")
    shop.set_quota(pods="0")
    job = image_job({"keys": [*keys, "photos/bad.jpg"]}, failurePolicy={"maxFailedItems": 1})
    name = shop.apply(job)
    shop.await_job(name, lambda job: reason(job) == "QuotaExceeded", "the quota is the reason")
    assert row(shop) == ["Launching", "0/2", "0", "QuotaExceeded"]
    shop.world.core.delete_namespaced_resource_quota("none", shop.name)
    assert verdict(shop.await_end(name, 90)) == ("Succeeded", "", "SucceededWithFailures")
    assert row(shop) == ["Succeeded", "1/2", "1", "SucceededWithFailures"]


def test_a_failed_run_shows_nothing_as_published_or_staged(shop: Shop) -> None:
    keys = shop.upload_photos("china.jpg")
    shop.upload("photos/bad.jpg", b"this is no picture")
    name = shop.apply(image_job({"keys": [*keys, "photos/bad.jpg"]}))
    job = shop.await_end(name)
    assert verdict(job) == ("Failed", "JOB_005", "ItemsFailed")
    assert row(shop) == ["Failed", "0/2", "1", "ItemsFailed"]
    assert "staging" not in job["status"]
    words = ("get", "imagejob", name, "-n", shop.name, "-o", "json", "--show-managed-fields")
    managed = json.loads(shop.world.kubectl(*words))["metadata"]["managedFields"]
    assert {one["manager"] for one in managed if one.get("subresource") == "status"} == {OPERATOR}


def metrics(shop: Shop) -> str:
    """The metrics of the operator."""
    pod = shop.world.pod_of(OPERATOR).metadata.name
    return shop.world.kubectl("get", "--raw", f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}:8080/proxy/metrics")


def test_the_metric_of_ends_names_the_namespace(shop: Shop) -> None:
    shop.await_end(shop.apply(image_job({"keys": ["photos/none.jpg"]})))
    mine = f'job_namespace="{shop.name}"'

    def counted() -> bool:
        lines = metrics(shop).splitlines()
        return any(line.startswith("imagejob_finished_total{") and mine in line for line in lines)

    until("the end is counted for the namespace", counted, 10)


def test_every_metric_of_rules_and_dashboard_is_served(shop: Shop) -> None:
    shown = "".join((MONITORING / name).read_text() for name in ("rules.yaml", "dashboard.json"))
    names = {re.sub("_(bucket|count|sum)$", "", name) for name in re.findall(r"\bimagejob_[a-z_]+", shown)}
    assert len(names) > 20
    declared = {line.split()[2] for line in metrics(shop).splitlines() if line.startswith("# TYPE ")}
    assert names - declared == set()


class Sink(BaseHTTPRequestHandler):
    """Accepts events, but for the first."""

    events: ClassVar[list[dict[str, Any]]] = []

    def do_POST(self) -> None:
        self.events.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(503 if len(self.events) == 1 else 202)
        self.end_headers()

    def log_message(self, *words: object) -> None:
        """Nothing."""


def test_the_operator_shows_that_its_store_cannot_be_used_and_notifies(shop: Shop, where: Status) -> None:
    def usable() -> bool:
        return "imagejob_store_usable 1.0" in metrics(shop)

    until("the store is usable", usable, 60)
    settings = {"IMAGEJOB_STORE_BUCKET": "nope", "IMAGEJOB_CLEANING_BUDGET_SECONDS": "8"}
    with (
        receiver(where.host_address, Sink) as url,
        shop.world.operator_environment(**settings, IMAGEJOB_EVENT_SINK=f"{url}/events"),
    ):
        until("the bucket is missing", lambda: not usable(), 60)
        name = shop.apply(image_job({"match": {"prefix": "photos/"}}))
        job = shop.await_end(name)
        assert verdict(job) == ("Failed", "JOB_002", "BucketNotFound")

        def mine() -> list[dict[str, Any]]:
            return [event for event in Sink.events if event["subject"] == f"{shop.name}/{name}"]

        until("the event is sent", mine, 20)
        assert {(event["type"], event["id"]) for event in mine()} == {
            ("dev.imagejob.run.failed", f"{job['metadata']['uid']}-1")
        }
    until("the store is usable again", usable, 60)
