"""Requests against their descriptions: what fits is taken, what does not is refused in Google's words."""

import json
from typing import Any

import pytest
from description_strategies import meant_request, mutations, valid_value
from hypothesis import given
from hypothesis import strategies as st

from strategies import dear
from understudy.scenario.json_subset import LazyJson
from understudy_simulator.google_errors import GoogleError
from understudy_simulator.validation.described import Descriptions, read_descriptions
from understudy_simulator.validation.fits import fitter_of
from understudy_simulator.validation.loading import descriptions
from understudy_simulator.validation.reading import check_request, request_error
from understudy_simulator.validation.rules import RULES, request_rules

GEMINI = descriptions("gemini", "v1beta")
VERTEX = descriptions("vertex", "v1beta1")
SETS = {"gemini": GEMINI, "vertex": VERTEX, "vertex v1": descriptions("vertex", "v1")}
REQUESTS = [
    *((GEMINI, name) for name in sorted(GEMINI.messages) if name.endswith("Request")),
    *((GEMINI, name) for name in ("CachedContent", "TunedModel", "AuthToken", "FileSearchStore", "Document")),
    (GEMINI, "BidiGenerateContentClientMessage"),
    (VERTEX, "BidiGenerateContentClientMessage"),
    *((VERTEX, name) for name in sorted(VERTEX.messages) if name.endswith("Request")),
    *((VERTEX, name) for name in ("CachedContent", "TuningJob", "BatchPredictionJob", "Model")),
]
requests = st.sampled_from(REQUESTS).flatmap(
    lambda pair: st.tuples(st.just(pair[0]), st.just(pair[1]), valid_value(pair[0], pair[1]))
)


def refusal(body: str, message: str = "GenerateContentRequest", known: Descriptions = GEMINI) -> GoogleError:
    found = request_error(known, message, LazyJson(body.encode()))
    assert found is not None
    assert found.status == 400
    return found


def violations(error: GoogleError) -> list[dict[str, str]]:
    [detail] = error.details
    assert detail["@type"] == "type.googleapis.com/google.rpc.BadRequest"
    return detail["fieldViolations"]


@given(requests)
def test_what_fits_its_description_is_taken(request: tuple[Descriptions, str, dict[str, Any]]):
    known, message, value = request
    error = request_error(known, message, LazyJson(json.dumps(value).encode()))
    assert error is None, error
    # The quick check alone says so too.
    assert fitter_of(known).message(message)(json.loads(json.dumps(value)))


@dear(2)
@given(requests, st.data())
def test_a_single_mistake_is_refused_with_its_path(
    request: tuple[Descriptions, str, dict[str, Any]], data: st.DataObject
):
    known, message, value = request
    mutation = data.draw(mutations(known, message, value))
    error = check_request(known, message, mutation.value)
    assert error is not None
    [violation] = violations(error)
    assert violation["description"] == error.message
    assert violation.get("field", "") == mutation.path
    if mutation.kind == "unknown field":
        at = f" at '{mutation.path}'" if mutation.path else ""
        assert error.message == (
            f'Invalid JSON payload received. Unknown name "{mutation.name}"{at}: Cannot find field.'
        )
    else:
        assert error.message.startswith(f"Invalid value at '{mutation.path}' (")


@dear(2)
@given(st.sampled_from(["gemini", "vertex"]), st.data())
def test_what_is_meant_passes_the_rules_too(service: Any, data: st.DataObject):
    for method, message in (("generateContent", "GenerateContentRequest"), ("countTokens", "CountTokensRequest")):
        value = data.draw(meant_request(SETS[service], message, service == "vertex"))
        assert check_request(SETS[service], message, value) is None
        assert request_rules(service, method, "gemini-2.5-flash", value) is None


@dear(2)
@given(requests, st.sampled_from(["gemini", "vertex"]), st.sampled_from(sorted(RULES)), st.data())
def test_no_request_that_fits_makes_a_rule_stumble(
    request: tuple[Descriptions, str, dict[str, Any]], service: Any, method: str, data: st.DataObject
):
    model = data.draw(st.sampled_from(["gemini-2.5-pro", "veo-3.1-generate-preview", "imagen-4.0-generate-001", "x"]))
    error = request_rules(service, method, model, request[2])
    assert error is None or (error.status, error.details) == (400, ())


def test_all_unknown_names_are_told_at_once_and_the_root_has_no_field():
    error = refusal(
        '{"thinking":1,"contents":[{"parts":[{"text":"a"}],"x":2}],"tools":[{"functionDeclarations":['
        '{"name":"f","parameters":{"type":"object","properties":{"a":{},"b":{},"c":{"x-mcp-header":1}}}}]}]}'
    )
    first = 'Invalid JSON payload received. Unknown name "thinking": Cannot find field.'
    second = "Invalid JSON payload received. Unknown name \"x\" at 'contents[0]': Cannot find field."
    place = "tools[0].function_declarations[0].parameters.properties[2].value"
    third = f"Invalid JSON payload received. Unknown name \"x-mcp-header\" at '{place}': Cannot find field."
    assert error.message == "\n".join((first, second, third))
    assert violations(error) == [
        {"description": first},
        {"field": "contents[0]", "description": second},
        {"field": place, "description": third},
    ]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            '{"generationConfig":{"temperature":"hot"}}',
            "Invalid value at 'generation_config.temperature' (TYPE_FLOAT), \"hot\"",
        ),
        (
            '{"generation_config":{"maxOutputTokens":1.5}}',
            "Invalid value at 'generation_config.max_output_tokens' (TYPE_INT32), 1.5",
        ),
        (
            '{"generationConfig":{"topK":2147483648}}',
            "Invalid value at 'generation_config.top_k' (TYPE_INT32), 2147483648",
        ),
        ('{"store":"maybe"}', "Invalid value at 'store' (TYPE_BOOL), \"maybe\""),
        ('{"contents":[{"parts":[{"text":5}]}]}', "Invalid value at 'contents[0].parts[0].text' (TYPE_STRING), 5"),
        ('{"contents":{"parts":{"text":5}}}', "Invalid value at 'contents.parts.text' (TYPE_STRING), 5"),
        ('{"cachedContent":true}', "Invalid value at 'cached_content' (TYPE_STRING), true"),
        (
            '{"cachedContent":{}}',
            "Invalid value at 'cached_content' (TYPE_STRING), Starting an object on a scalar field",
        ),
        (
            '{"safetySettings":[{"category":"X"}]}',
            "Invalid value at 'safety_settings[0].category' "
            '(type.googleapis.com/google.ai.generativelanguage.v1beta.HarmCategory), "X"',
        ),
        (
            '{"systemInstruction":"Be kind"}',
            "Invalid value at 'system_instruction' "
            '(type.googleapis.com/google.ai.generativelanguage.v1beta.Content), "Be kind"',
        ),
        (
            '{"contents":[{"parts":[{"inlineData":{"data":"a&b="}}]}]}',
            "Invalid value at 'contents[0].parts[0].inline_data.data' (TYPE_BYTES), "
            'Base64 decoding failed for "a&b="',
        ),
        (
            '{"contents":[{"parts":[{"text":"a","inline_data":{}}]}]}',
            "Invalid value at 'contents[0].parts[0]' (oneof), oneof field 'data' is already set. "
            "Cannot set 'inline_data'",
        ),
        (
            '{"contents":[{"parts":[{"functionCall":{"name":"f","args":[1]}}]}]}',
            "Invalid JSON payload received. Unknown name \"args\" at 'contents[0].parts[0].function_call': "
            "Proto field is not repeating, cannot start list.",
        ),
        (
            '{"tools":[{"functionDeclarations":[{"parameters":{"type":["string","null"]}}]}]}',
            "Invalid JSON payload received. Unknown name \"type\" at 'tools[0].function_declarations[0].parameters': "
            "Proto field is not repeating, cannot start list.",
        ),
        (
            '{"contents":[{"parts":[{"videoMetadata":{"startOffset":"5"}}]}]}',
            "Invalid value at 'contents[0].parts[0].video_metadata.start_offset' "
            "(type.googleapis.com/google.protobuf.Duration), Field 'startOffset', Illegal duration format; duration "
            "must end with 's'",
        ),
        ("[]", 'Invalid JSON payload received. Unknown name "": Root element must be a message.'),
        ('"text"', 'Invalid JSON payload received. Unknown name "": Root element must be a message.'),
    ],
)
def test_google_says_what_is_wrong(body: str, message: str):
    error = refusal(body)
    assert error.message == message
    assert [violation["description"] for violation in violations(error)] == [message]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('{"contents": [}', 'Unexpected token.\n{"contents": [}\n              ^'),
        ('{"contents"', 'Unexpected end of string. Expected : between key:value pair.\n{"contents"\n           ^'),
        ('{"contents":[1 2]}', 'Expected , or ] after array value.\n{"contents":[1 2]}\n               ^'),
        ('{"a":1 "b":2}', 'Expected , or } after key:value pair.\n{"a":1 "b":2}\n       ^'),
        ("{a:1}", "Expected an object key or }.\n{a:1}\n ^"),
        ('{"a":"b', 'Closing quote expected in string.\n{"a":"b\n     ^'),
        ('{"a":"\\x"}', 'Invalid escape sequence.\n{"a":"\\x"}\n     ^'),
        ("{} x", "Parsing terminated before end of input.\n{} x\n   ^"),
        ("message=hi", "Unexpected token.\nmessage=hi\n^"),
        ("{", "Unexpected end of string. Expected an object key or }.\n{\n ^"),
        ('{"text":"0123456789012345678901234567890123456789",}x', None),
    ],
)
def test_where_json_breaks_off_is_shown_with_a_caret(body: str, message: str | None):
    error = refusal(body)
    assert error.message.startswith("Invalid JSON payload received. ")
    assert error.details == ()
    if message is None:
        _, excerpt, caret = error.message.split("\n")
        assert excerpt[caret.index("^")] == "x"
        assert len(excerpt) <= 40
    else:
        assert error.message == f"Invalid JSON payload received. {message}"


def test_an_excerpt_has_twenty_characters_on_either_side():
    error = refusal('{"text": "0123456789", "more": ?"abcdefghijklmnopqrstuvwxyz"}')
    assert error.message.split("\n")[1:] == ['123456789", "more": ?"abcdefghijklmnopqr', " " * 20 + "^"]


@pytest.mark.parametrize("data", ["a", "abcde", "ab===", "ab+/-_", "ab c", "\u00e9\u00e9", 5, True, {}])
def test_what_is_no_base64_is_refused(data: Any):
    value = {"contents": [{"parts": [{"inlineData": {"data": data}}]}]}
    error = check_request(GEMINI, "GenerateContentRequest", value)
    assert error is not None
    assert "'contents[0].parts[0].inline_data.data' (TYPE_BYTES), " in error.message


@pytest.mark.parametrize("flag", [True, 1.5, "", "no such", [], {}])
def test_what_is_no_enum_is_refused(flag: Any):
    error = check_request(GEMINI, "GenerateContentRequest", {"safetySettings": [{"category": flag}]})
    assert error is not None
    assert error.message != ""


@given(st.text('{}[]",:\\ab1 \n\x00\ud7ff', max_size=30))
def test_no_body_makes_the_reader_stumble(body: str):
    lazy = LazyJson(body.encode())
    error = request_error(GEMINI, "GenerateContentRequest", lazy)
    assert error is None or error.status == 400


@pytest.mark.parametrize(
    "body", ["", "  \n", "null", "{}", '{"contents":null,"tools":[null],"generationConfig":{"topK":null}}']
)
def test_nothing_and_null_are_unset(body: str):
    assert request_error(GEMINI, "GenerateContentRequest", LazyJson(body.encode())) is None


@pytest.mark.parametrize(
    "value",
    [
        {"generationConfig": {"responseSchema": {"minItems": "5", "maxItems": 7, "type": "object"}}},
        {"generation_config": {"thinkingConfig": {"thinking_budget": "128"}, "temperature": 1}},
        {"contents": {"parts": {"text": "one"}, "role": "user"}},
        {"contents": [{"parts": [{"thoughtSignature": "-_-_", "text": ""}, {"inlineData": {"data": "ab+/"}}]}]},
        {"safetySettings": [{"category": 7, "threshold": "block_none"}]},
        {
            "contents": [
                {"parts": [{"videoMetadata": {"start_offset": {"seconds": 1}, "endOffset": "2.5s", "fps": 0.5}}]}
            ]
        },
        {"tools": [{"functionDeclarations": [{"parametersJsonSchema": {"x-any": [{"$ref": 1}]}}]}]},
        {"contents": [{"parts": [{"functionCall": {"name": "f", "args": {"any_Thing": {"goes": None}}}}]}]},
        {"service_tier": "flex", "tools": [{"fileSearch": {"file_search_store_names": ["a"]}}]},
    ],
)
def test_every_form_that_google_takes_is_taken(value: dict[str, Any]):
    assert check_request(GEMINI, "GenerateContentRequest", value) is None


def test_texts_name_the_service_and_version_that_was_called():
    wrong = {"safetySettings": [{"threshold": "X"}]}
    for known, package in (
        (descriptions("gemini", "v1"), "google.ai.generativelanguage.v1"),
        (descriptions("gemini", ""), "google.ai.generativelanguage.v1beta"),
        (descriptions("vertex", "v1"), "google.cloud.aiplatform.v1"),
        (descriptions("vertex", "v1beta1"), "google.cloud.aiplatform.v1beta1"),
    ):
        error = check_request(known, "GenerateContentRequest", wrong)
        assert error is not None
        assert f"(type.googleapis.com/{package}.SafetySetting.HarmBlockThreshold)" in error.message


def test_nested_types_are_named_in_full():
    error = check_request(VERTEX, "GenerateContentRequest", {"tools": [{"googleSearch": 3}]})
    assert error is not None
    assert "(type.googleapis.com/google.cloud.aiplatform.v1beta1.Tool.GoogleSearch), 3" in error.message


def test_what_is_nested_too_deep_is_refused_and_does_not_break_the_reader():
    deep = '{"items":' * 600 + "{}" + "}" * 600
    error = refusal('{"generationConfig":{"responseSchema":' + deep + "}}")
    assert "Message too deep" in error.message
    assert "Message too deep" in refusal("[" * 5000).message


def test_many_violations_are_cut():
    error = refusal(json.dumps({f"x{number}": 1 for number in range(1000)}))
    assert len(violations(error)) == 200


def test_an_unknown_message_is_an_error_of_ours():
    with pytest.raises(KeyError):
        check_request(GEMINI, "NoSuchRequest", {})


def test_a_type_without_description_does_not_load():
    with pytest.raises(ValueError, match=r"A\.b: no description of Ghost"):
        read_descriptions({"package": "p", "messages": {"A": {"b": "[]Ghost"}}, "enums": {}}, "v1")
