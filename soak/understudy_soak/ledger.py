"""What clients saw finished, and when; judged against what stands in the books. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

Kind = Literal["exchange", "session", "operation"]

GRACE_S: Final = 1.0
"""What was finished longer than this before a kill is in the books (R-25)."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Something a client saw finished: its id in the books, when (monotonic), and in which life of the gateway."""

    kind: Kind
    id: str
    at: float
    life: int


@dataclass(frozen=True, slots=True)
class End:
    """The end of one life of the gateway: when, and whether it was killed."""

    at: float
    was_killed: bool


@dataclass(slots=True)
class Job:
    """One video: when its start was answered and in which life, and when it was first seen done."""

    started_at: float
    started_in: int
    done_at: float | None = None
    done_in: int = 0


@dataclass(slots=True)
class Ledger:
    """Everything that was seen. `seen` are exchanges and sessions, `jobs` videos by their operation's name."""

    seen: list[Seen] = field(default_factory=lambda: list[Seen]())
    jobs: dict[str, Job] = field(default_factory=lambda: dict[str, Job]())
    counts: dict[str, int] = field(default_factory=lambda: dict[str, int]())

    def count(self, what: str) -> None:
        """Count something for the summary."""
        self.counts[what] = self.counts.get(what, 0) + 1

    def due(self, ends: Sequence[End]) -> list[Seen]:
        """What must stand in the books after these lives."""
        videos = [
            Seen("operation", name, job.done_at, job.done_in)
            for name, job in self.jobs.items()
            if job.done_at is not None and _is_safe(job.started_at, ends[job.started_in])
        ]
        return [one for one in (*self.seen, *videos) if _is_safe(one.at, ends[one.life])]


def _is_safe(at: float, end: End) -> bool:
    """Whether what happened then outlives the end of the life in which it happened."""
    return not end.was_killed or at < end.at - GRACE_S


@dataclass(frozen=True, slots=True)
class BooksFinding:
    """How many had to be in the books, which were not, and which stood there more than once."""

    due: int
    missing: tuple[str, ...]
    twice: tuple[str, ...]


def judged(ledger: Ledger, ends: Sequence[End], booked: Mapping[tuple[str, str], int]) -> BooksFinding:
    """Compare with the books: how often each kind and id stands there."""
    due = ledger.due(ends)
    missing = [f"{one.kind} {one.id}" for one in due if (one.kind, one.id) not in booked]
    twice = [f"{kind} {id}" for (kind, id), count in booked.items() if count > 1]
    return BooksFinding(len(due), tuple(missing), tuple(twice))
