"""The limits that figures of a run are held to, by the names of their rows. Pure data."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Limit:
    """The most that a figure may be, and the most that it should be: a ratio, or without a reference the value."""

    must: float
    aim: float | None = None


LIMITS: Final[Mapping[str, Limit]] = {
    "live-paced-p99/simulator": Limit(5.0, 1.5),
    # One core has 40 us for each of 25,000 frames a second.
    "live-paced-cpu/simulator": Limit(40.0, 25.0),
    "live-idle/simulator": Limit(25.0),
    "accounting-4k/engine": Limit(6.0),
    "accounting-10m/engine": Limit(2.0),
    "accounting-live-64k/engine": Limit(0.25),
}
"""Those of sessions hold for the sizes of the usual plan: 500 sessions that stream, 5,000 that are idle."""
