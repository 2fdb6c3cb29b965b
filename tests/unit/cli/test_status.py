"""`imagejob list`, `status` and `explain`: what people read."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml
from rich.text import Text

from fakes.transport import Body, FakeTransport, condition, error, job
from imagejob import ImageJob
from imagejob.remedies import REMEDIES, Fix
from imagejob_cli.timeline import State, timeline
from imagejob_operator.api.errors import CATALOGUE, Code, Reason
from unit.cli.conftest import Run

START = datetime(2026, 3, 1, 10, tzinfo=UTC)


def at(seconds: float) -> str:
    return (START + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def milestones(*seconds: float, ends: str = "True") -> list[Body]:
    """Conditions that became True after so many seconds; the last one with another status."""
    kinds = ("Accepted", "Staged", "Launched", "Processed")[: len(seconds)]
    made = [condition(kind, at=at(second)) for kind, second in zip(kinds, seconds, strict=True)]
    made[-1]["status"] = ends
    return made


def ended(seconds: float, **more: Any) -> dict[str, Any]:
    return {"startedAt": at(0), "finishedAt": at(seconds), "duration": f"{seconds}s", **more}


FAILED = job(
    "spring",
    "Failed",
    run=ended(61, number=2, id="b"),
    conditions=[*milestones(1, 4, 6, 58, ends="False"), condition("StagingCleaned", reason="Cleaned")],
    error=error("JOB_005", "ItemsFailed", "2 of 10 items failed, 0 are allowed; 'x.png' is not an image"),
    items={"total": 10, "succeeded": 8, "failed": 12, "skipped": 0},
    failures=[{"item": "x.png", "code": "IMG_001", "message": "not an image [at all]"}],
    report=".imagejob/shop/spring/1/report.json",
)


# --- list --------------------------------------------------------------------------------------------------


def test_list_shows_progress_and_the_reason(api: FakeTransport, run: Run) -> None:
    waiting = condition("Ready", "False", reason="Unschedulable", message="0/3 nodes are available")
    api.add(FAILED, job("b", "Launching", conditions=[waiting], progress="0/4"), job("c", "Succeeded"))
    api.jobs["other", "d"] = {**job("d"), "metadata": {**job("d")["metadata"], "namespace": "other"}}
    done = run("list")
    lines = done.out.splitlines()
    assert done.code == 0
    assert lines[0].split() == ["NAME", "PHASE", "ITEMS", "FAILED", "AGE", "TOOK", "WHY"]
    assert [line.split()[:2] for line in lines[1:]] == [
        ["b", "Launching"],
        ["c", "Succeeded"],
        ["spring", "Failed"],
    ]
    assert lines[1].endswith("Unschedulable: 0/3 nodes are available")
    assert lines[3].endswith(
        "JOB_005 ItemsFailed: 2 of 10 items failed, 0 are allowed; 'x.png' is not an image"
    )
    assert run("list", "-A").out.splitlines()[1].split()[:2] == ["other", "d"]


def test_list_names_a_job_that_no_operator_serves(api: FakeTransport, run: Run) -> None:
    api.add(job("a"))
    assert "no operator has handled it for 30 s" in run("list").out


LONG = "0/3 nodes are available: " + ", ".join(f"node-{n} has an untolerated taint" for n in range(9))


def waits_long(phase: str = "Launching") -> Body:
    """A job whose condition Ready has only the beginning of what it waits for, as the operator writes it."""
    ready = condition("Ready", "False", reason="Unschedulable", message=f"{LONG[:119]}…")
    return job(
        "a",
        phase,
        conditions=[ready, condition("Reconciling", reason="Unschedulable", message=LONG)],
    )


def test_a_pipe_gets_whole_reasons(api: FakeTransport, run: Run) -> None:
    api.add(waits_long())
    assert run("list").out.splitlines()[1].endswith(f"Unschedulable: {LONG}")
    assert f"Launching  {LONG}\n" in run("watch", "a", "--timeout", "0.01").out


def test_a_terminal_gets_reasons_that_fit_its_width(
    api: FakeTransport, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.add(waits_long())
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("NO_COLOR", "1")
    line = run("list").out.splitlines()[1].rstrip()
    assert (len(line), line[-1]) == (100, "…")


@pytest.mark.parametrize("width", [30, 40, 60])
def test_a_narrow_terminal_breaks_rows_itself(
    width: int, api: FakeTransport, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.add(waits_long())
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("NO_COLOR", "1")
    heading, line = Text.from_ansi(run("list").out).plain.splitlines()
    assert heading.split() == ["NAME", "PHASE", "ITEMS", "FAILED", "AGE", "TOOK", "WHY"]
    assert (line.split()[:2], line[-1]) == (["a", "Launching"], "…")
    assert "  imagejob watch a  # follow it " in Text.from_ansi(run("status", "a").out).plain


def test_an_empty_list_says_where_it_looked(api: FakeTransport, run: Run) -> None:
    assert run("list") == (0, "", "No ImageJobs found in namespace 'shop'.\n")
    assert run("list", "-A").err == "No ImageJobs found in any namespace.\n"


@pytest.mark.parametrize("command", [["list"], ["status", "spring"]])
def test_other_forms_of_output(api: FakeTransport, run: Run, command: list[str]) -> None:
    api.add(FAILED)
    parsed = [json.loads(run(*command, "-o", "json").out), yaml.safe_load(run(*command, "-o", "yaml").out)]
    expected = {"apiVersion": "v1", "kind": "List", "items": [FAILED]} if command == ["list"] else FAILED
    assert parsed == [expected, expected]
    assert run(*command, "-o", "name").out == "imagejob.imagejob.dev/spring\n"


# --- status ------------------------------------------------------------------------------------------------


def test_status_of_a_failed_run(api: FakeTransport, run: Run) -> None:
    api.add(FAILED)
    pod = {
        "metadata": {"name": "spring-0", "creationTimestamp": at(5)},
        "spec": {"nodeName": "node-1"},
        "status": {
            "phase": "Failed",
            "containerStatuses": [
                {"name": "processor", "state": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}
            ],
        },
    }
    api.answers["/api/v1/namespaces/shop/pods"] = {"items": [pod]}
    done = run("status", "spring")
    assert done.code == 1
    assert (
        done.out
        == """\
shop/spring  Failed  run 2 (b), 61s, 10 items: 8 succeeded, 12 failed
report in the store: .imagejob/shop/spring/1/report.json

  ✓  Pending    10:00:00  1s
  ✓  Staging    10:00:01  3s   10 items
  ✓  Launching  10:00:04  2s
  ✗  Running    10:00:06  52s  20/10 items
  ✓  cleaning   10:00:58  3s

JOB_005 ItemsFailed
  evidence  2 of 10 items failed, 0 are allowed; 'x.png' is not an image
  meaning   More items failed than failurePolicy allows.
  remedy    Replace the images, then retry; or raise limits or failurePolicy.maxFailedItems.
  fault     Image; a new run alone does not help
  runbook   https://imagejob.dev/docs/administrators/runbook#job_005-itemsfailed

FAILED ITEMS
  IMG_001 UNDECODABLE  x.png  not an image [at all]
  and 11 more                 the report lists all of them

CONDITIONS
  StagingCleaned  True  Cleaned

PODS
  spring-0  Failed  node-1  exit code 137, OOMKilled

NEXT
  imagejob retry spring         # first replace the images; then this starts a new run
  kubectl edit imagejob spring  # or correct the spec, and set spec.run.id to "3" in the same edit
"""
    )


def test_pods_with_problems_are_shown_first(api: FakeTransport, run: Run) -> None:
    def pod(number: int, phase: str) -> Body:
        metadata = {"name": f"p{number}", "creationTimestamp": at(number)}
        return {"metadata": metadata, "spec": {}, "status": {"phase": phase}}

    api.add(job("a", "Running"))
    phases = [*["Succeeded"] * 9, "Running", "Pending", "Failed"]
    api.answers["/api/v1/namespaces/shop/pods"] = {"items": [pod(n, phase) for n, phase in enumerate(phases)]}
    section = run("status", "a").out.partition("PODS\n")[2].partition("\n\n")[0].splitlines()
    assert [line.split()[0] for line in section[:4]] == ["p11", "p10", "p9", "p0"]
    assert (len(section), section[-1].strip()) == (11, "and 2 more")


def pod_of(phase: str, deleted: bool = False, **state: Any) -> Body:
    metadata = {"name": "p", "creationTimestamp": at(0)}
    container = {"name": "processor", "state": state}
    status = {"phase": phase, "containerStatuses": [container] if state else []}
    return {
        "metadata": {**metadata, **({"deletionTimestamp": at(1)} if deleted else {})},
        "spec": {"nodeName": "n"},
        "status": status,
    }


@pytest.mark.parametrize(
    ("pod", "shown"),
    [
        (pod_of("Running", terminated={"exitCode": 0, "reason": "Completed"}), "Succeeded  n  Completed"),
        (
            pod_of("Running", terminated={"exitCode": 1, "reason": "Error"}),
            "Failed  n  exit code 1, Error",
        ),
        (pod_of("Succeeded", terminated={"exitCode": 0, "reason": "Completed"}), "Succeeded  n  Completed"),
        (pod_of("Running", running={"startedAt": at(0)}), "Running  n"),
        (pod_of("Running", deleted=True, running={"startedAt": at(0)}), "Terminating  n"),
        (
            pod_of("Running", deleted=True, terminated={"exitCode": 0, "reason": "Completed"}),
            "Succeeded  n  Completed",
        ),
        (pod_of("Pending", waiting={"reason": "ContainerCreating"}), "Pending  n  ContainerCreating"),
        (pod_of("Pending"), "Pending  n"),
    ],
)
def test_the_phase_of_a_pod_is_that_of_its_container_once_it_has_ended(
    api: FakeTransport, run: Run, pod: Body, shown: str
) -> None:
    api.add(job("a", "Running"))
    api.answers["/api/v1/namespaces/shop/pods"] = {"items": [pod]}
    assert run("status", "a").out.partition("PODS\n")[2].splitlines()[0] == f"  p  {shown}"


def test_status_without_the_right_to_read_pods(api: FakeTransport, run: Run) -> None:
    from imagejob import Forbidden

    api.add(FAILED)
    api.answers["/api/v1/namespaces/shop/pods"] = Forbidden("no")
    assert "PODS" not in run("status", "spring").out


def test_status_of_a_run_that_waits(api: FakeTransport, run: Run) -> None:
    waits = {"reason": "QuotaExceeded", "message": "pods: used 10, limited to 10"}
    conditions = [*milestones(1, 2), condition("Ready", "False", **waits), condition("Reconciling", **waits)]
    api.add(job("a", "Launching", run={"startedAt": at(0)}, conditions=conditions))
    out = run("status", "a").out
    assert (
        """
WAITING QuotaExceeded
  evidence  pods: used 10, limited to 10
  remedy    Wait for other Pods or raise the quota; or lower podTemplate.resources.
  fault     Cluster
  runbook   https://imagejob.dev/docs/administrators/runbook#job_003-quotaexceeded
"""
        in out
    )
    assert "CONDITIONS" not in out


def test_a_reason_that_this_version_does_not_know(api: FakeTransport, run: Run) -> None:
    api.add(job("a", "Failed", error=error("JOB_002", "Enchanted", "by a witch", retriable=True)))
    out = run("status", "a").out
    assert "JOB_002 Enchanted" in out
    assert "evidence  by a witch" in out
    assert "meaning" not in out
    assert "runbook   https://imagejob.dev" in out


@pytest.mark.parametrize(
    ("body", "advised"),
    [
        (job("a"), "imagejob doctor"),
        (job("a", "Running"), "imagejob watch a"),
        (job("a", "Suspended"), "imagejob resume a"),
        (job("a", "Succeeded"), ""),
        (job("a", "Succeeded", report="r.json"), "imagejob results a --open"),
        (job("a", "Succeeded", run={"outcome": "SucceededWithFailures"}), "imagejob retry a --failed"),
        (
            job("a", "Succeeded", run={"outcome": "Validated"}),
            """kubectl patch imagejob a --type=merge -p '{"spec": {"run": {"id": "2", "mode": "Run"}}}'""",
        ),
        (job("a", "Cancelled", error=error("JOB_008", "Cancelled", "x")), "imagejob retry a"),
        (job("a", "Failed", error=error("JOB_006", "DeadlineExceeded", "x", True)), "imagejob retry a"),
        (job("a", "Failed", error=error("JOB_002", "SourceEmpty", "x")), "imagejob retry a"),
        (job("a", "Failed", error=error("JOB_002", "TooManyItems", "x")), "kubectl edit imagejob a"),
        (job("a", "Failed", error=error("JOB_002", "AccessDenied", "x")), "imagejob retry a"),
        (job("a", "Failed", error=error("JOB_002", "Enchanted", "x")), "kubectl edit imagejob a"),
        (job("a", "Failed", error=error("JOB_002", "Enchanted", "x", True)), "imagejob retry a"),
        (job("a", "Failed", error=error("JOB_005", "OutOfMemory", "x")), "kubectl edit imagejob a"),
    ],
)
def test_the_next_command(api: FakeTransport, run: Run, body: Body, advised: str) -> None:
    api.add(body)
    out = run("status", "a").out
    following = out.partition("NEXT\n")[2].splitlines()
    assert (following[0].partition("#")[0].strip() if following else "") == advised


OF_RUNS = [pair for pair in CATALOGUE if pair[0] is not Code.NOT_FOUND]


@pytest.mark.parametrize("pair", OF_RUNS, ids=lambda pair: "/".join(pair))
def test_the_next_commands_agree_with_the_remedy(
    api: FakeTransport, run: Run, pair: tuple[Code, Reason]
) -> None:
    entry, remedy = CATALOGUE[pair], REMEDIES[pair]
    phase = "Cancelled" if pair[0] is Code.CANCELLED else "Failed"
    api.add(job("a", phase, error=error(*pair, "x", entry.retriable)))
    out = run("status", "a").out
    following = [line.strip() for line in out.partition("NEXT\n")[2].splitlines()]
    retries = [line for line in following if line.startswith("imagejob retry a ")]
    edits = [line for line in following if line.startswith("kubectl edit imagejob a ")]
    assert bool(edits) == (remedy.fix in (Fix.SPEC, Fix.EITHER))
    assert bool(retries) == (entry.retriable or remedy.fix is not Fix.SPEC)
    if "a new run alone does not help" in out and retries:
        assert remedy.before_retry
        assert f"# first {remedy.before_retry}; then this starts a new run" in retries[0]
    else:
        assert all(line.endswith("# start a new run") for line in retries)


def test_logs_are_named_if_pods_are_kept(api: FakeTransport, run: Run) -> None:
    api.add(job("a", "Failed", error=error("JOB_005", "OutOfMemory", "x")))
    assert "imagejob logs a " in run("status", "a").out


def test_the_next_command_has_the_options_of_this_one(api: FakeTransport, run: Run) -> None:
    api.jobs["b", "a"] = job("a", "Running")
    words = ("-n", "b", "--context", "p d", "--kubeconfig", "f")
    assert "imagejob watch a -n b --context 'p d' --kubeconfig f" in run("status", "a", *words).out


# --- timeline ----------------------------------------------------------------------------------------------


def steps(body: Body) -> list[tuple[str, str, float | None]]:
    found = timeline(ImageJob(body))
    now = START + timedelta(seconds=100)
    return [(step.state.value, step.phase, step.duration(now).total_seconds()) for step in found]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (job("a"), []),
        (
            job("a", "Running", run={"startedAt": at(0)}, phaseSince=at(6), conditions=milestones(1, 4, 6)),
            [("✓", "Pending", 1), ("✓", "Staging", 3), ("✓", "Launching", 2), ("▸", "Running", 94)],
        ),
        (
            job("a", "Succeeded", run=ended(9), conditions=milestones(1, 4, 6, 8)),
            [
                ("✓", "Pending", 1),
                ("✓", "Staging", 3),
                ("✓", "Launching", 2),
                ("✓", "Running", 2),
                ("✓", "Publishing", 1),
            ],
        ),
        (
            job("a", "Failed", run=ended(2), conditions=milestones(2, ends="False")),
            [("✗", "Pending", 2)],
        ),
        (
            job("a", "Failed", run=ended(9), conditions=milestones(1, 6, ends="False")),
            [("✓", "Pending", 1), ("✗", "Staging", 5), ("✓", "cleaning", 3)],
        ),
        (
            job(
                "a",
                "Failing",
                run={"startedAt": at(0)},
                phaseSince=at(6),
                conditions=milestones(1, 6, ends="False"),
            ),
            [("✓", "Pending", 1), ("✗", "Staging", 5), ("▸", "Failing", 94)],
        ),
        (
            job("a", "Suspended", run={"startedAt": at(0)}, phaseSince=at(40), conditions=milestones(1)),
            [("✓", "Pending", 1), ("▸", "Suspended", 60)],
        ),
        (
            {
                **job("a", "Succeeded", run=ended(3, outcome="Validated"), conditions=milestones(1)),
                "spec": {"run": {"mode": "Validate"}},
            },
            [("✓", "Pending", 1), ("✓", "Validating", 2)],
        ),
        # Times of an earlier run do not count.
        (
            job("a", "Staging", run={"startedAt": at(0)}, phaseSince=at(0), conditions=milestones(-50)),
            [("✓", "Pending", 0), ("▸", "Staging", 100)],
        ),
    ],
    ids=["new", "running", "succeeded", "refused", "staging", "failing", "suspended", "validated", "earlier"],
)
def test_the_phases_with_their_durations(body: Body, expected: list[tuple[str, str, float | None]]) -> None:
    assert steps(body) == expected


def test_the_symbols_of_steps_differ() -> None:
    assert len({state.value for state in State}) == 3


# --- explain -----------------------------------------------------------------------------------------------


def test_explain_shows_all_that_a_word_means(run: Run) -> None:
    assert run("explain", "storeunavailable").out.count("  runbook  ") == 2
    assert run("explain", "JOB_007/OverwriteRefused").out == run("explain", "JOB_007", "OverwriteRefused").out
    assert run("explain", "JOB_007", "IMG_004").out == (
        run("explain", "JOB_007").out + "\n" + run("explain", "IMG_004").out
    )
    assert run("explain", "img_004").out == (
        "IMG_004 SOURCE_CHANGED\n"
        "  meaning  The source changed after it was staged.\n"
        "  remedy   Retry the failed items, and do not change sources during a run.\n"
    )


def test_a_suspend_that_holds_the_next_run_is_shown(api: FakeTransport, run: Run) -> None:
    body = job("a", "Succeeded")
    api.add(body)
    text = "spec.suspend is true: a new run does not start until the job is resumed"
    assert text not in run("status", "a").out
    body["spec"]["suspend"] = True
    assert text in run("status", "a").out


def test_a_run_without_an_id_has_a_number(api: FakeTransport, run: Run) -> None:
    api.add(job("a", "Suspended", run={"id": "", "number": 2}))
    assert "shop/a  Suspended  run 2\n" in run("status", "a").out


def test_a_run_that_published_nothing_has_failures_to_show(api: FakeTransport, run: Run) -> None:
    ended = {"outcome": "SucceededWithFailures"}
    api.add(job("a", "Succeeded", run=ended, outputs={"objects": 0, "bytes": 0}, report="r"))
    shown = run("status", "a").out
    assert "imagejob results a " in shown
    assert "--open" not in shown
