"""The reader of Live sessions: turns, text, media and the model, in both providers' spelling."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.usage.live import SMALL_FRAME, LiveReader, Media, Turn
from understudy.usage.reading import Grounding

GEMINI_USAGE = {"promptTokenCount": 11, "responseTokenCount": 4, "totalTokenCount": 15}
VERTEX_USAGE = {"promptTokenCount": 96, "candidatesTokenCount": 40, "trafficType": "ON_DEMAND"}


def audio(size: int, rate: int | None = None) -> dict:
    kind = "audio/pcm" if rate is None else f"audio/pcm;rate={rate}"
    return {"mimeType": kind, "data": base64.b64encode(bytes(size)).decode()}


def session(provider="gemini", client=(), server=()):
    reader = LiveReader(provider)
    for message in client:
        reader.client_message(message if isinstance(message, bytes) else json.dumps(message).encode())
    for message in server:
        reader.server_message(message if isinstance(message, bytes) else json.dumps(message).encode())
    return reader.finish()


def content(*parts, **more):
    return {"serverContent": {"modelTurn": {"parts": list(parts)}, **more}}


@pytest.mark.parametrize(
    "name",
    ["models/m-live", "publishers/google/models/m-live", "projects/p/locations/l/publishers/google/models/m-live"],
)
def test_the_model_is_the_first_setups(name):
    assert session(client=[{"setup": {"model": name}}, {"setup": {"model": "models/other"}}]).model == "m-live"


def test_every_usage_frame_is_a_turn_of_its_own():
    reader = LiveReader("gemini")
    usage = json.dumps({"serverContent": {"turnComplete": True}, "usageMetadata": GEMINI_USAGE}).encode()
    alone = json.dumps({"usageMetadata": GEMINI_USAGE | {"promptTokenCount": 30}}).encode()
    assert reader.server_message(usage) == Turn(GEMINI_USAGE, Grounding())
    assert reader.server_message(b'{"serverContent":{"turnComplete":true}}') is None
    reader.server_message(alone)
    assert [turn.usage["promptTokenCount"] for turn in reader.finish().turns] == [11, 30]


def test_tokens_of_the_log_line_leave_the_total_out_and_take_the_providers_own_answer():
    usage = {"promptTokenCount": 522, "responseTokenCount": 42, "thoughtsTokenCount": 136, "totalTokenCount": 564}
    both = usage | {"candidatesTokenCount": 1, "toolUsePromptTokenCount": 10}
    assert session("gemini", server=[{"usageMetadata": both}]).tokens == 522 + 42 + 136 + 10
    assert session("vertex_ai", server=[{"usageMetadata": both}]).tokens == 522 + 1 + 136 + 10
    assert session("vertex_ai", server=[{"usageMetadata": usage}]).tokens == 522 + 42 + 136


def test_grounding_belongs_to_the_next_usage_frame_alone():
    found = content(groundingMetadata={"webSearchQueries": ["a", "b"]})
    reading = session(server=[found, {"usageMetadata": GEMINI_USAGE}, found, found, {"usageMetadata": GEMINI_USAGE}])
    assert [turn.grounding.search_queries for turn in reading.turns] == [2, 2]
    quiet = session(server=[found, {"usageMetadata": GEMINI_USAGE}, {"usageMetadata": GEMINI_USAGE}])
    assert [turn.grounding.search_queries for turn in quiet.turns] == [2, 0]


def test_characters_are_code_points_of_text_without_thoughts_and_transcripts():
    client = [
        {
            "client_content": {
                "turns": [{"parts": [{"text": "Hé😀"}]}, {"parts": [{"text": "x"}]}],
                "turn_complete": True,
            }
        },
        {"clientContent": {"turns": {"parts": [{"text": "one"}]}}},
        {"realtimeInput": {"text": "hi"}},
    ]
    server = [
        content({"text": "Good"}, {"text": "hidden", "thought": True}),
        {"serverContent": {"outputTranscription": {"text": "unheard"}}},
    ]
    assert session(client=client, server=server).characters == 3 + 1 + 3 + 2 + 4


def test_the_text_of_long_frames_is_counted_whole():
    text = "é" * SMALL_FRAME
    beside = content({"text": text}, {"inlineData": audio(SMALL_FRAME)})
    assert session(client=[{"clientContent": {"turns": [{"parts": [{"text": text}]}]}}]).characters == SMALL_FRAME
    reading = session(server=[beside])
    assert reading.characters == SMALL_FRAME
    assert reading.media.audio_out == {24_000: SMALL_FRAME}


@pytest.mark.parametrize("size", [640, 48_001])
def test_media_is_measured_by_rate_in_either_spelling(size):
    client = [
        {"realtime_input": {"audio": {"mime_type": "audio/pcm;rate=16000", "data": audio(size)["data"]}}},
        {"realtimeInput": {"mediaChunks": [audio(size), audio(size)]}},
        {"realtimeInput": {"audio": audio(size, 24_000)}},
        {"realtimeInput": {"video": {"mimeType": "image/jpeg", "data": "AAAA"}}},
    ]
    server = [content({"inlineData": audio(size)}), content({"inlineData": audio(size, 48_000)})]
    expected = Media({16_000: 2 * size, 24_000: size}, {24_000: size, 48_000: size}, 1)
    assert session(client=client, server=server).media == expected


def test_usage_on_a_long_frame_is_found():
    frame = content({"inlineData": audio(60_000)}) | {"usageMetadata": VERTEX_USAGE}
    assert session("vertex_ai", server=[frame]).turns == (Turn(VERTEX_USAGE, Grounding()),)


NO_COUNTS = [{}, {"trafficType": "ON_DEMAND"}, {"promptTokensDetails": []}, {"promptTokenCount": None}, {"newest": 3}]


@pytest.mark.parametrize("usage", NO_COUNTS)
def test_usage_that_counts_nothing_is_no_turn_and_takes_no_grounding(usage):
    found = content(groundingMetadata={"webSearchQueries": ["a", "b"]}) | {"usageMetadata": usage}
    assert session(server=[found]).turns == ()
    reading = session(server=[found, {"usageMetadata": GEMINI_USAGE}])
    assert reading.turns == (Turn(GEMINI_USAGE, Grounding(search_queries=2)),)


def test_a_count_of_zero_is_a_count():
    assert len(session(server=[{"usageMetadata": {"promptTokenCount": 0}}]).turns) == 1


def test_a_setup_alone_is_no_use_and_anything_after_it_is():
    setup = {"setup": {"model": "models/m"}}
    assert not session(client=[setup], server=[{"setupComplete": {}}]).was_used
    assert session(client=[setup, {"clientContent": {}}]).was_used
    assert session(client=[setup], server=[content({"text": "x"})]).was_used


def test_a_usage_frame_that_cannot_be_read_says_so():
    assert session(server=[{"usageMetadata": {"promptTokenCount": []}}]).turns[0].problem is not None


@given(
    st.lists(
        st.binary(max_size=40)
        | st.sampled_from([b'{"setup":[]}', b'{"usageMetadata":{"x":1}}', b'{"serverContent":[1]}'])
    )
)
def test_garbage_never_raises(messages):
    session("vertex_ai", client=messages, server=messages)


def test_long_and_deep_garbage_never_raises():
    for message in (b"[" * 300_000, b'"' * 20_001, b'{"serverContent":' * 100_000, b"\\" * 20_000):
        session(client=[message], server=[message])


@pytest.mark.parametrize("number", ["1e9999999", "-1e9999999", "1e-9999999"])
def test_a_number_out_of_all_bounds_is_no_count(number):
    live = LiveReader("gemini")
    live.server_message(f'{{"usageMetadata": {{"promptTokenCount": {number}}}}}'.encode())
    assert len(live.finish().turns) == 1


@pytest.mark.parametrize(
    "message",
    [
        b"{" + b'"webSearchQueries":1,' * 10_000 + b'"a":1}',
        b'{"setup":{"webSearchQueries":' + b" " * 100_000 + b"1}}",
        b'{"setup":{"a":[' + b'"' + b"x" * 2000 + b'",' * 2000 + b"1]}}",
    ],
)
def test_a_long_message_is_searched_for_cut_texts_in_one_pass(message):
    """Where a search began anew at each key these took seconds; the clock of the run is the judge."""
    live = LiveReader("gemini")
    for _ in range(20):
        live.client_message(message)
    live.finish()


@pytest.mark.parametrize("spelling", ["webSearchQueries", "web_search_queries"])
def test_a_query_that_a_skeleton_would_cut_is_read_whole(spelling):
    queries = ["short", "q" * 5000, "r" * 5000]  # two that differ in letters and not in length
    live = LiveReader("gemini")
    grounding = {"serverContent": {"groundingMetadata": {spelling: queries}}, "more": "m" * 9000}
    live.server_message(json.dumps(grounding).encode())
    live.server_message(b'{"usageMetadata": {"promptTokenCount": 1}}')
    assert live.finish().turns[0].grounding.search_queries == 3
