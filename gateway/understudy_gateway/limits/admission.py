"""Who may begin: checks and reservations of keys and models as one step, their release as another (S-71).

This is the place behind which keys made at run time, and limits shared between machines, will stand: `Admission`.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, Protocol, cast

import msgspec

from understudy.pricing.cost import ZERO
from understudy.pricing.exchanges import FREE_METHODS

from ..refusals import Reason, Refusal
from ..routes import Route
from ..settings import GatewayConfig, GatewayKey, Provider, Rates
from ..spend.jobs import JOB_LIFE, Names, VideoJob
from ..spend.queries import Foreign
from ..spend.record import SpendRecord
from .budget import Budget, Reserved
from .windows import LastMinute, Period

FIRST_GUESS: Final = Decimal("0.01")
"""What a request of a model is reserved that has not been seen yet, in US dollars."""

_MOST_MODELS: Final = 1000
_MOST_HOLDS: Final = 10_000
_READ_ONLY: Final = frozenset({"GET", "HEAD", "OPTIONS", "DELETE"})

_FREE_METHODS: Final = FREE_METHODS & {"countTokens", "computeTokens", "fetchPredictOperation"}
"""Of what is free by kind, the POSTs that are so whatever their answer: a video's start is paid for later."""

_GUESS_FADES: Final = Decimal("0.9")
"""By how much the guess falls with each cheaper request."""


class Lease(msgspec.Struct, frozen=True, gc=False):
    """What one exchange or session holds while it runs; given back by `Admission.ended`."""

    key_id: str
    gates: tuple["Gate", ...] = ()
    budget: Budget | None = None
    reserved: Reserved | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to give back."""
        return not self.gates and self.reserved is None


class Admission(Protocol):
    """Decides who may begin. All but `admit` never refuse; none of them waits."""

    def admit(self, key_id: str, http_method: str, route: Route) -> Lease | Refusal:
        """Let a request in, or say which limit keeps it out."""
        ...

    def ended(self, lease: Lease, record: SpendRecord | None) -> None:
        """It is over; `record` None: nothing is known of what it cost."""
        ...

    def adopt(self, config: GatewayConfig) -> None:
        """Other limits from now on; what was counted and spent is kept. Raises ConfigError as the first time."""
        ...

    def job_started(self, job: VideoJob, cost: Decimal | None) -> None:
        """A video is under way that will cost that."""
        ...

    def job_booked(self, record: SpendRecord) -> None:
        """A video was settled by this process."""
        ...

    @property
    def has_budgets(self) -> bool:
        """Whether it matters what others spend."""
        ...

    def others_spent(self, records: Iterable[Foreign]) -> None:
        """Other processes have spent that."""
        ...


class Gate:
    """The rates of one key or one model."""

    def __init__(self, rates: Rates) -> None:
        self.rates = rates
        self._requests = LastMinute()
        self._tokens = LastMinute()
        self._running = 0

    def problem(self, now: float) -> Refusal | None:
        """Which limit is reached; None if one more may begin."""
        rates = self.rates
        if rates.parallel is not None and self._running >= rates.parallel:
            return Refusal(Reason.LIMIT_REACHED, "requests at once", retry_after_s=1)
        if rates.rpm is not None and (wait := self._requests.wait_s(now, rates.rpm)):
            return Refusal(Reason.LIMIT_REACHED, "requests per minute", retry_after_s=wait)
        if rates.tpm is not None and (wait := self._tokens.wait_s(now, rates.tpm)):
            return Refusal(Reason.LIMIT_REACHED, "tokens per minute", retry_after_s=wait)
        return None

    def begin(self, now: float) -> None:
        """One more runs."""
        self._running += 1
        self._requests.add(now, 1)

    def end(self, now: float, tokens: int) -> None:
        """One is over, and has used so many tokens."""
        self._running -= 1
        if tokens:
            self._tokens.add(now, tokens)


@dataclass(slots=True)
class _Hold:
    """A video under way."""

    budget: Budget
    reserved: Reserved
    started: datetime


@dataclass(frozen=True, slots=True)
class _Key:
    """One key's limits."""

    gate: Gate | None
    budget: Budget | None
    duration: str | None


class LocalAdmission:
    """Limits of the keys in the configuration, kept in this process.

    `spent` gives what a key spent since a time (None: ever), of the store that outlives the process. The time of day
    is taken once: windows go on by the monotonic clock, whatever happens to the other (R-29).
    """

    def __init__(
        self,
        config: GatewayConfig,
        *,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
        spent: Callable[[str, datetime | None], Decimal] = lambda key_id, since: ZERO,
    ) -> None:
        self._monotonic = monotonic
        self._offset = now() - timedelta(seconds=monotonic())
        self._lock = threading.Lock()
        self._guesses: OrderedDict[tuple[Provider, str], Decimal] = OrderedDict()
        self._holds: OrderedDict[str, _Hold] = OrderedDict()
        self._spent = spent
        self._settled = Names()
        self._keys: Mapping[str, _Key] = {}
        self._models: Mapping[tuple[Provider, str], Gate] = {}
        self.adopt(config)

    def adopt(self, config: GatewayConfig) -> None:
        """Other limits from now on; what was counted and spent is kept where the period of the budget is."""
        moment = self._now()
        fresh = {
            key.id: self._spent(key.id, Period(key.budget_duration).start(moment))
            for key in config.keys
            if key.max_budget is not None and self._kept_budget(key) is None
        }
        with self._lock:
            self._keys = {key.id: self._adopted(key, fresh.get(key.id, ZERO), moment) for key in config.keys}
            self._models = {
                name: gate
                for entry in config.models
                if (gate := _gate(self._models.get(name := (entry.account.provider, entry.model)), entry.rates))
            }

    def _kept_budget(self, key: GatewayKey) -> Budget | None:
        old = self._keys.get(key.id)
        return old.budget if old is not None and old.duration == key.budget_duration else None

    def _adopted(self, key: GatewayKey, spent: Decimal, moment: datetime) -> _Key:
        old = self._keys.get(key.id)
        budget = self._kept_budget(key) if key.max_budget is not None else None
        if key.max_budget is not None and budget is None:
            budget = Budget(key.max_budget, Period(key.budget_duration))
            budget.begin(spent, moment)
        elif key.max_budget is not None and budget is not None:
            budget.allow(key.max_budget)
        return _Key(_gate(old.gate if old else None, key.rates), budget, key.budget_duration)

    def admit(self, key_id: str, http_method: str, route: Route) -> Lease | Refusal:
        """Let a request in, or say which limit keeps it out; checks and reservations are one step."""
        key = self._keys.get(key_id)
        model: tuple[Provider, str] = (route.upstream.kind, route.model or "")
        gates = tuple(gate for gate in (key.gate if key else None, self._models.get(model)) if gate is not None)
        budget = key.budget if key is not None and not is_free(http_method, route) else None
        if not gates and budget is None:
            return Lease(key_id)
        with self._lock:
            now = self._monotonic()
            problem = next((found for gate in gates if (found := gate.problem(now)) is not None), None)
            if problem is not None:
                return problem
            reserved = None
            if budget is not None:
                reserved = budget.reserve(self._guesses.get(model, FIRST_GUESS), self._now())
                if reserved is None:
                    return Refusal(Reason.BUDGET_EXCEEDED, retry_after_s=budget.resets_s(self._now()))
            for gate in gates:
                gate.begin(now)
        return Lease(key_id, gates, budget, reserved)

    def ended(self, lease: Lease, record: SpendRecord | None) -> None:
        """Give back what the lease holds, and charge what was spent; unknown costs what was reserved (S-74)."""
        if lease.is_empty:
            return
        with self._lock:
            now = self._monotonic()
            for gate in lease.gates:
                gate.end(now, tokens_of(record))
            if lease.reserved is None or lease.budget is None:
                return
            cost = lease.reserved.amount if record is None or record.cost is None else record.cost
            lease.budget.settle(lease.reserved, cost, self._now())
            if record is not None and record.cost is not None and record.model is not None and record.provider:
                self._learn((cast("Provider", record.provider), record.model), record.cost)

    def job_started(self, job: VideoJob, cost: Decimal | None) -> None:
        """Hold what the video will cost until it is settled."""
        key = self._keys.get(job.key_id or "")
        if key is None or key.budget is None:
            return
        with self._lock:
            now = self._now()
            self._release(job.name, ZERO)
            self._learn((job.provider, job.model), cost or ZERO)
            self._holds[job.name] = _Hold(key.budget, key.budget.hold(cost or FIRST_GUESS, now), job.started)
            while self._holds:
                name, oldest = next(iter(self._holds.items()))
                if len(self._holds) <= _MOST_HOLDS and now - oldest.started <= JOB_LIFE:
                    return
                self._release(name, oldest.reserved.amount)

    def job_booked(self, record: SpendRecord) -> None:
        """Charge the video in the place of what was held for it."""
        key = self._keys.get(record.key_id or "")
        if key is None or key.budget is None:
            return
        with self._lock:
            self._settled.add(record.id)
            if record.id in self._holds:
                held = self._holds[record.id].reserved.amount
                self._release(record.id, held if record.cost is None else record.cost)
            elif record.cost is not None:
                now = self._now()
                key.budget.settle(key.budget.hold(ZERO, now), record.cost, now)

    @property
    def has_budgets(self) -> bool:
        """Whether any key has a budget."""
        return any(key.budget is not None for key in self._keys.values())

    def others_spent(self, records: Iterable[Foreign]) -> None:
        """Charge what other processes have spent; their unknown costs they charge themselves."""
        with self._lock:
            now = self._now()
            for record in records:
                key = self._keys.get(record.key_id or "")
                if key is None or key.budget is None or (record.is_operation and record.id in self._settled):
                    continue
                if record.is_operation:
                    self._release(record.id, ZERO)
                key.budget.charge(record.cost or ZERO, record.started, now)

    def _release(self, name: str, cost: Decimal) -> None:
        hold = self._holds.pop(name, None)
        if hold is not None:
            hold.budget.settle(hold.reserved, cost, self._now())

    def _learn(self, model: tuple[Provider, str], cost: Decimal) -> None:
        if cost > 0:
            self._guesses[model] = max(cost, self._guesses.get(model, ZERO) * _GUESS_FADES)
            if len(self._guesses) > _MOST_MODELS:
                self._guesses.popitem(last=False)

    def _now(self) -> datetime:
        return self._offset + timedelta(seconds=self._monotonic())


def _gate(old: Gate | None, rates: Rates) -> Gate | None:
    """The gate of these rates; the old one, with what it has counted, if there was one."""
    if not rates.is_any:
        return None
    if old is None:
        return Gate(rates)
    old.rates = rates
    return old


def is_free(http_method: str, route: Route) -> bool:
    """Whether a request costs nothing by its kind: polls, lists, token counts, uploads."""
    if http_method in _READ_ONLY or route.operation is not None:
        return not route.is_live
    path = route.target[len(route.upstream.base_path) :]
    if path.startswith((b"/upload/", b"/resumable/")):
        return True
    return route.method in _FREE_METHODS


def tokens_of(record: SpendRecord | None) -> int:
    """The tokens that a record's usage tells of; 0 where it tells of none."""
    usage: Mapping[str, Any] = (record.usage if record is not None else None) or {}
    for names in (("totalTokenCount",), ("total_tokens",), ("input_tokens", "output_tokens"), ("tokens",)):
        found = [usage[name] for name in names if _is_count(usage.get(name))]
        if found:
            return sum(found)
    return 0


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def hold_open_jobs(admission: Admission, jobs: Iterable[VideoJob], cost: Callable[[VideoJob], Decimal | None]) -> None:
    """Hold what the videos of an earlier process will cost."""
    for job in jobs:
        admission.job_started(job, cost(job))
