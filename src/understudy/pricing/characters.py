"""Prices by the character, and by other units than tokens, of older models on Vertex AI (pricing 15)."""

from decimal import Decimal
from typing import Final

from ..usage.meters import Direction, Modality, Unit, Usage
from ..usage.reading import Reading
from ..usage.requests import RequestReading
from ..usage.tokens import Form, tokens_of
from .bills import dot_product
from .book import Entry
from .cost import Cost, Line, Part, line_of, unknown
from .rates import Rates, Terms, Tier

INPUT_CHARACTER: Final = "input_cost_per_character"
OUTPUT_CHARACTER: Final = "output_cost_per_character"


def character_price(entry: Entry, key: str, prompt: int = 0) -> Decimal | None:
    """The price of a character: above 128k prompt tokens the key for that, on both sides (pricing 15)."""
    longer = (name for threshold, name in entry.long.get(key, ()) if prompt > threshold)
    return entry.price(next(longer, key))


def character_lines(entry: Entry, characters_in: int, characters_out: int, prompt: int = 0) -> tuple[Line, ...] | None:
    """The lines of billable characters both ways; None if a price is missing."""
    lines: list[Line] = []
    sides = (
        (Part.INPUT, "input, characters", characters_in, INPUT_CHARACTER),
        (Part.OUTPUT, "output, characters", characters_out, OUTPUT_CHARACTER),
    )
    for part, what, count, key in sides:
        price = character_price(entry, key, prompt)
        if count and price is None:
            return None
        if count and price is not None:
            lines.append(line_of(part, what, count, Unit.CHARACTER, price))
    return tuple(lines)


def cost_of_characters(entry: Entry, reading: Reading, request: RequestReading, terms: Terms) -> Cost:
    """What a generateContent answer of a model that bills characters cost; media of the prompt cost their tokens.

    An answer that was filtered has no text, and so only its input is charged.
    """
    if request.problem is not None:
        return unknown(request.problem)
    if reading.content is None or reading.content.is_cut:
        return unknown("the characters of the answer were not counted")
    tokens = tokens_of(reading.usage or {}, Form.GENERATE, policies=terms.policies)
    text = character_lines(entry, request.characters, reading.content.characters, tokens.prompt)
    if text is None:
        return unknown(f"'{entry.name}' has no price for characters both ways")
    media = Usage(
        {
            meter: count
            for meter, count in tokens.usage.items()
            if meter.modality is not Modality.TEXT and meter.direction in (Direction.INPUT, Direction.CACHED)
        }
    )
    cost = dot_product(media, Rates(entry, Tier.STANDARD, tokens.prompt, terms.location), entry.name)
    return Cost((*text, *cost.lines), cost.known, cost.reason, tokens.remarks)
