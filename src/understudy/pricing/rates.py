"""The rate of each meter of one request: tier, long context and region (pricing 3, 5 and 17), each a small function."""

from bisect import bisect_left
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Final

import msgspec

from ..usage.meters import Direction, Meter, Modality
from ..usage.policies import DOCUMENTED, Policies
from .book import Entry
from .cost import ARITHMETIC, ZERO
from .vocabulary import UPLIFT, Priced, priced_by

_ONE: Final = Decimal(1)


class Tier(Enum):
    """A service tier: the suffixes of its price keys, best first."""

    __hash__ = object.__hash__  # the enum's own is written in Python, and the rates of every response are looked up

    STANDARD = ()
    PRIORITY = ("_priority",)
    FLEX = ("_flex", "_batches")
    BATCH = ("_batches",)
    PREPAID = ("_prepaid",)
    """Provisioned throughput: paid for already, so that its marginal cost is 0."""


_STANDARD: Final = Tier.STANDARD
_PREPAID: Final = Tier.PREPAID
_SERVED: Final = {
    "": Tier.STANDARD,
    "standard": Tier.STANDARD,
    "on_demand": Tier.STANDARD,
    "priority": Tier.PRIORITY,
    "on_demand_priority": Tier.PRIORITY,
    "flex": Tier.FLEX,
    "on_demand_flex": Tier.FLEX,
    "provisioned_throughput": Tier.PREPAID,
}


class Terms(msgspec.Struct, frozen=True, gc=False):
    """What a price depends on beside model and usage.

    `day` is the UTC date of the request's start. `location` is from the URL path; None if it names none.
    `served_tier` is the answer's header `x-gemini-service-tier`. `is_batch`: it is a line of a batch (pricing 13).
    """

    day: date
    location: str | None = None
    served_tier: str | None = None
    policies: Policies = DOCUMENTED
    is_batch: bool = False


def tier_of(word: str, terms: Terms) -> tuple[Tier, str | None]:
    """The tier that was served, and a remark if the word is unknown: it is then priced as standard (pricing 5)."""
    tier = _SERVED.get(word.lower())
    if tier is _PREPAID and not terms.policies.prepaid_is_free:
        return _STANDARD, None
    if tier is None:
        return _STANDARD, f"the tier '{word}' has no prices of its own and is priced as standard"
    return tier, None


def uplift_of(entry: Entry, location: str | None) -> Decimal | None:
    """The factor on token prices at a location; None if there is none there (pricing 17).

    Anything but `global` is a region, `us` and `eu` included; where no location is known there is no uplift.
    """
    return None if not location or location.lower() == "global" else entry.price(UPLIFT)


class Rates:
    """The rates of one request to one model: a pure function of meter, price entry, prompt length, tier and region.

    What was worked out is kept with the entry, by tier, by how many thresholds the prompt passes, and by whether the
    region counts: there are few of these for an entry, so that nothing has to be forgotten.
    """

    __slots__ = ("_entry", "_factor", "_passed", "_prompt", "_tier", "known")

    def __init__(self, entry: Entry, tier: Tier, prompt: int, location: str | None) -> None:
        """`prompt` is the whole prompt in tokens, cached part included: it alone decides about long context."""
        self._entry = entry
        self._tier = tier
        self._factor = None if location is None else uplift_of(entry, location)
        self._passed = bisect_left(entry.thresholds, prompt)
        self._prompt = prompt
        key = (tier, self._passed, self._factor is not None)
        known = entry.tables.get(key)
        self.known = entry.tables.setdefault(key, {}) if known is None else known

    def rate(self, meter: Meter) -> Decimal | None:
        """USD per token on this meter; None if the entry has no such price."""
        if self._tier is _PREPAID:
            return ZERO
        try:
            return self.known[meter]
        except KeyError:
            rate = self.known[meter] = self._raised(self._token_rate(meter))
            return rate

    def price(self, key: str) -> Decimal | None:
        """The price of anything else, by its key without suffixes: pictures, seconds, characters (section 5).

        Length and tier choose its variant as they do for tokens; of these prices only those of tokens know regions.
        """
        if self._tier is Tier.PREPAID:
            return ZERO
        price = self._base(key)
        return self._raised(price) if priced_by(key) is Priced.TOKEN else price

    def _raised(self, rate: Decimal | None) -> Decimal | None:
        """Section 17: the uplift of a region, on token prices alone."""
        return rate if rate is None or self._factor is None else ARITHMETIC.multiply(rate, self._factor)

    def _token_rate(self, meter: Meter) -> Decimal | None:
        match meter.direction:
            case Direction.INPUT | Direction.TOOL:
                return self._modal("input", meter.modality)
            case Direction.CACHED:
                return self._cached(meter.modality)
            case Direction.CACHE_WRITE:
                return self._base("cache_creation_input_token_cost")
            case Direction.CACHE_WRITE_1H:
                return self._base("cache_creation_input_token_cost_above_1hr")
            case Direction.OUTPUT:
                return self._modal("output", meter.modality)
            case Direction.THOUGHTS:
                return self._thinking()

    def _modal(self, way: str, modality: Modality) -> Decimal | None:
        """Section 5 rule 3: the modality's own rate, else the text rate."""
        base = f"{way}_cost_per_token"
        if modality is Modality.TEXT:
            return self._base(base)
        own = self._own(f"{way}_cost_per_{modality}_token", base)
        return self._base(base) if own is None else own

    def _cached(self, modality: Modality) -> Decimal | None:
        """Section 3 rule 5: the cache rate (audio may have its own), else the modality's ordinary input rate."""
        base = "cache_read_input_token_cost"
        own = self._own("cache_read_input_audio_token_cost", base) if modality is Modality.AUDIO else None
        rate = self._base(base) if own is None else own
        return self._modal("input", modality) if rate is None else rate

    def _thinking(self) -> Decimal | None:
        """Section 3 rule 8: thoughts have a rate of their own; once tier or length has moved the output rate, they
        have that, but where a variant of their own key says otherwise.
        """
        output, own = "output_cost_per_token", "output_cost_per_reasoning_token"
        long = self._long(output)
        moved = long is not None or self._tiered(output) is not None
        if not moved:
            plain = self._base(own)
            return self._base(output) if plain is None else plain
        variant = self._variant(own) if (self._long(own) is None) == (long is None) else None
        return self._base(output) if variant is None else variant

    def _variant(self, key: str) -> Decimal | None:
        """The price under the very key for this tier and length; None if only a plainer one is there."""
        name = self._long(key) or key
        standing = self._entry.price(name) if self._tier is Tier.STANDARD and name != key else None
        return self._tiered(name) if standing is None else standing

    def _base(self, key: str) -> Decimal | None:
        """Section 5 rules 1 and 2: long context keeps the tier's short-context ratio where it has no key."""
        entry, long = self._entry, self._long(key)
        tiered = self._tiered(long or key)
        if tiered is not None:
            return tiered
        rate = entry.price(long or key)
        return rate if rate is None or long is None else ARITHMETIC.multiply(rate, self._ratio(key))

    def _own(self, key: str, base: str) -> Decimal | None:
        """Section 5 rule 3: a modality's key; without a tier key it moves as its base rate `base` does."""
        entry = self._entry
        name = self._long(key) or key
        tiered = self._tiered(name)
        if tiered is not None:
            return tiered
        rate = entry.price(name)
        ratio_of = key if name != key and self._tiered(key) is not None else base
        return rate if rate is None else ARITHMETIC.multiply(rate, self._ratio(ratio_of))

    def _tiered(self, key: str) -> Decimal | None:
        """The price under `key` with the tier's suffix; None if there is none. For flex `_batches` will do (rule 1)."""
        for suffix in self._tier.value:
            price = self._entry.price(key + suffix)
            if price is not None:
                return price
        return None

    def _ratio(self, key: str) -> Decimal:
        """How the tier changes the short-context rate `key`: flex 0.5, say."""
        tiered, standard = self._tiered(key), self._entry.price(key)
        if tiered is None or not standard:
            return _ONE
        return ARITHMETIC.divide(tiered, standard)

    def _long(self, key: str) -> str | None:
        """The name of the long-context variant of `key` that this prompt calls for: strictly above its threshold.

        A variant of other tiers alone does not count.
        """
        for threshold, name in self._entry.long.get(key, ()):
            if self._prompt > threshold and (self._entry.price(name) is not None or self._tiered(name) is not None):
                return name
        return None
