"""The spend record of an exchange, a session or a finished operation, as a value and as JSON. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, Literal, Self

import msgspec

from understudy.pricing.cost import Line, lines_json, plain

_encode: Final = msgspec.json.Encoder().encode

Outcome = Literal["ok", "client_abort", "upstream_abort", "timeout", "rejected"]
Kind = Literal["exchange", "session", "operation"]


class SpendRecord(msgspec.Struct, frozen=True, gc=False):
    """What one exchange, session or finished operation cost.

    `id` is the request id, or the operation's name. `key_id` None: let in without a key of its own. `usage` is what
    the wire said, as JSON; `lines` are the cost's items; `cost` is in US dollars, None where it is unknown, and then
    `reason` says why. Times are UTC.
    """

    id: str
    key_id: str | None
    route: str
    model: str | None
    status: int
    outcome: Outcome
    usage: Mapping[str, Any] | None
    cost: Decimal | None
    known: Literal["exact", "estimated", "unknown"]
    reason: str | None
    lines: tuple[Line, ...]
    started: datetime
    ended: datetime
    kind: Kind = "exchange"
    provider: str | None = None
    tags: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The record as a JSON object, in the documented order."""
        return {
            "id": self.id,
            "kind": self.kind,
            "key_id": self.key_id,
            "tags": list(self.tags),
            "provider": self.provider,
            "route": self.route,
            "model": self.model,
            "status": self.status,
            "outcome": self.outcome,
            "usage": self.usage,
            "cost": None if self.cost is None else plain(self.cost),
            "known": self.known,
            "reason": self.reason,
            "lines": lines_json(self.lines),
            "started": rfc3339(self.started),
            "ended": rfc3339(self.ended),
        }

    @classmethod
    def of_json(cls, value: Mapping[str, Any]) -> Self:
        """The record that `as_json` was made of, without the items of its cost, its times to the millisecond."""
        cost = value["cost"]
        made: dict[str, Any] = {
            "cost": None if cost is None else Decimal(cost),
            "tags": tuple(value["tags"]),
            "lines": (),
            "started": datetime.fromisoformat(value["started"]),
            "ended": datetime.fromisoformat(value["ended"]),
        }
        return cls(**{**value, **made})


def rfc3339(moment: datetime) -> str:
    """A time as records have it: UTC, milliseconds; such texts sort as the times do."""
    utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    text = _encode(utc).decode("ascii")  # the fastest writer: "2026-01-31T12:00:00.123456Z", or without a fraction
    return f"{text[1:24]}Z" if utc.microsecond else f"{text[1:20]}.000Z"
