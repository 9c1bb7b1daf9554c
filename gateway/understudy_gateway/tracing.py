"""W3C trace context, continued with a span of the gateway's own (OBS-2), and the spans written to a file (OBS-9).

The file has OpenTelemetry's JSON encoding, one batch a line, as collectors read it (OTLP file exporter); so nothing of
OpenTelemetry needs to be installed. A span says who asked which model, what it used and cost, and how it ended; never
what was said. Everything here runs only where `trace_file` is set.
"""

import json
import logging
import os
import re
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, cast

from understudy import __version__
from understudy.errors import ConfigError
from understudy.messages import RawHeaders, header_values
from understudy.pricing.cost import plain

from .spend.record import SpendRecord

_log = logging.getLogger(__name__)

GATHER_S: Final = 0.5
MOST_WAITING: Final = 10_000
"""Spans that wait for the disk; those beyond are dropped and counted."""

_PARENT: Final = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_SAMPLED: Final = 1
_KEPT_FLAGS: Final = 3
_CLIENT: Final = 3
_ERROR: Final = 2
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_PROVIDERS: Final = {"gemini": "gcp.gemini", "vertex_ai": "gcp.vertex_ai"}
_OPERATIONS: Final = {
    "generateContent": "generate_content",
    "streamGenerateContent": "generate_content",
    "bidiGenerateContent": "generate_content",
    "embedContent": "embeddings",
    "batchEmbedContents": "embeddings",
}


@dataclass(frozen=True, slots=True)
class Trace:
    """One span: its trace, its own id, and the client's span above it if there is one. Ids are lower-case hex."""

    trace_id: str
    span_id: str
    parent_id: str | None
    flags: int
    file: "SpanFile"
    method: str

    def onto(self, headers: RawHeaders) -> RawHeaders:
        """A request's head with this span as its parent. `tracestate` stays with the trace that it belongs to."""
        dropped = (b"traceparent",) if self.parent_id else (b"traceparent", b"tracestate")
        value = f"00-{self.trace_id}-{self.span_id}-{self.flags:02x}".encode("ascii")
        return (*(field for field in headers if field[0].lower() not in dropped), (b"traceparent", value))

    def ended(self, record: SpendRecord) -> None:
        """The exchange or session is over. A span that the client does not want to be sampled is not written."""
        if self.flags & _SAMPLED:
            self.file.add(_span(self, record))


def trace_of(headers: RawHeaders, file: "SpanFile", method: str) -> Trace:
    """The span of a request: in the client's trace, or in a new one where it sent none that is good (W3C 4.3)."""
    span_id = os.urandom(8).hex()
    parents = header_values(headers, b"traceparent")
    found = _PARENT.fullmatch(parents[0].strip()) if len(parents) == 1 else None
    if found is not None and _is_good(found):
        flags = int(found[4], 16) & _KEPT_FLAGS
        return Trace(found[2].decode(), span_id, found[3].decode(), flags, file, method)
    return Trace(os.urandom(16).hex(), span_id, None, _SAMPLED, file, method)


def _is_good(found: re.Match[bytes]) -> bool:
    if found[1] == b"ff" or (found[1] == b"00" and found[5] is not None):
        return False
    return found[2].strip(b"0") != b"" and found[3].strip(b"0") != b""


def _span(trace: Trace, record: SpendRecord) -> dict[str, Any]:
    operation = _OPERATIONS.get(trace.method, trace.method or "request")
    span: dict[str, Any] = {
        "traceId": trace.trace_id,
        "spanId": trace.span_id,
        "name": f"{operation} {record.model}" if record.model else operation,
        "kind": _CLIENT,
        "startTimeUnixNano": _nanoseconds(record.started),
        "endTimeUnixNano": _nanoseconds(record.ended),
        "attributes": [_attribute(name, value) for name, value in _facts(record, operation) if value is not None],
    }
    if trace.parent_id is not None:
        span["parentSpanId"] = trace.parent_id
    if record.outcome != "ok" or record.status >= 400:
        span["status"] = {"code": _ERROR}
    return span


def _facts(record: SpendRecord, operation: str) -> list[tuple[str, Any]]:
    """GenAI semantic conventions where there are some, our own names else."""
    failed = record.outcome if record.outcome != "ok" else str(record.status) if record.status >= 400 else None
    usage = record.usage or {}
    return [
        ("gen_ai.operation.name", operation),
        ("gen_ai.provider.name", _PROVIDERS.get(record.provider or "", record.provider)),
        ("gen_ai.request.model", record.model),
        ("gen_ai.usage.input_tokens", _sum(usage, "promptTokenCount", "toolUsePromptTokenCount")),
        ("gen_ai.usage.output_tokens", _sum(usage, "candidatesTokenCount", "responseTokenCount", "thoughtsTokenCount")),
        ("http.response.status_code", record.status),
        ("error.type", failed),
        ("understudy.request_id", record.id),
        ("understudy.route", record.route),
        ("understudy.key_id", record.key_id),
        ("understudy.tags", list(record.tags) or None),
        ("understudy.cost", None if record.cost is None else plain(record.cost)),
        ("understudy.cost.known", record.known),
    ]


def _sum(usage: Mapping[str, Any], *names: str) -> int | None:
    found = [value for name in names if isinstance(value := usage.get(name), int)]
    return sum(found) if found else None


def _attribute(name: str, value: Any) -> dict[str, Any]:
    match value:
        case int():
            return {"key": name, "value": {"intValue": str(value)}}
        case list():
            texts = [{"stringValue": str(one)} for one in cast("list[object]", value)]
            return {"key": name, "value": {"arrayValue": {"values": texts}}}
        case _:
            return {"key": name, "value": {"stringValue": str(value)}}


def _nanoseconds(moment: datetime) -> str:
    return str((moment - _EPOCH) // _MICROSECOND * 1000)


class SpanFile:
    """Where spans are written, by a thread of its own: who serves never waits for the disk (OBS-6)."""

    def __init__(self, path: str) -> None:
        """Raises ConfigError if the file cannot be written."""
        self.path: Final = path
        self.dropped = 0
        self._waiting: deque[dict[str, Any]] = deque()
        self._came = threading.Event()
        self._is_closed = False
        try:
            # Worker processes append to one file; each batch is one write.
            self._target = os.open(Path(path), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        except OSError as error:
            raise ConfigError(f"understudy_settings.trace_file: {path} cannot be written: {error.strerror}") from error
        self._thread = threading.Thread(target=self._write_on, name="spans", daemon=True)
        self._thread.start()

    def add(self, span: dict[str, Any]) -> None:
        """Take a span; returns at once."""
        if len(self._waiting) >= MOST_WAITING:
            self.dropped += 1
            return
        self._waiting.append(span)
        self._came.set()

    def close(self) -> None:
        """Write what waits, and close the file; blocks for as long as that takes."""
        self._is_closed = True
        self._came.set()
        self._thread.join()
        os.close(self._target)

    def _write_on(self) -> None:
        pause = threading.Event()
        said = 0
        while True:
            self._came.wait()
            if not self._is_closed:
                pause.wait(GATHER_S)
            self._came.clear()
            try:
                self._write()
            except OSError as error:
                _log.error("spans could not be written: %s", error.strerror)
            if self.dropped != said:
                _log.error("%d spans were dropped: they could not be written in time", self.dropped - said)
                said = self.dropped
            if self._is_closed and not self._waiting:
                return

    def _write(self) -> None:
        spans: list[dict[str, Any]] = []
        while self._waiting:
            spans.append(self._waiting.popleft())
        if spans:
            os.write(self._target, json.dumps(_batch(spans), separators=(",", ":")).encode("ascii") + b"\n")


def _batch(spans: list[dict[str, Any]]) -> dict[str, Any]:
    resource = {"attributes": [_attribute("service.name", "understudy-gateway")]}
    scope = {"name": "understudy_gateway", "version": __version__}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": scope, "spans": spans}]}]}
