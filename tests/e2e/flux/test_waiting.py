"""A commit while Flux waits for a run: it is applied at once only with a feature gate of Flux."""

from __future__ import annotations

from e2e.flux.judgement import outcomes, readiness
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
    assert "HealthCheckFailed" not in outcomes(fleet.state())
    assert phase(fleet.shop.get("job")) == "Succeeded"
