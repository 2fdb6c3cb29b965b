"""The traces of runs, as a collector on this machine decodes them with the schema of OpenTelemetry."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any, ClassVar

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from e2e.receiver import receiver
from e2e.world import Job, Shop, image_job, until, verdict
from imagejob_operator.documents.run_trace import trace_id
from localcluster.cluster import Status as Cluster


@dataclass(frozen=True)
class Seen:
    """A span with what identifies its process."""

    service: str
    pod: str
    span: Span

    def __getitem__(self, name: str) -> Any:
        """An attribute of the span."""
        found = {each.key: each.value for each in self.span.attributes}[name]
        return getattr(found, found.WhichOneof("value"))


class Collector(BaseHTTPRequestHandler):
    """Accepts traces with the right header, but for the first request."""

    refused: ClassVar[list[str]] = []
    seen: ClassVar[list[Seen]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path != "/v1/traces" or self.headers["X-Token"] != "a b":
            self._answer(401)
        elif not self.refused:
            self.refused.append(self.path)
            self._answer(503)
        else:
            # At once, so that a test sees all spans of a trace or none.
            self.seen.extend([*spans_of(ExportTraceServiceRequest.FromString(body))])
            self._answer(200)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *words: object) -> None:
        """Nothing."""


def spans_of(request: ExportTraceServiceRequest) -> Iterator[Seen]:
    for each in request.resource_spans:
        named = {one.key: one.value.string_value for one in each.resource.attributes}
        for scope in each.scope_spans:
            for span in scope.spans:
                yield Seen(named["service.name"], named["k8s.pod.name"], span)


def trace_of(job: Job) -> dict[str, Seen]:
    """The spans of the first run of a job, which has at most one Pod, by name."""
    wanted = trace_id(job["metadata"]["uid"], 1)
    found = [seen for seen in Collector.seen if seen.span.trace_id == wanted]
    by_name = {seen.span.name: seen for seen in found}
    assert len(by_name) == len(found), "each span is sent once"
    return by_name


def test_each_run_has_one_trace_with_the_spans_of_its_pods(shop: Shop, where: Cluster) -> None:
    keys = shop.upload_photos("china.jpg", "flower.jpg")
    with (
        receiver(where.host_address, Collector) as url,
        shop.world.operator_environment(
            OTEL_EXPORTER_OTLP_ENDPOINT=url, OTEL_EXPORTER_OTLP_HEADERS="X-Token=a%20b"
        ),
    ):
        execution = {"itemsPerPod": 2}
        good = shop.await_end(shop.apply(image_job({"keys": keys}, "good", execution=execution)))
        bad = shop.await_end(shop.apply(image_job({"keys": ["photos/none.jpg"]}, "bad")))
        assert (verdict(good)[0], verdict(bad)) == ("Succeeded", ("Failed", "JOB_002", "SourceNotFound"))
        until("both traces are sent", lambda: trace_of(good) and trace_of(bad), 30)
    _check_success(good, trace_of(good), shop)
    failed = trace_of(bad)
    assert failed.keys() == {"run", "staging", "cleaning"}
    assert {name for name, seen in failed.items() if seen.span.status.code == Status.STATUS_CODE_ERROR} == {
        "run",
        "staging",
    }
    assert failed["run"]["error.type"] == failed["staging"]["error.type"] == "JOB_002"
    assert "none.jpg" in failed["run"].span.status.message
    assert Collector.refused == ["/v1/traces"], "the first request was refused, and sent again"


def _check_success(job: Job, trace: dict[str, Seen], shop: Shop) -> None:
    phases = {"staging", "launching", "processing", "publishing"}
    work = {"order", "fetch", "process", "store"}
    # The Pod may start within the second in which it was created.
    assert trace.keys() - {"start"} == {"run", "pod", *phases, *work}
    root, pod = trace["run"].span, trace["pod"].span
    assert root.parent_span_id == b""
    assert {trace[name].span.parent_span_id for name in (*phases, "pod")} == {root.span_id}
    assert {trace[name].span.parent_span_id for name in work} == {pod.span_id}
    assert trace["run"]["k8s.namespace.name"] == shop.name
    assert trace["run"]["imagejob.name"] == job["metadata"]["name"]
    assert trace["run"]["imagejob.items.succeeded"] == 2
    assert root.status.code == Status.STATUS_CODE_UNSET
    assert {trace[name].service for name in phases} == {"imagejob-operator"}
    assert {trace[name].service for name in (*work, "pod")} == {"imagejob-processor"}
    assert trace["pod"].pod.startswith(job["metadata"]["name"])
    for name in work:
        span = trace[name].span
        assert pod.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano
        assert span.end_time_unix_nano <= pod.end_time_unix_nano
    assert (trace["fetch"]["imagejob.sources"], trace["store"]["imagejob.outputs"]) == (2, 2)
    assert trace["process"]["imagejob.busy_ms"] > 0
