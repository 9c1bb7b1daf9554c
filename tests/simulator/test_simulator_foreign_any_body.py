"""Whatever a client sends to the endpoints of other companies' shapes: an answer or a refusal, never a failure."""

import json
from typing import Any

import pytest
from foreign_rig import VERTEX, World
from hypothesis import given
from hypothesis import strategies as st

from strategies import dear
from understudy_simulator.answers.anthropic_requests import MESSAGE_MEMBERS
from understudy_simulator.answers.openai_requests import CHAT_MEMBERS
from understudy_simulator.answers.openai_responses import RESPONSE_MEMBERS
from understudy_simulator.spool import Spool
from understudy_simulator.surfaces import (
    anthropic,
    openai_chat,
    openai_files,
    openai_other,
    openai_responses,
    openai_videos,
    partners,
    predict,
)

OPENAPI = f"{VERTEX}/endpoints/openapi"
CLAUDE = f"{VERTEX}/publishers/anthropic/models/claude-sonnet-4@20250514"
MISTRAL = f"{VERTEX}/publishers/mistralai/models"
WORDS = (
    *("type", "role", "content", "text", "user", "assistant", "system", "tool", "function", "name", "id", "arguments"),
    *("image_url", "url", "input", "tool_use", "tool_result", "tool_use_id", "tool_calls", "tool_call_id", "source"),
    *("base64", "data", "thinking", "enabled", "budget_tokens", "schema", "json_schema", "format", "parameters"),
    *("input_schema", "cache_control", "ephemeral", "message", "function_call", "function_call_output", "call_id"),
)
SCALARS = st.none() | st.booleans() | st.integers(-3, 3000) | st.floats(allow_nan=False, width=16)
SCALARS |= st.sampled_from(WORDS)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4)
)
HELLO = {"role": "user", "content": "hi"}
BASES = {
    f"{OPENAPI}/chat/completions": ({"model": "google/gemini-2.5-flash", "messages": [HELLO]}, tuple(CHAT_MEMBERS)),
    f"{OPENAPI}/completions": ({"model": "google/gemini-2.5-flash", "prompt": "hi"}, ("prompt", "n", "stop", "stream")),
    f"{OPENAPI}/responses": ({"model": "google/gemini-2.5-flash", "input": "hi"}, tuple(RESPONSE_MEMBERS)),
    f"{OPENAPI}/embeddings": (
        {"model": "google/gemini-embedding-001", "input": "hi"},
        ("input", "dimensions", "encoding_format", "model"),
    ),
    f"{OPENAPI}/images/generations": (
        {"model": "google/imagen-4.0-generate-001", "prompt": "hi"},
        ("prompt", "n", "size", "response_format", "model", "aspect_ratio"),
    ),
    "/v1beta/openai/batches": ({"input_file_id": "x"}, ("input_file_id", "endpoint", "metadata")),
    "/v1beta/openai/videos": ({"model": "veo-3.1-generate-preview", "prompt": "x"}, ("prompt", "model", "seconds")),
    f"{CLAUDE}:rawPredict": (
        {"anthropic_version": "vertex-2023-10-16", "max_tokens": 2000, "messages": [HELLO]},
        tuple(MESSAGE_MEMBERS),
    ),
    f"{VERTEX}/publishers/anthropic/models/count-tokens:rawPredict": (
        {"model": "claude-sonnet-4@20250514", "messages": [HELLO]},
        tuple(MESSAGE_MEMBERS),
    ),
    f"{MISTRAL}/mistral-ocr-2505:rawPredict": ({"document": {}}, ("document", "messages")),
    f"{MISTRAL}/codestral-2501:rawPredict": ({"messages": [HELLO]}, tuple(CHAT_MEMBERS)),
    f"{VERTEX}/publishers/google/models/imagen-3.0-capability-001:predict": (
        {"instances": [{"prompt": "x"}]},
        ("instances", "parameters"),
    ),
    f"{VERTEX}/publishers/google/models/multimodalembedding@001:predict": (
        {"instances": [{"text": "x"}]},
        ("instances", "parameters"),
    ),
}


def world(any_body: bool = False) -> World:
    modules = (anthropic, openai_chat, openai_other, openai_responses, openai_videos, partners, predict)
    routes = (route for module in modules for route in module.ROUTES)
    return World(*routes, *openai_files.routes(Spool()), any_body=any_body)


@pytest.mark.parametrize("target", BASES)
@dear(4)
@given(data=st.data())
def test_any_members(target, data):
    base, names = BASES[target]
    change = data.draw(st.dictionaries(st.sampled_from(names), VALUES, max_size=3))
    answer = world(data.draw(st.booleans())).post(target, base | change)
    assert answer.status in (200, 400, 403, 404)
    if answer.headers["content-type"].startswith("application/json"):
        assert isinstance(json.loads(answer.body), dict | list)
    else:
        assert answer.body.endswith(b"\n\n")


def shaped(**members):
    """Objects with some of these members, each of its own sort or of any."""
    return st.fixed_dictionaries({}, optional={name: value | VALUES for name, value in members.items()})


def one_of(*words):
    return st.sampled_from(words)


TEXT = one_of("hi", "", "data:image/png;base64,iVBORw==", "gs://b/a.png")
BLOCK = shaped(
    type=one_of("text", "image_url", "image", "tool_use", "tool_result", "input_audio", "file", "document", "thinking"),
    text=TEXT,
    id=one_of("a", "b"),
    tool_use_id=one_of("a", "b"),
    name=one_of("f", "g"),
    input=st.just({}),
    source=shaped(type=one_of("base64", "url", "text", "content"), data=TEXT, media_type=TEXT, url=TEXT, content=TEXT),
    image_url=shaped(url=TEXT),
    content=TEXT,
    cache_control=st.just({"type": "ephemeral"}),
)
CALL = shaped(id=one_of("a", "b"), function=shaped(name=one_of("f"), arguments=one_of("{}", "{", "[]")), name=TEXT)
MESSAGES = st.lists(
    shaped(
        role=one_of("user", "assistant", "system", "tool", "function"),
        content=TEXT | st.lists(BLOCK, max_size=3),
        tool_calls=st.lists(CALL, max_size=2),
        tool_call_id=one_of("a", "b"),
        type=one_of("message", "function_call", "function_call_output"),
        call_id=one_of("a", "b"),
        output=TEXT,
        name=one_of("f"),
    ),
    max_size=4,
)
SCHEMA = shaped(
    type=one_of("object", "array", "string", "integer"),
    properties=st.dictionaries(one_of("a", "b"), shaped(type=one_of("string", "number"), enum=st.just(["x"]))),
    required=st.just(["a"]),
    items=shaped(type=one_of("string")),
)
TOOLS = st.lists(
    shaped(
        type=one_of("function", "custom", "web_search_20250305"),
        name=one_of("f", "g"),
        input_schema=SCHEMA,
        parameters=SCHEMA,
        function=shaped(name=one_of("f"), parameters=SCHEMA),
    ),
    max_size=2,
)
CHOICE = shaped(type=one_of("auto", "any", "tool", "function", "none"), name=one_of("f"), function=shaped(name=TEXT))


@pytest.mark.parametrize(
    "target", [target for target, (base, _) in BASES.items() if "messages" in base or "input" in base]
)
@dear(4)
@given(data=st.data())
def test_requests_that_are_almost_right(target, data):
    base, _ = BASES[target]
    turns = "messages" if "messages" in base else "input"
    form = shaped(type=one_of("json_schema", "json_object"), json_schema=shaped(schema=SCHEMA), schema=SCHEMA)
    change: dict[str, Any] = {turns: data.draw(MESSAGES)}
    if data.draw(st.booleans()):
        change |= {"tools": data.draw(TOOLS), "tool_choice": data.draw(CHOICE | one_of("required", "auto"))}
    if data.draw(st.booleans()):
        name = "text" if turns == "input" else "output_config" if "anthropic" in target else "response_format"
        wanted = data.draw(form)
        change[name] = wanted if name == "response_format" else {"format": wanted}
    answer = world(data.draw(st.booleans())).post(target, base | change | data.draw(one_of({}, {"stream": True})))
    assert answer.status in (200, 400, 404)


@pytest.mark.parametrize("target", BASES)
@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{", b'"x"', b"{}", b"\xff"])
def test_bodies_that_are_no_request(target, body):
    assert world().post(target, body).status in (400, 403, 404)


LENIENT = [target for target in BASES if "/batches" not in target and ":predict" not in target]


@pytest.mark.parametrize("target", LENIENT)
def test_where_any_body_passes_members_that_nobody_knows_and_wrong_types_do_too(target):
    base, _ = BASES[target]
    wrong = {"nobody_knows": 1, "temperature": "hot", "n": [], "seconds": 5, "document": 3}
    assert world(any_body=True).post(target, base | wrong).status == 200


@pytest.mark.parametrize("target", [target for target in LENIENT if "videos" not in target and "ocr" not in target])
def test_they_are_refused_where_bodies_are_checked(target):
    base, _ = BASES[target]
    answer = world().post(target, base | {"temperature": "hot"})
    assert answer.status == 400
    assert b"temperature" in answer.body
