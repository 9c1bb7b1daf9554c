"""Fees of grounding with Google Search and Maps (pricing 7). They take neither tier nor region."""

import re
from decimal import Decimal
from typing import Final

from ..usage.meters import Unit
from ..usage.reading import Grounding
from .book import SEARCH, Entry
from .cost import Line, Part, line_of

_MAPS: Final = "google_maps_grounding_cost_per_query"
_UNIT: Final = "web_search_billing_unit"
_PER_QUERY: Final = "per_query"
_SEARCH_2: Final = Decimal("0.035")
_MAPS_2: Final = Decimal("0.025")
_ANY_3: Final = Decimal("0.014")
_GENERATION: Final = re.compile(r"gemini-(?:live-)?([12])(?![0-9])")


def grounding_lines(entry: Entry, grounding: Grounding, free_units: int = 0) -> list[Line]:
    """The fees of one request or Live turn.

    Free allowances belong to the billing account and are not deducted, but where the operator says how many queries
    or prompts of a request are to be (`Policies.free_grounding_units`); they are taken from Search first.
    """
    if not grounding.is_grounded:
        return []
    lines: list[Line] = []
    is_second = _GENERATION.match(entry.name.rpartition("/")[2]) is not None
    per_query = _is_per_query(entry, is_second)
    if grounding.search_queries:
        price = entry.price(SEARCH)
        if price is None:
            price = _SEARCH_2 if is_second else _ANY_3
        count = grounding.search_queries if per_query else 1
        free = min(free_units, count)
        count, free_units = count - free, free_units - free
        if count:
            lines.append(_fee("grounding with Google Search", count, per_query, price))
    if grounding.has_maps:
        price = entry.price(_MAPS)
        if price is None:
            price = _MAPS_2 if is_second else _ANY_3
        count = max(0, (max(1, grounding.maps_queries) if per_query else 1) - free_units)
        if count:
            lines.append(_fee("grounding with Google Maps", count, per_query, price))
    return lines


def _is_per_query(entry: Entry, is_second: bool) -> bool:
    """Whether each distinct query is paid, or the prompt once; where the entry says nothing, by the generation."""
    unit = entry.word(_UNIT)
    if unit:
        return unit == _PER_QUERY
    return entry.price(SEARCH) is None and not is_second


def _fee(what: str, count: int, per_query: bool, price: Decimal) -> Line:
    return line_of(Part.GROUNDING, what, count, Unit.QUERY if per_query else "prompt", price)
