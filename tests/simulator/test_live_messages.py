"""Live messages: both spellings and alphabets read alike, nothing a client sends raises, server messages exact."""

import json
from base64 import b64encode, urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.provider_errors.live import REASON_LIMIT, cut_reason
from understudy.scenario.json_subset import LazyJson
from understudy.surfaces import Place, Surface
from understudy_simulator.google_errors import GoogleError
from understudy_simulator.live.messages import (
    model_audio,
    setup_complete,
    tool_call,
    turn_complete,
    usage_metadata,
)
from understudy_simulator.live.reading import (
    Blob,
    ClientContent,
    ContextUpdate,
    FunctionResponse,
    RealtimeInput,
    ToolResponse,
    decoded_base64,
    read_message,
    setup_model,
)
from understudy_simulator.live.refusals import (
    INVALID_ARGUMENT,
    Refusal,
    query_refusal,
    refusal_of,
    unknown_live_model,
)
from understudy_simulator.live.setup import Setup

GEMINI = Place(Surface.GEMINI_LIVE, "bidiGenerateContent", "v1beta", "")
VERTEX = Place(Surface.VERTEX_LIVE, "bidiGenerateContent", "v1beta1", "")


def read(value, place=GEMINI, **how):
    return read_message(LazyJson(value if isinstance(value, bytes) else json.dumps(value).encode()), place, **how)


def test_a_setup_is_read_in_the_spelling_of_both_official_clients():
    snake = {
        "setup": {
            "model": "models/m",
            "generation_config": {"response_modalities": ["TEXT"], "speech_config": {"voice_config": {}}},
            "realtime_input_config": {
                "automatic_activity_detection": {"disabled": True},
                "activity_handling": "NO_INTERRUPTION",
            },
            "history_config": {"initial_history_in_client_content": True},
            "output_audio_transcription": {},
        }
    }
    camel = {
        "setup": {
            "model": "models/m",
            "generationConfig": {"responseModalities": ["TEXT"], "speechConfig": {"voiceConfig": {}}},
            "realtimeInputConfig": {
                "automaticActivityDetection": {"disabled": True},
                "activityHandling": "NO_INTERRUPTION",
            },
            "historyConfig": {"initialHistoryInClientContent": True},
            "outputAudioTranscription": {},
        }
    }
    for message in (snake, camel):
        assert read(message) == Setup(
            "models/m",
            ("TEXT",),
            message["setup"],
            has_voice=True,
            is_manual=True,
            keeps_talking=True,
            takes_history=True,
            transcribes_output=True,
        )


def test_a_setup_without_modalities_asks_for_audio():
    assert read({"setup": {"model": "models/m"}}) == Setup("models/m", ("AUDIO",), {"model": "models/m"})


@pytest.mark.parametrize(
    "message",
    [
        {"client_content": {"turns": [{"parts": [{"text": "hi"}], "role": "user"}], "turnComplete": True}},
        {"clientContent": {"turns": {"parts": [{"text": "hi"}], "role": "user"}, "turnComplete": True}},
        {"client_content": {"turns": [{"parts": [{"text": "hi"}], "role": "user"}], "turn_complete": True}},
    ],
)
def test_content_is_read_in_all_its_spellings(message):
    assert read(message) == ClientContent(({"parts": [{"text": "hi"}], "role": "user"},), True)


def test_content_may_be_nothing_but_the_end_of_a_turn():
    assert read({"clientContent": {"turnComplete": True}}) == ClientContent((), True)
    assert read({"clientContent": {}}) == ClientContent((), False)


def test_realtime_input_of_every_kind():
    sound = {"data": "-__-Pw==", "mime_type": "audio/pcm;rate=16000"}
    blob = Blob(b"\xfb\xff\xfe?", "audio/pcm;rate=16000")
    assert read({"realtime_input": {"audio": sound}}) == RealtimeInput((blob,))
    assert read({"realtimeInput": {"mediaChunks": [sound, sound]}}) == RealtimeInput((blob,), is_old_style=True)
    assert read({"realtime_input": {"media_chunks": [sound]}}) == RealtimeInput((blob,), is_old_style=True)
    assert read({"realtimeInput": {"video": {"data": "AAA="}}}) == RealtimeInput((Blob(b"\0\0", "image/jpeg"),))
    assert read({"realtime_input": {"activityStart": {}}}) == RealtimeInput(activity_start=True)
    assert read({"realtime_input": {"activity_end": {}}}) == RealtimeInput(activity_end=True)
    assert read({"realtime_input": {"audioStreamEnd": True}}) == RealtimeInput(audio_stream_end=True)
    assert read({"realtimeInput": {"text": "hi"}}) == RealtimeInput(text="hi")


def test_tool_responses_with_and_without_an_id():
    entries = [{"id": "a", "name": "f", "response": {"x": 1}}, {"name": "g", "response": {}}]
    wanted = ToolResponse((FunctionResponse("a", "f", {"x": 1}), FunctionResponse(None, "g", {})))
    assert read({"tool_response": {"functionResponses": entries}}) == wanted
    assert read({"toolResponse": {"function_responses": entries}}) == wanted
    assert read({"toolResponse": {}}) == INVALID_ARGUMENT


def test_a_context_update_is_kept_as_it_is():
    assert read({"contextUpdate": {"tools": {"tools": []}}}) == ContextUpdate({"tools": {"tools": []}})


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"{", "Invalid JSON payload received. Unexpected end of string."),
        (b"[]", 'Invalid JSON payload received. Unknown name "": Root element must be a message.'),
        (b'{"setup":"\xff"}', "Invalid JSON payload received. Unexpected token."),
        ({"hello": {}}, 'Invalid JSON payload received. Unknown name "hello": Cannot find field.'),
        ({}, "Request contains an invalid argument."),
        ({"setup": {"model": "m"}, "clientContent": {}}, "Request contains an invalid argument."),
        ({"clientContent": {}, "client_content": {}}, "Request contains an invalid argument."),
        ({"setup": []}, 'Invalid JSON payload received. Unknown name "setup": Proto field is not repeating'),
        ({"setup": {}}, "Request contains an invalid argument."),
        ({"clientContent": {"turns": ["hi"]}}, "Invalid value at 'client_content.turns[0]' (type.googleapis.com/"),
        (
            {"realtimeInput": {"audio": {"data": "!"}}},
            "Invalid value at 'realtime_input.audio.data' (TYPE_BYTES), Base64 decoding failed",
        ),
    ],
)
def test_what_is_refused_as_an_argument(message, reason):
    refusal = read(message)
    assert isinstance(refusal, Refusal)
    assert refusal.code == 1007
    assert refusal.reason.startswith(reason)


NAMES = (
    *("setup", "client_content", "clientContent", "realtimeInput", "tool_response", "contextUpdate", "model", "turns"),
    *("parts", "role", "turnComplete", "audio", "video", "data", "mimeType", "mediaChunks", "functionResponses"),
    *("generationConfig", "responseModalities", "realtimeInputConfig", "text"),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(NAMES),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(json_values)
def test_no_message_of_a_client_raises(value):
    found = read(value)
    assert isinstance(found, Setup | ClientContent | RealtimeInput | ToolResponse | ContextUpdate | Refusal)


@given(st.binary(max_size=60))
def test_no_bytes_of_a_client_raise(raw):
    assert isinstance(read(raw), Refusal)
    assert setup_model(LazyJson(raw)) is None


@given(st.binary(max_size=40), st.booleans(), st.booleans())
def test_both_base64_alphabets_with_and_without_padding(data, is_url_safe, is_padded):
    text = (urlsafe_b64encode if is_url_safe else b64encode)(data).decode()
    assert decoded_base64(text if is_padded else text.rstrip("=")) == data


@pytest.mark.parametrize("text", ["a", "ab!c", "a b", "\u00e9", "AAAAA"])
def test_what_is_no_base64(text):
    assert decoded_base64(text) is None


def test_the_messages_of_the_service_to_the_byte():
    assert setup_complete(None) == b'{"setupComplete":{}}'
    assert setup_complete("s-1") == b'{"setupComplete":{"sessionId":"s-1"}}'
    assert model_audio(b"\xfb\xff\xfe") == (
        b'{"serverContent":{"modelTurn":{"role":"model","parts":'
        b'[{"inlineData":{"mimeType":"audio/pcm;rate=24000","data":"+//+"}}]}}}'
    )
    assert tool_call([("id-1", "f", {"b": 1, "a": "\u00e9"})]) == (
        '{"toolCall":{"functionCalls":[{"id":"id-1","name":"f","args":{"b":1,"a":"\u00e9"}}]}}'.encode()
    )


def test_usage_in_the_names_of_each_service():
    prompt, response = {"TEXT": 12, "AUDIO": 84}, {"AUDIO": 40}
    details = [{"modality": "TEXT", "tokenCount": 12}, {"modality": "AUDIO", "tokenCount": 84}]
    assert json.loads(turn_complete(usage_metadata(prompt, response, is_vertex=True))) == {
        "serverContent": {"turnComplete": True},
        "usageMetadata": {
            "promptTokenCount": 96,
            "candidatesTokenCount": 40,
            "totalTokenCount": 136,
            "trafficType": "ON_DEMAND",
            "promptTokensDetails": details,
            "candidatesTokensDetails": [{"modality": "AUDIO", "tokenCount": 40}],
        },
    }
    assert usage_metadata(prompt, response, is_vertex=False) == {
        "promptTokenCount": 96,
        "responseTokenCount": 40,
        "totalTokenCount": 136,
        "promptTokensDetails": details,
        "responseTokensDetails": [{"modality": "AUDIO", "tokenCount": 40}],
    }


# ---- refusals


@given(st.text(max_size=200))
def test_a_reason_fits_its_frame_and_tears_no_character(text):
    cut = cut_reason(text)
    assert len(cut.encode()) <= REASON_LIMIT
    assert text.encode("utf-8", "replace").decode().startswith(cut)


@pytest.mark.parametrize(
    ("status", "name", "code"),
    [
        *((400, None, 1007), (401, None, 1008), (403, None, 1008), (404, None, 1008), (501, None, 1008)),
        *((429, None, 1011), (500, None, 1011), (503, None, 1011), (504, None, 1011), (418, None, 1011)),
        (400, "FAILED_PRECONDITION", 1007),
    ],
)
def test_the_close_code_follows_from_the_rpc_code(status, name, code):
    assert refusal_of(GoogleError(status, "why", name=name)) == Refusal(code, "why")


def test_an_unknown_model_in_the_words_of_each_service():
    assert unknown_live_model("models/x", GEMINI) == Refusal(
        1008,
        "models/x is not found for API version v1beta, or is not supported for bidiGenerateContent. "
        "Call ListModels to see the list of available models and their supported methods.",
    )
    name = "projects/p/locations/l/publishers/google/models/x"
    refusal = unknown_live_model(name, VERTEX)
    assert refusal.code == 1008
    assert refusal.reason.startswith(
        f"Publisher Model `{name}` was not found or your project does not have access to it. Please ensure"
    )
    assert len(refusal.cut.encode()) == REASON_LIMIT


def test_query_fields_that_google_does_not_know_are_refused():
    assert query_refusal("key=k&alt=json&access_token=t&%24alt=json&prettyPrint=false") is None
    assert query_refusal("") is None
    assert query_refusal("key=k&model=m") == Refusal(
        1007,
        'Invalid JSON payload received. Unknown name "model": Cannot bind query parameter. '
        "Field 'model' could not be found in request.",
    )
