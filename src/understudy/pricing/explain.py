"""For people: the cost of a recorded body, as `understudy price explain` shows it."""

from datetime import date

from ..usage.live import LiveReader
from ..usage.operations import veo_request
from ..usage.readers import reader_for
from .book import PriceBook
from .cost import Cost
from .exchanges import cost_of
from .sessions import cost_of_session
from .videos import reservation

LIVE_METHOD = "bidiGenerateContent"


def explain(
    book: PriceBook,
    provider: str,
    model: str,
    method: str,
    body: bytes,
    content_type: str,
    *,
    date: date,
    location: str | None = None,
) -> Cost:
    """The cost of a body: the answer to `method`, priced as of the UTC day `date`.

    Two methods are special. `predictLongRunning`: `body` is the request, and the cost is what would be reserved.
    `bidiGenerateContent`: `body` holds the server's messages, one JSON text a line. Raises PriceError if the book has
    no entry for the model.
    """
    book.demanded(provider, model)
    if method == "predictLongRunning":
        return reservation(book, provider, model, veo_request(body), date=date)
    if method == LIVE_METHOD:
        return _explain_session(book, provider, model, body, date, location)
    reader = reader_for(method, content_type, "")
    reader.feed(body)
    return cost_of(book, provider, model, reader.finish(), method=method, date=date, location=location)


def _explain_session(book: PriceBook, provider: str, model: str, body: bytes, day: date, location: str | None) -> Cost:
    reader = LiveReader(provider)
    reader.model = model
    for line in body.splitlines():
        if line.strip():
            reader.server_message(line)
    return cost_of_session(book, provider, reader.finish(), date=day, location=location)
