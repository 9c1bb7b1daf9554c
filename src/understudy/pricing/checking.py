"""What is wrong with a price file that somebody wrote, all of it at once: `understudy price check` (pricing 2)."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final, cast

from ..errors import PriceError, Problem, did_you_mean
from .book import PriceBook, day_of, is_foreign, number_of, price_of
from .cost import ARITHMETIC, plain
from .vocabulary import (
    BASE_MODEL,
    BILLING_UNIT,
    BILLING_UNITS,
    CHANGES,
    DEPRECATION,
    EFFECTIVE,
    NUMBERS,
    SEARCH,
    SEARCH_SIZES,
    WORDS,
    Priced,
    is_described,
    known_keys,
    looks_like_price,
    priced_by,
    sensible,
    unit_of,
)

Path = tuple[str | int, ...]

_PROVIDERS: Final = ("gemini", "vertex_ai")
_PREFIXES: Final = ("gemini/", "vertex_ai/")
_FAR: Final = 100
"""How many times dearer or cheaper than the shipped price makes a reader look twice."""

_MILLION: Final = Decimal(1_000_000)
_THOUSAND: Final = Decimal(1000)
_PER_MANY: Final = re.compile(r"(?P<base>.+)_per_(?:1m|1k|million|thousand)_?(?P<what>[a-z]*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing about a file: where, and what. A note is worth a look; anything else is a mistake."""

    problem: Problem
    is_note: bool = False

    def __str__(self) -> str:
        return f"{self.problem} (note)" if self.is_note else str(self.problem)


@dataclass(frozen=True, slots=True)
class _Place:
    """A value of the file: the path to it and the model that it belongs to."""

    path: Path
    model: str

    def at(self, *parts: str | int) -> "_Place":
        return _Place((*self.path, *parts), self.model)


def findings(source: str, document: object, lines: Mapping[Path, int], shipped: PriceBook) -> tuple[Finding, ...]:
    """Everything to be said of a decoded price file, in the order of its lines.

    `lines` has the line of each value, `shipped` the prices to compare with. Mistakes: an unknown key that reads like a
    price or nearly like a known key, a price that is negative or no number, a figure that cannot be in the key's unit,
    a wrong type, a bad date. Notes: keys and entries without effect, and prices far from those that are shipped.
    """
    checker = _Checker(source, lines, shipped)
    checker.file(document)
    return tuple(sorted(checker.found, key=lambda finding: finding.problem.line or 0))


class _Checker:
    """Collects what is found on the way through one file."""

    def __init__(self, source: str, lines: Mapping[Path, int], shipped: PriceBook) -> None:
        self.found: list[Finding] = []
        self._source = source
        self._lines = lines
        self._shipped = shipped

    def file(self, document: object) -> None:
        if not isinstance(document, Mapping):
            self._mistake(_Place((), ""), "wanted a mapping of models to their prices")
            return
        models = cast("Mapping[str, object]", document)
        for model, values in models.items():
            place = _Place((model,), model)
            if values is None:
                continue
            if not isinstance(values, Mapping):
                self._mistake(place, f"wanted a mapping of prices, found {values!r}")
                continue
            told = cast("Mapping[str, Any]", values)
            if is_foreign(model, told):
                continue
            self._entry(place, told, models)

    def _entry(self, place: _Place, values: Mapping[str, Any], models: Mapping[str, object]) -> None:
        self._name(place, values, models)
        self._ended_changes(place, values)
        for key, raw in values.items():
            if key == CHANGES:
                self._changes(place.at(key), raw)
            else:
                self._value(place.at(key), key, raw)

    def _name(self, place: _Place, values: Mapping[str, Any], models: Mapping[str, object]) -> None:
        """Entries that no look-up finds: bare names without a provider, or behind a name with one (pricing 2)."""
        model = place.model
        base = values.get(BASE_MODEL)
        if isinstance(base, str) and not any(
            name in models or name in self._shipped for name in self._bases(model, base)
        ):
            self._mistake(place.at(BASE_MODEL), f"there is no entry '{base}'{did_you_mean(base, self._shipped)}")
        if not model.startswith(_PREFIXES) and not isinstance(base, str):
            self._bare_name(place, values.get("litellm_provider"), models)

    def _ended_changes(self, place: _Place, values: Mapping[str, Any]) -> None:
        """What a file says of a key ends the changes of it that are shipped (pricing 17): worth knowing."""
        provider, _, name = place.model.partition("/")
        owners = {provider: name} if place.model.startswith(_PREFIXES) else dict.fromkeys(_PROVIDERS, place.model)
        entries = (self._shipped.entry(owner, model) for owner, model in owners.items())
        shipped = next((entry for entry in entries if entry is not None and entry.name == place.model), None)
        if shipped is None or CHANGES in values:
            return
        days = [str(change.effective_from) for change in shipped.changes if change.values.keys() & values.keys()]
        if days:
            self._note(place, f"ends the changes announced for {', '.join(days)}; repeat them to keep them")

    def _bare_name(self, place: _Place, owner: object, models: Mapping[str, object]) -> None:
        """Whom a name without a provider in front serves: an entry with the provider in front is found first."""
        model = place.model
        prefixed = {provider: f"{provider}/{model}" for provider in _PROVIDERS}
        hidden = [name for name in prefixed.values() if name in self._shipped or name in models]
        if isinstance(owner, str):
            own = prefixed["gemini" if owner == "gemini" else "vertex_ai"]
            if own in hidden:
                self._note(place, f"has no effect, since '{own}' is found first")
            return
        found = {provider: self._shipped.entry(provider, model) for provider in prefixed}
        served = [provider for provider, entry in found.items() if entry is not None and entry.name == model]
        if not served and not hidden:
            near = did_you_mean(model, self._shipped)
            self._note(place, f"without litellm_provider, or gemini/ or vertex_ai/ in front, it is never found{near}")
        elif not served:
            self._note(place, f"has no effect, since '{hidden[0]}' is found first")
        elif hidden:
            self._note(place, f"counts for {served[0]} alone; '{hidden[0]}' has prices of its own")

    @staticmethod
    def _bases(model: str, base: str) -> tuple[str, str]:
        return base, f"{model.partition('/')[0]}/{base}"

    def _value(self, place: _Place, key: str, raw: object) -> None:
        if raw is None:
            return
        if key == SEARCH:
            self._search(place, raw)
        elif priced_by(key) is not None:
            self._price(place, key, raw)
        elif key == BILLING_UNIT:
            if raw not in BILLING_UNITS:
                near = did_you_mean(raw, BILLING_UNITS) if isinstance(raw, str) else ""
                self._mistake(place, f"wanted {' or '.join(BILLING_UNITS)}, found {raw!r}{near}")
        elif key in WORDS:
            if not isinstance(raw, str):
                self._mistake(place, f"wanted a text, found {raw!r}")
            elif key == DEPRECATION:
                self._day(place, raw)
        elif key in NUMBERS:
            if number_of(raw) is None:
                self._mistake(place, f"wanted a number, found {raw!r}")
        elif not is_described(key):
            self._unknown(place, key)

    def _unknown(self, place: _Place, key: str) -> None:
        many = _PER_MANY.fullmatch(key)
        if many is not None:
            self._mistake(place, "unknown key; prices are per one: per token, per second, per query")
            return
        near = did_you_mean(key, known_keys())
        if near or looks_like_price(key):
            self._mistake(place, f"unknown key{near}")
        else:
            self._note(place, "unknown key; it has no effect")

    def _search(self, place: _Place, raw: object) -> None:
        """One price, or one for each size of context, of which the medium one counts."""
        if not isinstance(raw, Mapping):
            self._price(place, SEARCH, raw)
            return
        sizes = cast("Mapping[str, object]", raw)
        for size, price in sizes.items():
            if size not in SEARCH_SIZES:
                self._mistake(place.at(size), f"unknown key{did_you_mean(size, SEARCH_SIZES)}")
            elif price is not None:
                self._price(place.at(size), SEARCH, price)
        if sizes.get(SEARCH_SIZES[1]) is None:
            self._note(place, f"has no effect without {SEARCH_SIZES[1]}")

    def _price(self, place: _Place, key: str, raw: object) -> None:
        """A price of the right type, not negative, and of a size that its unit allows."""
        negative = number_of(raw)
        if negative is not None and negative < 0:
            self._mistake(place, f"{raw} is negative")
            return
        try:
            price = price_of(raw, "")
        except PriceError as error:
            self._mistake(place, str(error).removeprefix(": "))
            return
        wrong = self._wrong_unit(place.model, key, price)
        if wrong is not None:
            self._mistake(place, wrong)
            return
        known = self._shipped_price(place.model, key)
        if known and price and max(price / known, known / price) >= _FAR:
            told = f"{_times(price, known)} the shipped price of {plain(known)}"
            self._note(place, f"{plain(price)} {unit_of(key)} is {told}")

    def _wrong_unit(self, model: str, key: str, price: Decimal) -> str | None:
        """The order-of-magnitude test: a price per million in the place of one per token, and its like."""
        allowed = sensible(key)
        if allowed is None or not price or allowed.low <= price <= allowed.high:
            return None
        shown = f"{plain(price)} cannot be a price in {unit_of(key)}"
        unit = priced_by(key)
        if unit is Priced.FACTOR:
            return f"{plain(price)} cannot be a factor; ten percent more is 1.1"
        if price < allowed.low:
            return f"{shown}: it is too small"
        counted = unit in (Priced.TOKEN, Priced.TOKEN_HOUR, Priced.CHARACTER, Priced.QUERY, Priced.PAGE)
        if not counted:
            return f"{shown}: it is too large"
        many = _THOUSAND if unit in (Priced.QUERY, Priced.PAGE) else self._divisor(model, key, price)
        right = plain(ARITHMETIC.divide(price, many))
        return f'{shown}; if it is one per {"million" if many == _MILLION else "thousand"}, write "{right}"'

    def _divisor(self, model: str, key: str, price: Decimal) -> Decimal:
        """A million, as prices are listed today, or a thousand where that comes nearer to the shipped price."""
        known = self._shipped_price(model, key)
        if not known:
            return _MILLION if price >= Decimal("0.01") else _THOUSAND
        return min((_MILLION, _THOUSAND), key=lambda many: max(price / many / known, known / (price / many)))

    def _shipped_price(self, model: str, key: str) -> Decimal | None:
        provider, slash, name = model.partition("/")
        owners = (provider,) if slash and f"{provider}/" in _PREFIXES else _PROVIDERS
        entries = (self._shipped.entry(owner, name if len(owners) == 1 else model) for owner in owners)
        return next((found for entry in entries if entry and (found := entry.price(key)) is not None), None)

    def _changes(self, place: _Place, raw: object) -> None:
        """Announced changes: a list, each with its day and keys; a day stands once (pricing 17)."""
        if raw is None:
            return
        if not isinstance(raw, list | tuple):
            self._mistake(place, f"wanted a list of changes, found {raw!r}")
            return
        days: set[date] = set()
        for at, change in enumerate(cast("list[object]", raw)):
            here = place.at(at)
            if not isinstance(change, Mapping):
                self._mistake(here, f"wanted a mapping with {EFFECTIVE}, found {change!r}")
                continue
            told = cast("Mapping[str, object]", change)
            self._start(here, told, days)
            for key, value in self._changed(here, told):
                self._value(here.at(key), key, value)

    def _changed(self, place: _Place, change: Mapping[str, object]) -> Iterator[tuple[str, object]]:
        keys = [key for key in change if key != EFFECTIVE]
        if not keys:
            self._note(place, "changes nothing")
        for key in keys:
            if key == CHANGES:
                self._mistake(place.at(key), "changes do not stand inside one another")
            else:
                yield key, change[key]

    def _start(self, place: _Place, change: Mapping[str, object], days: set[date]) -> None:
        if EFFECTIVE not in change:
            self._mistake(place, f"{EFFECTIVE} is missing")
            return
        day = self._day(place.at(EFFECTIVE), change[EFFECTIVE])
        if day is not None and day in days:
            self._mistake(place.at(EFFECTIVE), f"{day} stands here a second time")
        elif day is not None:
            days.add(day)

    def _day(self, place: _Place, raw: object) -> date | None:
        try:
            return day_of(raw, "")
        except PriceError as error:
            self._mistake(place, str(error).removeprefix(": "))
            return None

    def _mistake(self, place: _Place, message: str) -> None:
        self.found.append(Finding(self._problem(place, message)))

    def _note(self, place: _Place, message: str) -> None:
        self.found.append(Finding(self._problem(place, message), is_note=True))

    def _problem(self, place: _Place, message: str) -> Problem:
        shown = "".join(f"[{part}]" if isinstance(part, int) else f": {part}" for part in place.path)
        line = next(
            (self._lines[place.path[:n]] for n in range(len(place.path), -1, -1) if place.path[:n] in self._lines), None
        )
        return Problem(self._source, line, shown.removeprefix(": "), message)


def _times(price: Decimal, known: Decimal) -> str:
    if price > known:
        return f"{int(price / known)} times"
    return f"1/{int(known / price)} of"
