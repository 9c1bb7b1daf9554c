"""The outcome of a soak: what was done, what did not hold, as text and as JSON. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from .ledger import BooksFinding
from .plan import Plan
from .slopes import Growth

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Verdict:
    """One soak. `counts`: what clients did and saw; `not_given_back`: descriptors and the like that stayed when all had
    left; `secrets` and `troubles` are sentences; `memory` the resident MiB at the end of each life."""

    plan: Plan
    counts: Mapping[str, int]
    books: BooksFinding
    growth: tuple[Growth, ...]
    unjudged_lives: int
    not_given_back: tuple[str, ...]
    secrets: tuple[str, ...]
    troubles: tuple[str, ...]
    memory: tuple[float, ...]

    @property
    def failures(self) -> tuple[str, ...]:
        """Everything that did not hold, one sentence each."""
        books = self.books
        found = [f"missing from spend: {one}" for one in books.missing]
        found += [f"more than once in spend: {one}" for one in books.twice]
        found += [
            f"{one.what} grew by {one.by:.1f} in life {one.life + 1}, at most {one.most:.1f} may be"
            for one in self.growth
            if one.is_leak
        ]
        return (*found, *self.not_given_back, *self.secrets, *self.troubles)

    @property
    def holds(self) -> bool:
        """Whether all held."""
        return not self.failures

    def as_json(self) -> str:
        """For programs."""
        fields = {
            "holds": self.holds,
            "seconds": self.plan.seconds,
            "clients": self.plan.clients,
            "seed": self.plan.seed,
            "kills": self.plan.kills,
            "counts": dict(sorted(self.counts.items())),
            "due": self.books.due,
            "missing": list(self.books.missing),
            "twice": list(self.books.twice),
            "growth": [
                {"what": one.what, "life": one.life + 1, "by": round(one.by, 2), "most": round(one.most, 2)}
                for one in self.growth
            ],
            "unjudged_lives": self.unjudged_lives,
            "memory_mib": [round(one, 1) for one in self.memory],
            "failures": list(self.failures),
        }
        return json.dumps(fields, indent=2)

    def as_text(self) -> str:
        """For people."""
        did = ", ".join(f"{count} {what}" for what, count in sorted(self.counts.items()))
        plan = self.plan
        lines = [
            f"{plan.seconds:.0f} s, {plan.clients} clients, seed {plan.seed}, {plan.kills} kills",
            f"clients: {did}",
            f"books: {self.books.due} were due, {len(self.books.missing)} missing, {len(self.books.twice)} twice",
            f"memory at the end of each life: {', '.join(f'{one:.0f} MiB' for one in self.memory)}",
        ]
        lines += [f"life {one.life + 1}: {one.what} {one.by:+.1f} (at most {one.most:.1f})" for one in self.growth]
        if self.unjudged_lives:
            lines.append(f"{self.unjudged_lives} lives were too short for slopes")
        lines += [f"FAILED: {one}" for one in self.failures[:_SHOWN]]
        if len(self.failures) > _SHOWN:
            lines.append(f"FAILED: {len(self.failures) - _SHOWN} more, see --json")
        lines.append("all held" if self.holds else f"{len(self.failures)} did not hold")
        return "\n".join(lines)
