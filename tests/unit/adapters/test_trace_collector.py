"""Traces over HTTP, to a server that decodes them with the schema of OpenTelemetry."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span as ProtoSpan
from opentelemetry.proto.trace.v1.trace_pb2 import Status as ProtoStatus

from fakes.build import later
from imagejob_operator.adapters.http import trace_collector
from imagejob_operator.adapters.http.trace_collector import HttpTraceCollector
from imagejob_operator.documents.run_trace import PodTrace, Span, Trace
from imagejob_operator.ports.trace_collector import CollectorError
from imagejob_operator.trace_settings import TraceSettings, read_trace_settings

ROOT, PHASE, POD, FETCH = b"rootroot", b"phasepha", b"podpodpo", b"fetchfet"
TRACE = Trace(
    b"0123456789abcdef",
    (
        Span(
            ROOT,
            b"",
            "run",
            later(0),
            later(9.000001),
            {"imagejob.run.number": 1, "codes": ("a", "b")},
            "no 'é'",
        ),
        Span(PHASE, ROOT, "staging", later(0), later(2)),
    ),
    (
        PodTrace(
            {"k8s.pod.name": "spring-0", "k8s.pod.uid": "u"},
            (Span(POD, ROOT, "pod", later(2), later(8)), Span(FETCH, POD, "fetch", later(3), later(4))),
        ),
    ),
)
OTHER = Trace(b"fedcba9876543210", (Span(ROOT, b"", "run", later(0), later(1)),))


class Collector:
    """Answers with a status and a body, and keeps what it was sent."""

    def __init__(self, status: int = 200, body: bytes = b"", **headers: str) -> None:
        self.status, self.body = status, body
        self.headers = {"Content-Type": "application/x-protobuf", **headers}
        self.requests: list[tuple[str, dict[str, str], ExportTraceServiceRequest]] = []
        self.hangs = False

    async def answer(self, request: web.Request) -> web.Response:
        if self.hangs:
            await asyncio.Event().wait()
        decoded = ExportTraceServiceRequest.FromString(await request.read())
        self.requests.append((request.path, dict(request.headers), decoded))
        return web.Response(status=self.status, body=self.body, headers=self.headers)


@asynccontextmanager
async def served(collector: Collector, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    app = web.Application(client_max_size=1 << 26)
    app.router.add_post("/{path:.*}", collector.answer)
    runner = web.AppRunner(app, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    try:
        yield f"http{'s' if tls else ''}://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def send(url: str, *traces: Trace, **variables: str) -> None:
    settings = read_trace_settings({"OTEL_EXPORTER_OTLP_ENDPOINT": url, **variables})
    assert settings
    collector = HttpTraceCollector(settings, {"k8s.pod.name": "operator-a"})
    try:
        await collector.send(traces or (TRACE,))
    finally:
        await collector.close()


def values(attributes: Iterable[Any]) -> dict[str, Any]:
    """Attributes by name."""

    def value(one: Any) -> Any:
        kind = one.WhichOneof("value")
        return (
            [value(each) for each in one.array_value.values] if kind == "array_value" else getattr(one, kind)
        )

    return {each.key: value(each.value) for each in attributes}


async def test_a_trace_arrives_as_it_was_made() -> None:
    collector = Collector()
    async with served(collector) as url:
        await send(url)
    ((path, headers, request),) = collector.requests
    assert path == "/v1/traces"
    assert headers["Content-Type"] == "application/x-protobuf"
    own, pod = request.resource_spans
    assert values(own.resource.attributes) == {
        "service.name": "imagejob-operator",
        "k8s.pod.name": "operator-a",
    }
    assert values(pod.resource.attributes) == {
        "service.name": "imagejob-processor",
        "k8s.pod.name": "spring-0",
        "k8s.pod.uid": "u",
    }
    (scoped,) = own.scope_spans
    assert scoped.scope.name == "imagejob"
    root, phase = scoped.spans
    assert {span.trace_id for span in (root, phase)} == {TRACE.id}
    assert (root.span_id, root.parent_span_id, root.name) == (ROOT, b"", "run")
    assert (phase.span_id, phase.parent_span_id, phase.name) == (PHASE, ROOT, "staging")
    assert root.end_time_unix_nano - root.start_time_unix_nano == 9_000_001_000
    assert root.start_time_unix_nano == int(later(0).timestamp()) * 10**9
    assert values(root.attributes) == {"imagejob.run.number": 1, "codes": ["a", "b"]}
    assert (root.status.code, root.status.message) == (ProtoStatus.STATUS_CODE_ERROR, "no 'é'")
    assert phase.status.code == ProtoStatus.STATUS_CODE_UNSET
    assert {span.kind for span in (root, phase)} == {ProtoSpan.SPAN_KIND_INTERNAL}
    assert [span.parent_span_id for span in pod.scope_spans[0].spans] == [ROOT, POD]


async def test_several_traces_are_one_request() -> None:
    collector = Collector()
    async with served(collector) as url:
        await send(url, TRACE, OTHER)
    ((_, _, request),) = collector.requests
    ids = [span.trace_id for each in request.resource_spans for span in each.scope_spans[0].spans]
    assert ids == [TRACE.id, TRACE.id, OTHER.id, TRACE.id, TRACE.id]


async def test_the_variables_change_path_names_attributes_and_headers() -> None:
    collector = Collector()
    variables = {
        "OTEL_SERVICE_NAME": "images",
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=prod%20eu, k8s.pod.name=mine",
        "OTEL_EXPORTER_OTLP_HEADERS": "Authorization=Bearer%20abc,x-tenant=shop",
    }
    async with served(collector) as url:
        await send("http://nowhere", OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=f"{url}/in?a=b", **variables)
        await send("http://nowhere", TRACE, **{**variables, "OTEL_EXPORTER_OTLP_ENDPOINT": f"{url}/otlp/"})
    (path, headers, request), (other, _, _) = collector.requests
    assert (path, other) == ("/in", "/otlp/v1/traces")
    assert (headers["Authorization"], headers["x-tenant"]) == ("Bearer abc", "shop")
    own, pod = (values(each.resource.attributes) for each in request.resource_spans)
    shared = {"deployment.environment.name": "prod eu"}
    assert own == {**shared, "service.name": "images", "k8s.pod.name": "mine"}
    assert pod == {
        **shared,
        "service.name": "imagejob-processor",
        "k8s.pod.name": "spring-0",
        "k8s.pod.uid": "u",
    }


@pytest.mark.parametrize(
    ("status", "transient"),
    [(302, False), (400, False), (401, False), (413, False), (500, False), (429, True), (503, True)],
)
async def test_what_is_refused_is_an_error_with_the_answer(status: int, transient: bool) -> None:
    collector = Collector(status, b"no room" * 100, Location="/elsewhere")
    async with served(collector) as url:
        with pytest.raises(CollectorError, match=f"the collector answered {status} .*: no room") as raised:
            await send(url)
    assert raised.value.transient is transient
    assert len(collector.requests) == 1, "a redirect is not followed"
    assert len(str(raised.value)) < 300


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7), ("Wed, 21 Oct 2026 07:28:00 GMT", 0), ("9" * 400, 0), ("-1", 0)]
)
async def test_the_pause_that_the_collector_asks_for(header: str, seconds: float) -> None:
    async with served(Collector(503, **{"Retry-After": header})) as url:
        with pytest.raises(CollectorError) as raised:
            await send(url)
    assert raised.value.retry_after == seconds


async def test_spans_that_the_collector_rejects_are_an_error() -> None:
    answer = ExportTraceServiceResponse()
    answer.partial_success.rejected_spans = 3
    answer.partial_success.error_message = "too old"
    async with served(Collector(200, answer.SerializeToString())) as url:
        with pytest.raises(CollectorError, match="it rejected 3 spans: too old") as raised:
            await send(url)
    assert not raised.value.transient


@pytest.mark.parametrize("body", [ExportTraceServiceResponse().SerializeToString(), b"\xff\xff{}"])
async def test_an_answer_that_says_nothing_is_a_success(body: bytes) -> None:
    async with served(Collector(200, body)) as url:
        await send(url)


async def test_a_collector_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace_collector, "SECONDS", 0.05)
    collector = Collector()
    collector.hangs = True
    async with served(collector) as url:
        with pytest.raises(CollectorError, match="did not answer within") as raised:
            await send(url)
    assert raised.value.transient


async def test_a_collector_that_is_not_there() -> None:
    with pytest.raises(CollectorError, match="Connect") as raised:
        await send("http://127.0.0.1:9")
    assert raised.value.transient


async def test_a_certificate_that_the_system_does_not_know(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=c -addext"
    command = ["openssl", *words.split(), "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate]
    subprocess.run(command, check=True, capture_output=True)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)
    collector = Collector()
    async with served(collector, tls) as url:
        with pytest.raises(CollectorError, match="certificate verify failed"):
            await send(url)
        await send(url, OTEL_EXPORTER_OTLP_CERTIFICATE=str(certificate))
    assert len(collector.requests) == 1


def test_an_operator_without_traces_does_not_load_the_schema() -> None:
    program = "import sys, imagejob_operator.wiring; sys.exit('google.protobuf' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)


# --- settings ----------------------------------------------------------------------------------------------

URL = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://user:secret@collector:4318"}


def test_without_an_endpoint_nothing_is_sent() -> None:
    assert read_trace_settings({}) is None
    assert (
        read_trace_settings({"OTEL_EXPORTER_OTLP_ENDPOINT": " ", "OTEL_EXPORTER_OTLP_HEADERS": "="}) is None
    )


def test_secrets_are_not_shown() -> None:
    settings = read_trace_settings({**URL, "OTEL_EXPORTER_OTLP_HEADERS": "k=secret"})
    assert settings == TraceSettings("http://user:secret@collector:4318/v1/traces", {"k": "secret"})
    assert "secret" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "secret:4317", "ENDPOINT is invalid: it must be a URL"),
        (
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            "ftp://secret",
            "TRACES_ENDPOINT is invalid: it must be a URL",
        ),
        (
            "OTEL_EXPORTER_OTLP_PROTOCOL",
            "grpc",
            "PROTOCOL is invalid: it must be http/protobuf, .* port 4318",
        ),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json", "TRACES_PROTOCOL is invalid"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=b,secret", "HEADERS is invalid: .*, and entry 2 is not one"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=secret%0A", "HEADERS is invalid: .* printable ASCII, and entry 1"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a b=secret", "HEADERS is invalid: .* printable ASCII, and entry 1"),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "=secret", "TRACES_HEADERS is invalid"),
        ("OTEL_RESOURCE_ATTRIBUTES", "secret", "OTEL_RESOURCE_ATTRIBUTES is invalid"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/none", "CERTIFICATE is '/none': it must be a file of PEM"),
    ],
)
def test_a_variable_that_is_invalid_is_named_without_its_value(name: str, value: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as raised:
        read_trace_settings({**URL, name: value})
    assert "secret" not in str(raised.value)


def test_the_variables_for_traces_come_first() -> None:
    both = {
        "OTEL_EXPORTER_OTLP_HEADERS": "a=1",
        "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "a=2",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
    }
    settings = read_trace_settings({**URL, **both})
    assert settings
    assert settings.headers == {"a": "2"}


def test_the_name_of_the_service_may_be_an_attribute() -> None:
    given = {**URL, "OTEL_RESOURCE_ATTRIBUTES": "service.name=a,b=c"}
    settings = read_trace_settings(given)
    assert settings
    assert (settings.service, settings.attributes) == ("a", {"b": "c"})
    named = read_trace_settings({**given, "OTEL_SERVICE_NAME": "d"})
    assert named
    assert named.service == "d"
