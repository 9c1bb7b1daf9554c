"""The cost of one HTTP exchange: which rules apply to it, and what is free by its kind (pricing 3 to 7, 11 to 18)."""

from datetime import date
from typing import Final, assert_never

from ..usage.policies import DOCUMENTED, Policies
from ..usage.reading import Reading
from ..usage.requests import RequestReading, is_by_character
from ..usage.tokens import Form
from .bills import NO_USAGE, cost_of_tokens, no_price
from .book import Entry, PriceBook
from .caches import cost_of_cache
from .characters import INPUT_CHARACTER, cost_of_characters
from .cost import Cost, estimated, unknown
from .partners import cost_of_partner
from .predictions import cost_of_embeddings, cost_of_prediction, picture_line
from .rates import Terms

PRICED_METHODS: Final = frozenset(
    {
        *("generateContent", "streamGenerateContent", "predict", "embedContent", "batchEmbedContents"),
        *("rawPredict", "streamRawPredict", "chat/completions", "embeddings"),
    }
)
"""Methods that are priced by what their answer says."""

FREE_METHODS: Final = frozenset(
    {
        *("countTokens", "computeTokens", "list", "get", "predictLongRunning", "fetchPredictOperation"),
        *("batchGenerateContent", "asyncBatchEmbedContent", "cancel"),
    }
)
"""Methods that are free by kind (pricing 18); video and batch jobs are settled apart, once, when they are done.

`list` is also what `Place.method` says for a POST to a collection, which creates something: a cached content is priced,
any other answer with usage in it is no list, and its cost unknown.
"""


_GENERATE: Final = Form.GENERATE
"""Nearly every answer is one of these; see `cost` for why it has a name of its own."""


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
    request: RequestReading | None = None,
    policies: Policies = DOCUMENTED,
) -> Cost:
    """What one exchange cost, from what its answer said.

    `method` is `Place.method`, `date` the UTC date of the request's start, `location` that of the URL path, `status`
    the answer's, `served_tier` its header `x-gemini-service-tier`, `request` the text of the request where the answer
    does not count it (`needs_request`). `complete` is false if the client left or the answer broke: the last usage
    seen is then billed as an estimate (pricing 6).
    """
    if status >= 400 and not reading.has_counts:
        return Cost()
    if reading.cache is not None:
        return cost_of_cache(book, provider, model, reading.cache, date=date, location=location, policies=policies)
    if method in FREE_METHODS and not (method == "list" and reading.usage is not None):
        return Cost()
    if method not in PRICED_METHODS:
        return unknown(f"the cost of {method} is not computed")
    terms = Terms(date, location, served_tier, policies)
    cost = cost_of_answer(book, provider, model, reading, terms, request)
    if complete and reading.is_whole:
        return cost
    return estimated(cost, "the answer ended early; the last usage seen is billed")


def cost_of_answer(
    book: PriceBook,
    provider: str,
    model: str,
    reading: Reading,
    terms: Terms,
    request: RequestReading | None = None,
) -> Cost:
    """What one answer that came whole cost, by the rules for its form."""
    if reading.problem is not None:
        return unknown(reading.problem)
    form = reading.form
    if reading.is_blocked and form is _GENERATE and reading.usage is not None and not reading.has_counts:
        return Cost()  # Vertex reports a blocked prompt with nothing but a trafficType: no tokens, so nothing to pay
    entry = book.entry(provider, model, reading.model_version)
    if entry is None:
        has_none = form is _GENERATE and not reading.has_counts
        return unknown(NO_USAGE if has_none else no_price(provider, model or reading.model_version or ""))
    entry = entry.on(terms.day)
    if form is _GENERATE and request is None:
        return _generated(entry, reading, terms)
    match form:
        case Form.CLAUDE | Form.OPENAI:
            return cost_of_partner(entry, reading, terms)
        case Form.EMBEDDING:
            return cost_of_embeddings(entry, reading, request, terms)
        case Form.PREDICTION:
            return cost_of_prediction(entry, reading)
        case Form.GENERATE | Form.GEMINI_LIVE | Form.VERTEX_LIVE:
            by_character = request is not None and is_by_character(provider, model)
            if by_character and request is not None and entry.price(INPUT_CHARACTER) is not None:
                return cost_of_characters(entry, reading, request, terms)
            return _generated(entry, reading, terms)
        case _:
            assert_never(form)


def _generated(entry: Entry, reading: Reading, terms: Terms) -> Cost:
    """A generateContent answer: its tokens; only without any usage its pictures, each (pricing 11)."""
    if reading.has_counts:
        return cost_of_tokens(
            entry, reading.usage or {}, reading.grounding, _GENERATE, terms, is_blocked=reading.is_blocked
        )
    pictures = reading.content.pictures if reading.content is not None and reading.usage is None else 0
    line = picture_line(entry, pictures) if pictures else None
    if line is None:
        return unknown(NO_USAGE)
    return estimated(Cost((line,)), "no usage came; the pictures of the answer are billed")
