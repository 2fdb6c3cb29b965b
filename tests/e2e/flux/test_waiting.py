"""A commit while Flux waits for a run: it is applied at once only with a feature gate of Flux."""

from __future__ import annotations

from e2e.flux.judgement import readiness, waited
from e2e.flux.repository import Repository
from e2e.world import image_job, phase

FLAGS = ("--feature-gates=CancelHealthCheckOnNewRevision=true",)


def test_a_suspended_job_is_resumed_by_a_commit(fleet: Repository) -> None:
    job = image_job({"keys": fleet.shop.upload_photos("china.jpg")}, suspend=True)
    fleet.commit(job=job)
    fleet.follow(timeout="30m")
    fleet.shop.await_phase("job", "Suspended")
    fleet.await_state(lambda found: readiness(found) == ("Unknown", "Progressing"), "Flux waits", 30)
    job["spec"]["suspend"] = False
    fleet.commit(job=job)
    fleet.await_ready()
    resumed = fleet.shop.get("job")
    assert phase(resumed) == "Succeeded"
    assert waited(resumed) < 60, "not until the timeout of the Kustomization"
