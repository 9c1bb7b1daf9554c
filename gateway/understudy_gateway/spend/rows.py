"""Records, jobs and polls as rows of the store: what they are as columns and JSON texts, and back. Pure."""

import json
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from understudy.pricing.cost import plain
from understudy.usage.operations import VeoRequest

from .jobs import Done, VideoJob
from .line_texts import json_text, lines_text
from .record import SpendRecord, rfc3339

Row = tuple[Any, ...]

COLUMNS: Final = (
    *("uid", "id", "kind", "key_id", "tags", "provider", "route", "model", "status", "outcome", "usage", "cost"),
    *("known", "reason", "lines", "started", "ended"),
)
"""The columns of a record, in the order of `record_row`."""


def record_row(uid: str, record: SpendRecord) -> Row:
    """The row of a record under a key of its own. Raises whatever a record that is none makes it raise."""
    return (
        safe_text(uid),
        safe_text(record.id),
        record.kind,
        _optional(record.key_id),
        json_text(record.tags) if record.tags else "[]",
        record.provider,
        record.route,
        _optional(record.model),
        record.status,
        record.outcome,
        None if record.usage is None else json_text(record.usage),
        None if record.cost is None else plain(record.cost),
        record.known,
        _optional(record.reason),
        lines_text(record.lines),
        rfc3339(record.started),
        rfc3339(record.ended),
    )


def safe_text(value: str) -> str:
    """A text as SQLite can take it: what came as bytes that are no UTF-8, or a lone surrogate, stands escaped."""
    return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode()


def _optional(value: str | None) -> str | None:
    return None if value is None else safe_text(value)


def job_text(job: VideoJob) -> str:
    """A job as JSON."""
    asked = job.request
    fields = {
        "call_id": job.call_id,
        "key_id": job.key_id,
        "tags": list(job.tags),
        "provider": job.provider,
        "route": job.route,
        "model": job.model,
        "started": job.started.isoformat(),
        "seconds": str(asked.seconds),
        "resolution": asked.resolution,
        "generate_audio": asked.generate_audio,
        "sample_count": asked.sample_count,
        "problem": asked.problem,
    }
    return json.dumps(fields)


def job_of(name: str, text: str) -> VideoJob:
    """The job of that name that `job_text` told of."""
    fields: dict[str, Any] = json.loads(text)
    request = VeoRequest(
        seconds=Decimal(fields["seconds"]),
        resolution=fields["resolution"],
        generate_audio=fields["generate_audio"],
        sample_count=fields["sample_count"],
        problem=fields["problem"],
    )
    return VideoJob(
        name=name,
        call_id=fields["call_id"],
        key_id=fields["key_id"],
        tags=tuple(fields["tags"]),
        provider=fields["provider"],
        route=fields["route"],
        model=fields["model"],
        request=request,
        started=datetime.fromisoformat(fields["started"]),
    )


def done_text(done: Done) -> str:
    """What a poll saw, as JSON."""
    fields = {
        "name": done.name,
        "videos": done.videos,
        "usage": done.usage,
        "problem": done.problem,
        "seen": done.seen.isoformat(),
        "stranger": None if done.stranger is None else done.stranger.as_json(),
    }
    return json.dumps(fields)


def done_of(text: str) -> Done:
    """What `done_text` told of."""
    fields: dict[str, Any] = json.loads(text)
    stranger = fields["stranger"]
    made: dict[str, Any] = {
        "seen": datetime.fromisoformat(fields["seen"]),
        "stranger": None if stranger is None else SpendRecord.of_json(stranger),
    }
    return Done(**{**fields, **made})
