"""`imagejob submit` and `validate`."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from fakes.transport import FakeTransport, error, job
from imagejob import Invalid, build, rendition, to_yaml
from unit.cli.conftest import Run

MANIFEST = build("a", source={"keys": ["a.jpg"]}, renditions=[rendition("out", "WebP", width=20)])
NAMELESS = ["--keys", "a.jpg", "--width", "20", "--format", "WebP"]
SIMPLE = ["--name", "a", *NAMELESS]
JOBS = "/apis/imagejob.dev/v1alpha1/namespaces/shop/imagejobs"


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "job.yaml"
    path.write_text(to_yaml(MANIFEST))
    return str(path)


# --- submit ------------------------------------------------------------------------------------------------


def test_a_manifest_and_options_make_the_same_job(api: FakeTransport, run: Run, file: str) -> None:
    for words in ([file], SIMPLE):
        assert run("submit", *words) == (0, "imagejob.imagejob.dev/a created in namespace shop\n", "")
        assert api.jobs.pop(("shop", "a"))["spec"] == MANIFEST["spec"]
    run("submit", "-", stdin=Path(file).read_text())
    assert api.jobs["shop", "a"]["spec"] == MANIFEST["spec"]


def test_generate_prints_the_manifest_and_creates_nothing(api: FakeTransport, run: Run) -> None:
    done = run("submit", *SIMPLE, "--generate")
    assert (done.code, yaml.safe_load(done.out)) == (0, MANIFEST)
    assert not api.changes
    several = run("submit", "-", "--generate", stdin=f"{done.out}---\n{done.out}").out
    assert list(yaml.safe_load_all(several)) == [MANIFEST, MANIFEST]


@pytest.mark.parametrize(
    ("metadata", "shown"),
    [
        ({"name": "a" * 52}, ""),
        ({"generateName": f"{'a' * 46}-"}, ""),
        ({"generateName": "a" * 48}, "it has 48 characters; it has 1 to 47 characters"),
        ({"generateName": "A-"}, "metadata.generateName: 'A-' is no name of an ImageJob"),
        ({"name": 7}, "metadata.name: 7 is no name of an ImageJob: it is no text"),
        ({"name": "a", "namespace": "a.b"}, "'a.b' is no name of a namespace"),
    ],
)
def test_generate_checks_the_names_of_a_file(run: Run, metadata: dict[str, object], shown: str) -> None:
    done = run("submit", "-", "--generate", stdin=to_yaml({**MANIFEST, "metadata": metadata}))
    assert done.code == (2 if shown else 0)
    assert shown in done.err


def test_sources_by_prefix_and_globs(run: Run) -> None:
    words = [
        "--name",
        "a",
        "--match-prefix",
        "in/",
        "--include",
        "**/*.jpg",
        "--prefix",
        "out/",
        "--generate",
    ]
    spec = yaml.safe_load(run("submit", *words).out)["spec"]
    assert spec["source"] == {"match": {"prefix": "in/", "include": ["**/*.jpg"]}}
    assert spec["destination"] == {"prefix": "out/"}


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ([], "a job needs a FILE, or --name with either --keys or --match-prefix"),
        (["--name", "a", "--keys", "x", "--match-prefix", "y/"], "either --keys or --match-prefix"),
        (["--keys", "x"], "--name is missing"),
        (["f.yaml", "--name", "a"], "FILE cannot be combined with --name"),
        (["f.yaml", "--width", "9", "--fit", "Fill"], "FILE cannot be combined with --width, --fit; change"),
        (["--name", "a", "--keys", "x", "--include", "*.jpg"], "--include needs --match-prefix"),
        (["--name", "a", "--keys", "x", "--fit", "Cover"], "--fit needs --width or --height"),
        ([*SIMPLE, "--fit", "Cove", "--width", "9"], "'Cove' is not one of Cover, "),
        (["/no/such/file"], "cannot read /no/such/file: No such file or directory"),
        (["/"], "cannot read /: Is a directory"),
        (["-"], "standard input is empty"),
        ([*SIMPLE, "--format", "BMP"], "spec.renditions[0].output.format: 'BMP' is not one of"),
        ([*SIMPLE, "--quality", "0", "--generate"], "spec.renditions[0].output.quality"),
        (
            [*NAMELESS, "--name", "Bad Name"],
            "metadata.name: 'Bad Name' is no name of an ImageJob: it has other",
        ),
        ([*NAMELESS, "--name", "Bad Name", "--generate"], "it has 1 to 52 characters of a-z, 0-9 and '-'"),
        ([*NAMELESS, "--name", "a.b", "--generate"], "'a.b' is no name of an ImageJob: it has a dot"),
        ([*NAMELESS, "--name", "a" * 53, "--generate"], "it has 53 characters; it has 1 to 52"),
        ([*NAMELESS, "--name", "-a", "--generate"], "or starts or ends with '-'"),
        ([*SIMPLE, "--generate", "-n", "Shop"], "'Shop' is no name of a namespace"),
    ],
)
def test_what_cannot_be_submitted_is_exit_2(
    api: FakeTransport, run: Run, words: list[str], shown: str
) -> None:
    done = run("submit", *words)
    assert (done.code, done.out) == (2, "")
    assert shown in done.err
    assert not api.changes


def test_a_file_that_is_no_text(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG\xff")
    done = run("submit", str(tmp_path / "a.png"))
    assert (done.code, done.out) == (2, "")
    assert "a.png is not text in UTF-8: line 1 has the byte 0x89; if it is text, save it in" in done.err


def test_a_name_that_exists_is_exit_2(api: FakeTransport, run: Run, file: str) -> None:
    run("submit", file)
    done = run("submit", file)
    assert done.code == 2
    assert "exists already in namespace 'shop'; to run it again: imagejob retry a" in done.err


@pytest.mark.parametrize("flag", ["--wait", "--watch"])
def test_waiting_ends_with_the_exit_code_of_the_run(
    api: FakeTransport, run: Run, file: str, flag: str
) -> None:
    api.events = [
        job("a", "Running", items={"total": 2, "succeeded": 1, "failed": 0, "skipped": 0}),
        job("a", "Failed", error=error("JOB_005", "ItemsFailed", "1 of 2")),
    ]
    done = run("submit", file, flag)
    assert done.code == 1
    assert ("Running  1/2 items" in done.out) == (flag == "--watch")
    assert "JOB_005 ItemsFailed\n  evidence  1 of 2\n" in done.out


def test_a_namespace_of_the_manifest_is_used_to_the_end(api: FakeTransport, run: Run) -> None:
    elsewhere = {**MANIFEST, "metadata": {"name": "a", "namespace": "x"}}
    failed = job("a", "Failed", error=error("JOB_006", "DeadlineExceeded", "late", retriable=True))
    failed["metadata"]["namespace"] = "x"
    api.events = [failed]
    assert "imagejob retry a -n x" in run("submit", "-", "--wait", stdin=to_yaml(elsewhere)).out


def test_what_was_created_before_a_refusal_is_shown(api: FakeTransport, run: Run) -> None:
    api.add(job("b"))
    several = "---\n".join(to_yaml({**MANIFEST, "metadata": {"name": name}}) for name in "abc")
    done = run("submit", "-", stdin=several)
    assert (done.code, done.out) == (2, "imagejob.imagejob.dev/a created in namespace shop\n")


def test_submit_in_other_forms(api: FakeTransport, run: Run, file: str) -> None:
    assert run("submit", file, "-o", "name").out == "imagejob.imagejob.dev/a\n"
    api.jobs.clear()
    assert yaml.safe_load(run("submit", file, "-o", "yaml").out)["spec"] == MANIFEST["spec"]


# --- validate ----------------------------------------------------------------------------------------------


def test_validate_stores_nothing(api: FakeTransport, run: Run, file: str) -> None:
    done = run("validate", file)
    assert done == (0, f"{file}: ImageJob 'a' is valid in namespace 'shop'\n", "")
    assert not api.jobs
    assert [(method, params["dryRun"]) for method, _, params, _ in api.changes] == [("POST", "All")]


def test_validate_checks_the_change_of_a_job_that_exists(api: FakeTransport, run: Run, file: str) -> None:
    api.add(job("a", "Succeeded"))
    assert run("validate", file).code == 0
    assert api.changes[-1] == (
        "PATCH",
        f"{JOBS}/a",
        {"fieldValidation": "Strict", "dryRun": "All"},
        {"spec": MANIFEST["spec"]},
    )
    api.answers[f"PATCH {JOBS}/a"] = Invalid("spec.run.id: to change the spec, give it a new value")
    done = run("validate", file)
    assert (done.code, done.out) == (2, "")
    assert "to change the spec" in done.err


def test_validate_notes_what_is_surprising(api: FakeTransport, run: Run) -> None:
    manifest = build("a", source={"match": {"prefix": "in"}}, renditions=[rendition("out")])
    done = run("validate", "-", stdin=to_yaml(manifest))
    assert done.code == 0
    assert "note: spec.source.match.prefix 'in' does not end with '/'" in done.err


def test_validate_by_a_run_uses_a_copy_and_deletes_it(api: FakeTransport, run: Run, file: str) -> None:
    name = "a-check-x7k2p"
    api.events = [job(name, "Succeeded", run={"outcome": "Validated"})]
    done = run("validate", file, "--run")
    assert done.code == 0
    assert "shop/a-check-x7k2p  Validated" in done.out
    created = next(
        body for method, _, params, body in api.changes if method == "POST" and "dryRun" not in params
    )
    assert created["metadata"] == {"generateName": "a-check-", "namespace": "shop"}
    assert created["spec"] == {**MANIFEST["spec"], "run": {"id": "1", "mode": "Validate"}}
    assert api.changes[-1][:2] == ("DELETE", f"{JOBS}/{name}")
    assert not api.jobs


def test_a_validation_that_fails_is_exit_1_and_deleted(api: FakeTransport, run: Run, file: str) -> None:
    api.events = [job("a-check-x7k2p", "Failed", error=error("JOB_002", "SourceNotFound", "no 'a.jpg'"))]
    done = run("validate", file, "--run")
    assert done.code == 1
    assert "no 'a.jpg'" in done.out
    assert not api.jobs


def test_a_validation_of_a_suspended_job_would_not_end(api: FakeTransport, run: Run) -> None:
    manifest = build("a", source={"keys": ["a"]}, renditions=[rendition("out")], suspend=True)
    done = run("validate", "-", "--run", stdin=to_yaml(manifest))
    assert done.code == 2
    assert "spec.suspend is true" in done.err
    assert not api.jobs
