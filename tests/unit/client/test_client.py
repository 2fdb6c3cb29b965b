"""The Python client against an API server in memory."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fakes.transport import Body, FakeTransport, error, job
from imagejob import (
    Client,
    Conflict,
    Invalid,
    NotFound,
    RunFailed,
    Unreachable,
    WaitTimeout,
    build,
    rendition,
)

MANIFEST = build("new", source={"keys": ["a.jpg"]}, renditions=[rendition("thumb", "WebP", width=200)])


@pytest.fixture
def api() -> FakeTransport:
    return FakeTransport()


@pytest.fixture
def client(api: FakeTransport) -> Client:
    return Client(api, "shop")


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imagejob.watching.sleep", lambda seconds: None)


# --- create and read ---------------------------------------------------------------------------------------


def test_submit_creates_in_the_default_namespace_and_refuses_unknown_fields(
    client: Client, api: FakeTransport
) -> None:
    made = client.submit(MANIFEST)
    assert (made.namespace, made.name, made.phase, made.finished) == ("shop", "new", "Pending", False)
    ((method, path, params, body),) = api.changes
    assert (method, path) == ("POST", "/apis/imagejob.dev/v1alpha1/namespaces/shop/imagejobs")
    assert params == {"fieldValidation": "Strict"}
    assert body["spec"] == MANIFEST["spec"]
    assert "namespace" not in MANIFEST["metadata"]


@pytest.mark.parametrize(
    ("argument", "in_manifest", "used"),
    [("x", "y", "x"), (None, "y", "y"), (None, None, "shop")],
)
def test_the_namespace_is_the_argument_then_the_manifests_then_the_default(
    client: Client, argument: str | None, in_manifest: str | None, used: str
) -> None:
    body = {**MANIFEST, "metadata": {"name": "new", "namespace": in_manifest}}
    assert client.submit(body, argument).namespace == used


def test_a_dry_run_stores_nothing(client: Client, api: FakeTransport) -> None:
    client.submit(MANIFEST, dry_run=True)
    assert api.changes[0][2]["dryRun"] == "All"
    assert not api.jobs


def test_a_name_that_exists_is_a_conflict_that_says_what_to_do(client: Client) -> None:
    client.submit(MANIFEST)
    with pytest.raises(Conflict, match=r"'new' exists already in namespace 'shop'.*imagejob retry new"):
        client.submit(MANIFEST)


def test_no_such_job_is_job_004(client: Client) -> None:
    for call in (client.get, client.delete, client.suspend, client.retry, client.cancel):
        with pytest.raises(NotFound, match="JOB_004 JobNotFound: ImageJob 'b' in namespace 'shop'"):
            call("b")


def test_list_reads_all_pages_in_the_order_of_names(
    client: Client, api: FakeTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imagejob.client.PAGE", "2")
    api.add(*(job(name, phase) for name, phase in zip("cabed", ["Running", "Failed"] * 3, strict=False)))
    assert [found.name for found in client.list()] == list("abcde")
    assert [found.name for found in client.list(phase="Failed")] == ["a", "e"]
    assert client.list("elsewhere") == []
    assert len(client.list(all_namespaces=True)) == 5


def test_a_list_that_repeats_itself_ends(client: Client, api: FakeTransport) -> None:
    page = {"apiVersion": "imagejob.dev/v1alpha1", "metadata": {"continue": "again"}, "items": []}
    api.answers["/apis/imagejob.dev/v1alpha1/namespaces/shop/imagejobs"] = page
    with pytest.raises(Unreachable, match="lists the same ImageJobs again and again"):
        client.list()


# --- watch and wait ----------------------------------------------------------------------------------------


def test_watch_yields_each_change_until_the_run_has_finished(client: Client, api: FakeTransport) -> None:
    api.add(job("a", "Staging"))
    api.events = [job("a", "Running"), job("a", "Succeeded"), job("a", "Running")]
    assert [seen.phase for seen in client.watch("a")] == ["Staging", "Running", "Succeeded"]


def test_watch_goes_on_when_a_watch_ends(client: Client, api: FakeTransport) -> None:
    api.add(job("a", "Staging"))
    seen = []
    for found in client.watch("a"):
        seen.append(found.phase)
        if len(seen) == 2:
            api.add(job("a", "Failed"))
    assert seen == ["Staging", "Staging", "Failed"]


def test_a_newer_spec_is_not_ended_by_the_old_status(client: Client, api: FakeTransport) -> None:
    api.add(job("a", "Succeeded", generation=2))
    api.events = [job("a", "Failed")]
    assert client.wait("a").succeeded is False


def test_a_job_that_is_deleted_meanwhile_is_job_004(client: Client, api: FakeTransport) -> None:
    api.add(job("a", "Running"))
    api.events = [{}]
    with pytest.raises(NotFound):
        client.wait("a")


def test_wait_ends_after_its_timeout(client: Client, api: FakeTransport) -> None:
    api.add(job("a", "Running"))
    with pytest.raises(
        WaitTimeout, match=r"'a' has not finished within 0.01 s; the run goes on: imagejob watch a -n shop$"
    ):
        client.wait("a", timeout=0.01)


class Interrupted(FakeTransport):
    """Does not answer for a while after the first request."""

    left = 3

    def request(self, *given: Any, **more: Any) -> Body:
        if self.jobs["shop", "a"]["status"]["phase"] == "Running" and self.left < 3:
            self.left -= 1
            if self.left >= 0:
                raise Unreachable("no route to host")
            self.add(job("a", "Succeeded"))
        elif self.left == 3:
            self.left -= 1
        return super().request(*given, **more)


def test_following_outlives_a_restart_of_the_api_server() -> None:
    api = Interrupted()
    api.add(job("a", "Running"))
    assert [seen.phase for seen in Client(api, "shop").watch("a")] == ["Running", "Succeeded"]


def test_following_ends_if_the_api_server_stays_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imagejob.watching.PATIENCE", 0.0)
    api = Interrupted()
    api.add(job("a", "Running"))
    with pytest.raises(Unreachable):
        Client(api, "shop").wait("a")


def test_a_server_that_never_answered_is_reported_at_once(api: FakeTransport, client: Client) -> None:
    api.answers["/apis/imagejob.dev/v1alpha1/namespaces/shop/imagejobs/a"] = Unreachable("refused")
    with pytest.raises(Unreachable):
        client.wait("a")


def test_a_failed_run_raises_only_if_asked(client: Client, api: FakeTransport) -> None:
    api.add(job("a", "Failed", error=error("JOB_002", "SourceNotFound", "no object 'x.jpg'")))
    ended = client.wait("a")
    assert (ended.finished, ended.succeeded) == (True, False)
    with pytest.raises(RunFailed, match=r"'a': JOB_002 SourceNotFound: no object 'x\.jpg'"):
        ended.raise_if_failed()
    api.add(job("a", "Succeeded"))
    client.get("a").raise_if_failed()


async def test_the_client_can_be_used_from_asyncio(client: Client, api: FakeTransport) -> None:
    api.add(job("a", "Succeeded"))
    assert (await asyncio.to_thread(client.wait, "a")).succeeded


# --- changes -----------------------------------------------------------------------------------------------


def test_cancel_names_the_active_run(client: Client, api: FakeTransport) -> None:
    api.add(job("a", "Running", run={"id": "spring"}))
    client.cancel("a")
    assert api.changes[-1][3] == {"spec": {"cancelRunID": "spring"}}


def test_a_finished_run_cannot_be_cancelled(client: Client, api: FakeTransport) -> None:
    api.add(job("a", "Failed"))
    with pytest.raises(Conflict, match="no active run to cancel: its phase is Failed"):
        client.cancel("a")
    assert not api.changes


def test_suspend_and_resume(client: Client, api: FakeTransport) -> None:
    api.add(job("a", "Running"))
    assert client.suspend("a").spec["suspend"] is True
    assert client.resume("a").spec["suspend"] is False


@pytest.mark.parametrize(
    ("number", "used", "wanted"),
    [(1, ["1"], "2"), (3, ["spring"], "4"), (1, ["1", "2", "3"], "4")],
)
def test_a_retry_has_a_new_run_id(
    client: Client, api: FakeTransport, number: int, used: list[str], wanted: str
) -> None:
    history = [{"id": name, "number": 1} for name in used]
    api.add(job("a", "Failed", run={"number": number}, history=history))
    assert client.retry("a", failed_only=True).spec["run"] == {"id": wanted, "items": "Failed"}


def test_a_retry_of_all_items_after_one_of_the_failed_ones(client: Client, api: FakeTransport) -> None:
    failed = job("a", "Failed")
    failed["spec"] = {"run": {"id": "1", "items": "Failed"}, "cancelRunID": "2"}
    api.add(failed)
    assert client.retry("a").spec["run"] == {"id": "3", "items": "All"}


def test_an_active_run_is_not_retried(client: Client, api: FakeTransport) -> None:
    api.add(job("a", "Running"))
    with pytest.raises(Conflict, match=r"run '1' of ImageJob 'a' has not finished.*imagejob cancel a"):
        client.retry("a")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (job("a", "Suspended"), "is suspended, so that no run starts; to start it: imagejob resume a"),
        (
            job("a", "Succeeded", run={"outcome": "Succeeded"}),
            "has no failed items; to process all again: imagejob retry a",
        ),
    ],
)
def test_a_retry_that_would_bring_nothing_is_refused(
    client: Client, api: FakeTransport, body: dict[str, Any], text: str
) -> None:
    api.add(body)
    with pytest.raises(Conflict, match=text):
        client.retry("a", failed_only=True)
    assert not api.changes


def test_items_that_failed_within_the_policy_are_retried(client: Client, api: FakeTransport) -> None:
    api.add(job("a", "Succeeded", run={"outcome": "SucceededWithFailures"}))
    assert client.retry("a", failed_only=True).spec["run"]["items"] == "Failed"


def test_a_run_id_is_not_used_twice(client: Client, api: FakeTransport) -> None:
    api.add(job("a", "Failed"))
    with pytest.raises(Conflict, match=r"run\.id '1' of ImageJob 'a' is in use"):
        client.retry("a", run_id="1")


# --- Pods and logs -----------------------------------------------------------------------------------------


def test_pods_are_sorted_by_age_and_have_logs(client: Client, api: FakeTransport) -> None:
    def pod(name: str, created: str) -> dict[str, object]:
        return {"metadata": {"name": name, "creationTimestamp": created}}

    found = [pod("a-1", "2026-03-01T10:00:09Z"), pod("a-0", "2026-03-01T10:00:01Z")]
    api.answers["/api/v1/namespaces/shop/pods"] = {"items": found}
    api.logs["a-0"] = ["one", "two"]
    assert [one["metadata"]["name"] for one in client.pods("a")] == ["a-0", "a-1"]
    assert list(client.log("a-0")) == ["one", "two"]


# --- manifests ---------------------------------------------------------------------------------------------


def test_build_checks_the_rules_of_the_api() -> None:
    with pytest.raises(Invalid, match=r"spec\.renditions.*width") as caught:
        build("a", source={"keys": ["a.jpg"]}, renditions=[rendition("x", width=-1)])
    assert caught.value.fields == ("spec.renditions[0].steps[0].resize.width",)
    with pytest.raises(Invalid, match="unknown field"):
        build("a", source={"keys": ["a.jpg"]}, renditions=[rendition("x")], failurPolicy={})


def test_the_field_that_was_probably_meant_is_named(client: Client, api: FakeTransport) -> None:
    manifest = build("a", source={"keys": ["a.jpg"]}, renditions=[rendition("x")])
    manifest["spec"]["renditons"] = []
    refused = Invalid("ImageJob 'a': strict decoding error: unknown field \"spec.renditons\"", ("spec",))
    api.answers["POST /apis/imagejob.dev/v1alpha1/namespaces/shop/imagejobs"] = refused
    with pytest.raises(Invalid, match=r"unknown field \"spec\.renditons\"; did you mean 'renditions'\?$"):
        client.submit(manifest)
    del manifest["spec"]["renditons"]
    with pytest.raises(Invalid, match=r"unknown field \"spec\.renditons\"$"):
        client.submit(manifest)
