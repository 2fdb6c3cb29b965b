"""The trace of a run as values, and its ids (https://opentelemetry.io/docs/specs/otel/trace/api/).

The ids follow from the ImageJob and the number of the run, so nothing is stored, every process names the same
trace, and a trace that is sent twice is the same one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

Attribute = str | int | tuple[str, ...]
Attributes = Mapping[str, Attribute]


def trace_id(uid: str, run: int) -> bytes:
    """The 16 bytes that identify the trace of a run, by the uid of its ImageJob and its number."""
    return hashlib.sha256(f"imagejob/{uid}/{run}".encode()).digest()[:16]


def span_id(trace: bytes, path: str) -> bytes:
    """The 8 bytes that identify a span by its path in the trace."""
    return hashlib.sha256(trace + path.encode()).digest()[:8]


@dataclass(frozen=True, slots=True)
class Span:
    """Something that took a time. The root has no parent."""

    id: bytes
    parent: bytes
    name: str
    start: datetime
    end: datetime
    attributes: Attributes = field(default_factory=dict)
    error: str | None = None
    """Why it failed; None if it did not."""


@dataclass(frozen=True, slots=True)
class PodTrace:
    """The spans of one Pod, and what identifies the Pod: its resource, for OpenTelemetry."""

    pod: Attributes
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Trace:
    """The spans of one run: those of the operator, with the root first, and those of the Pods."""

    id: bytes
    spans: tuple[Span, ...]
    pods: tuple[PodTrace, ...] = ()
