"""The price book: layers of price maps in LiteLLM's vocabulary, laid over one another (pricing 2 and 17)."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Any, Final, cast

from ..errors import PriceError, did_you_mean

SEARCH: Final = "search_context_cost_per_query"
UPLIFT: Final = "regional_endpoint_uplift_multiplier"
_CHANGES: Final = "price_changes"

_BASES: Final = (
    *(f"{way}_cost_per_{kind}token" for way in ("input", "output") for kind in ("", "audio_", "image_", "video_")),
    *("output_cost_per_reasoning_token", "cache_read_input_token_cost", "cache_read_input_audio_token_cost"),
    *("cache_creation_input_token_cost", "cache_creation_input_token_cost_above_1hr"),
    *(f"{way}_cost_per_{kind}" for way in ("input", "output") for kind in ("character", "image", "second")),
    *(f"{way}_cost_per_{kind}_per_second" for way in ("input", "output") for kind in ("audio", "video")),
    *("output_cost_per_second_1080p", "output_cost_per_second_4k", "output_cost_per_second_720p"),
    *("output_cost_per_second_without_audio", "output_cost_per_second_1080p_without_audio"),
    *("output_cost_per_second_720p_without_audio", "output_cost_per_second_4k_without_audio"),
    *("cache_storage_cost_per_token_per_hour", "google_maps_grounding_cost_per_query", UPLIFT),
    *("input_cost_per_query", "ocr_cost_per_page"),
)
_SUFFIX: Final = r"(?:_above_[0-9]+(?:k_tokens|s_interval))?(?:_(?:batches|flex|priority))?"
_PRICE_KEY: Final = re.compile(rf"(?:{'|'.join(_BASES)}){_SUFFIX}")
_LOOKS_LIKE_PRICE: Final = re.compile(r".*(?:^|_)(?:cost|multiplier)(?:_|$).*")
_VERSION: Final = re.compile(r"@[A-Za-z0-9._-]+$|-[0-9]{3}$")
_ABOVE: Final = re.compile(r"(.+)_above_([0-9]{1,6})k_tokens")

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
    """Keys that replace others on and after a UTC date; None removes one."""

    effective_from: date
    values: Mapping[str, Value | None]


@dataclass(frozen=True, slots=True)
class Entry:
    """The prices of one model. `layers` says for each key which layer it came from.

    `long` has, for a key with long-context variants, their thresholds in tokens and names, longest first.
    """

    name: str
    values: Values
    layers: Mapping[str, str]
    changes: tuple[Change, ...]
    long: Mapping[str, tuple[tuple[int, str], ...]]

    @classmethod
    def of(cls, name: str, values: Values, layers: Mapping[str, str], changes: tuple[Change, ...]) -> "Entry":
        """An entry of these values."""
        return cls(name, MappingProxyType(dict(values)), MappingProxyType(dict(layers)), changes, _long_keys(values))

    def price(self, key: str) -> Decimal | None:
        """The price under `key`; None if there is none. 0 is a price."""
        value = self.values.get(key)
        return value if isinstance(value, Decimal) else None

    def word(self, key: str) -> str:
        """A describing word such as `mode`; empty if absent."""
        value = self.values.get(key)
        return value if isinstance(value, str) else ""

    def on(self, day: date) -> "Entry":
        """The entry as it stands on a UTC day (pricing 17)."""
        due = [change for change in self.changes if change.effective_from <= day]
        if not due:
            return self
        values: dict[str, Value | None] = dict(self.values)
        for change in sorted(due, key=lambda change: change.effective_from):
            values |= change.values
        return Entry.of(self.name, {k: v for k, v in values.items() if v is not None}, self.layers, ())


def _long_keys(values: Values) -> Mapping[str, tuple[tuple[int, str], ...]]:
    found: dict[str, list[tuple[int, str]]] = {}
    for key in values:
        variant = _ABOVE.fullmatch(key)
        if variant:
            found.setdefault(variant[1], []).append((int(variant[2]) * 1000, key))
    return {base: tuple(sorted(variants, reverse=True)) for base, variants in found.items()}


class PriceBook:
    """All prices: entries by LiteLLM's model names."""

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self._entries = MappingProxyType(dict(entries))

    @classmethod
    def from_layers(cls, layers: Iterable[Layer]) -> "PriceBook":
        """The layers laid over one another, key by key, later ones winning; a key that is null is removed.

        Raises PriceError that names layer, model and key.
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
                draft = drafts.setdefault(model, _Draft({}, {}, ()))
                draft.lay(layer, where, cast("Mapping[str, Any]", values))
        return cls({model: draft.entry(model) for model, draft in drafts.items()})

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def entry(self, provider: str, model: str, model_version: str | None = None) -> Entry | None:
        """The entry of a provider's model; None if there is none, which makes its cost unknown.

        Tried in this order: `provider/model`, then bare `model` if it belongs to the provider; the same for the
        answer's `modelVersion`; the same for `model` without its version (`@default`, `-001`).
        """
        for name in (model, model_version, _VERSION.sub("", model)):
            if not name:
                continue
            found = self._entries.get(f"{provider}/{name}")
            if found is not None:
                return found
            found = self._entries.get(name)
            if found is not None and _belongs(found, provider):
                return found
        return None

    def demanded(self, provider: str, model: str) -> Entry:
        """The entry, where there must be one. Raises PriceError with the nearest model of that provider."""
        found = self.entry(provider, model)
        if found is None:
            prefix = f"{provider}/"
            own = [n for n, entry in self._entries.items() if n.startswith(prefix) or _belongs(entry, provider)]
            names = {name.removeprefix(prefix) for name in own}
            raise PriceError(f"no price for {provider} model '{model}'{did_you_mean(model, names)}")
        return found


def _belongs(entry: Entry, provider: str) -> bool:
    """Whether a bare entry is the provider's (pricing 2): `gemini`, or anything that starts with `vertex_ai`."""
    owner = entry.word("litellm_provider")
    return owner == "gemini" if provider == "gemini" else owner.startswith(provider)


@dataclass(slots=True)
class _Draft:
    """An entry while layers are laid over one another."""

    values: dict[str, Value]
    layers: dict[str, str]
    changes: tuple[Change, ...]

    def lay(self, layer: Layer, where: str, values: Mapping[str, Any]) -> None:
        for key, raw in values.items():
            if key == _CHANGES:
                self.changes = _changes(where, raw)
                continue
            value = _value(where, key, raw, layer.strict)
            if value is not None:
                self.values[key] = value
                self.layers[key] = layer.name
            elif raw is None:
                self.values.pop(key, None)
                self.layers.pop(key, None)

    def entry(self, name: str) -> Entry:
        return Entry.of(name, self.values, self.layers, self.changes)


def _value(where: str, key: str, raw: object, strict: bool) -> Value | None:
    """The value of a key: a price, or a describing word; None if it is null, or not of use here."""
    if raw is None:
        return None
    if key == SEARCH:
        sizes = cast("Mapping[str, Any]", raw) if isinstance(raw, Mapping) else {"search_context_size_medium": raw}
        medium = sizes.get("search_context_size_medium")
        return None if medium is None else price_of(medium, f"{where}: {key}")
    if _PRICE_KEY.fullmatch(key):
        return price_of(raw, f"{where}: {key}")
    if strict and _LOOKS_LIKE_PRICE.fullmatch(key):
        raise PriceError(f"{where}: unknown price '{key}'{did_you_mean(key, (*_BASES, SEARCH))}")
    return raw if isinstance(raw, str) else None


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


def _changes(where: str, raw: object) -> tuple[Change, ...]:
    if raw is None:
        return ()
    if not isinstance(raw, list | tuple):
        raise PriceError(f"{where}: {_CHANGES}: wanted a list, found {raw!r}")
    return tuple(_change(f"{where}: {_CHANGES}[{at}]", entry) for at, entry in enumerate(cast("list[object]", raw)))


def _change(where: str, raw: object) -> Change:
    values = dict(cast("Mapping[str, Any]", raw)) if isinstance(raw, Mapping) else {}
    start = values.pop("effective_from", None)
    try:
        day = start if isinstance(start, date) else date.fromisoformat(str(start))
    except ValueError:
        raise PriceError(f"{where}: effective_from: wanted YYYY-MM-DD, found {start!r}") from None
    return Change(day, {key: _value(where, key, value, strict=True) for key, value in values.items()})
