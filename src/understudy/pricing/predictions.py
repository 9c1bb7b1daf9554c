"""The cost of `predict` answers and of embeddings: pictures, clips, characters, vectors (pricing 11, 12 and 15)."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from ..usage.meters import Direction, Meter, Modality, Unit, Usage
from ..usage.reading import Grounding, Reading
from ..usage.requests import RequestReading
from ..usage.tokens import Form, Tokens
from .bills import NO_USAGE, cost_of_meters, cost_of_tokens
from .book import Entry
from .characters import INPUT_CHARACTER, character_lines, character_price
from .cost import Cost, Line, Part, estimated, line_of, unknown
from .rates import Terms

PICTURE: Final = "output_cost_per_image"
_BY_TOKEN: Final = re.compile(r"(?:.*/)?gemini-embedding.*")


def picture_line(entry: Entry, pictures: int) -> Line | None:
    """The line of generated pictures, or of Lyria's clips, which have the same key; None without a price."""
    price = entry.price(PICTURE)
    what = "clip" if "lyria" in entry.name else "picture"
    return None if price is None else line_of(Part.OUTPUT, what, pictures, Unit.PICTURE, price)


def cost_of_prediction(entry: Entry, reading: Reading) -> Cost:
    """What a `predict` answer cost: delivered pictures; filtered ones are free. Older models answer with characters."""
    counts = reading.usage or {}
    sides = counts.get("input_characters"), counts.get("output_characters")
    if sides != (None, None):
        text = character_lines(entry, sides[0] or 0, sides[1] or 0)
        return unknown(f"'{entry.name}' has no price for characters both ways") if text is None else Cost(text)
    line = picture_line(entry, counts.get("pictures", 0))
    if line is None:
        return unknown(f"'{entry.name}' has no price for a picture")
    return Cost((line,)) if line.quantity else Cost()


def cost_of_embeddings(entry: Entry, reading: Reading, request: RequestReading | None, terms: Terms) -> Cost:
    """What embeddings cost; output is free. `request` serves where the answer does not count: see pricing 12."""
    counts = reading.usage or {}
    if counts.keys() & {"pictures_embedded", "texts_embedded", "videos_s"}:
        return _multimodal(entry, counts, request)
    if "promptTokenCount" in counts or "promptTokensDetails" in counts:
        told = {name: value for name, value in counts.items() if name.startswith("prompt") or isinstance(value, str)}
        return cost_of_tokens(entry, told, Grounding(), Form.GENERATE, terms)
    price = character_price(entry, INPUT_CHARACTER)
    if "characters" in counts and price is not None and not _BY_TOKEN.fullmatch(entry.name):
        return Cost((line_of(Part.INPUT, "input, characters", counts["characters"], Unit.CHARACTER, price),))
    if "tokens" in counts:
        return _by_tokens(entry, counts["tokens"], terms)
    if request is None:
        return unknown(NO_USAGE)
    if request.problem is not None:
        return unknown(request.problem)
    cost = _by_tokens(entry, request.rough_tokens, terms)
    return estimated(cost, "no usage came; a token was taken for every four bytes of the request's text")


def _by_tokens(entry: Entry, tokens: int, terms: Terms) -> Cost:
    usage = Usage({Meter(Direction.INPUT, Modality.TEXT): tokens})
    return cost_of_meters(entry, Tokens(usage, tokens), terms.served_tier or "", terms)


def _multimodal(entry: Entry, counts: Mapping[str, Any], request: RequestReading | None) -> Cost:
    """Text by its characters, pictures each, video by the second."""
    characters = 0
    if counts.get("texts_embedded"):
        if request is None:
            return unknown("the characters of the request were not counted")
        if request.problem is not None:
            return unknown(request.problem)
        characters = request.characters
    items = (
        ("input, characters", Decimal(characters), Unit.CHARACTER, INPUT_CHARACTER),
        ("input, pictures", Decimal(counts.get("pictures_embedded", 0)), Unit.PICTURE, "input_cost_per_image"),
        ("input, video", Decimal(counts.get("videos_s", 0)), Unit.SECOND, "input_cost_per_video_per_second"),
    )
    lines: list[Line] = []
    for what, quantity, unit, key in items:
        price = entry.price(key)
        if quantity and price is None:
            return unknown(f"'{entry.name}' has no price for {what}")
        if quantity and price is not None:
            lines.append(line_of(Part.INPUT, what, quantity, unit, price))
    return Cost(tuple(lines))
