"""Submit, follow and change ImageJobs."""

from __future__ import annotations

import copy
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from imagejob import kubeconfig, operator_settings
from imagejob.errors import Conflict, Invalid, Suggestion, Unreachable
from imagejob.job import ImageJob
from imagejob.manifest import Manifest, check, check_kind
from imagejob.names import checked_name, checked_namespace
from imagejob.transport import HttpTransport, Transport
from imagejob.watching import watch_job
from imagejob_operator.naming.names import GROUP, LABEL_JOB, PLURAL, VERSION

if TYPE_CHECKING:
    from imagejob.bucket import Bucket
    from imagejob.results import Results

HOUR: float = 3600
PAGE = "100"
"""ImageJobs of one response to a listing; each may have more than a megabyte."""
CONTAINER = "processor"


class Client:
    """ImageJobs of one cluster. Methods use the default namespace if `namespace` is None.

    All methods raise an `ImageJobError`: Unreachable, NotInstalled, Forbidden, NotFound, Invalid, Conflict or
    Rejected. A client can be used by several threads.
    """

    def __init__(self, transport: Transport, namespace: str = "default") -> None:
        self.transport = transport
        self.namespace = checked_namespace(namespace)
        """The default namespace."""

    @classmethod
    def connect(
        cls, *, kubeconfig_file: str | None = None, context: str | None = None, namespace: str | None = None
    ) -> Self:
        """Connect by the rules of kubectl; in a Pod without a kubeconfig, by its service account.

        Args:
            kubeconfig_file: None for the files in KUBECONFIG, or ~/.kube/config.
            context: None for the current context.
            namespace: None for the namespace of the context.
        """
        access = kubeconfig.load(kubeconfig_file, context)
        return cls(HttpTransport(access), namespace or access.namespace)

    def submit(
        self, manifest: Mapping[str, Any], namespace: str | None = None, *, dry_run: bool = False
    ) -> ImageJob:
        """Create an ImageJob. With `dry_run`, the API server checks it and stores nothing.

        Unknown fields are refused. Raises Conflict if the name exists.
        """
        body = copy.deepcopy(check_kind(manifest))
        metadata = body["metadata"]
        where = namespace or metadata.get("namespace") or self.namespace
        metadata["namespace"] = where
        name = metadata.get("name") or metadata["generateName"]
        params = {"fieldValidation": "Strict", **({"dryRun": "All"} if dry_run else {})}
        try:
            return ImageJob(self.transport.request("POST", _path(where), f"ImageJob {name!r}", params, body))
        except Invalid as error:
            raise _with_guess(error, body) from None
        except Conflict:
            again = Suggestion(("retry", name), where)
            raise Conflict(
                f"ImageJob {name!r} exists already in namespace {where!r}; to run it again: {again}; "
                "to change it, apply the manifest with kubectl"
            ).suggesting(again) from None

    def get(self, name: str, namespace: str | None = None) -> ImageJob:
        """Read an ImageJob; raises NotFound (JOB_004) if it does not exist."""
        where = namespace or self.namespace
        return ImageJob(self.transport.request("GET", _path(where, name), _what(name, where)))

    def list(
        self, namespace: str | None = None, *, all_namespaces: bool = False, phase: str = "", labels: str = ""
    ) -> list[ImageJob]:
        """List ImageJobs by namespace and name; optionally only those in a phase, or with labels.

        `labels` is a label selector such as `team=shop,season!=spring`.
        """
        params = {"limit": PAGE}
        if phase:
            params["fieldSelector"] = f"status.phase={phase}"
        if labels:
            params["labelSelector"] = labels
        path = _path(None if all_namespaces else namespace or self.namespace)
        found: list[ImageJob] = []
        tokens: set[str] = set()
        while True:
            page = self.transport.request("GET", path, "ImageJobs", params)
            found.extend(
                ImageJob({"apiVersion": page["apiVersion"], "kind": "ImageJob", **body})
                for body in page["items"]
            )
            following = (page.get("metadata") or {}).get("continue")
            if not following:
                return sorted(found, key=lambda job: (job.namespace, job.name))
            if following in tokens:
                raise Unreachable("the API server lists the same ImageJobs again and again; try again")
            tokens.add(following)
            params = {**params, "continue": following}

    def watch(self, name: str, namespace: str | None = None, *, timeout: float = HOUR) -> Iterator[ImageJob]:
        """Yield the job now and after each change, and last when its run has finished.

        It reconnects if the connection is interrupted. Raises NotFound if the job does not exist or is
        deleted, and WaitTimeout if the run has not finished within `timeout` seconds.
        """
        where = namespace or self.namespace
        return watch_job(self.transport, lambda: self.get(name, where), _path(where), name, timeout)

    def wait(self, name: str, namespace: str | None = None, *, timeout: float = HOUR) -> ImageJob:
        """Wait until the run has finished; returns the job, which may have failed: see `raise_if_failed`."""
        *_, last = self.watch(name, namespace, timeout=timeout)
        return last

    def cancel(self, name: str, namespace: str | None = None) -> ImageJob:
        """Cancel the active run; raises Conflict if there is none."""
        return self.patch(name, cancel_change(self.get(name, namespace)), namespace)

    def suspend(self, name: str, namespace: str | None = None) -> ImageJob:
        """Suspend the run: its Pods and its staging are deleted."""
        return self.patch(name, suspend_change(True), namespace)

    def resume(self, name: str, namespace: str | None = None) -> ImageJob:
        """Start a suspended run again, from its first item."""
        return self.patch(name, suspend_change(False), namespace)

    def retry(
        self, name: str, namespace: str | None = None, *, failed_only: bool = False, run_id: str = ""
    ) -> ImageJob:
        """Start a new run of a job whose run has finished; raises Conflict if it has not.

        Args:
            name: The job.
            namespace: Its namespace.
            failed_only: Process only what the previous run did not publish.
            run_id: The id of the new run; by default, its number.
        """
        return self.patch(name, retry_change(self.get(name, namespace), failed_only, run_id), namespace)

    def patch(
        self, name: str, change: Mapping[str, Any], namespace: str | None = None, *, dry_run: bool = False
    ) -> ImageJob:
        """Merge a change into the job, such as `{"spec": {"execution": {"parallelism": 8}}}`."""
        where = namespace or self.namespace
        params = {"fieldValidation": "Strict", **({"dryRun": "All"} if dry_run else {})}
        return ImageJob(
            self.transport.request("PATCH", _path(where, name), _what(name, where), params, change)
        )

    def delete(self, name: str, namespace: str | None = None) -> None:
        """Delete the job, its Pods and its staging. Outputs and reports stay. It does not wait."""
        where = namespace or self.namespace
        self.transport.request("DELETE", _path(where, name), _what(name, where))

    def pods(self, name: str, namespace: str | None = None) -> Sequence[Mapping[str, Any]]:
        """The Pods of a job that exist, the oldest first. Most are deleted when a run ends."""
        where = namespace or self.namespace
        path = f"/api/v1/namespaces/{checked_namespace(where)}/pods"
        name = checked_name(name)
        found = self.transport.request("GET", path, "Pods", {"labelSelector": f"{LABEL_JOB}={name}"})["items"]
        return sorted(found, key=lambda pod: str(pod["metadata"]["creationTimestamp"]))

    def log(
        self, pod: str, namespace: str | None = None, *, tail: int | None = None, follow: bool = False
    ) -> Generator[str, None, None]:
        """The lines of the log of a Pod; with `follow`, until its container has ended."""
        where = namespace or self.namespace
        params = {"container": CONTAINER, **({"tailLines": str(tail)} if tail is not None else {})}
        if follow:
            params["follow"] = "true"
        path = f"/api/v1/namespaces/{checked_namespace(where)}/pods/{checked_name(pod)}/log"
        return self.transport.lines(path, f"the log of Pod {pod!r}", params, HOUR if follow else 30.0)

    def bucket(
        self,
        namespace: str | None = None,
        *,
        store: str = "",
        bucket_url: str = "",
        operator_namespace: str = operator_settings.NAMESPACE,
    ) -> Bucket:
        """Open the namespace's part of a bucket, with the user's own credentials for it.

        Args:
            namespace: Whose part.
            store: The name of an ImageStore; empty for the operator's own store.
            bucket_url: https://HOST/BUCKET of the operator's store, if its settings cannot be read.
            operator_namespace: Where the settings of the operator are.

        Raises:
            StoreFailed: The store is not known or cannot be reached, or there are no credentials.
        """
        from imagejob.bucket import Bucket
        from imagejob.store_location import image_store, operator_store

        where = namespace or self.namespace
        if store:
            return Bucket(self.transport, image_store(self.transport, where, store))
        found = operator_store(self.transport, where, operator_namespace, bucket_url)
        return Bucket(self.transport, found)

    def results(self, name: str, namespace: str | None = None) -> Results:
        """Read the report of a run that has finished; raises Conflict if it has none."""
        from imagejob.results import results_of

        job = self.get(name, namespace)
        return results_of(job, lambda store: self.bucket(job.namespace, store=store))


def _with_guess(error: Invalid, body: Mapping[str, Any]) -> Invalid:
    """The API server's refusal of an unknown field, with the field that was probably meant."""
    if "unknown field" not in str(error):
        return error
    try:
        check(body)
    except Invalid as found:
        _, _, guess = str(found).partition("; did you mean ")
        return Invalid(f"{error}; did you mean {guess}", error.fields) if guess else error
    return error


def cancel_change(job: ImageJob) -> Manifest:
    """The change that cancels the active run; raises Conflict if there is none."""
    run = job.run.id or str((job.spec.get("run") or {}).get("id", ""))
    if job.finished or not run:
        raise Conflict(f"ImageJob {job.name!r} has no active run to cancel: its phase is {job.phase}")
    return {"spec": {"cancelRunID": run}}


def suspend_change(suspended: bool) -> Manifest:
    """The change that suspends or resumes a run."""
    return {"spec": {"suspend": suspended}}


def retry_change(job: ImageJob, failed_only: bool = False, run_id: str = "") -> Manifest:
    """The change that starts a new run.

    Raises:
        Conflict: The job is suspended, the current run has not finished, or `failed_only` and no item failed.
    """
    if job.phase == "Suspended":
        resume = Suggestion(("resume", job.name), job.namespace)
        raise Conflict(
            f"ImageJob {job.name!r} is suspended, so that no run starts; to start it: {resume}"
        ).suggesting(resume)
    if failed_only and job.run.outcome == "Succeeded":
        whole = Suggestion(("retry", job.name), job.namespace)
        raise Conflict(
            f"run {job.run.id!r} of ImageJob {job.name!r} has no failed items; to process all again: {whole}"
        ).suggesting(whole)
    if not job.finished:
        cancel = Suggestion(("cancel", job.name), job.namespace)
        raise Conflict(
            f"run {job.run.id or '1'!r} of ImageJob {job.name!r} has not finished: its phase is {job.phase}; "
            f"wait for it, or cancel it: {cancel}"
        ).suggesting(cancel)
    used = {job.run.id, (job.spec.get("run") or {}).get("id"), job.spec.get("cancelRunID")}
    used |= {past.id for past in job.history}
    if run_id and run_id in used:
        raise Conflict(f"run.id {run_id!r} of ImageJob {job.name!r} is in use; choose another one")
    number = job.run.number + 1
    while str(number) in used:
        number += 1
    return {"spec": {"run": {"id": run_id or str(number), "items": "Failed" if failed_only else "All"}}}


def _path(namespace: str | None, name: str | None = None) -> str:
    """The path of one ImageJob, or of those of one namespace or all; raises Invalid."""
    where = "" if namespace is None else f"/namespaces/{checked_namespace(namespace)}"
    return f"/apis/{GROUP}/{VERSION}{where}/{PLURAL}" + ("" if name is None else f"/{checked_name(name)}")


def _what(name: str, namespace: str) -> str:
    return f"ImageJob {name!r} in namespace {namespace!r}"
