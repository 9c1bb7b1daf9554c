"""A recorded body tells its kind by its look; a transcript is a session; the formula is the sum as people write it."""

import json
from datetime import date
from decimal import Decimal

import pytest

from understudy.errors import PriceError, TargetError
from understudy.messages import Frame, Request, Session, Transcript
from understudy.pricing.book import Layer, PriceBook
from understudy.pricing.cost import Cost, Known, Part, line_of, unknown
from understudy.pricing.explain import BATCH, LIVE_METHOD, explain, formula, kind_of, recording_of
from understudy.transcript_json import to_json

SSE, JSON = "text/event-stream", "application/json"


def body(value) -> bytes:
    return json.dumps(value).encode()


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b'\r\ndata: {"candidates":[]}\r\n\r\n', ("streamGenerateContent", SSE)),
        (b'event: message_start\ndata: {"type":"message_start"}\n\n', ("streamRawPredict", SSE)),
        (b'data: {"object":"chat.completion.chunk"}\n\n', ("streamRawPredict", SSE)),
        (b"[{}]", ("streamGenerateContent", JSON)),
        (body({"candidates": [], "usageMetadata": {}}), ("generateContent", JSON)),
        (body({"predictions": []}), ("predict", JSON)),
        (body({"instances": []}), ("predictLongRunning", JSON)),
        (body({"embedding": {}}), ("embedContent", JSON)),
        (body({"usage": {}}), ("rawPredict", JSON)),
        (body({"name": "cachedContents/c"}), ("list", JSON)),
        (body({"name": "o", "done": True}), ("fetchPredictOperation", JSON)),
        (body({"serverContent": {}}), (LIVE_METHOD, JSON)),
        (body({"schema_version": 1, "sessions": [{}]}), (LIVE_METHOD, JSON)),
        (b'{"setupComplete":{}}\n{"serverContent":{}}\n', (LIVE_METHOD, JSON)),
        (b'{"key":"a","response":{}}\n{"key":"b","error":{}}\n', (BATCH, JSON)),
        (b"nonsense", ("generateContent", JSON)),
    ],
)
def test_a_body_tells_its_kind_by_its_look(data, kind):
    assert kind_of(data) == kind


BOOK = PriceBook.from_layers(
    [Layer("test", {"gemini/m": {"input_cost_per_token": 1, "output_cost_per_token": 2}}, strict=True)]
)


def transcript(*frames: tuple[str, object], started=10.0, ended=12.5) -> bytes:
    sent = tuple(Frame(sender, 1, body(message), started) for sender, message in frames)  # type: ignore[arg-type]
    session = Session(1, Request("GET", "/ws", (), b""), 101, sent, None, started, ended)
    return body(to_json(Transcript((), (session,), 0)))


def test_a_transcripts_session_is_read_from_both_sides_with_its_length():
    data = transcript(
        ("client", {"setup": {"model": "models/m"}}),
        ("client", {"clientContent": {"turns": {"parts": [{"text": "hey"}]}}}),
        ("server", {"usageMetadata": {"promptTokenCount": 3, "responseTokenCount": 1}}),
    )
    recording = recording_of("gemini", "other", data)
    assert (recording.session.model, recording.session.characters, recording.duration_s) == ("m", 3, 2.5)
    found = explain(BOOK, "gemini", "m", LIVE_METHOD, data, "", date=date(2026, 11, 21))
    assert formula(found) == "3 x 1 + 1 x 2 = 5"


def test_a_transcript_in_no_known_form_is_an_error_and_so_is_a_model_without_prices():
    with pytest.raises(TargetError):
        recording_of("gemini", "m", b'{"schema_version": 99}')
    with pytest.raises(PriceError):
        explain(BOOK, "gemini", "nobody", "generateContent", b"{}", "", date=date(2026, 11, 21))


def test_the_formula_of_nothing_and_of_the_unknown():
    assert formula(Cost()) == "0 = 0"
    assert formula(unknown("why")) == "unknown"
    line = line_of(Part.OTHER, "x", Decimal("1.50"), "hour", Decimal("1e-7"))
    assert formula(Cost((line,))) == "1.5 x 0.0000001 = 0.00000015"
    assert formula(Cost((line,), Known.UNKNOWN, "why")) == "1.5 x 0.0000001 + ? = unknown"
