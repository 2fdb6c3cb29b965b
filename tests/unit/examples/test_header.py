"""What is wrong in an example, or in its header, is found; what is right passes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from e2e.examples.header import BadHeader, End, Header, Step, objections, read_header
from e2e.examples.play import at_rest, end_of

EXAMPLES = sorted((Path(__file__).parents[3] / "examples").glob("*.yaml"))

HEADER = """\
# A job that is run twice.
#
#   kubectl apply -f x.yaml
#
# Needs: uploads/a.jpg
# Needs: lists/a.ndjson = {"key": "uploads/a.jpg"}
# Needs: lists/a.ndjson = {"key": "uploads/b = c.jpg"}
# Ends: Failed JOB_002/SourceNotFound
# Then: kubectl patch imagejob x --type=merge
#   -p '{"spec": {"suspend": true}}'
# Ends: Suspended
# Then: kubectl patch imagejob x --type=merge -p '{"spec": {"suspend": false}}'
# Ends: Succeeded SucceededWithFailures
# Gives: out/a.jpg "out/b c.jpg"
#   out/d.jpg
apiVersion: imagejob.dev/v1alpha1
# Ends: Cancelled JOB_008/Cancelled
"""


def test_a_header_is_read() -> None:
    lines = '{"key": "uploads/a.jpg"}\n{"key": "uploads/b = c.jpg"}\n'
    patch = ("patch", "imagejob", "x", "--type=merge", "-p")
    assert read_header(HEADER) == Header(
        needs={"uploads/a.jpg": None, "lists/a.ndjson": lines},
        steps=(
            Step((), {"": End("Failed", "JOB_002", "SourceNotFound")}, frozenset()),
            Step((*patch, '{"spec": {"suspend": true}}'), {"": End("Suspended")}, frozenset()),
            Step(
                (*patch, '{"spec": {"suspend": false}}'),
                {"": End("Succeeded", "", "SucceededWithFailures")},
                frozenset({"out/a.jpg", "out/b c.jpg", "out/d.jpg"}),
            ),
        ),
    )


@pytest.mark.parametrize(
    ("header", "objection"),
    [
        pytest.param("# Shows: nothing.\nkind: ImageJob\n", "step 1 has no line", id="no end"),
        pytest.param("kind: ImageJob\n# Ends: Succeeded\n", "step 1 has no line", id="below the header"),
        pytest.param(
            "# Ends: Succeeded\n# Then: kubectl delete x\n", "step 2 has no line", id="no second end"
        ),
        pytest.param("# Ends: Running\n", "'Running' is not", id="a phase that passes"),
        pytest.param("# Ends: Done\n", "'Done' is not", id="no phase"),
        pytest.param("# Ends: Succeeded for sure now\n", "is not", id="too many words"),
        pytest.param("# Ends: Failed JOB_002/Unschedulable\n", "not in the catalogue", id="no such pair"),
        pytest.param(
            "# Ends: Succeeded\n# Then: rm x\n# Ends: Failed\n", "no kubectl command", id="no kubectl"
        ),
    ],
)
def test_a_bad_header_is_found(header: str, objection: str) -> None:
    with pytest.raises(BadHeader, match=objection):
        read_header(header)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_header_of_an_example_can_be_read(path: Path) -> None:
    assert read_header(path.read_text()).steps


PROMISED = Step((), {"": End("Succeeded")}, frozenset({"out/a.jpg"}))
PLAIN = {"x": End("Succeeded", "", "Succeeded")}
TWO = Step((), {"x": End("Succeeded"), "y": End("Failed", "JOB_002", "SourceNotFound")}, frozenset())


def test_what_is_as_promised_passes() -> None:
    assert objections(PROMISED, PLAIN, ["out/a.jpg"], []) == []
    assert objections(TWO, {**PLAIN, "y": End("Failed", "JOB_002", "SourceNotFound")}, [], []) == []


@pytest.mark.parametrize(
    ("step", "ended", "appeared", "gone", "objection"),
    [
        pytest.param(
            PROMISED,
            {"x": End("Failed", "JOB_003", "Unschedulable")},
            ["out/a.jpg"],
            [],
            "x ended as Failed JOB_003/Unschedulable, not as Succeeded",
            id="another end",
        ),
        pytest.param(
            PROMISED,
            {"x": End("Succeeded", "", "SucceededWithFailures")},
            ["out/a.jpg"],
            [],
            "x ended as Succeeded SucceededWithFailures, not as Succeeded",
            id="no plain success",
        ),
        pytest.param(PROMISED, PLAIN, [], [], "out/a.jpg was not made", id="an output missing"),
        pytest.param(
            PROMISED,
            PLAIN,
            ["out/a.jpg", "out/b.jpg"],
            [],
            "out/b.jpg was made, and no line names it",
            id="an output too many",
        ),
        pytest.param(PROMISED, PLAIN, ["out/a.jpg"], ["in/a.jpg"], "in/a.jpg is gone", id="a source gone"),
        pytest.param(TWO, PLAIN, [], [], "the file has no job 'y', say whose end it is", id="no such job"),
        pytest.param(
            PROMISED,
            {**PLAIN, "y": End("Suspended", "", "Suspended")},
            ["out/a.jpg"],
            [],
            "no line says how y ends; it ended as Suspended Suspended",
            id="a job of which nothing is objection",
        ),
    ],
)
def test_what_is_planted_is_found(
    step: Step, ended: dict[str, End], appeared: list[str], gone: list[str], objection: str
) -> None:
    assert objection in objections(step, ended, appeared, gone)


def job(phase: str, run: str = "1", seen: int = 1) -> dict[str, Any]:
    ready = {"type": "Ready", "reason": "SucceededWithFailures"}
    status = {"phase": phase, "observedGeneration": seen, "run": {"id": run}, "conditions": [ready]}
    return {"metadata": {"generation": 1}, "spec": {"run": {"id": "1"}}, "status": status}


def test_a_job_rests_when_the_wanted_run_has_ended() -> None:
    assert at_rest(job("Succeeded"))
    assert at_rest(job("Suspended", run=""))
    assert not at_rest(job("Cancelled", run="0"))
    assert not at_rest(job("Succeeded", seen=0))
    assert not at_rest(job("Running"))


def test_the_end_of_a_job_is_shown() -> None:
    assert end_of(job("Succeeded")) == End("Succeeded", "", "SucceededWithFailures")
    failed = job("Failed")
    failed["status"]["error"] = {"code": "JOB_002", "reason": "SourceNotFound"}
    assert end_of(failed) == End("Failed", "JOB_002", "SourceNotFound")
