"""The one line of an exchange, and its way into the log: as it is where the handler takes lines, else as a record.

A line is a value; its text is made by whoever reads it, which is the log's thread and not traffic's. A client cannot
forge or break it (S-67): it is ASCII, so that no letter of a client's can trick a terminal.
"""

import json
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, cast

import msgspec

from understudy.pricing.cost import plain

from .counts import Facts
from .spend.record import SpendRecord


class LineHandler(Protocol):
    """A handler of the log that takes lines without a record of `logging` around each, as our own does."""

    def take_lines(self, created: float, lines: Sequence[object]) -> bool:
        """Take lines of level INFO that were said at `created` (seconds since 1970); false if it wants records."""
        ...


class ExchangeLine(msgspec.Struct, frozen=True, gc=False):
    """What is said of an exchange or session: its record without the items of the cost and the times, and its facts."""

    method: str
    record: SpendRecord
    facts: Facts

    def __str__(self) -> str:
        record, facts = self.record, self.facts
        first = facts.first_byte_s
        return _json(
            _Told(
                self.method,
                record.id,
                record.key_id,
                record.provider,
                record.route,
                record.model,
                record.status,
                record.outcome,
                record.usage,
                None if record.cost is None else plain(record.cost),
                record.known,
                record.reason,
                record.tags,
                facts.request_bytes,
                facts.response_bytes,
                None if first is None else _milliseconds(first),
                _milliseconds(facts.seconds),
            )
        )


class RefusalLine(msgspec.Struct, frozen=True, gc=False):
    """What is said of a request that was not let in."""

    told: Mapping[str, Any]
    seconds: float

    def __str__(self) -> str:
        return _json({**self.told, "ms": _milliseconds(self.seconds)})


class _Told(msgspec.Struct, frozen=True, gc=False):
    """The members of an exchange's line, in their order. Made by position, which takes an eighth of the time."""

    method: str
    id: str
    key_id: str | None
    provider: str | None
    route: str
    model: str | None
    status: int
    outcome: str
    usage: Mapping[str, Any] | None
    cost: str | None
    known: str
    reason: str | None
    tags: tuple[str, ...]
    bytes_in: int
    bytes_out: int
    first_byte_ms: float | None
    ms: float


def say(log: logging.Logger, lines: Sequence[ExchangeLine | RefusalLine]) -> None:
    """Say lines at level INFO. What `logging` does for each is done once for all, as far as the handlers let it."""
    if not lines or not log.isEnabledFor(logging.INFO):
        return
    created = time.time()
    others = [handler for handler in _handlers(log) if not _takes(log, handler, created, lines)]
    if not others:
        return
    for line in lines:  # as by `Logger.handle`, but for who has taken it
        record = logging.LogRecord(log.name, logging.INFO, "", 0, line, None, None)
        if log.filter(record):
            for handler in others:
                handler.handle(record)


def _handlers(log: logging.Logger) -> Iterator[logging.Handler]:
    """The handlers that a line of this logger comes to."""
    at: logging.Logger | None = log
    while at is not None:
        yield from (handler for handler in at.handlers if handler.level <= logging.INFO)
        at = at.parent if at.propagate else None


def _takes(log: logging.Logger, handler: logging.Handler, created: float, lines: Sequence[object]) -> bool:
    """Whether a handler has taken the lines; a filter wants to see records."""
    if log.filters or handler.filters or not hasattr(handler, "take_lines"):
        return False
    return cast("LineHandler", handler).take_lines(created, lines)


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 1)


def _json(told: _Told | dict[str, Any]) -> str:
    try:
        data = msgspec.json.encode(told)  # the faster writer
    except (ValueError, OverflowError):  # a lone surrogate, a number beyond 64 bits
        return json.dumps(_members(told))
    return data.decode("ascii") if data.isascii() else json.dumps(_members(told))


def _members(told: _Told | dict[str, Any]) -> dict[str, Any]:
    return told if isinstance(told, dict) else msgspec.structs.asdict(told)
