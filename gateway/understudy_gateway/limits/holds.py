"""Videos under way: what is held for each until it is settled, once, whoever settles it and whoever says so first."""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from understudy.pricing.cost import ZERO

from ..spend.jobs import JOB_LIFE, Names, VideoJob
from ..spend.record import rfc3339
from ..spend.rows import safe_text
from .budget import Budget, Reserved

_MOST_HOLDS: Final = 10_000


@dataclass(frozen=True, slots=True)
class _Hold:
    """A video under way."""

    budget: Budget
    reserved: Reserved
    started: datetime


class Holds:
    """What is held, by the names of operations. Not safe by itself for several threads."""

    def __init__(self) -> None:
        self._holds: OrderedDict[str, _Hold] = OrderedDict()
        self._settled = Names()

    def begin(self, job: VideoJob, budget: Budget, cost: Decimal, now: datetime) -> None:
        """Hold what a video will cost; those that are too old or too many are charged what was held."""
        name = safe_text(job.name)
        self._release(name, ZERO, now)
        if _settlement(name, job.started) in self._settled:
            return
        self._holds[name] = _Hold(budget, budget.hold(cost, now), job.started)
        while self._holds:
            oldest_name, oldest = next(iter(self._holds.items()))
            if len(self._holds) <= _MOST_HOLDS and now - oldest.started <= JOB_LIFE:
                return
            self._release(oldest_name, None, now)

    def settle(self, name: str, started: datetime, cost: Decimal | None, budget: Budget | None, now: datetime) -> None:
        """A video was booked: charge its cost in the place of what was held, or to `budget` where nothing was.

        An unknown cost leaves what was held charged (S-74). Told twice, as it is by the store's thread and by who
        reads the store, it is charged once.
        """
        name = safe_text(name)
        settlement = _settlement(name, started)
        if settlement in self._settled:
            return
        is_held = self._release(name, cost, now)
        if is_held or budget is not None:
            self._settled.add(settlement)
        if not is_held and budget is not None and cost is not None:
            budget.charge(cost, started, now)

    def _release(self, name: str, cost: Decimal | None, now: datetime) -> bool:
        hold = self._holds.pop(name, None)
        if hold is not None:
            hold.budget.settle(hold.reserved, cost, now)
        return hold is not None


def _settlement(name: str, started: datetime) -> str:
    """What tells one settlement from all others: a simulator that was reset gives names out again."""
    return f"{rfc3339(started)} {name}"
