"""The cost of VEO jobs: reserved at the start, settled once when the operation is done (pricing 10)."""

from datetime import date
from decimal import Decimal

from ..usage.meters import Unit
from ..usage.operations import VeoRequest
from .bills import no_price
from .book import Entry, PriceBook
from .cost import ARITHMETIC, Cost, Part, estimated, line_of, unknown


def cost_of_videos(
    book: PriceBook, provider: str, model: str, request: VeoRequest, delivered: int, *, date: date
) -> Cost:
    """What `delivered` videos cost: seconds x rate x videos. Filtered videos and failed operations are free.

    `date` is the UTC date of the request that started the job.
    """
    if delivered <= 0:
        return Cost()
    if request.problem is not None:
        return unknown(request.problem)
    entry = book.entry(provider, model)
    if entry is None:
        return unknown(no_price(provider, model))
    rate = _rate(entry.on(date), provider, request)
    if rate is None:
        return unknown(f"'{entry.name}' has no price for a second of video")
    seconds = ARITHMETIC.multiply(request.seconds, Decimal(delivered))
    sound = "" if _has_sound(provider, request) else ", silent"
    return Cost((line_of(Part.OUTPUT, f"video, {request.resolution}{sound}", seconds, Unit.SECOND, rate),))


def reservation(book: PriceBook, provider: str, model: str, request: VeoRequest, *, date: date) -> Cost:
    """What a started job is expected to cost if every video asked for is delivered; an estimate, booked by nobody."""
    cost = cost_of_videos(book, provider, model, request, request.sample_count, date=date)
    return estimated(cost, "reserved until the operation is done")


def _has_sound(provider: str, request: VeoRequest) -> bool:
    """The Gemini API always has sound."""
    return provider != "vertex_ai" or request.generate_audio


def _rate(entry: Entry, provider: str, request: VeoRequest) -> Decimal | None:
    """USD per second: for the resolution, else in general; for silent video its own keys first."""
    general = "output_cost_per_second"
    keys = [f"{general}_{request.resolution}", general]
    if not _has_sound(provider, request):
        keys = [f"{general}_{request.resolution}_without_audio", f"{general}_without_audio", *keys]
    prices = (entry.price(key) for key in keys)
    return next((price for price in prices if price is not None), None)
