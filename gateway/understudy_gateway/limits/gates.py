"""The rates of keys and models, and what of a request counts for limits: whether it is free, and its tokens. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from understudy.pricing.exchanges import FREE_METHODS

from ..refusals import Reason, Refusal
from ..routes import Route
from ..settings import Rates
from ..spend.record import SpendRecord
from .windows import LastMinute

_READ_ONLY: Final = frozenset({"GET", "HEAD", "OPTIONS", "DELETE"})

_FREE_METHODS: Final = FREE_METHODS & {"countTokens", "computeTokens", "fetchPredictOperation"}
"""Of what is free by kind, the POSTs that are so whatever their answer: a video's start is paid for later."""


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


def gate_of(old: Gate | None, rates: Rates) -> Gate | None:
    """The gate of these rates; the old one, with what it has counted, if there was one."""
    if not rates.is_any:
        return None
    if old is None:
        return Gate(rates)
    old.rates = rates
    return old


def is_free(http_method: str, route: Route) -> bool:
    """Whether a request costs nothing by its kind: polls, lists, token counts, uploads; endpoints without a price."""
    if route.endpoint is not None:
        return not route.endpoint.cost_per_request
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
