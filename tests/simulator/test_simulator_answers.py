"""What the simulator says by itself: shapes of wire-http 4, and that no request can make it stumble."""

import json

import jsonschema
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from understudy.messages import Request
from understudy.scenario.json_subset import LazyJson
from understudy_simulator.answering import generate
from understudy_simulator.answers.counting import count_answer
from understudy_simulator.answers.generate import Stamp, stream_answer, whole_answer
from understudy_simulator.answers.schema_values import value_for
from understudy_simulator.answers.tokens import tokens_of_request, tokens_of_text
from understudy_simulator.answers.turns import said_to
from understudy_simulator.call import Begin, Call, Chunks, Json
from understudy_simulator.clock import ManualClock
from understudy_simulator.encoding import pretty_json
from understudy_simulator.google_errors import GoogleError
from understudy_simulator.ids import Identity
from understudy_simulator.routing import Router
from understudy_simulator.store import Store
from understudy_simulator.surfaces import generate as generate_routes
from understudy_simulator.surfaces import videos as video_routes

GEMINI = Stamp(False, "gemini-2.5-flash", "rid", "2026-01-01T00:00:00.000000Z", "call1")
VERTEX = Stamp(True, "gemini-2.5-flash", "rid", "2026-01-01T00:00:00.000000Z", "call1")
WEATHER = {
    "functionDeclarations": [
        {"name": "get_time", "parameters": {"type": "OBJECT", "properties": {}}},
        {
            "name": "get_weather",
            "parameters": {
                "type": "OBJECT",
                "properties": {"city": {"type": "STRING"}, "days": {"type": "INTEGER"}},
                "required": ["city"],
            },
        },
    ]
}


def says(text, **more):
    return {"contents": [{"role": "user", "parts": [{"text": text}]}]} | more


def test_a_gemini_answer_has_google_s_members_in_google_s_order():
    answer = whole_answer(says("hello"), GEMINI)
    assert list(answer) == ["candidates", "usageMetadata", "modelVersion", "responseId"]
    [candidate] = answer["candidates"]
    assert list(candidate) == ["content", "finishReason", "index"]
    assert list(candidate["content"]) == ["parts", "role"]
    assert "hello" in candidate["content"]["parts"][0]["text"]
    usage = answer["usageMetadata"]
    assert usage["promptTokenCount"] == 2
    assert usage["totalTokenCount"] == usage["promptTokenCount"] + usage["candidatesTokenCount"]
    assert usage["promptTokensDetails"] == [{"modality": "TEXT", "tokenCount": 2}]


def test_a_vertex_answer_differs_as_vertex_does():
    answer = whole_answer(says("hello"), VERTEX)
    assert list(answer) == ["candidates", "usageMetadata", "modelVersion", "createTime", "responseId"]
    [candidate] = answer["candidates"]
    assert "index" not in candidate
    assert "avgLogprobs" in candidate
    assert list(candidate["content"]) == ["role", "parts"]
    assert answer["usageMetadata"]["trafficType"] == "ON_DEMAND"
    assert answer["usageMetadata"]["candidatesTokensDetails"][0]["modality"] == "TEXT"


@pytest.mark.parametrize("stamp", [GEMINI, VERTEX])
def test_a_stream_says_what_the_unary_answer_says(stamp):
    chunks = stream_answer(says("hello there"), stamp)
    assert len(chunks) > 1
    parts = [chunk["candidates"][0]["content"]["parts"] for chunk in chunks]
    whole = whole_answer(says("hello there"), stamp)
    assert "".join(part[0]["text"] for part in parts) == whole["candidates"][0]["content"]["parts"][0]["text"]
    assert ["finishReason" in chunk["candidates"][0] for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert chunks[-1]["usageMetadata"] == whole["usageMetadata"]
    assert {chunk["responseId"] for chunk in chunks} == {"rid"}


def test_gemini_chunks_count_up_and_vertex_chunks_count_at_the_end():
    counts = [chunk["usageMetadata"]["candidatesTokenCount"] for chunk in stream_answer(says("hello"), GEMINI)]
    assert counts == sorted(counts)
    assert [chunk["usageMetadata"] for chunk in stream_answer(says("hello"), VERTEX)][:-1] == [
        {"trafficType": "ON_DEMAND"}
    ] * (len(counts) - 1)


def test_a_limit_on_tokens_cuts_the_answer_and_says_so():
    answer = whole_answer(says("hello", generationConfig={"maxOutputTokens": 3}), GEMINI)
    assert answer["candidates"][0]["finishReason"] == "MAX_TOKENS"
    assert answer["usageMetadata"]["candidatesTokenCount"] == 3


def test_a_stop_sequence_ends_the_answer():
    assert said_to(says("hello", generation_config={"stop_sequences": ["hello"]})).text == 'You said: "'


def test_several_candidates_are_counted_and_indexed():
    answer = whole_answer(says("hello", generationConfig={"candidateCount": 3}), GEMINI)
    assert [candidate["index"] for candidate in answer["candidates"]] == [0, 1, 2]


def test_json_is_answered_where_json_is_wanted():
    schema = {
        "type": "OBJECT",
        "properties": {"name": {"type": "STRING"}, "age": {"type": "INTEGER", "minimum": 18}},
        "required": ["name"],
    }
    config = {"responseMimeType": "application/json", "responseSchema": schema}
    value = json.loads(said_to(says("x", generationConfig=config)).text)
    assert list(value) == ["name", "age"]
    assert isinstance(value["name"], str) and value["age"] >= 18
    bare = said_to(says("x", generationConfig={"responseMimeType": "application/json"})).text
    assert '"x"' in json.loads(bare)["answer"]


def test_an_enum_is_answered_by_one_of_its_words():
    config = {"responseMimeType": "text/x.enum", "responseSchema": {"type": "STRING", "enum": ["red", "blue"]}}
    assert {said_to(says("x", generationConfig=config), seed).text for seed in range(20)} == {"red", "blue"}


def test_a_function_is_called_when_the_prompt_names_it():
    call = said_to(says("What does get weather say?", tools=[WEATHER])).call
    assert call is not None and call[0] == "get_weather" and list(call[1]) == ["city"]
    assert said_to(says("hello", tools=[WEATHER])).call is None


def test_a_function_is_called_when_one_must_be():
    forced = {"functionCallingConfig": {"mode": "ANY"}}
    assert said_to(says("hello", tools=[WEATHER], toolConfig=forced)).call == ("get_time", {})
    chosen = {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["get_weather"]}}
    call = said_to(says("hello", tools=[WEATHER], toolConfig=chosen)).call
    assert call is not None and call[0] == "get_weather"
    none = {"functionCallingConfig": {"mode": "NONE"}}
    assert said_to(says("get_weather", tools=[WEATHER], toolConfig=none)).call is None


def test_a_function_s_result_is_answered_in_words():
    turns = [
        {"role": "user", "parts": [{"text": "get_weather please"}]},
        {"role": "model", "parts": [{"functionCall": {"name": "get_weather", "args": {}}}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "get_weather", "response": {"sky": "grey"}}}]},
    ]
    said = said_to({"contents": turns, "tools": [WEATHER]})
    assert said.call is None
    assert "get_weather returned" in said.text and "grey" in said.text


def test_a_function_call_on_gemini_carries_its_finish_message():
    answer = whole_answer(says("get_weather", tools=[WEATHER]), GEMINI)
    assert answer["candidates"][0]["finishMessage"] == "Model generated function call(s)."
    [part] = answer["candidates"][0]["content"]["parts"]
    assert "id" not in part["functionCall"]
    newer = Stamp(False, "gemini-3-flash-preview", "r", "", "call1")
    [part] = whole_answer(says("get_weather", tools=[WEATHER]), newer)["candidates"][0]["content"]["parts"]
    assert part["functionCall"]["id"] == "call1"


def test_tokens_are_bytes_by_four_and_media_by_the_piece():
    assert [tokens_of_text(text) for text in ("", "a", "abcd", "abcde", "ää")] == [0, 1, 1, 2, 1]
    media = {"inline_data": {"mime_type": "image/png", "data": "x"}}
    body = {"contents": [{"parts": [{"text": "abcd"}, media]}], "systemInstruction": {"parts": [{"text": "abcd"}]}}
    assert tokens_of_request(body) == {"TEXT": 2, "IMAGE": 258}


def test_counting_differs_by_service_and_unwraps_the_request():
    assert count_answer(says("hello"), False) == {
        "totalTokens": 2,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 2}],
    }
    vertex = count_answer({"generateContentRequest": says("a b")}, True)
    assert vertex["totalBillableCharacters"] == 2
    assert list(vertex) == ["totalTokens", "totalBillableCharacters", "promptTokensDetails"]


SCHEMAS = [
    {"type": "array", "items": {"type": "string"}, "minItems": 2},
    {"type": ["null", "number"], "maximum": 1},
    {"anyOf": [{"type": "boolean"}, {"type": "string"}]},
    {"$ref": "#/$defs/a", "$defs": {"a": {"type": "object", "properties": {"b": {"const": 7}}, "required": ["b"]}}},
    {"type": "string", "format": "date-time"},
    {"type": "string", "maxLength": 2},
    {"type": "string", "minLength": 30},
    {"enum": [3, 4]},
]


@pytest.mark.parametrize("schema", SCHEMAS)
def test_made_up_values_satisfy_their_schema(schema):
    jsonschema.validate(value_for(schema), schema)


def test_a_schema_that_names_itself_ends():
    schema = {"$ref": "#/$defs/a", "$defs": {"a": {"type": "array", "items": {"$ref": "#/$defs/a"}}}}
    json.dumps(value_for(schema))


def test_ordering_of_properties_is_kept():
    schema = {"type": "OBJECT", "properties": {"a": {}, "b": {}}, "propertyOrdering": ["b", "a"]}
    assert list(value_for(schema)) == ["b", "a"]


# ---- nothing makes it stumble

KEYS = st.sampled_from(
    [
        *("contents", "parts", "text", "role", "tools", "functionDeclarations", "name", "parameters", "type"),
        *("generationConfig", "responseSchema", "responseMimeType", "stopSequences", "maxOutputTokens", "toolConfig"),
        *(
            "functionCallingConfig",
            "mode",
            "functionResponse",
            "response",
            "items",
            "properties",
            "instances",
            "prompt",
        ),
        *("minItems", "minLength", "maxLength", "minimum", "maximum", "enum", "anyOf", "$ref", "candidateCount"),
        *("required", "propertyOrdering", "system_instruction", "allowedFunctionNames", "durationSeconds", "image"),
    ]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**18), 10**18)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["OBJECT", "STRING", "ARRAY", "INTEGER", "ANY", "application/json", "text/x.enum", "user"])
    | st.text(max_size=20)
)
BODIES = st.dictionaries(
    KEYS,
    st.recursive(
        SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5), max_leaves=25
    ),
    max_size=6,
)
PATHS = [
    "/v1/models/gemini-2.5-flash:generateContent",
    "/v1/models/gemini-2.5-flash:streamGenerateContent",
    "/v1/publishers/google/models/gemini-2.5-flash:countTokens",
    "/v1/models/veo-3.0-generate-001:predictLongRunning",
]


ROUTER = Router((*generate_routes.ROUTES, *video_routes.ROUTES))
NOW = ManualClock().now()


def answered(path, raw):
    """What the simulator says by itself to these bytes."""
    found = ROUTER.find("POST", path)
    assert found is not None
    names = (found.service, found.rpc, found.version, found.project, found.location, found.names)
    shelf = Store(lambda: NOW).shelf("")
    body = LazyJson(raw)
    call = Call(Request("POST", path, (), raw), "", *names, {}, body, Identity(0, "", 1), NOW, "http://h", shelf)
    return generate(call)


@given(st.sampled_from(PATHS), BODIES)
def test_any_json_object_gets_an_answer_or_a_refusal(path, body):
    answer = answered(path, json.dumps(body).encode())
    match answer:
        case Json(value):
            pretty_json(value)
        case Chunks(values):
            assert values
            for value in values:
                pretty_json(value)
        case Begin(start):
            assert start.running_polls >= 0
        case GoogleError(status):
            assert 400 <= status < 500
        case _:
            raise AssertionError(answer)


@given(st.sampled_from(PATHS), st.binary(max_size=60))
@example(PATHS[0], b'{"":{"":""}}')
def test_any_bytes_get_an_answer_or_a_refusal(path, raw):
    is_refused = isinstance(answered(path, raw), GoogleError)
    assert is_refused or isinstance(LazyJson(raw).value, dict)  # few bytes, but now and then an object
