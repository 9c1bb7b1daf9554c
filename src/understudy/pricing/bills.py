"""The cost of one bill of tokens, whoever wrote it: a response's, a Live turn's, a partner's (pricing 3, 5 and 18)."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from ..usage.meters import METERS, Direction, Meter, Modality, Unit, Usage
from ..usage.reading import UNGROUNDED, Grounding
from ..usage.tokens import Form, Tokens, tokens_of
from .book import Entry
from .cost import ARITHMETIC, Cost, Known, Line, Part, unknown
from .grounding import grounding_lines
from .rates import Rates, Terms, Tier, tier_of

NO_USAGE: Final = "the answer carried no usage"

_WHAT: Final = {
    Direction.INPUT: "input",
    Direction.CACHED: "cached input",
    Direction.CACHE_WRITE: "cache write",
    Direction.CACHE_WRITE_1H: "cache write for an hour",
    Direction.TOOL: "tool results",
    Direction.OUTPUT: "output",
    Direction.THOUGHTS: "thinking",
}

_ANSWERS: Final = frozenset({Direction.OUTPUT, Direction.THOUGHTS})

_NAMES: Final = {
    (direction, modality): what if direction is Direction.THOUGHTS else f"{what}, {modality}"
    for direction, what in _WHAT.items()
    for modality in Modality
}

_HEADS: Final = {
    meter: (Part.OUTPUT if direction in _ANSWERS else Part.INPUT, _NAMES[direction, modality])
    for direction, meters in METERS.items()
    for modality, meter in meters.items()
}
"""Part and name of the line of each meter of tokens."""

_INPUT: Final = Part.INPUT
_TOKEN: Final = Unit.TOKEN
_STANDARD: Final = Tier.STANDARD


def no_price(provider: str, model: str) -> str:
    """The reason why a model without an entry has no cost."""
    return f"no price for {provider} model '{model}'"


def cost_of_tokens(
    entry: Entry,
    metadata: Mapping[str, Any],
    grounding: Grounding,
    form: Form,
    terms: Terms,
    *,
    is_blocked: bool = False,
) -> Cost:
    """The cost of one usageMetadata. `entry` is as of the day; of a blocked prompt only input is billed."""
    is_grounded = grounding is not UNGROUNDED and grounding.is_grounded
    tokens = tokens_of(metadata, form, is_grounded=is_grounded, is_speech=entry.is_speech, policies=terms.policies)
    word = metadata.get("trafficType") or metadata.get("serviceTier") or terms.served_tier or ""
    cost = cost_of_meters(entry, tokens, str(word), terms, is_blocked=is_blocked)
    if not is_grounded:
        return cost
    fees = grounding_lines(entry, grounding, terms.policies.free_grounding_units)
    return Cost((*cost.lines, *fees), cost.known, cost.reason, cost.remarks) if fees else cost


def cost_of_meters(entry: Entry, tokens: Tokens, word: str, terms: Terms, *, is_blocked: bool = False) -> Cost:
    """The cost of meters that were read; `word` is the tier that was served, as the wire names it."""
    tier, remark = (_STANDARD, None) if not word else tier_of(word, terms)
    if terms.is_batch:
        tier, remark = Tier.BATCH, None
    if remark is not None and not terms.policies.unknown_tier_is_standard:
        return unknown(f"the tier '{word}' has no prices of its own", tokens.remarks)
    rates = Rates(entry, tier, tokens.prompt, terms.location)
    cost = dot_product(tokens.usage, rates, entry.name, is_blocked=is_blocked)
    if not tokens.remarks and remark is None:
        return cost
    remarks = tokens.remarks if remark is None else (*tokens.remarks, remark)
    return Cost(cost.lines, cost.known, cost.reason, remarks)


def dot_product(usage: Usage, rates: Rates, name: str, *, is_blocked: bool = False) -> Cost:
    """Each meter times its rate. Unknown, with the lines that could be made, if a meter has no price."""
    lines: list[Line] = []
    unpriced: list[str] = []
    for meter, count in usage.items():
        part, what = _HEADS[meter]
        if is_blocked and part is not _INPUT:
            continue
        rate = rates.known.get(meter) or rates.rate(meter)
        if rate is None:
            unpriced.append(what)
        else:
            quantity = Decimal(count)
            lines.append(Line(part, what, quantity, _TOKEN, rate, ARITHMETIC.multiply(quantity, rate)))
    if unpriced:
        return Cost(tuple(lines), Known.UNKNOWN, f"'{name}' has no price for {', '.join(unpriced)} tokens")
    return Cost(tuple(lines))


def what_of(meter: Meter) -> str:
    """The meter's name for people."""
    return _NAMES[meter.direction, meter.modality]
