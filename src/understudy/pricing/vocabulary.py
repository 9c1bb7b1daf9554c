"""The words of price files (pricing 2): which keys are prices, of what unit, and how large they can be."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final

SEARCH: Final = "search_context_cost_per_query"
MAPS: Final = "google_maps_grounding_cost_per_query"
UPLIFT: Final = "regional_endpoint_uplift_multiplier"
CHANGES: Final = "price_changes"
EFFECTIVE: Final = "effective_from"
DEPRECATION: Final = "deprecation_date"
BASE_MODEL: Final = "base_model"
BILLING_UNIT: Final = "web_search_billing_unit"
BILLING_UNITS: Final = ("per_query", "per_prompt")
SEARCH_SIZES: Final = tuple(f"search_context_size_{size}" for size in ("low", "medium", "high"))

TIER_SUFFIXES: Final = ("_batches", "_flex", "_priority")


class Priced(StrEnum):
    """What a price is paid for one of."""

    TOKEN = "token"  # noqa: S105 - a unit, not a secret
    TOKEN_HOUR = "token and hour"  # noqa: S105
    CHARACTER = "character"
    SECOND = "second"
    PICTURE = "picture"
    QUERY = "query"
    PAGE = "page"
    FACTOR = "factor"


@dataclass(frozen=True, slots=True)
class Range:
    """What a price can sensibly be, bounds included; 0 can be anything's price."""

    low: Decimal
    high: Decimal


_TOKENS: Final = (
    *(f"{way}_cost_per_{kind}token" for way in ("input", "output") for kind in ("", "audio_", "image_", "video_")),
    *("output_cost_per_reasoning_token", "cache_read_input_token_cost", "cache_read_input_audio_token_cost"),
    *("cache_creation_input_token_cost", "cache_creation_input_token_cost_above_1hr"),
)
_SECONDS: Final = (
    *("input_cost_per_second", "output_cost_per_second"),
    *(f"{way}_cost_per_{kind}_per_second" for way in ("input", "output") for kind in ("audio", "video")),
    *(f"output_cost_per_second_{resolution}" for resolution in ("720p", "1080p", "4k")),
    *(f"output_cost_per_second{resolution}_without_audio" for resolution in ("", "_720p", "_1080p", "_4k")),
)
UNITS: Final[dict[str, Priced]] = {
    **dict.fromkeys(_TOKENS, Priced.TOKEN),
    "cache_storage_cost_per_token_per_hour": Priced.TOKEN_HOUR,
    **dict.fromkeys(("input_cost_per_character", "output_cost_per_character"), Priced.CHARACTER),
    **dict.fromkeys(_SECONDS, Priced.SECOND),
    **dict.fromkeys(("input_cost_per_image", "output_cost_per_image"), Priced.PICTURE),
    **dict.fromkeys((SEARCH, MAPS, "input_cost_per_query"), Priced.QUERY),
    "ocr_cost_per_page": Priced.PAGE,
    UPLIFT: Priced.FACTOR,
}
"""Every price key without its suffixes, and what it is paid for."""

_FLAT: Final = frozenset({SEARCH, MAPS, UPLIFT})
"""Fees and factors: neither tier nor length has a variant of them."""

WORDS: Final = frozenset(
    {
        *("mode", "litellm_provider", DEPRECATION, "source", "correction_note", BASE_MODEL, BILLING_UNIT),
        *("id", "key", "team_id", "team_public_model_name", "version", "description", "vertex_ai_audio_api"),
    }
)
"""Describing keys whose value is a text."""

NUMBERS: Final = frozenset(
    {
        *("max_tokens", "max_input_tokens", "max_output_tokens", "max_query_tokens", "output_vector_size"),
        *("max_audio_length_hours", "max_audio_per_prompt", "max_images_per_prompt", "max_pdf_size_mb"),
        *("max_video_length", "max_videos_per_prompt", "tool_use_system_prompt_tokens", "prompt_cache_min_tokens"),
        *("rpd", "rpm", "tpm"),
    }
)
"""Describing keys whose value is a number."""

_OTHERS: Final = frozenset(
    {"metadata", "search_free_requests", "gemini_audio_only_live", "gemini_native_audio", "access_groups"}
    | {"db_model", "uses_embed_content", "provider_specific_entry", "regional_processing_uplift_multiplier_eu"}
)
_CAPABILITY: Final = re.compile(r"(?:supports|supported)_[a-z0-9_]+")

_SUFFIX: Final = rf"(?:_above_[0-9]{{1,6}}(?:k_tokens|s_interval))?(?:{'|'.join(TIER_SUFFIXES)})?"
_PRICE_KEY: Final = re.compile(rf"({'|'.join(key for key in UNITS if key not in _FLAT)}){_SUFFIX}")
_LOOKS_LIKE_PRICE: Final = re.compile(r".*(?:^|_)(?:cost|multiplier)(?:_|$).*")
_VARIANT: Final = re.compile(rf"(.+)_above_([0-9]{{1,6}})k_tokens(?:{'|'.join(TIER_SUFFIXES)})?")

_RANGES: Final = {
    Priced.TOKEN: Range(Decimal("1e-10"), Decimal("0.001")),
    Priced.TOKEN_HOUR: Range(Decimal("1e-9"), Decimal("0.0001")),
    Priced.CHARACTER: Range(Decimal("1e-10"), Decimal("0.001")),
    Priced.SECOND: Range(Decimal("1e-7"), Decimal(10)),
    Priced.PICTURE: Range(Decimal("1e-6"), Decimal(10)),
    Priced.QUERY: Range(Decimal("0.0001"), Decimal(1)),
    Priced.PAGE: Range(Decimal("0.00001"), Decimal(1)),
    Priced.FACTOR: Range(Decimal(1), Decimal(5)),
}
_OWN_RANGES: Final = {"output_cost_per_image": Range(Decimal("0.001"), Decimal(10))}
"""A picture made costs cents; a figure per token in its place is a hundred times smaller (pricing 20)."""


def priced_by(key: str) -> Priced | None:
    """What the price under `key` is paid for, suffixes for length and tier included; None if `key` is no price."""
    if key in _FLAT:
        return UNITS[key]
    found = _PRICE_KEY.fullmatch(key)
    return None if found is None else UNITS[found[1]]


def unit_of(key: str, billing_unit: str = "") -> str:
    """The unit of a value for people: `USD per token`, `factor`; empty for words.

    `billing_unit` is the entry's `web_search_billing_unit`: fees of grounding are per prompt unless it says per query.
    """
    if key in (SEARCH, MAPS):
        return f"USD per {'query' if billing_unit == 'per_query' else 'prompt'}"
    match priced_by(key):
        case None:
            return "tokens" if key in NUMBERS and key.endswith("tokens") else ""
        case Priced.FACTOR:
            return Priced.FACTOR
        case unit:
            return f"USD per {unit}"


def looks_like_price(key: str) -> bool:
    """Whether a key that is no price of ours reads as if it were one."""
    return _LOOKS_LIKE_PRICE.fullmatch(key) is not None


def is_described(key: str) -> bool:
    """Whether the key is a known one that describes the model and has no part in costs."""
    return key in WORDS or key in NUMBERS or key in _OTHERS or _CAPABILITY.fullmatch(key) is not None


def long_variant(key: str) -> tuple[str, int, str] | None:
    """For a long-context key: its base key, its threshold in tokens, and its name without a tier.

    `input_cost_per_token_above_200k_tokens_flex` gives `input_cost_per_token`, 200000,
    `input_cost_per_token_above_200k_tokens`. None for other keys.
    """
    found = _VARIANT.fullmatch(key)
    if found is None:
        return None
    return found[1], int(found[2]) * 1000, f"{found[1]}_above_{found[2]}k_tokens"


def sensible(key: str) -> Range | None:
    """Between which figures a price under `key` lies, whatever the model; None if `key` is no price."""
    unit = priced_by(key)
    return None if unit is None else _OWN_RANGES.get(key, _RANGES[unit])


def known_keys() -> Iterator[str]:
    """Every key that a file may well have, for the nearest good word to an unknown one."""
    for key in UNITS:
        yield key
        if key not in _FLAT:
            lengths = ("", "_above_128k_tokens", "_above_200k_tokens") if UNITS[key] is Priced.TOKEN else ("",)
            yield from (key + length + tier for length in lengths for tier in ("", *TIER_SUFFIXES) if length + tier)
    yield from (CHANGES, *sorted(WORDS), *sorted(NUMBERS), *sorted(_OTHERS))
