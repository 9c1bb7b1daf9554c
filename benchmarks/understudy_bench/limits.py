"""The limits that figures of a run are held to, by the names of their rows. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from .rows import Row


@dataclass(frozen=True, slots=True)
class Limit:
    """The most that a figure may be, and the most that it should be."""

    must: float
    aim: float | None = None


LIMITS: Final[Mapping[str, Limit]] = {
    # Ratios: `workload/program x reference`.
    "unary/gateway x echo": Limit(4.5, 2.2),
    "unary-plain/gateway x plain": Limit(1.4, 1.2),
    "sse/gateway x nginx": Limit(3.0, 2.0),
    # At least 0.3 and 0.65 of nginx's frames in a second of CPU.
    "live-echo/gateway x nginx": Limit(3.33, 1.54),
    "added-p50/gateway x nginx": Limit(2.2, 1.5),
    "sse-paced/gateway x nginx": Limit(1.3, 1.1),
    "live-paced-gateway/gateway x nginx": Limit(1.1, 1.02),
    # At least 1.6 and 1.8 times the requests of one worker.
    "workers-2/gateway x one": Limit(0.625, 0.556),
    "accounting-4k/engine x json.loads": Limit(6.0),
    "accounting-10m/engine x zlib.crc32": Limit(2.0),
    "accounting-live-64k/engine x json.loads": Limit(0.25),
    # Values.
    "memory-served/gateway": Limit(80.0, 64.0),
    "memory-idle-session/gateway": Limit(40.0, 16.0),
    "memory-growth/gateway": Limit(4.0),
    "memory-100mb/gateway": Limit(16.0, 4.0),
    "inline-8m-added/gateway": Limit(15.0),
    "inline-8m-pause/gateway": Limit(50.0),
    "live-paced-p99/simulator": Limit(5.0, 1.5),
    # One core has 40 us for each of 25,000 frames a second.
    "live-paced-cpu/simulator": Limit(40.0, 25.0),
    "live-idle/simulator": Limit(25.0),
}
"""Those of sizes hold for the usual plan: 10,000 and 100,000 requests, 500 and 5,000 sessions."""


def limited(row: Row) -> Row:
    """The row with the limit of its ratio, or else of its value, if there is one."""
    limit = LIMITS.get(f"{row.name} x {row.reference}")
    if limit is not None:
        return replace(row, must=limit.must, aim=limit.aim)
    limit = LIMITS.get(row.name)
    return (
        row if limit is None else replace(row, must=limit.must, aim=limit.aim, limits_value=row.reference is not None)
    )


def sized(row: Row, count: int, usual: int, what: str) -> Row:
    """The row with how many `what` there were, and with its limit, which holds for the `usual` number only."""
    notes = [f"{count:,} {what}" if count == usual else f"{count:,} {what}, not {usual:,}: no limit holds"]
    notes += [row.note] if row.note else []
    row = replace(row, note="; ".join(notes))
    return limited(row) if count == usual else row
