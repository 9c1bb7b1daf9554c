"""The price book: layers of price maps in LiteLLM's vocabulary, laid over one another (pricing 2 and 17)."""

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Any, Final, cast

from ..errors import PriceError, did_you_mean, nearest_words
from ..usage.meters import Meter
from .names import by_last_part, tried
from .vocabulary import (
    BASE_MODEL,
    CHANGES,
    EFFECTIVE,
    NUMBERS,
    SEARCH,
    known_keys,
    long_variant,
    looks_like_price,
    priced_by,
)

MOST_REMEMBERED: Final = 1024
"""How many look-ups are kept; model names come from clients, who may make them up."""

_LONGEST_REMEMBERED: Final = 200
_OURS: Final = ("gemini/", "vertex_ai/")

Value = Decimal | str
Values = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Layer:
    """One price map: its name for people, and its decoded content.

    Numbers are Decimal, int or text, never float. In a `strict` layer a key that only looks like a price is an error.
    """

    name: str
    entries: Mapping[str, Any]
    strict: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """Keys that replace others on and after a UTC date; None removes one. `layer` is the file that says so."""

    effective_from: date
    values: Mapping[str, Value | None]
    layer: str = ""

    def without(self, keys: Iterable[str]) -> "Change":
        """The same change, saying nothing of `keys`."""
        dropped = frozenset(keys)
        kept = {key: value for key, value in self.values.items() if key not in dropped}
        return Change(self.effective_from, kept, self.layer)


@dataclass(frozen=True, slots=True)
class Entry:
    """The prices of one model. `layers` says for each key which layer it came from; `changes` stand by their dates.

    `long` has, for a key with long-context variants, their thresholds in tokens and names, longest first;
    `thresholds` has all of them, shortest first. `is_speech`: the model answers with sound (`mode: audio_speech`).
    """

    name: str
    values: Values
    layers: Mapping[str, str]
    changes: tuple[Change, ...]
    long: Mapping[str, tuple[tuple[int, str], ...]]
    thresholds: tuple[int, ...] = field(init=False, compare=False, repr=False)
    is_speech: bool = field(init=False, compare=False, repr=False)
    tables: dict[Hashable, dict[Meter, Decimal | None]] = field(
        default_factory=dict[Hashable, dict[Meter, Decimal | None]], init=False, compare=False, repr=False
    )
    """Rates that were worked out before, by tier, length and region: a handful, whatever is asked (see `rates`)."""

    _dated: dict[int, "Entry"] = field(default_factory=dict[int, "Entry"], init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Find out what each response asks for."""
        found = sorted({threshold for variants in self.long.values() for threshold, _ in variants})
        object.__setattr__(self, "thresholds", tuple(found))
        object.__setattr__(self, "is_speech", self.word("mode") == "audio_speech")

    @classmethod
    def of(cls, name: str, values: Values, layers: Mapping[str, str], changes: tuple[Change, ...]) -> "Entry":
        """An entry of these values."""
        dated = tuple(sorted(changes, key=_start))
        return cls(name, MappingProxyType(dict(values)), MappingProxyType(dict(layers)), dated, _long_keys(values))

    def price(self, key: str) -> Decimal | None:
        """The price under `key`; None if there is none. 0 is a price."""
        value = self.values.get(key)
        return value if isinstance(value, Decimal) else None

    def word(self, key: str) -> str:
        """A describing word such as `mode`; empty if absent."""
        value = self.values.get(key)
        return value if isinstance(value, str) else ""

    def on(self, day: date) -> "Entry":
        """The entry as it stands on a UTC day: each change counts on and after its date (pricing 17).

        The same entry is given for every day of a span, so that what was worked out with it is of use again.
        """
        due = bisect_right(self.changes, day, key=_start) if self.changes else 0
        if due == 0:
            return self
        known = self._dated.get(due)
        if known is None:
            known = self._dated[due] = self._after(self.changes[:due])
        return known

    def _after(self, changes: tuple[Change, ...]) -> "Entry":
        values: dict[str, Value | None] = dict(self.values)
        layers = dict(self.layers)
        for change in changes:
            values |= change.values
            layers |= dict.fromkeys(change.values, change.layer)
        kept = {key: value for key, value in values.items() if value is not None}
        return Entry.of(self.name, kept, {key: layers[key] for key in kept if key in layers}, ())


def _start(change: Change) -> date:
    return change.effective_from


def _long_keys(values: Values) -> Mapping[str, tuple[tuple[int, str], ...]]:
    found: dict[str, set[tuple[int, str]]] = {}
    for key in values:
        variant = long_variant(key)
        if variant is not None:
            base, threshold, name = variant
            found.setdefault(base, set()).add((threshold, name))
    return {base: tuple(sorted(variants, reverse=True)) for base, variants in found.items()}


class PriceBook:
    """All prices: entries by LiteLLM's model names."""

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self._entries = MappingProxyType(dict(entries))
        self._by_last_part = {provider: by_last_part(self._entries, provider) for provider in ("gemini", "vertex_ai")}
        self._remembered: OrderedDict[tuple[str, str, str | None], Entry] = OrderedDict()

    @classmethod
    def from_layers(cls, layers: Iterable[Layer]) -> "PriceBook":
        """The layers laid over one another, key by key, later ones winning; a key that is null is removed.

        What a layer says of a key also ends the changes that earlier layers announced for it. Entries of other
        providers than ours are left out, so that a whole map of LiteLLM's will do. Raises PriceError that names layer,
        model and key.
        """
        drafts: dict[str, _Draft] = {}
        for layer in layers:
            for model, values in layer.entries.items():
                if values is None:
                    drafts.pop(model, None)
                    continue
                where = f"{layer.name}: {model}"
                if not isinstance(values, Mapping):
                    raise PriceError(f"{where}: wanted a mapping of prices, found {values!r}")
                told = cast("Mapping[str, Any]", values)
                if not is_foreign(model, told):
                    drafts.setdefault(model, _Draft()).lay(layer, where, told)
        return cls({model: _built(model, drafts, ()).entry(model) for model in drafts})

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def entry(self, provider: str, model: str, model_version: str | None = None) -> Entry | None:
        """The entry of a provider's model; None if there is none, which makes its cost unknown.

        `model` is in any form that a path or a body has it in (see `names.names_of`). Tried in this order:
        `provider/model`, then bare `model` if it belongs to the provider; the same for the answer's `modelVersion`; the
        same for both without their versions (`@default`, `-001`); last the only entry of any publisher that ends so.
        """
        asked = (provider, model, model_version)
        known = self._remembered.get(asked)
        if known is not None:
            self._remembered.move_to_end(asked)
            return known
        found = self._found(provider, model, model_version)
        if found is not None and len(model) + len(model_version or "") <= _LONGEST_REMEMBERED:
            self._remembered[asked] = found
            if len(self._remembered) > MOST_REMEMBERED:
                self._remembered.popitem(last=False)
        return found

    def _found(self, provider: str, model: str, model_version: str | None) -> Entry | None:
        last_parts = self._by_last_part.get(provider, {})
        names = tuple(tried(model, model_version))
        for name in names:
            found = self._entries.get(f"{provider}/{name}")
            if found is not None:
                return found
            found = self._entries.get(name)
            if found is not None and _belongs(found, provider):
                return found
        return next((self._entries[last_parts[name]] for name in names if name in last_parts), None)

    def demanded(self, provider: str, model: str) -> Entry:
        """The entry, where there must be one. Raises PriceError with the nearest models of that provider."""
        found = self.entry(provider, model)
        if found is None:
            *others, last = (f"'{name}'" for name in self.nearest(provider, model) or ("",))
            near = f" (did you mean {', '.join(others)}{' or ' if others else ''}{last}?)" if last != "''" else ""
            raise PriceError(f"no price for {provider} model '{model}'{near}")
        return found

    def nearest(self, provider: str, model: str, most: int = 3) -> tuple[str, ...]:
        """The provider's models whose names resemble `model` most, best first."""
        prefix = f"{provider}/"
        own = [n for n, entry in self._entries.items() if n.startswith(prefix) or _belongs(entry, provider)]
        return nearest_words(model, sorted({name.removeprefix(prefix) for name in own}), most)


def is_foreign(model: str, values: Mapping[str, Any]) -> bool:
    """Whether an entry is of a provider that is neither the Gemini API nor Vertex AI, and so of no use here."""
    owner = values.get("litellm_provider")
    return isinstance(owner, str) and not owner.startswith(("gemini", "vertex")) and not model.startswith(_OURS)


def _belongs(entry: Entry, provider: str) -> bool:
    """Whether a bare entry is the provider's (pricing 2): `gemini`, or anything that starts with `vertex_ai`."""
    if entry.name.startswith(_OURS):
        return False
    owner = entry.word("litellm_provider")
    return owner == "gemini" if provider == "gemini" else owner.startswith(provider)


@dataclass(slots=True)
class _Draft:
    """An entry while layers are laid over one another. `removed` are keys that were taken away."""

    values: dict[str, Value] = field(default_factory=dict[str, Value])
    layers: dict[str, str] = field(default_factory=dict[str, str])
    changes: tuple[Change, ...] = ()
    removed: set[str] = field(default_factory=set[str])

    def lay(self, layer: Layer, where: str, values: Mapping[str, Any]) -> None:
        self.changes = tuple(change.without(values) for change in self.changes)
        for key, raw in values.items():
            if key == CHANGES:
                self.changes = _changes(where, raw, layer.name)
                continue
            value = _value(where, key, raw, layer.strict)
            if value is not None:
                self.values[key] = value
                self.layers[key] = layer.name
                self.removed.discard(key)
            elif raw is None:
                self.values.pop(key, None)
                self.layers.pop(key, None)
                self.removed.add(key)

    def over(self, base: "_Draft") -> "_Draft":
        """This draft laid over another model's."""
        dropped = {*self.values, *self.removed}
        return _Draft(
            {key: value for key, value in base.values.items() if key not in dropped} | self.values,
            {key: layer for key, layer in base.layers.items() if key not in dropped} | self.layers,
            self.changes or tuple(change.without(dropped) for change in base.changes),
            base.removed | self.removed,
        )

    def entry(self, name: str) -> Entry:
        return Entry.of(name, self.values, self.layers, tuple(change for change in self.changes if change.values))


def _built(model: str, drafts: Mapping[str, _Draft], below: tuple[str, ...]) -> _Draft:
    """The draft over that of its `base_model`, whose prices it has where it says nothing else itself."""
    draft = drafts[model]
    base = draft.values.get(BASE_MODEL)
    if not isinstance(base, str):
        return draft
    where = f"{draft.layers[BASE_MODEL]}: {model}: {BASE_MODEL}"
    provider = model.partition("/")[0]
    name = next((name for name in (f"{provider}/{base}", base) if name in drafts and name != model), None)
    if name is None:
        raise PriceError(f"{where}: there is no entry '{base}'{did_you_mean(base, drafts)}")
    if name in below:
        raise PriceError(f"{where}: '{base}' stands upon this very entry")
    return draft.over(_built(name, drafts, (model, *below)))


def _value(where: str, key: str, raw: object, strict: bool) -> Value | None:
    """The value of a key: a price, or a describing word; None if it is null, or not of use here."""
    if raw is None:
        return None
    if key == SEARCH:
        sizes = cast("Mapping[str, Any]", raw) if isinstance(raw, Mapping) else {"search_context_size_medium": raw}
        medium = sizes.get("search_context_size_medium")
        return None if medium is None else price_of(medium, f"{where}: {key}")
    if priced_by(key) is not None:
        return price_of(raw, f"{where}: {key}")
    if strict and looks_like_price(key):
        raise PriceError(f"{where}: unknown price '{key}'{did_you_mean(key, known_keys())}")
    if key in NUMBERS:
        return number_of(raw)
    return raw if isinstance(raw, str) else None


def number_of(raw: object) -> Decimal | None:
    """The number that a value is or spells; None if it is none."""
    if isinstance(raw, bool) or not isinstance(raw, int | Decimal | str):
        return None
    try:
        number = Decimal(raw)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def price_of(raw: object, where: str) -> Decimal:
    """A price as Decimal, from Decimal, int or text such as `3e-7`; `where` begins the PriceError's text.

    A float is refused: it has lost the exact price already (read JSON with `parse_float=Decimal`).
    """
    if isinstance(raw, float):
        raise PriceError(f'{where}: {raw!r} is a binary float; write the price as text, such as "3e-7"')
    if isinstance(raw, bool) or not isinstance(raw, Decimal | int | str):
        raise PriceError(f"{where}: wanted a price, found {raw!r}")
    try:
        price = Decimal(raw)
    except InvalidOperation:
        raise PriceError(f"{where}: wanted a price, found {raw!r}") from None
    if price.is_finite() and not price:
        return Decimal(0)
    # Bounds on the digits keep every product below the precision of our arithmetic.
    if not price.is_finite() or price < 0 or price.adjusted() not in range(-24, 7) or len(price.as_tuple().digits) > 24:
        raise PriceError(f"{where}: a price is a number from 0 to 1000000, found {raw!r}")
    return price


def _changes(where: str, raw: object, layer: str) -> tuple[Change, ...]:
    if raw is None:
        return ()
    if not isinstance(raw, list | tuple):
        raise PriceError(f"{where}: {CHANGES}: wanted a list, found {raw!r}")
    changes = cast("list[object]", raw)
    return tuple(_change(f"{where}: {CHANGES}[{at}]", entry, layer) for at, entry in enumerate(changes))


def _change(where: str, raw: object, layer: str) -> Change:
    values = dict(cast("Mapping[str, Any]", raw)) if isinstance(raw, Mapping) else {}
    start = day_of(values.pop(EFFECTIVE, None), f"{where}: {EFFECTIVE}")
    return Change(start, {key: _value(where, key, value, strict=True) for key, value in values.items()}, layer)


def day_of(raw: object, where: str) -> date:
    """A day as YYYY-MM-DD; `where` begins the PriceError's text."""
    if isinstance(raw, date) and not isinstance(raw, datetime):
        return raw
    if isinstance(raw, str) and len(raw) == len("YYYY-MM-DD"):
        try:
            return date.fromisoformat(raw)
        except ValueError:
            pass
    raise PriceError(f"{where}: wanted YYYY-MM-DD, found {raw!r}")
