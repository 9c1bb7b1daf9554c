"""The cost of cached contents: their tokens once, and their storage by the hour (pricing 14)."""

import re
from datetime import UTC, date, datetime
from decimal import ROUND_CEILING, Decimal
from typing import Final

from ..usage.meters import Direction, Meter, Modality, Unit, Usage
from ..usage.policies import DOCUMENTED, Policies
from ..usage.reading import CacheReading
from ..usage.tokens import Tokens
from .bills import cost_of_meters, no_price
from .book import PriceBook
from .cost import ARITHMETIC, Cost, Known, Part, estimated, line_of, unknown
from .rates import Terms

STORAGE: Final = "cache_storage_cost_per_token_per_hour"

_TIME: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]{1,12})?(Z|[+-][0-9]{2}:[0-9]{2})"
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR: Final = Decimal(3600)


def cost_of_cache(
    book: PriceBook,
    provider: str,
    model: str,
    cache: CacheReading,
    *,
    date: date,
    location: str | None = None,
    ended: str | None = None,
    policies: Policies = DOCUMENTED,
) -> Cost:
    """What a cached content costs: its tokens at the input rate, then tokens x hours x the storage price.

    `ended` is the time of its deletion or expiry (RFC 3339). Without it the storage counts until the expiry that the
    resource names, as an estimate: it may be deleted before, or kept longer. Without a storage price it is unknown.
    """
    entry = book.entry(provider, cache.model or model)
    if entry is None:
        return unknown(no_price(provider, cache.model or model))
    entry = entry.on(date)
    tokens = Tokens(Usage({Meter(Direction.INPUT, Modality.TEXT): cache.tokens}), cache.tokens)
    written = cost_of_meters(entry, tokens, "", Terms(date, location, None, policies))
    hours = hours_between(cache.created, ended or cache.expires, policies)
    price = entry.price(STORAGE)
    if price is None or hours is None:
        why = f"'{entry.name}' has no price for cache storage" if price is None else "the cache's times are missing"
        return Cost(written.lines, Known.UNKNOWN, written.reason or why, written.remarks)
    token_hours = ARITHMETIC.multiply(Decimal(cache.tokens), hours)
    storage = line_of(Part.OTHER, "cache storage", token_hours, Unit.TOKEN_HOUR, price)
    cost = Cost((*written.lines, storage), written.known, written.reason, written.remarks)
    return cost if ended is not None else estimated(cost, "the cache is stored until its expiry, if nobody deletes it")


def hours_between(start: str, end: str, policies: Policies = DOCUMENTED) -> Decimal | None:
    """Hours between two times (RFC 3339), never negative, not rounded but by policy; None if one is no time."""
    first, last = _seconds(start), _seconds(end)
    if first is None or last is None:
        return None
    hours = ARITHMETIC.divide(max(Decimal(0), ARITHMETIC.subtract(last, first)), _HOUR)
    return hours.to_integral_value(ROUND_CEILING) if policies.storage_by_begun_hours else hours


def _seconds(text: str) -> Decimal | None:
    """Seconds since 1970, with the fraction as it stands: Google writes nanoseconds."""
    found = _TIME.fullmatch(text)
    if not found:
        return None
    try:
        at = datetime.fromisoformat(found[1] + found[3].replace("Z", "+00:00"))
    except ValueError:
        return None
    since = at - _EPOCH
    return ARITHMETIC.add(Decimal(since.days * 86_400 + since.seconds), Decimal(found[2] or 0))
