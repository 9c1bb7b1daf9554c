"""The cost of one HTTP exchange, and of one bill of tokens: a response's or a Live turn's (pricing 3 to 7, 18)."""

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from ..usage.meters import Direction, Meter, Unit, Usage
from ..usage.reading import Grounding, Reading
from ..usage.tokens import Form, tokens_of
from .book import Entry, PriceBook
from .cost import Cost, Known, Line, Part, estimated, line_of, unknown
from .grounding import grounding_lines
from .rates import Rates, Terms, tier_of

TOKEN_METHODS: Final = frozenset({"generateContent", "streamGenerateContent"})
"""Methods that are priced by the tokens of their answer."""

FREE_METHODS: Final = frozenset(
    {"countTokens", "computeTokens", "list", "get", "predictLongRunning", "fetchPredictOperation"}
)
"""Methods that are free by kind (pricing 18); a video job is settled apart, once, by `cost_of_videos`.

`list` is also what `Place.method` says for a POST to a collection, which creates something: an answer with usage in it
is then no list, and its cost unknown.
"""

_WHAT: Final = {
    Direction.INPUT: "input",
    Direction.CACHED: "cached input",
    Direction.TOOL: "tool results",
    Direction.OUTPUT: "output",
    Direction.THOUGHTS: "thinking",
}


def cost_of(
    book: PriceBook,
    provider: str,
    model: str,
    reading: Reading,
    *,
    method: str,
    date: date,
    location: str | None = None,
    status: int = 200,
    complete: bool = True,
    served_tier: str | None = None,
    prepaid_is_free: bool = True,
) -> Cost:
    """What one exchange cost, from what its answer said.

    `method` is `Place.method`, `date` the UTC date of the request's start, `location` that of the URL path, `status`
    the answer's, `served_tier` its header `x-gemini-service-tier`. `complete` is false if the client left or the
    answer broke: the last usage seen is then billed as an estimate (pricing 6).
    """
    if status >= 400 and not reading.has_counts:
        return Cost()
    if method in FREE_METHODS and not (method == "list" and (reading.usage is not None)):
        return Cost()
    if method not in TOKEN_METHODS:
        return unknown(f"the cost of {method} is not computed")
    if reading.problem is not None:
        return unknown(reading.problem)
    if not reading.has_counts:
        # Vertex reports a blocked prompt with nothing but a trafficType: no tokens, so nothing to pay.
        blocked = reading.is_blocked and reading.usage is not None
        return Cost() if blocked else unknown("the answer carried no usage")
    entry = book.entry(provider, model, reading.model_version)
    if entry is None:
        return unknown(no_price(provider, model))
    terms = Terms(date, location, served_tier, prepaid_is_free)
    cost = cost_of_tokens(
        entry.on(date),
        reading.usage or {},
        reading.grounding,
        Form.GENERATE,
        terms,
        is_blocked=reading.is_blocked,
    )
    if not (complete and reading.is_whole):
        return estimated(cost, "the answer ended early; the last usage seen is billed")
    return cost


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
    is_speech = entry.word("mode") == "audio_speech"
    tokens = tokens_of(metadata, form, is_grounded=grounding.is_grounded, is_speech=is_speech)
    word = metadata.get("trafficType") or metadata.get("serviceTier") or terms.served_tier or ""
    tier, remark = tier_of(str(word), terms)
    remarks = tokens.remarks if remark is None else (*tokens.remarks, remark)
    rates = Rates(entry, tier, tokens.prompt, terms.location)
    cost = dot_product(tokens.usage, rates, entry.name, is_blocked=is_blocked)
    fees = grounding_lines(entry, grounding)
    return Cost((*cost.lines, *fees), cost.known, cost.reason, remarks)


def dot_product(usage: Usage, rates: Rates, name: str, *, is_blocked: bool = False) -> Cost:
    """Each meter times its rate. Unknown, with the lines that could be made, if a meter has no price."""
    lines: list[Line] = []
    unpriced: list[str] = []
    for meter, count in usage.items():
        is_answer = meter.direction in (Direction.OUTPUT, Direction.THOUGHTS)
        if is_answer and is_blocked:
            continue
        rate = rates.rate(meter)
        if rate is None:
            unpriced.append(what_of(meter))
        else:
            lines.append(line_of(Part.OUTPUT if is_answer else Part.INPUT, what_of(meter), count, Unit.TOKEN, rate))
    if unpriced:
        return Cost(tuple(lines), Known.UNKNOWN, f"'{name}' has no price for {', '.join(unpriced)} tokens")
    return Cost(tuple(lines))


def what_of(meter: Meter) -> str:
    """The meter's name for people."""
    what = _WHAT[meter.direction]
    return what if meter.direction is Direction.THOUGHTS else f"{what}, {meter.modality}"
