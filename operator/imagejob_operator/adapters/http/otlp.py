"""Traces in OTLP, the protocol of OpenTelemetry, encoded with its own schema."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1 import trace_pb2

from imagejob_operator.documents.run_trace import Attribute, Attributes, Span, Trace

SCOPE = InstrumentationScope(name="imagejob")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PODS = {"service.name": "imagejob-processor"}


def encode(traces: Sequence[Trace], operator: Attributes, shared: Mapping[str, str]) -> bytes:
    """The body of a request; `operator` identifies the operator, `shared` are attributes of Pods as well."""
    own = [_spans(trace.id, span) for trace in traces for span in trace.spans]
    resources = [_resource(operator, own)]
    for trace in traces:
        for pod in trace.pods:
            resource = {**shared, **PODS, **pod.pod}
            resources.append(_resource(resource, [_spans(trace.id, span) for span in pod.spans]))
    body: bytes = ExportTraceServiceRequest(resource_spans=resources).SerializeToString()
    return body


def rejected(body: bytes) -> str:
    """What a collector did not take of a request that it accepted; empty if it took all, or does not say."""
    try:
        answer = ExportTraceServiceResponse.FromString(body).partial_success
    except DecodeError:
        return ""
    if not answer.rejected_spans:
        return ""
    return f"it rejected {answer.rejected_spans} spans: {answer.error_message}"


def _resource(attributes: Attributes, spans: list[trace_pb2.Span]) -> trace_pb2.ResourceSpans:
    scoped = trace_pb2.ScopeSpans(scope=SCOPE, spans=spans)
    return trace_pb2.ResourceSpans(resource=Resource(attributes=_pairs(attributes)), scope_spans=[scoped])


def _spans(trace: bytes, span: Span) -> trace_pb2.Span:
    status = None
    if span.error is not None:
        status = trace_pb2.Status(code=trace_pb2.Status.STATUS_CODE_ERROR, message=span.error)
    return trace_pb2.Span(
        trace_id=trace,
        span_id=span.id,
        parent_span_id=span.parent,
        name=span.name,
        kind=trace_pb2.Span.SPAN_KIND_INTERNAL,
        start_time_unix_nano=_nanoseconds(span.start),
        end_time_unix_nano=_nanoseconds(span.end),
        attributes=_pairs(span.attributes),
        status=status,
    )


def _nanoseconds(moment: datetime) -> int:
    # Not by timestamp(): a float has no microseconds left for today.
    return (moment - EPOCH) // timedelta(microseconds=1) * 1000


def _pairs(attributes: Attributes) -> Iterable[KeyValue]:
    return [KeyValue(key=key, value=_value(value)) for key, value in attributes.items()]


def _value(value: Attribute) -> AnyValue:
    match value:
        case int():
            return AnyValue(int_value=value)
        case str():
            return AnyValue(string_value=value)
        case _:
            return AnyValue(array_value=ArrayValue(values=[_value(one) for one in value]))
