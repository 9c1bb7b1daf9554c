"""From what the wire carried to an itemised cost, in one function; a recorded body tells its kind by its look."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from ..transcript_json import from_json
from ..usage.live import LiveReader, SessionReading
from ..usage.operations import veo_request
from ..usage.policies import DOCUMENTED, Policies
from ..usage.readers import reader_for
from ..usage.reading import Reading
from ..usage.requests import needs_content, request_reading
from ..usage.resources import batch_lines
from ..usage.wire_json import as_array, as_object, decoded, is_object
from .batches import cost_of_batch
from .book import PriceBook
from .cost import Cost, estimated, plain, unknown
from .exchanges import FREE_METHODS, PRICED_METHODS, cost_of
from .sessions import cost_of_session
from .videos import cost_of_videos, reservation

LIVE_METHOD: Final = "bidiGenerateContent"
BATCH: Final = "batch"
"""The kind of a file of results, one JSON object a line; it is no method."""

KINDS: Final = PRICED_METHODS | FREE_METHODS | {LIVE_METHOD, BATCH}
"""All that can be explained."""

_EVENTS: Final = "text/event-stream"
_JSON: Final = "application/json"
_CLIENT_WORDS: Final = frozenset(
    {
        *("setup", "clientContent", "client_content", "realtimeInput", "realtime_input"),
        *("toolResponse", "tool_response", "contextUpdate"),
    }
)
_SERVER_WORDS: Final = frozenset(
    {
        *("setupComplete", "serverContent", "server_content", "toolCall", "toolCallCancellation", "goAway"),
        *("sessionResumptionUpdate", "voiceActivity", "voiceActivityDetectionSignal"),
    }
)


@dataclass(frozen=True, slots=True)
class Recording:
    """A Live session as it was recorded: what was read, and its length in seconds if the recording has times."""

    session: SessionReading
    duration_s: float | None = None


def explain(
    book: PriceBook,
    provider: str,
    model: str,
    kind: str,
    body: bytes,
    content_type: str,
    *,
    date: date,
    location: str | None = None,
    request: bytes | None = None,
    content_encoding: str = "",
    status: int = 200,
    served_tier: str | None = None,
    policies: Policies = DOCUMENTED,
) -> Cost:
    """What it costs, line by line, as of the UTC day `date`: pricing 3 to 18 behind one function.

    `kind` is a method (`Place.method`), and `body` the answer to it; `request` is the body that it answers, where that
    decides (VEO, multimodal embeddings, prices by the character). Some kinds are special. `predictLongRunning`: `body`
    is the request, and the cost what would be reserved. `get` and `fetchPredictOperation`: an operation or a batch job
    that is done is settled. `batch`: a file of results. `bidiGenerateContent`: a session, see `recording_of`.
    Raises PriceError if the book has no entry for the model, TargetError for a transcript in no known form.
    """
    book.demanded(provider, model)
    if kind == "predictLongRunning":
        return reservation(book, provider, model, veo_request(body), date=date)
    if kind == LIVE_METHOD:
        session = recording_of(provider, model, body).session
        return cost_of_session(book, provider, session, date=date, location=location, policies=policies)
    if kind == BATCH:
        reading = batch_lines(body)
    else:
        with_content = needs_content(provider, model)
        reader = reader_for(kind, content_type, content_encoding, with_content=with_content, policies=policies)
        reader.feed(body)
        reading = reader.finish()
    if reading.batch is not None:
        if reading.problem is not None:
            return unknown(reading.problem)
        cost = cost_of_batch(book, provider, model, reading.batch, date=date, location=location, policies=policies)
        return cost if reading.is_whole else estimated(cost, "the results ended early")
    if reading.operation is not None and reading.operation.is_done and reading.problem is None:
        return _settled(book, provider, model, reading, request, date)
    return cost_of(
        book,
        provider,
        model,
        reading,
        method=kind,
        date=date,
        location=location,
        status=status,
        served_tier=served_tier,
        request=None if request is None else request_reading(request),
        policies=policies,
    )


def _settled(book: PriceBook, provider: str, model: str, reading: Reading, request: bytes | None, day: date) -> Cost:
    """A video job that is done, by what was asked for; without that by VEO's defaults, as an estimate."""
    operation = reading.operation
    delivered = 0 if operation is None or operation.has_failed else operation.delivered
    cost = cost_of_videos(book, provider, model, veo_request(request or b"{}"), delivered, date=day)
    if request is None and delivered:
        return estimated(cost, "what was asked for is not known; VEO's defaults were taken (8 s, 720p, with sound)")
    return cost


def recording_of(provider: str, model: str, body: bytes) -> Recording:
    """A Live session from its recording: a transcript (`transcript_json`, its first session), or messages.

    Messages stand one a line, or one after another; who sent one shows in its first word. `model` is used where no
    setup names one.
    """
    reader = LiveReader(provider)
    duration = None
    value = decoded(body)
    if is_object(value) and "schema_version" in value:
        for session in from_json(value).sessions[:1]:
            for frame in session.frames:
                (reader.client_message if frame.sender == "client" else reader.server_message)(frame.payload)
            ended = session.ended or max((frame.at for frame in session.frames), default=session.started)
            duration = ended - session.started
    else:
        for message in _messages(body):
            is_client = as_object(decoded(message)).keys() & _CLIENT_WORDS
            (reader.client_message if is_client else reader.server_message)(message)
    if reader.model is None:
        reader.model = model
    return Recording(reader.finish(), duration)


def _messages(body: bytes) -> Iterator[bytes]:
    """The messages of a recording; a lone one may be written over several lines."""
    if is_object(decoded(body)):
        yield body
        return
    for line in body.splitlines():
        if line.strip():
            yield line


def kind_of(body: bytes) -> tuple[str, str]:
    """Kind and content type of a recorded body by its look, where nobody says them."""
    start = body.lstrip()
    if start.startswith((b"data:", b"event:", b":")):
        is_partner = b"message_start" in body[:4096] or b"chat.completion.chunk" in body[:4096]
        return "streamRawPredict" if is_partner else "streamGenerateContent", _EVENTS
    if start.startswith(b"["):
        return "streamGenerateContent", _JSON
    value = decoded(body)
    if is_object(value):
        return _kind_of_object(value), _JSON
    first: object = next((decoded(line) for line in body.splitlines() if line.strip()), None)
    keys = as_object(first).keys()
    if keys & (_CLIENT_WORDS | _SERVER_WORDS):
        return LIVE_METHOD, _JSON
    return BATCH if keys & {"response", "key", "request"} else "generateContent", _JSON


def _kind_of_object(value: dict[str, Any]) -> str:
    keys = value.keys()
    name = value.get("name")
    is_live = keys & (_CLIENT_WORDS | _SERVER_WORDS) or ("schema_version" in keys and as_array(value.get("sessions")))
    looks = (
        (is_live, LIVE_METHOD),
        (keys & {"predictions"}, "predict"),
        (keys & {"instances"}, "predictLongRunning"),
        (keys & {"embedding", "embeddings"}, "embedContent"),
        (keys & {"usage"}, "rawPredict"),
        (isinstance(name, str) and "cachedContents/" in name, "list"),
        (keys & {"done"}, "fetchPredictOperation"),
    )
    return next((kind for fits, kind in looks if fits), "generateContent")


def formula(cost: Cost) -> str:
    """The sum as people write it: `8 x 0.0000003 + 20 x 0.0000025 = 0.0000524`.

    Of an unknown cost what is known of it, and `? = unknown` behind that; `unknown` alone where there is nothing.
    """
    terms = " + ".join(f"{plain(line.quantity)} x {plain(line.unit_price)}" for line in cost.lines)
    if cost.total is None:
        return f"{terms} + ? = unknown" if terms else "unknown"
    return f"{terms or '0'} = {plain(cost.total)}"
