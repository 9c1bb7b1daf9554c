"""What `understudy price explain` prints: the lines of a cost, its formula, and the log line of a Live session."""

import gzip
import json
import zlib
from dataclasses import dataclass
from datetime import date

from ..errors import ConfigError, did_you_mean
from ..pricing.book import PriceBook
from ..pricing.cost import Cost, lines_json, plain
from ..pricing.explain import KINDS, LIVE_METHOD, explain, formula, kind_of, recording_of
from ..pricing.sessions import session_log_line
from .tables import print_rows


@dataclass(frozen=True, slots=True)
class Asked:
    """What the user asks to have explained: bodies as they were given, `method` None to go by their look."""

    provider: str
    model: str
    method: str | None
    body: bytes
    request: bytes | None
    tier: str | None
    location: str | None
    day: date


def print_explanation(book: PriceBook, asked: Asked, as_json: bool) -> None:
    """Print the explanation, as a table or as JSON. Raises PriceError for a model without an entry.

    Raises ConfigError for a method that is none.
    """
    if asked.method is not None and asked.method not in KINDS:
        raise ConfigError(f"--method {asked.method}: unknown method{did_you_mean(asked.method, KINDS)}")
    body = _inflated(asked.body)
    kind, content_type = kind_of(body)
    kind = asked.method or kind
    cost = explain(
        book,
        asked.provider,
        asked.model,
        kind,
        body,
        content_type,
        date=asked.day,
        location=asked.location,
        request=asked.request,
        served_tier=asked.tier,
    )
    log_line = _log_line(asked, body, cost) if kind == LIVE_METHOD else None
    if as_json:
        print(json.dumps(_json(cost, kind, log_line), indent=2))
    else:
        _print_table(cost, log_line)


def _inflated(body: bytes) -> bytes:
    if not body.startswith(b"\x1f\x8b"):
        return body
    try:
        return gzip.decompress(body)
    except (OSError, EOFError, zlib.error) as error:
        raise ConfigError(f"the body looks like gzip and cannot be inflated: {error}") from error


def _log_line(asked: Asked, body: bytes, cost: Cost) -> str:
    """The line of pricing 9; a recording without times has a duration of 0."""
    recording = recording_of(asked.provider, asked.model, body)
    session = recording.session
    return session_log_line(
        asked.provider,
        cost,
        tokens=session.tokens,
        characters=session.characters,
        duration_s=round(recording.duration_s or 0.0, 3),
    )


def _json(cost: Cost, kind: str, log_line: str | None) -> dict[str, object]:
    return {
        "kind": kind,
        "cost": None if cost.total is None else plain(cost.total),
        "known": cost.known.value,
        "reason": cost.reason,
        "remarks": list(cost.remarks),
        "formula": formula(cost),
        "log_line": log_line,
        "lines": lines_json(cost.lines),
    }


def _print_table(cost: Cost, log_line: str | None) -> None:
    total = "unknown" if cost.total is None else plain(cost.total)
    rows = [
        (line.part.value, line.what, plain(line.quantity), line.unit, plain(line.unit_price), plain(line.amount))
        for line in cost.lines
    ]
    print_rows([*rows, ("", "total", "", "", "", total)], ("part", "what", "quantity", "unit", "price", "USD"))
    print(f"\n{formula(cost)}")
    for remark in (*([f"{cost.known.value}: {cost.reason}"] if cost.reason else []), *cost.remarks):
        print(remark)
    if log_line is not None:
        print(log_line)
