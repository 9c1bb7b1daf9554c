"""Gateways that pass everything as they should and keep wrong books (requirements COST)."""

import re
from dataclasses import replace
from decimal import Decimal
from typing import Final

from understudy.pricing.book import Entry, PriceBook
from understudy.pricing.cost import Cost, Known, Part, combined, line_of, unknown
from understudy.surfaces import Place, Surface
from understudy.usage.live import SessionReading
from understudy.usage.meters import Unit
from understudy.usage.operations import VeoRequest
from understudy.usage.readers import reader_for
from understudy.usage.reading import Reading

from .books import Books, Seen, Spend
from .broken import with_books
from .live import Gateway


def dollars(amount: str) -> Cost:
    """A cost out of nowhere."""
    return Cost((line_of(Part.OTHER, "made up", 1, Unit.TOKEN, Decimal(amount)),))


class Blind(Books):
    """Some words of an answer are not read."""

    words: tuple[bytes, ...] = ()

    def legible(self, answer: bytes) -> bytes:
        for word in self.words:
            answer = answer.replace(b'"%b"' % word, b'"not%b"' % word)
        return answer


class Forgets(Books):
    """Some answers are not priced."""

    def price(self, seen: Seen, place: Place, reading: Reading) -> Cost:
        return unknown("forgotten") if self.forgets(seen, place) else super().price(seen, place, reading)

    def forgets(self, seen: Seen, place: Place) -> bool:
        """Whether this one is not."""
        return False


@with_books(
    "prices-no-unary-answers",
    "It prices streams only.",
    *("COST-1/unary", "COST-1/vertex-unary", "COST-1/library", "COST-3/thoughts", "COST-3/cached"),
    *("COST-3/audio-prompt", "COST-3/long-context", "COST-5/blocked-prompt", "COST-7/gzip"),
    "COST-11/client-cannot-say",
)
class PricesNoUnaryAnswers(Forgets):
    def forgets(self, seen: Seen, place: Place) -> bool:
        return place.method == "generateContent" and seen.status == 200


@with_books("prices-no-vertex", "It prices nothing of Vertex AI.", "COST-1/vertex-unary", "COST-1/library")
class PricesNoVertex(Forgets):
    def forgets(self, seen: Seen, place: Place) -> bool:
        return place.surface is Surface.VERTEX


@with_books(
    "prices-no-events",
    "It prices no streams of events.",
    *("COST-1/stream", "COST-2/stream-cumulative", "COST-1/library"),
)
class PricesNoEvents(Forgets):
    def forgets(self, seen: Seen, place: Place) -> bool:
        return seen.kind.startswith("text/event-stream")


@with_books("prices-no-arrays", "It prices no streams that are arrays.", "COST-1/json-array")
class PricesNoArrays(Forgets):
    def forgets(self, seen: Seen, place: Place) -> bool:
        return place.method == "streamGenerateContent" and seen.kind.startswith("application/json")


@with_books("bills-counting", "It bills the counting of tokens.", "COST-1/count-tokens-free", "COST-1/library")
class BillsCounting(Books):
    def price(self, seen: Seen, place: Place, reading: Reading) -> Cost:
        is_counting = place.method == "countTokens" and seen.status == 200
        return dollars("0.0000093") if is_counting else super().price(seen, place, reading)


@with_books("sums-streams", "It adds up the counts of a stream.", "COST-2/stream-cumulative", "COST-1/library")
class SumsStreams(Books):
    def price(self, seen: Seen, place: Place, reading: Reading) -> Cost:
        if not seen.kind.startswith("text/event-stream") or not seen.is_whole:
            return super().price(seen, place, reading)
        costs = [self.event_cost(seen, place, event) for event in re.split(rb"(?:\r?\n){2}", seen.answer)]
        return combined([cost for cost in costs if cost is not None])

    def event_cost(self, seen: Seen, place: Place, event: bytes) -> Cost | None:
        """What one event would cost by itself."""
        if b"usageMetadata" not in event:
            return None
        reader = reader_for(place.method, seen.kind, "")
        reader.feed(event + b"\n\n")
        return super().price(seen, place, reader.finish())


class ShortBook(PriceBook):
    """A price book without the rates of long context."""

    def __init__(self, prices: PriceBook) -> None:
        super().__init__({})
        self._prices = prices

    def entry(self, provider: str, model: str, model_version: str | None = None) -> Entry | None:
        found = self._prices.entry(provider, model, model_version)
        return None if found is None else replace(found, long={})


@with_books("knows-one-tier", "It knows no rates for long context.", "COST-3/long-context")
class KnowsOneTier(Books):
    def __init__(self, spend: Spend) -> None:
        super().__init__(replace(spend, prices=ShortBook(spend.prices)))


@with_books("calls-unknown-free", "It books what it has no price for as free.", "COST-4/unknown-model")
class CallsUnknownFree(Books):
    def price(self, seen: Seen, place: Place, reading: Reading) -> Cost:
        cost = super().price(seen, place, reading)
        return Cost() if cost.known is Known.UNKNOWN and "no price" in (cost.reason or "") else cost


@with_books("bills-errors", "It bills a refusal by its prompt.", "COST-5/errors-free", "COST-1/library")
class BillsErrors(Books):
    def price(self, seen: Seen, place: Place, reading: Reading) -> Cost:
        return dollars("0.0000024") if seen.status >= 400 else super().price(seen, place, reading)


@with_books("calls-blocked-free", "It books a blocked prompt as free.", "COST-5/blocked-prompt")
class CallsBlockedFree(Books):
    def price(self, seen: Seen, place: Place, reading: Reading) -> Cost:
        return Cost() if reading.is_blocked else super().price(seen, place, reading)


@with_books("calls-estimates-exact", "It passes an estimate off as exact.", "COST-6/interrupted-stream")
class CallsEstimatesExact(Books):
    def price(self, seen: Seen, place: Place, reading: Reading) -> Cost:
        cost = super().price(seen, place, reading)
        return replace(cost, known=Known.EXACT) if cost.known is Known.ESTIMATED else cost


@with_books("calls-interrupted-free", "It books a stream that was cut short as free.", "COST-6/interrupted-stream")
class CallsInterruptedFree(Books):
    def price(self, seen: Seen, place: Place, reading: Reading) -> Cost:
        return super().price(seen, place, reading) if seen.is_whole else Cost()


@with_books("reads-no-gzip", "It reads compressed answers as they are.", "COST-7/gzip")
class ReadsNoGzip(Books):
    def coding(self, seen: Seen) -> str:
        return ""


@with_books(
    "bills-the-last-turn", "It bills the last turn of a session only.", "COST-8/live-every-turn", "COST-1/library"
)
class BillsTheLastTurn(Books):
    def session(self, id: str, provider: str, reading: SessionReading, was_closed: bool) -> None:
        super().session(id, provider, replace(reading, turns=reading.turns[-1:]), was_closed)


@with_books(
    "bills-orderly-ends",
    "It books sessions that are closed in order only.",
    *("COST-8/live-abnormal-end", "COST-1/library"),
)
class BillsOrderlyEnds(Books):
    def session(self, id: str, provider: str, reading: SessionReading, was_closed: bool) -> None:
        if was_closed:
            super().session(id, provider, reading, was_closed)


@with_books("bills-every-poll", "It bills a video at each poll that says done.", "COST-9/video-once")
class BillsEveryPoll(Books):
    def is_settled(self, name: str) -> bool:
        return False


@with_books("bills-sound", "It bills sound that nobody asked for.", "COST-9/video-without-audio")
class BillsSound(Books):
    def video_cost(self, place: Place, request: VeoRequest, delivered: int) -> Cost:
        return super().video_cost(place, replace(request, generate_audio=True), delivered)


@with_books(
    "bills-what-was-asked", "It bills the videos that were asked for.", "COST-9/refused-video-free", "COST-1/library"
)
class BillsWhatWasAsked(Books):
    def video_cost(self, place: Place, request: VeoRequest, delivered: int) -> Cost:
        return super().video_cost(place, request, request.sample_count)


@with_books("believes-clients", "It books what the client says that it costs.", "COST-11/client-cannot-say")
class BelievesClients(Books):
    def price(self, seen: Seen, place: Place, reading: Reading) -> Cost:
        said = [value for name, value in seen.fields if name.lower() == b"x-litellm-response-cost"]
        return dollars(said[0].decode()) if said else super().price(seen, place, reading)


def _blind(name: str, what: str, words: tuple[bytes, ...], *kills: str) -> type[Gateway]:
    books = type("Blind", (Blind,), {"words": words})
    return with_books(name, f"It does not read {what}.", *kills)(books)


TABLE: Final = (
    _blind(
        "reads-no-thoughts",
        "the tokens of thinking",
        (b"thoughtsTokenCount",),
        *("COST-3/thoughts", "COST-1/library"),
    ),
    _blind("reads-no-cache", "what was cached", (b"cachedContentTokenCount", b"cacheTokensDetails"), "COST-3/cached"),
    _blind(
        "reads-no-modalities",
        "the modalities of a prompt",
        (b"promptTokensDetails",),
        *("COST-3/audio-prompt", "COST-1/library"),
    ),
    _blind(
        "reads-no-response-tokens",
        "the names of the Gemini API's sessions",
        (b"responseTokenCount", b"responseTokensDetails"),
        *("COST-8/live-gemini", "COST-1/library"),
    ),
    _blind(
        "reads-no-candidates-details",
        "the modalities of an answer",
        (b"candidatesTokensDetails",),
        *("COST-8/live-vertex", "COST-8/live-every-turn", "COST-1/library"),
    ),
)
