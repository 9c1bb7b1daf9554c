"""Who may begin: checks and reservations of keys and models as one step, their release as another (S-71).

This is the place behind which keys made at run time, and limits shared between machines, will stand: `Admission`.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, Protocol, cast

import msgspec

from understudy.pricing.cost import ZERO

from ..refusals import Reason, Refusal
from ..routes import Route
from ..settings import GatewayConfig, GatewayKey, Limits, Provider
from ..spend.jobs import VideoJob
from ..spend.queries import Foreign
from ..spend.record import SpendRecord
from .budget import Budget, Reserved
from .gates import Gate, gate_of, is_free, tokens_of
from .holds import Holds
from .windows import Period

FIRST_GUESS: Final = Decimal("0.01")
"""What a request of a model is reserved that has not been seen yet, in US dollars."""

_MOST_MODELS: Final = 1000
_AGAIN_S: Final = 5
"""When to come again where sessions are full or the store is down, in seconds."""

_GUESS_FADES: Final = Decimal("0.9")
"""By how much the guess falls with each cheaper request."""


class Lease(msgspec.Struct, frozen=True, gc=False):
    """What one exchange or session holds while it runs; given back by `Admission.ended`.

    `spent` is what the key had spent before it, where that is to be told (OBS-3).
    """

    key_id: str
    gates: tuple[Gate, ...] = ()
    budget: Budget | None = None
    reserved: Reserved | None = None
    is_live: bool = False
    spent: Decimal | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to give back."""
        return not self.gates and self.reserved is None and not self.is_live


@dataclass(frozen=True, slots=True)
class Earlier:
    """What the books say that a key has spent, in US dollars, and the place in them up to which that goes."""

    cost: Decimal = ZERO
    place: int = 0


class Admission(Protocol):
    """Decides who may begin. All but `admit` never refuse; none but `earlier` waits."""

    def admit(self, key_id: str, http_method: str, route: Route) -> Lease | Refusal:
        """Let a request in, or say which limit keeps it out."""
        ...

    def waits_for(self, lease: Lease) -> bool:
        """Whether a limit waits for what becomes of it; else it may be told later, or never."""
        ...

    def ended(self, lease: Lease, record: SpendRecord | None) -> None:
        """It is over; `record` None: nothing is known of what it cost."""
        ...

    def used(self, lease: Lease, cost: Decimal) -> bool:
        """It runs, and has cost so much more; whether its key's budget is used up by that (WS-17)."""
        ...

    def earlier(self, config: GatewayConfig) -> Mapping[str, Earlier]:
        """What the books say of the keys whose budgets begin with `config`. Reads them; raises ConfigError."""
        ...

    def adopt(self, config: GatewayConfig, earlier: Mapping[str, Earlier]) -> None:
        """Other limits from now on; what was counted and spent is kept."""
        ...

    def job_started(self, job: VideoJob, cost: Decimal | None) -> None:
        """A video is under way that will cost that."""
        ...

    def job_booked(self, record: SpendRecord) -> None:
        """A video was settled by this process."""
        ...

    @property
    def place(self) -> int | None:
        """The place in the books behind which it matters what others spend; None: only what they spend from now on."""
        ...

    def others_spent(self, records: Iterable[Foreign]) -> None:
        """Other processes have spent that."""
        ...


@dataclass(frozen=True, slots=True)
class _Key:
    """One key's limits. What the books say up to `place` is in the budget."""

    gate: Gate | None
    budget: Budget | None
    duration: str | None
    place: int = 0


class LocalAdmission:
    """Limits of the keys in the configuration, kept in this process.

    `spent` gives what a key spent since a time (None: ever), of the store that outlives the process; `is_store_down`
    whether that takes no records. The time of day is taken once: windows go on by the monotonic clock, whatever
    happens to the other (R-29).
    """

    def __init__(
        self,
        config: GatewayConfig,
        *,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
        spent: Callable[[str, datetime | None], Earlier] = lambda key_id, since: Earlier(),
        is_store_down: Callable[[], bool] = lambda: False,
    ) -> None:
        self._monotonic = monotonic
        self._offset = now() - timedelta(seconds=monotonic())
        self._lock = threading.Lock()
        self._guesses: OrderedDict[tuple[Provider, str], Decimal] = OrderedDict()
        self._holds = Holds()
        self._spent = spent
        self._is_store_down = is_store_down
        self._sessions: dict[str, int] = {}
        self._session_count = 0
        self._keys: Mapping[str, _Key] = {}
        self._models: Mapping[tuple[Provider, str], Gate] = {}
        self._limits: Limits = config.limits
        self._tells_spend = self._wants_store = self._has_budgets = False
        self.adopt(config, self.earlier(config))

    def earlier(self, config: GatewayConfig) -> Mapping[str, Earlier]:
        """What the store says of the keys that have no budget of that period yet. Raises ConfigError."""
        moment = self._now()
        return {
            key.id: self._spent(key.id, Period(key.budget_duration).start(moment))
            for key in config.keys
            if _counts(config, key) and self._kept(key) is None
        }

    def adopt(self, config: GatewayConfig, earlier: Mapping[str, Earlier]) -> None:
        """Other limits from now on; what was counted and spent is kept where the period of the budget is."""
        moment = self._now()
        with self._lock:
            self._keys = {key.id: self._adopted(config, key, earlier, moment) for key in config.keys}
            self._models = {
                name: gate
                for entry in config.models
                if (gate := gate_of(self._models.get(name := (entry.account.provider, entry.model)), entry.rates))
            }
            self._limits = config.limits
            self._has_budgets = any(key.budget is not None for key in self._keys.values())
            self._tells_spend, self._wants_store = config.key_spend_header, config.refuse_without_store

    def _kept(self, key: GatewayKey) -> _Key | None:
        """What is known of the key, if it has a budget of that period."""
        old = self._keys.get(key.id)
        return old if old is not None and old.budget is not None and old.duration == key.budget_duration else None

    def _adopted(
        self, config: GatewayConfig, key: GatewayKey, earlier: Mapping[str, Earlier], moment: datetime
    ) -> _Key:
        old, kept = self._keys.get(key.id), self._kept(key)
        gate = gate_of(old.gate if old else None, key.rates)
        if not _counts(config, key):
            return _Key(gate, None, key.budget_duration)
        if kept is not None and kept.budget is not None:
            kept.budget.allow(key.max_budget)
            return _Key(gate, kept.budget, key.budget_duration, kept.place)
        known = earlier.get(key.id, Earlier())
        budget = Budget(key.max_budget, Period(key.budget_duration))
        budget.begin(known.cost, moment)
        return _Key(gate, budget, key.budget_duration, known.place)

    def admit(self, key_id: str, http_method: str, route: Route) -> Lease | Refusal:
        """Let a request in, or say which limit keeps it out; checks and reservations are one step."""
        if self._wants_store and self._is_store_down():
            return Refusal(Reason.STORE_DOWN, retry_after_s=_AGAIN_S)
        key = self._keys.get(key_id)
        model: tuple[Provider, str] = (route.upstream.kind, route.model or "")
        gates = tuple(gate for gate in (key.gate if key else None, self._models.get(model)) if gate is not None)
        known = key.budget if key is not None else None
        if not gates and known is None and not route.is_live:
            return Lease(key_id)
        with self._lock:
            now = self._monotonic()
            spent = known.spent_at(self._now()) if known is not None and self._tells_spend else None
            problem = next((found for gate in gates if (found := gate.problem(now)) is not None), None)
            problem = problem or (self._too_many_sessions(key_id) if route.is_live else None)
            if problem is not None:
                return problem
            reserved, budget = None, None if is_free(http_method, route) else known
            if budget is not None:
                reserved = budget.reserve(self._guesses.get(model, FIRST_GUESS), self._now())
                if reserved is None:
                    return Refusal(Reason.BUDGET_EXCEEDED, retry_after_s=budget.resets_s(self._now()))
            for gate in gates:
                gate.begin(now)
            if route.is_live:
                self._sessions[key_id] = self._sessions.get(key_id, 0) + 1
                self._session_count += 1
        return Lease(key_id, gates, budget, reserved, route.is_live, spent)

    def _too_many_sessions(self, key_id: str) -> Refusal | None:
        if self._sessions.get(key_id, 0) >= self._limits.sessions_per_key:
            return Refusal(Reason.LIMIT_REACHED, "Live sessions at once", retry_after_s=_AGAIN_S)
        if self._session_count >= self._limits.sessions:
            return Refusal(Reason.TOO_MANY_SESSIONS, retry_after_s=_AGAIN_S)
        return None

    def waits_for(self, lease: Lease) -> bool:
        """Whether it holds something, or a key has a budget: one may have come to its own while it ran."""
        return self._has_budgets or not lease.is_empty

    def ended(self, lease: Lease, record: SpendRecord | None) -> None:
        """Give back what the lease holds, and charge what was spent; unknown costs what was reserved (S-74)."""
        if not self.waits_for(lease):
            return
        with self._lock:
            now = self._monotonic()
            for gate in lease.gates:
                gate.end(now, tokens_of(record))
            if lease.is_live:
                self._sessions[lease.key_id] -= 1
                self._session_count -= 1
            cost = None if record is None else record.cost
            if lease.reserved is not None and lease.budget is not None:
                lease.budget.settle(lease.reserved, cost, self._now())
            elif record is not None and cost and (key := self._keys.get(lease.key_id)) is not None:
                if key.budget is not None:  # it has come to the key while this ran
                    key.budget.charge(cost, record.started, self._now())
                return
            if record is not None and cost is not None and record.model is not None and record.provider:
                self._learn((cast("Provider", record.provider), record.model), cost)

    def used(self, lease: Lease, cost: Decimal) -> bool:
        """Charge what a session has cost since the last time; whether that uses the budget up."""
        if lease.budget is None or lease.reserved is None:
            return False
        with self._lock:
            return lease.budget.use(lease.reserved, cost, self._now())

    def job_started(self, job: VideoJob, cost: Decimal | None) -> None:
        """Hold what the video will cost until it is settled."""
        key = self._keys.get(job.key_id or "")
        if key is None or key.budget is None:
            return
        with self._lock:
            self._learn((job.provider, job.model), cost or ZERO)
            self._holds.begin(job, key.budget, cost or FIRST_GUESS, self._now())

    def job_booked(self, record: SpendRecord) -> None:
        """Charge the video in the place of what was held for it, unless it was seen in the store before."""
        key = self._keys.get(record.key_id or "")
        with self._lock:
            self._holds.settle(
                record.id, record.started, record.cost, key.budget if key is not None else None, self._now()
            )

    @property
    def place(self) -> int | None:
        """The first place up to which a budget has taken the store's records."""
        return min((key.place for key in self._keys.values() if key.budget is not None), default=None)

    def others_spent(self, records: Iterable[Foreign]) -> None:
        """Charge what other processes have spent; their unknown costs they charge themselves."""
        with self._lock:
            now = self._now()
            for record in records:
                key = self._keys.get(record.key_id or "")
                budget = key.budget if key is not None and record.place > key.place else None
                if record.is_operation:
                    self._holds.settle(record.id, record.started, record.cost, budget, now)
                elif budget is not None and record.cost is not None:
                    budget.charge(record.cost, record.started, now)

    def _learn(self, model: tuple[Provider, str], cost: Decimal) -> None:
        if cost > 0:
            self._guesses[model] = max(cost, self._guesses.get(model, ZERO) * _GUESS_FADES)
            if len(self._guesses) > _MOST_MODELS:
                self._guesses.popitem(last=False)

    def _now(self) -> datetime:
        return self._offset + timedelta(seconds=self._monotonic())


def _counts(config: GatewayConfig, key: GatewayKey) -> bool:
    """Whether it is counted what the key spends."""
    return key.max_budget is not None or config.key_spend_header


def hold_open_jobs(admission: Admission, jobs: Iterable[VideoJob], cost: Callable[[VideoJob], Decimal | None]) -> None:
    """Hold what the videos of an earlier process will cost."""
    for job in jobs:
        admission.job_started(job, cost(job))
